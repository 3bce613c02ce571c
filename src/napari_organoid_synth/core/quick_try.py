"""A quick try with your own pairs: paint new ones, score them, and take a first look at what they are worth.

It is short on purpose, and its number says so: one training of each arm, whose length follows from the speed of the
computer.
"""

from __future__ import annotations

from collections.abc import Iterator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import GainResult, main_rows
from napari_organoid_synth.core.gain.settings import HERE, GainSettings
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.groups import groups_of
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.segmentation.arms import SCORES, needs_generator
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.stages import TOTAL, Stage, run_stages
from napari_organoid_synth.core.try_settings import TrySettings

PAINTER = "analogy"
TIMED_STEPS, LEAST_STEPS, MOST_STEPS = 100, 100, 1500
MAKE, SCORE, MEASURE = "make pairs", "score pairs", "measure what they are worth"


def quick_try(project: Project, settings: TrySettings, control: Control) -> Iterator[Event]:
    """Paint pairs without training, score them, and compare U-Nets trained with and without them.

    The painter and the U-Nets learn from the training images; tested are the images that the project puts aside, or
    where there are none a third of the others, which the painter then does not see. With a single image, or with images
    that all belong together, nothing is measured.

    Parameters
    ----------
    project : Project
        With real pairs.
    settings : TrySettings
        Its size.
    control : Control
        Passed to every stage.

    Yields
    ------
    Event
        Started; the events of the stages, their Progress scaled to one bar of 1000 parts; Finished with ``pairs``,
        ``samples``, ``sentence``, ``caveat``, ``measured`` (values of a `GainResult`, or None) and ``seconds``.

    Raises
    ------
    UserError
        If the project has no pair to learn from.
    """
    if not project.pairs_path.exists() or not (table := PairTable.from_file(project.pairs_path)).train:
        raise UserError(
            f"{project.path.name} has no pair to learn from.",
            "Expected at least one image with its mask.",
            "Bring images and masks together first.",
        )
    measurable = bool(table.test) or len(set(groups_of(table).groups.values())) > 1
    stages = _stages(project, settings, control, table, measurable)
    yield Started(0, {"total": TOTAL, "stages": [stage.title for stage in stages]})
    outcome = yield from run_stages(stages, control)
    made = outcome.results.get(MAKE, {})
    samples = made.get("samples", [])
    measured = outcome.results.get(MEASURE)
    sentence = f"{plural(len(samples), 'synthetic pair')} made."
    caveat = "" if measurable else "All images belong together: nothing is left to measure on. Add another one."
    if measured is not None and not outcome.canceled:
        sentence, caveat = in_words(GainResult.parse(measured))
    yield Finished(
        outcome.step,
        "canceled" if outcome.canceled else "completed",
        {
            "pairs": len(samples),
            "samples": samples,
            "sentence": sentence,
            "caveat": caveat,
            "measured": measured,
            "seconds": outcome.seconds,
        },
    )


def in_words(result: GainResult) -> tuple[str, str]:
    """Return the first number in a sentence, and what it is worth in another."""
    rows = main_rows(result.table)
    with_pairs = next((row for row in rows if needs_generator(row.arm) and result.score in row.scores), None)
    best = next((row for row in rows if row.arm == result.rival), None)
    if with_pairs is None or best is None:
        return "Nothing could be compared.", " ".join(result.warnings)
    before, after = best.scores[result.score].mean, with_pairs.scores[result.score].mean
    sentence = (
        f"With synthetic pairs {SCORES[result.score]} is {after:.2f} instead of {before:.2f} ({after - before:+.2f}), "
        f"on {plural(with_pairs.images, 'image')} that no network saw."
    )
    steps = max(with_pairs.steps, best.steps)
    caveat = f"A first look: one short training of each, {steps:,} steps. A verdict needs trainings to the plateau."
    return sentence, caveat


def compared(table: PairTable, settings: TrySettings, steps: int) -> GainSettings:
    """Return the settings of the comparison."""
    sides = [min(entry.size) for entry in table.train if entry.size is not None]
    return GainSettings(
        segmenter=UNetConfig(channels=16, depth=3, batch=4, tile=128 if min(sides, default=128) >= 128 else 64),
        arms=("raw", "classical", "classical+synthetic"),
        design="hold-out",
        test_share=0.0 if table.test else 1 / 3,
        repeats=1,
        seed=settings.seed,
        ratios=(1.0,),
        steps=steps,
        floor=max(1, steps // 2),
        generator=(PAINTER,),
        pairs=settings.number,
        scheduler=HERE,
        threads=0,
    )


def _stages(
    project: Project, settings: TrySettings, control: Control, table: PairTable, measurable: bool
) -> list[Stage]:
    def make() -> Iterator[Event]:
        from napari_organoid_synth.core.synthesis.generate import generate

        wanted = GenerateSettings(run=PAINTER, number=settings.number, seed=settings.seed)
        yield from generate(project, wanted, control)

    def score() -> Iterator[Event]:
        from napari_organoid_synth.core.scores.score import score as verb

        yield from verb(project, ScoreSettings(sets="none"), control)

    def measure() -> Iterator[Event]:
        from napari_organoid_synth.core.gain.dry_run import dry_run
        from napari_organoid_synth.core.gain.gain import gain

        steps = settings.steps
        if not steps:
            yield Progress(0, 1, note="measuring the speed here")
            minutes = dry_run(project, compared(table, settings, TIMED_STEPS)).minutes
            steps = round(TIMED_STEPS * settings.minutes / max(minutes, 1e-3))
            if steps < LEAST_STEPS:
                yield Warned(
                    0, f"The trainings take longer than {settings.minutes:g} min: this computer is slow or busy."
                )
            steps = min(MOST_STEPS, max(LEAST_STEPS, steps))
        job = project.job("gain")
        job.begin("gain", ["try"])
        yield from job.record(gain(project, compared(table, settings, steps), control, job.path))

    if not measurable:
        return [Stage(MAKE, 0.6, make), Stage(SCORE, 0.4, score)]
    return [Stage(MAKE, 0.12, make), Stage(SCORE, 0.08, score), Stage(MEASURE, 0.8, measure)]
