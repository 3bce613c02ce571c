"""Structure first, then looks: learn masks, check them, learn to paint, make pairs.

The method of Tasnadi, Sliz-Nagy and Horvath 2023 (Cell Reports Methods).

One recipe and one job. A generator learns the encoded masks (heat flows for touching objects), what it draws is decoded
and checked against the real masks, a painter learns to paint on real masks, and pairs are made from new masks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, JobFolder, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.synthesis.settings import GenerateSettings, PipelineSettings
from napari_organoid_synth.core.synthesis.stages import TOTAL, Stage, run_stages

FEW_PASS = 0.5  # share of drawn masks below which the person is told to train longer


def pipeline(
    project: Project, settings: PipelineSettings, control: Control, folder: Path | None = None, resume: bool = False
) -> Iterator[Event]:
    """Train a mask generator and a painter, and make pairs with both.

    Parameters
    ----------
    project : Project
        With ``pairs.json``.
    settings : PipelineSettings
        On resuming, those of the folder.
    control : Control
        Passed to every stage; cancelling saves the training in progress.
    folder : Path, optional
        Holds ``pipeline.yaml``, the names of the two runs and the decode report; a new one when not given.
    resume : bool
        Go on in ``folder``: finished trainings are not repeated.

    Yields
    ------
    Event
        One Started, the events of the stages on one bar, Finished with ``masks`` and ``painter`` (names of the runs),
        ``decode`` (the report on drawn masks) and the number of pairs.

    Raises
    ------
    UserError
        As `train` and `generate`; if the recipe for the masks does not draw masks.
    """
    folder = Path(folder) if folder is not None else project.job("pipeline").path
    if resume:
        settings = PipelineSettings.from_file(folder / "pipeline.yaml")
    else:
        settings.to_file(folder / "pipeline.yaml")
    runs = _Runs(project, folder)

    def learn(name: str, recipe: Recipe) -> Iterator[Event]:
        from napari_organoid_synth.core.training.train import train

        job, begun = runs.job(name)
        if begun and Run(job.path).steps()[-1:] == [recipe.train.steps]:
            yield Finished(recipe.train.steps, "completed", {"run": job.path.name})
            return
        begun = begun and bool(Run(job.path).steps())
        job.begin("train", ["pipeline"])
        yield from job.record(train(project, recipe, control, folder=job.path, resume=begun))

    def check() -> Iterator[Event]:
        from napari_organoid_synth.core.synthesis.mask_sampler import DrawnMasks

        masks = DrawnMasks(Run(project.run_path(runs["masks"])), load_pairs(project, split="train"))
        for index in range(settings.checked):
            if control.canceled:
                break
            masks.draw(settings.seed, "check", index, 0)
            yield Progress(index + 1, settings.checked)
            yield from control.wait_while_paused(index)
        report = masks.report()
        masks.keep_apart(folder / "failed_masks")
        write_text(folder / "decode_report.json", json.dumps(report, indent=1))
        if report["passed"] < FEW_PASS:
            yield Warned(0, f"Only {report['passed']:.0%} of the drawn masks pass the check. {_advice(report)}")
        yield Finished(settings.checked, "completed", report)

    def make() -> Iterator[Event]:
        from napari_organoid_synth.core.synthesis.generate import generate

        wanted = GenerateSettings(
            run=runs["painter"], masks="generated", mask_run=runs["masks"], number=settings.number, seed=settings.seed
        )
        yield from generate(project, wanted, control)

    stages = [
        Stage("learn masks", 0.55, lambda: learn("masks", settings.masks)),
        Stage("check drawn masks", 0.05, check),
        Stage("learn to paint", 0.35, lambda: learn("painter", settings.painter)),
        Stage("make pairs", 0.05, make),
    ]
    yield Started(0, {"folder": str(folder), "total": TOTAL, "stages": [stage.title for stage in stages]})
    found = yield from run_stages(stages, control)
    result: dict[str, Any] = {"folder": str(folder), **runs.names, "stages": found.results, "seconds": found.seconds}
    if not found.canceled:
        result |= {"decode": found.results["check drawn masks"], "pairs": found.results["make pairs"]["added"]}
    yield Finished(found.step, "canceled" if found.canceled else "completed", result)


class _Runs:
    """The two trainings of a pipeline, by name, remembered on disk before they start."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project, self.path = project, folder / "runs.json"
        try:
            self.names: dict[str, str] = json.loads(self.path.read_text(encoding="utf-8"))
        except OSError:
            self.names = {}

    def __getitem__(self, name: str) -> str:
        return self.names[name]

    def job(self, name: str) -> tuple[JobFolder, bool]:
        """Folder of a training, and whether it is a run already."""
        if name in self.names:
            path = self.project.path / "runs" / self.names[name]
            return JobFolder(path), (path / "recipe.yaml").exists()
        job = self.project.job("train")
        self.names[name] = job.path.name
        write_text(self.path, json.dumps(self.names))
        return job, False


def _advice(report: dict[str, Any]) -> str:
    """The most frequent reason, and what helps."""
    if not report["reasons"]:
        return ""
    reason = max(report["reasons"], key=lambda words: report["reasons"][words])
    return f"Most often: {reason}. Train the mask generator longer, or on more tiles."


def find_pipeline(project: Project, name: str) -> JobFolder:
    """The folder of a pipeline by name.

    Raises
    ------
    UserError
        If there is none.
    """
    known = [path.parent for path in sorted(project.path.glob("jobs/*/pipeline.yaml"))]
    for path in known:
        if path.name == name:
            return JobFolder(path)
    raise UserError(
        f"There is no pipeline '{name}'.",
        f"Expected one of: {', '.join(path.name for path in known) or 'none so far'}.",
        "Look into the folder jobs of the project.",
    )
