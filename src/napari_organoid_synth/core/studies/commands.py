"""Parts that call a command of the package: train, generate, score, map, gain, each in an ordinary project.

A training lies in the run named by its part, with the key of the part beside it: one that was stopped goes on, one with
other settings begins again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import leads_elsewhere, write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Event, Finished, JobFolder, Progress
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.studies.parts import Part, Results
from napari_organoid_synth.core.synthesis.settings import GenerateSettings

KEY = "study-key"
"""File in the folder of a run or comparison: the key of the part that made it."""
COMPUTING = {"device", "threads", "scheduler", "workers"}
"""Settings that leave the result alone."""


def training(
    project: Project, run: str, recipe: Recipe, control: Control, title: str, needs: Sequence[str], share: float = 1.0
) -> Part:
    """Return the part ``train-RUN``: train a generator in the run of that name.

    Its result: ``run``, ``steps``, ``seconds``, ``images_per_second`` and the rest of what `train` tells.
    """

    def work(_: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.runs.run import Run
        from napari_organoid_synth.core.training.train import train

        path = project.path / "runs" / run
        ours = begun_with(path, key)
        resume = ours and (path / "recipe.yaml").exists() and bool(Run(path).steps())
        if not resume:
            begin_again(path, key)
        job = JobFolder(path)
        job.begin("train", ["study"])
        yield from job.record(train(project, recipe, control, folder=path, resume=resume))

    determined_by = recipe.model_dump(mode="json", exclude={"train": {"device", "threads"}})
    return Part(f"train-{run}", title, work, {"recipe": determined_by}, needs, share)


def samples(
    project: Project, run: str, settings: GenerateSettings, control: Control, title: str, share: float = 1.0
) -> Part:
    """Return the part ``samples-RUN``: make pairs with the run of ``train-RUN``; earlier ones of it are deleted first.

    Its result: ``samples`` (their names) and the rest of what `generate` tells.
    """

    def work(_: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.samples.store import SampleStore
        from napari_organoid_synth.core.synthesis.generate import generate

        if project.samples_path.exists():
            with SampleStore(project.samples_path) as store:
                store.delete([row.id for row in store.rows() if row.run == run])
        yield from generate(project, settings.replace(run=run, first=0), control)

    determined_by = settings.model_dump(mode="json", exclude={"run", "first", "device", "batch"})
    return Part(f"samples-{run}", title, work, determined_by, (f"train-{run}",), share)


def scoring(
    project: Project,
    settings: ScoreSettings,
    control: Control,
    needs: Sequence[str],
    name: str = "scores",
    title: str = "score the pairs",
    share: float = 1.0,
) -> Part:
    """Return a part that scores the pairs of a project; ``sets`` of its result are plain values of `SetScores`."""

    def work(_: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.scores.score import score

        yield from score(project, settings, control)

    return Part(name, title, work, settings.model_dump(mode="json", exclude=COMPUTING), needs, share)


def mapping(
    project: Project,
    settings: MapSettings,
    control: Control,
    needs: Sequence[str],
    name: str = "map",
    title: str = "map the pairs",
    share: float = 1.0,
) -> Part:
    """Return a part that maps pairs; its result also has ``real``, the points of the real tiles, and ``runs``.

    ``points`` holds for each run, and for the real tiles below an empty name, the coordinates [[x, y], ...].
    """

    def work(_: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.map.build import map as verb
        from napari_organoid_synth.core.map.storage import read_map

        for event in verb(project, settings, control):
            if isinstance(event, Finished) and event.reason == "completed":
                found = read_map(project)
                assert found is not None  # it was written just now
                runs = ["", *dict.fromkeys(sample.run for sample in found.record.samples)]
                owners = [""] * len(found.record.tiles) + [sample.run for sample in found.record.samples]
                places = {
                    run: [
                        [round(float(x), 3), round(float(y), 3)]
                        for (x, y), owner in zip(found.coordinates, owners, strict=True)
                        if owner == run
                    ]
                    for run in runs
                }
                yield Finished(event.step, event.reason, {**event.result, "places": places})
            else:
                yield event

    return Part(name, title, work, settings.model_dump(mode="json", exclude=COMPUTING), needs, share)


def comparison(
    project: Project,
    settings: GainSettings,
    control: Control,
    needs: Sequence[str],
    name: str,
    title: str,
    share: float = 1.0,
    more: Mapping[str, Any] | None = None,
    fitted: Callable[[GainSettings, Results], GainSettings] | None = None,
) -> Part:
    """Return a part that compares segmenters in the folder ``segment/NAME``; its result is that of `gain`.

    ``more`` are further values that determine it, such as the recipes of generators that it trains; ``fitted`` returns
    the settings that are possible with the results so far.
    """

    def work(results: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.gain.gain import gain

        path = project.path / "segment" / name
        if not begun_with(path, key):
            begin_again(path, key)
        job = JobFolder(path)
        job.begin("gain", ["study"])
        possible = settings if fitted is None else fitted(settings, results)
        for event in job.record(gain(project, possible, control, folder=path)):
            if isinstance(event, Finished) and event.reason == "completed":
                refuse_failed(event.result, title)
            yield event

    determined_by = settings.model_dump(mode="json", exclude=COMPUTING)
    return Part(name, title, work, {"settings": determined_by, **(more or {})}, needs, share)


def computing(
    name: str, title: str, compute: Any, determined_by: Mapping[str, Any], needs: Sequence[str], share: float = 1.0
) -> Part:
    """Return a part that is a plain function from the results so far to plain values."""

    def work(results: Results, key: str) -> Iterator[Event]:
        yield Progress(0, 1)
        values = compute(results)
        yield Progress(1, 1)
        yield Finished(1, "completed", values)

    return Part(name, title, work, determined_by, needs, share)


def begun_with(path: Path, key: str) -> bool:
    """Return whether a folder was begun by the part of this key."""
    try:
        return (path / KEY).read_text(encoding="utf-8") == key
    except (OSError, ValueError):
        return False


def begin_again(path: Path, key: str) -> None:
    """Empty the folder of a part and note its key.

    Raises
    ------
    UserError
        If it is a link.
    """
    if leads_elsewhere(path, levels=3):
        raise UserError(f"{path} is a link, or lies in one.", "Expected a folder of the study.", "Delete the link.")
    shutil.rmtree(path, ignore_errors=True)
    write_text(path / KEY, key)


def refuse_failed(result: Mapping[str, Any], title: str) -> None:
    """Raise if a training of a comparison failed: a table without it would not be the one that was asked for.

    Raises
    ------
    UserError
        With the warnings of the comparison.
    """
    failed = result["tasks"]["failed"]
    if failed:
        raise UserError(
            f"{failed} of {result['tasks']['total']} trainings failed while '{title}' was done. "
            + " ".join(result["warnings"]),
            "Expected all of them.",
            "Remove the reason, and give the same command again: only these are repeated.",
        )
