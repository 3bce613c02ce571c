"""All steps once, on simulated images, in minutes: see the results before using your own images.

Its numbers come from short trainings on three small simulated images; they show how the comparison works, not what
synthetic pairs can achieve. They say themselves whether the pairs helped, with the interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.job import Added, Control, Event, Finished, JobFolder, Progress, Started, Warned
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe, TrainSettings
from napari_organoid_synth.core.segmentation.arms import SCORES
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.stages import TOTAL, Stage, run_stages


class DemoSettings(Settings):
    """Size of the demonstration; the defaults take less than three minutes on two processor cores."""

    simulator: Literal["organoid_brightfield", "em", "tissue"] = Field(
        "organoid_brightfield", description="Simulator of the images."
    )
    size: Literal[64, 128, 256] = Field(128, description="Side of the tiles, px; images are twice as high and wide.")
    train: int = Field(3, ge=1, description="Images to paint with and to learn from.")
    test: int = Field(8, ge=1, description="Images to measure on.")
    generator: Literal["analogy", "pix2pix"] = Field(
        "analogy", description="Painter of the pairs: analogy needs no training, pix2pix takes two minutes more."
    )
    steps: int = Field(600, ge=1, description="Steps of the generator, if it is trained.")
    samples: int = Field(40, ge=2, description="Pairs to make; the better half is accepted.")
    segment_steps: int = Field(120, ge=1, description="Steps of the U-Net, for each arm.")
    channels: int = Field(16, ge=8, le=64, description="Channels of the U-Net; pix2pix has twice as many.")
    seed: int = Field(0, ge=0, description="The same seed gives the same result.")


def demo(project: Project, control: Control, settings: DemoSettings | None = None) -> Iterator[Event]:
    """Simulate, make the painter ready, generate, score, accept, export, compare, report.

    Parameters
    ----------
    project : Project
        Without pairs.
    control : Control
        Passed to every stage; canceling ends the current stage after it has saved.
    settings : DemoSettings, optional
        Sizes and lengths.

    Yields
    ------
    Event
        One Started; the events of the stages, their Progress scaled to one bar of 1000 parts with the name of the stage
        as its note; one Finished with ``report``, ``sentence``, ``how``, ``seconds`` and the result of each stage.

    Raises
    ------
    UserError
        If the project already has pairs.
    """
    settings = settings or DemoSettings()
    if project.pairs_path.exists():
        raise UserError(
            f"{project.path} already has pairs.",
            "Expected a new project for the demonstration.",
            "Choose another folder.",
        )
    stages = _stages(project, control, settings)
    yield Started(0, {"project": str(project.path), "total": TOTAL, "stages": [stage.title for stage in stages]})
    outcome = yield from run_stages(stages, control)
    if outcome.canceled:
        yield Finished(outcome.step, "canceled", {"project": str(project.path), "stages": outcome.results})
        return
    yield Progress(TOTAL, TOTAL, note="report")
    from napari_organoid_synth.core.report.report import write_report

    result = GainResult.parse(outcome.results[stages[-1].title])
    path = write_report(project, project.path / "report.html", result=result, seconds=outcome.seconds)
    yield Finished(
        TOTAL,
        "completed",
        {
            "report": str(path),
            "sentence": result.sentence,
            "how": _how(settings, result),
            "seconds": outcome.seconds,
            "project": str(project.path),
            "stages": outcome.results,
        },
    )


def _how(settings: DemoSettings, result: GainResult) -> str:
    """Give the figure with its interval, and say how it was obtained."""
    from napari_organoid_synth.core.gain.headlines import interval

    rows = [row for row in result.table if row.ratio is not None and result.score in row.gain]
    figure = ""
    if rows:
        before, change = result.table[0].scores[result.score].mean, interval(rows[0].gain[result.score])
        figure = f"With the pairs {SCORES[result.score]} changed by {change}; without them it was {before:.3f}. "
        chosen = [share for row in result.table for share in row.chosen]
        if chosen and not any(chosen):
            figure += "On the held-back parts of the training images they did not help. "
    return (
        f"{figure}Measured on {plural(settings.test, 'simulated image')} that neither painter nor U-Net saw. "
        f"{plural(settings.train, 'other')} to learn from, {settings.samples} pairs by {settings.generator}, of which "
        f"the better half was added; each U-Net trained once, at most {settings.segment_steps} steps."
    )


def _stages(project: Project, control: Control, settings: DemoSettings) -> list[Stage]:
    """Return all stages; a command is imported when its stage starts."""
    seed = settings.seed
    network = Pix2PixConfig(generator_channels=2 * settings.channels, discriminator_channels=2 * settings.channels)
    recipe = Recipe(
        gan=network if settings.generator == "pix2pix" else AnalogyConfig(),
        tiles=TileSettings(size=settings.size, min_objects=0),
        train=TrainSettings(
            steps=settings.steps, seed=seed, preview_every=max(1, settings.steps // 6), checkpoint_every=settings.steps
        )
        if settings.generator == "pix2pix"
        else TrainSettings(seed=seed),
    )
    compared = SegmentSettings(
        segmenter=UNetConfig(channels=settings.channels, tile=max(64, settings.size), learning_rate=3e-3),
        arms=("raw", "raw+curated"),
        ratios=(1.0,),
        steps=settings.segment_steps,
        seed=seed,
    )

    def train() -> Iterator[Event]:
        from napari_organoid_synth.core.training.train import train as verb

        job = _begin(project, "train")
        yield from job.record(verb(project, recipe, control, folder=job.path))

    def generate() -> Iterator[Event]:
        from napari_organoid_synth.core.synthesis.generate import generate as verb

        yield from verb(project, GenerateSettings(number=settings.samples, seed=seed), control)

    def score() -> Iterator[Event]:
        from napari_organoid_synth.core.scores.score import score as verb

        yield from verb(project, ScoreSettings(sets="none"), control)

    def export() -> Iterator[Event]:
        from napari_organoid_synth.core.export.export import export as verb

        yield from verb(project, ExportSettings(formats=("ome-tiff", "cellpose")), control)

    def segment() -> Iterator[Event]:
        from napari_organoid_synth.core.gain.gain import segment as verb

        job = _begin(project, "segment")
        yield from job.record(verb(project, compared, control, folder=job.path))

    prepare, shares = "train the generator", (0.03, 0.45, 0.04, 0.04, 0.01, 0.03, 0.40)
    if settings.generator == "analogy":
        prepare, shares = "make the painter ready", (0.03, 0.05, 0.20, 0.08, 0.01, 0.03, 0.60)
    steps = {
        "simulate images": lambda: _simulate(project, settings),
        prepare: train,
        "make pairs": generate,
        "score pairs": score,
        "accept the best half": lambda: _accept(project, settings.samples // 2),
        "export them": export,
        "train a U-Net without and with them": segment,
    }
    return [Stage(title, share, events) for (title, events), share in zip(steps.items(), shares, strict=True)]


def _begin(project: Project, verb: str) -> JobFolder:
    """Begin a job folder, so that curves and events of the stage can be seen afterwards."""
    job = project.job(verb)
    job.begin(verb, ["demo"])
    return job


def _simulate(project: Project, settings: DemoSettings) -> Iterator[Event]:
    """Write simulated pairs into the project, find them like any images, and choose some for testing."""
    from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, split_table
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    folder, total = project.path / "pairs", settings.train + settings.test
    kind = None
    for index in range(total):
        pair = SIMULATORS[settings.simulator](1000 * settings.seed + index, size=2 * settings.size)
        kind = pair.mask_kind
        write_pair(folder, pair.replace(name=f"simulated_{index:02d}"))
        yield Progress(index + 1, total)
    table = split_table(check_pairs(find_pairs(folder), kind), settings.test)
    table.to_file(project.pairs_path)
    yield Finished(total, "completed", {"summary": table.summary()})


def _accept(project: Project, number: int) -> Iterator[Event]:
    """Accept the most realistic samples and reject the rest; if all are far from the originals, with a warning."""
    from napari_organoid_synth.core.samples.far_sets import FarFromOriginals
    from napari_organoid_synth.core.samples.selection import best
    from napari_organoid_synth.core.samples.store import SampleStore

    with SampleStore(project.samples_path) as store:
        try:
            samples = best(store, number)
        except FarFromOriginals as error:
            yield Warned(0, f"{error.found} They are accepted for this demonstration alone.")
            samples = best(store, number, anyway=True)
        store.decide(samples, "accepted")
        store.decide(store.ids("new"), "rejected")
        counts = store.counts()
    yield Added(0, tuple(samples))
    yield Finished(0, "completed", dict(counts))
