"""Masks first, then images: learn masks, check them, learn to paint, make pairs.

After Tasnadi, Sliz-Nagy and Horvath 2023 (Cell Reports Methods).

One recipe and one job. A generator learns the encoded masks (heat flows for touching objects), what it draws is decoded
and checked against the real masks, a painter learns to paint on real masks, and pairs are made from new masks. Of the
checkpoints that the mask generator keeps, that whose masks are nearest to the real ones draws.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, JobFolder, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.plain_values import read_object, reason
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.synthesis.decode_report import DecodeReport
from napari_organoid_synth.core.synthesis.settings import GenerateSettings, PipelineSettings
from napari_organoid_synth.core.synthesis.stages import TOTAL, Stage, run_stages

MIN_PASSED = 0.5  # share of drawn masks below which a person is advised to train longer
CHECKPOINT = "checkpoint"
"""Step of the mask generator that draws, beside the names of the runs."""


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
        Holds ``pipeline.yaml``, the names of the two runs, the decode report and masks; a new one when not given.
    resume : bool
        Go on in ``folder``: finished trainings are not repeated.

    Yields
    ------
    Event
        One Started, the events of the stages on one bar, Finished with ``masks`` and ``painter`` (names of the runs),
        ``decode`` (the report on drawn masks) and the number of pairs, or the ``files`` of masks alone.

    Raises
    ------
    UserError
        As `train` and `generate`; if the recipe for the masks does not draw masks, or too few masks pass the check:
        nothing is painted then.
    """
    folder = Path(folder) if folder is not None else project.job("pipeline").path
    if resume:
        settings = PipelineSettings.from_file(folder / "pipeline.yaml")
    else:
        settings.to_file(folder / "pipeline.yaml")
    steps = _Steps(project, settings, control, folder)
    masks = Stage("learn masks", 0.55, lambda: steps.train("masks", settings.masks))
    if settings.masks_alone:
        stages = [
            replace(masks, share=0.9), Stage("check drawn masks", 0.05, steps.check_masks),
            Stage("make masks", 0.05, steps.make_masks),
        ]  # fmt: skip
    else:
        stages = [
            masks,
            Stage("check drawn masks", 0.05, steps.check_masks),
            Stage("learn to paint", 0.35, lambda: steps.train("painter", settings.painter)),
            Stage("make pairs", 0.05, steps.make_pairs),
        ]
    yield Started(0, {"folder": str(folder), "total": TOTAL, "stages": [stage.title for stage in stages]})
    outcome = yield from run_stages(stages, control)
    result: dict[str, Any] = {
        "folder": str(folder), "painter": "", **steps.runs.names, "stages": outcome.results, "seconds": outcome.seconds
    }  # fmt: skip
    if not outcome.canceled:
        made = outcome.results[stages[-1].title]
        result |= {
            "decode": outcome.results["check drawn masks"], "pairs": made.get("added", 0),
            "samples": made.get("samples", []), "files": made.get("files", []),
        }  # fmt: skip
    yield Finished(outcome.step, "canceled" if outcome.canceled else "completed", result)


class _Steps:
    """The stages of a pipeline; each is imported when its turn comes."""

    def __init__(self, project: Project, settings: PipelineSettings, control: Control, folder: Path) -> None:
        self.project, self.settings, self.control, self.folder = project, settings, control, folder
        self.runs = _Runs(project, folder)

    def train(self, name: str, recipe: Recipe) -> Iterator[Event]:
        """Train one of the two generators, or resume its training."""
        from napari_organoid_synth.core.training.train import train

        job, begun = self.runs.job(name)
        if begun and Run(job.path).is_complete(recipe):
            yield Finished(max(Run(job.path).steps()), "completed", {"run": job.path.name})
            return
        begun = begun and bool(Run(job.path).steps())
        job.begin("train", ["pipeline"])
        yield from job.record(train(self.project, recipe, self.control, folder=job.path, resume=begun))

    def check_masks(self) -> Iterator[Event]:
        """Choose the checkpoint whose masks are nearest, check its masks, and write the decode report.

        Raises
        ------
        UserError
            If too few pass: what would be painted on them is no pair.
        """
        from napari_organoid_synth.core.synthesis.mask_sampler import MaskSampler

        run, real = Run(self.project.run_path(self.runs.names["masks"])), load_pairs(self.project, split="train")
        settings, number = self.settings, self.settings.checked
        distances = yield from self._distances(run, real)
        step = min(distances, key=lambda step: distances[step], default=max(run.steps()))
        self.runs.note(CHECKPOINT, str(step))
        masks = MaskSampler(run, real, settings.device, str(step))
        for index in range(number):
            if self.control.canceled:
                break
            masks.draw(settings.seed, "check", index, 0)
            yield Progress(number + index + 1, 2 * number)
            yield from self.control.wait_while_paused(index)
        report = masks.report().replace(distances=distances, extractor=settings.extractor if distances else "")
        masks.write_failed(self.folder / "failed_masks")
        report.write(self.folder / "decode_report.json")
        if report.passed < settings.least_passed and not self.control.canceled:
            raise self._few_pass(report, run)
        if report.passed < MIN_PASSED:
            yield Warned(0, f"Only {report.passed:.0%} of the drawn masks pass the check. {_advice(report)}".strip())
        yield Finished(number, "completed", report.model_dump(mode="json"))

    def _distances(self, run: Run, real: list[SamplePair]) -> Generator[Event, None, dict[int, float]]:
        """Return the distance of the masks of each checkpoint, on the first half of the bar; none of a single one."""
        from napari_organoid_synth.core.synthesis.choose_checkpoint import LEAST, mask_distances
        from napari_organoid_synth.core.synthesis.mask_sampler import real_tiles

        tiles, number = real_tiles(run, real), max(self.settings.checked, LEAST)
        if len(run.steps()) < 2 or len(tiles) < LEAST:
            return {}
        events = mask_distances(run, tiles, self.settings, number, self.settings.seed, self.control)
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                found: dict[int, float] = end.value
                return found
            yield replace(event, total=2 * event.total) if isinstance(event, Progress) else event

    def _few_pass(self, report: DecodeReport, run: Run) -> UserError:
        why = f" (most often: {report.main_reason})" * bool(report.main_reason)
        steps = 2 * max(run.steps())
        return UserError(
            f"Only {report.passed:.0%} of {plural(report.masks, 'drawn mask')} pass the check{why}; no painter was "
            "trained.",
            f"Expected at least {self.settings.least_passed:.0%} (least_passed).",
            f"Train the masks longer (train --resume {run.name} --set train.steps={steps}) or on more tiles, then "
            f"resume this pipeline (pipeline --resume {self.folder.name}); the masks that failed lie in failed_masks.",
        )

    def make_masks(self) -> Iterator[Event]:
        """Write label images of masks that pass the check."""
        from napari_organoid_synth.core.synthesis.mask_sampler import MaskSampler, write_mask
        from napari_organoid_synth.core.synthesis.sampler import MAX_ATTEMPTS

        run, settings = Run(self.project.run_path(self.runs.names["masks"])), self.settings
        real = load_pairs(self.project, split="train")
        masks = MaskSampler(run, real, settings.device, self.runs.names[CHECKPOINT])
        files: list[str] = []
        for index in range(settings.number):
            for attempt in range(MAX_ATTEMPTS):
                labels, check = masks.draw(settings.seed, "mask", index, attempt)
                if check.passed:
                    files.append(str(write_mask(self.folder / "masks" / f"mask_{index:05d}.tif", labels)))
                    break
            yield Progress(index + 1, settings.number)
            yield from self.control.wait_while_paused(index)
            if self.control.canceled:
                break
        reason = "canceled" if self.control.canceled else "completed"
        yield Finished(len(files), reason, {"files": files})

    def make_pairs(self) -> Iterator[Event]:
        """Paint on new masks."""
        from napari_organoid_synth.core.synthesis.generate import generate

        settings = GenerateSettings(
            run=self.runs.names["painter"],
            masks="generated",
            mask_run=self.runs.names["masks"],
            mask_checkpoint=self.runs.names[CHECKPOINT],
            number=self.settings.number,
            seed=self.settings.seed,
        )
        yield from generate(self.project, settings, self.control)


class _Runs:
    """The two trainings of a pipeline, by name, remembered on disk before they start; and the chosen checkpoint."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project, self.path = project, folder / "runs.json"
        try:
            self.names = {name: str(run) for name, run in read_object(self.path).items()}
        except FileNotFoundError:
            self.names = {}
        except (OSError, ValueError) as error:
            raise UserError(
                f"Cannot read {self.path}: {reason(error)}.", "Expected the names of two runs.", "Start a new pipeline."
            ) from None

    def job(self, name: str) -> tuple[JobFolder, bool]:
        """Return the folder of a training, and whether it is a run already."""
        if name in self.names:
            path = self.project.path / "runs" / self.names[name]
            return JobFolder(path), (path / "recipe.yaml").exists()
        job = self.project.job("train")
        self.note(name, job.path.name)
        return job, False

    def note(self, name: str, value: str) -> None:
        """Remember a name."""
        self.names[name] = value
        write_text(self.path, json.dumps(self.names))


def _advice(report: DecodeReport) -> str:
    """Return the most frequent reason, and advice."""
    if not report.main_reason:
        return ""
    return f"Most often: {report.main_reason}. Train the mask generator longer, or on more tiles."


def find_pipeline(project: Project, name: str) -> JobFolder:
    """Return the folder of a pipeline by name.

    Raises
    ------
    UserError
        If there is none.
    """
    known = project.folders("jobs/*/pipeline.yaml")
    for path in known:
        if path.name == name:
            return JobFolder(path)
    raise UserError(
        f"There is no pipeline '{name}'.",
        f"Expected one of: {', '.join(path.name for path in known) or 'none so far'}.",
        "Look into the folder jobs of the project.",
    )
