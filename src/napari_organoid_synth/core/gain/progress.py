"""The board of a comparison: tasks done, running and failed, and the result so far."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.gain.arm_folders import Shown, show_chosen
from napari_organoid_synth.core.gain.leakage import Leak
from napari_organoid_synth.core.gain.plan import Plan
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult, PairsRecord, TaskCounts
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import write_result
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.gain.tasks import SHARED, ArmTask, SharedTask, Task, read_progress, read_record
from napari_organoid_synth.core.gain.work import Outcome
from napari_organoid_synth.core.job import Added, Event, Progress, Warned
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.segmentation.arms import trained_arms

ERROR = "error.txt"
WRITE_SECONDS = 2.0
"""Between two results of a comparison that runs."""
MIN_SHARE = 0.05
"""Share of a running task that must be done before its duration is estimated from it."""


@dataclass
class Board:
    """State of all tasks: done, running, ready; writes ``results.json`` after each."""

    folder: Path
    settings: GainSettings
    plan: Plan
    running: dict[str, tuple[Task, float]] = field(default_factory=dict)
    finished: dict[str, ArmRecord | PairsRecord] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Task to the reason; empty for one that needs a task that failed."""

    def __post_init__(self) -> None:
        self.written = 0.0
        self.shown: Shown = {}
        for task in self.plan.tasks:
            if (record := read_record(task.folder(self.folder))) is not None:
                self.finished[task.key] = record
        self.before = len(self.finished)

    @property
    def pending(self) -> list[Task]:
        """Tasks that are neither done, running nor failed."""
        known = self.finished.keys() | self.failed.keys() | self.running.keys()
        return [task for task in self.plan.tasks if task.key not in known]

    @property
    def ready(self) -> list[Task]:
        """Pending tasks whose needs are all done."""
        return [task for task in self.pending if all(key in self.finished for key in task.needs)]

    @property
    def has_unfinished(self) -> bool:
        """Whether tasks remain that did not fail."""
        return bool(self.pending or self.running)

    @property
    def done(self) -> int:
        """Number of tasks done."""
        return len(self.finished)

    @property
    def records(self) -> list[ArmRecord]:
        """Results of arms, in the order of the plan."""
        records = [self.finished[task.key] for task in self.plan.tasks if task.key in self.finished]
        return [record for record in records if isinstance(record, ArmRecord)]

    @property
    def info(self) -> dict[str, Any]:
        """Facts to show at once."""
        return {
            "folder": str(self.folder),
            "total": len(self.plan.tasks),
            "done": self.before,
            "folds": len(self.plan.folds),
            "groups": self.plan.grouping.description,
            "arms": list(trained_arms(self.settings.arms)),
            "paper_protocol": self.settings.paper_protocol,
        }

    def begin(self, task: Task) -> None:
        """Note that a task runs."""
        self.running[task.key] = task, time.monotonic()

    def end(self, task: Task, outcome: Outcome) -> Iterator[Event]:
        """Note the outcome of a task.

        Raises
        ------
        Leak
            If it found a test image in the training data.
        """
        self.running.pop(task.key, None)
        if outcome.state == "leak":
            raise Leak(outcome.message)
        if outcome.state == "done":
            before = self.training_warnings
            if (record := read_record(task.folder(self.folder))) is None:
                raise RuntimeError(f"the result of {task.key} is not there")
            self.finished[task.key] = record
            for warning in self.training_warnings[len(before) :]:
                yield Warned(self.done, warning)
            if time.monotonic() - self.written > WRITE_SECONDS:
                self.write()
            yield Added(self.done, (task.key,))
        if outcome.state == "failed":
            self._fail(task, outcome)
            self.write()
            yield Warned(self.done, self.failures[-1])

    def _fail(self, task: Task, outcome: Outcome) -> None:
        """Put a task aside, and those that need it."""
        self.failed[task.key] = outcome.message
        if outcome.report:
            write_text(task.folder(self.folder) / ERROR, outcome.report)
        for other in self._needing(task.key):
            self.failed.setdefault(other.key, "")

    def _needing(self, key: str) -> list[Task]:
        return [task for task in self.plan.tasks if key in task.needs]

    @property
    def training_warnings(self) -> list[str]:
        """Warnings of the trainings in the order in which they ended, each once."""
        return list(dict.fromkeys(warning for record in self.finished.values() for warning in record.warnings))

    @property
    def failures(self) -> list[str]:
        """Descriptions of the failed tasks: the reason, and the number of trainings that each prevented."""
        tasks = {task.key: task for task in self.plan.tasks}
        texts = []
        for key, reason in self.failed.items():
            if not reason:
                continue
            here, title = tasks[key].folder(self.folder), tasks[key].title
            text = f"{title[:1].upper()}{title[1:]}, failed: {reason}"
            if others := sum(isinstance(task, ArmTask) for task in self._needing(key)):
                text += f" {plural(others, 'training')} with its pairs could not be done."
            if (here / ERROR).exists():
                where = SHARED if isinstance(tasks[key], SharedTask) else f"segment/{self.folder.name}/tasks"
                text += f" The report is in {where}/{key}/{ERROR}."
            texts.append(text)
        return texts

    def progress(self, room: int) -> Progress:
        """Return the tasks done and running, the share of each arm that is done, and the time left."""
        running = [task for task, _ in self.running.values()]
        parts = {task.key: read_progress(task.folder(self.folder)) for task in running}
        notes = [f"{task.title} ({parts[task.key]:.0%})" if parts[task.key] else task.title for task in running]
        return Progress(
            self.done,
            len(self.plan.tasks),
            part=sum(parts.values()),
            shares=self._shares(parts),
            seconds_left=self._seconds_left(parts, room),
            note="; ".join(notes),
        )

    def _shares(self, parts: Mapping[str, float]) -> dict[str, float]:
        """Compute the share of the trainings of each arm that is done, 0 to 1."""
        shares: dict[str, list[float]] = {}
        for task in self.plan.tasks:
            if isinstance(task, ArmTask):
                done = 1.0 if task.key in self.finished else parts.get(task.key, 0.0)
                shares.setdefault(task.arm, []).append(done)
        return {arm: sum(done) / len(done) for arm, done in shares.items()}

    def _seconds_left(self, parts: Mapping[str, float], room: int) -> float | None:
        """Estimate the time left from the mean time of each kind of task; before the first ends, from those running."""
        seconds: dict[str, list[float]] = {}
        for record in self.finished.values():
            seconds.setdefault(record.kind, []).append(record.seconds)
        for task, began in self.running.values():
            if task.kind not in seconds and parts[task.key] > MIN_SHARE:
                seconds[task.kind] = [(time.monotonic() - began) / parts[task.key]]
        todo = [*self.pending, *(task for task, _ in self.running.values())]
        if any(task.kind not in seconds for task in todo):
            return None
        means = {kind: sum(values) / len(values) for kind, values in seconds.items()}
        return sum(means[task.kind] * (1 - parts.get(task.key, 0.0)) for task in todo) / max(1, min(room, len(todo)))

    def write(self) -> None:
        """Write ``results.json``, and put predictions and segmenters of the chosen ratios where they are looked for."""
        self.written = time.monotonic()
        result = self.result
        self.shown = show_chosen(self.folder, result, self.shown)
        write_result(self.folder, result)

    @property
    def result(self) -> GainResult:
        """The result so far."""
        settings, plan = self.settings, self.plan
        design = Design(
            name=settings.design,
            groups=plan.grouping.description,
            folds=tuple(plan.folds),
            repeats=settings.repeats,
            seed=settings.seed,
            subset=max(settings.subsets),
            ratio=settings.ratios[0],
            paper_protocol=settings.paper_protocol,
            masks_on_all=settings.masks_on_all,
            hard=plan.hard,
            pairs_from=settings.pairs_from,
        )
        counts = TaskCounts(total=len(plan.tasks), done=self.done, failed=len(self.failed))
        warnings = [*plan.warnings, *self.training_warnings, *self.failures]
        result = summarise(self.records, design, plan.mask_kind, plan.grouping.groups, warnings, counts)
        return result.model_copy(update={"folder": str(self.folder)})
