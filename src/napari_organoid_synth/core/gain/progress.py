"""The board of a comparison: what is done, runs and failed, and the results so far."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.gain.leakage import Leak
from napari_organoid_synth.core.gain.plan import Plan
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.table import RAW, gain_sentences, gain_table, main_score
from napari_organoid_synth.core.gain.tasks import Task, read_progress, read_result, task_folder
from napari_organoid_synth.core.job import Added, Event, Progress, Warned

RESULTS, ERROR = "results.json", "error.txt"
WRITE_SECONDS = 2.0  # between tables of a comparison that goes on


@dataclass
class Board:
    """Which tasks are done, running, ready; and ``results.json``, written anew after each."""

    folder: Path
    settings: GainSettings
    plan: Plan
    running: dict[str, tuple[Task, float]] = field(default_factory=dict)
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    """Trainings that were not done because of one that failed."""

    def __post_init__(self) -> None:
        self.written = 0.0
        for task in self.plan.tasks:
            if (found := read_result(self.folder, task.key)) is not None:
                self.finished[task.key] = found
        self.before = len(self.finished)

    @property
    def pending(self) -> list[Task]:
        """Neither done, running nor failed."""
        known = self.finished.keys() | self.failed.keys() | self.running.keys()
        return [task for task in self.plan.tasks if task.key not in known]

    @property
    def ready(self) -> list[Task]:
        """Pending, and all that they need is done."""
        return [task for task in self.pending if all(key in self.finished for key in task.needs)]

    @property
    def left(self) -> bool:
        """Whether tasks remain that did not fail."""
        return bool(self.pending or self.running)

    @property
    def done(self) -> int:
        """How many tasks are."""
        return len(self.finished)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Results of arms, in the order of the plan."""
        arms = [task.key for task in self.plan.tasks if task.kind == "arm" and task.key in self.finished]
        return [self.finished[key] for key in arms]

    @property
    def info(self) -> dict[str, Any]:
        """What is worth showing at once."""
        return {
            "folder": str(self.folder),
            "total": len(self.plan.tasks),
            "done": self.before,
            "folds": len(self.plan.folds),
            "groups": self.plan.grouping.words,
            "arms": list(dict.fromkeys([RAW, *self.settings.arms])),
            "paper_protocol": self.settings.paper_protocol,
        }

    def begin(self, task: Task) -> None:
        """Note that a task runs."""
        self.running[task.key] = task, time.monotonic()

    def end(self, task: Task, outcome: Mapping[str, Any]) -> Iterator[Event]:
        """Note how a task ended."""
        self.running.pop(task.key, None)
        if outcome["state"] == "leak":
            raise Leak(outcome["words"])
        if outcome["state"] == "done":
            said = self.said
            self.finished[task.key] = read_result(self.folder, task.key) or {}
            for words in [one for one in self.said if one not in said]:
                yield Warned(self.done, words)
            if time.monotonic() - self.written > WRITE_SECONDS:
                self.write()
            yield Added(self.done, (task.key,))
        if outcome["state"] == "failed":
            self._fail(task, outcome["words"], outcome.get("report", ""))
            self.write()
            yield Warned(self.done, self.failures[-1])

    def _fail(self, task: Task, words: str, report: str) -> None:
        """Put a task aside, and those that need it."""
        self.failed[task.key] = {"title": task.title, "words": words}
        if report:
            write_text(task_folder(self.folder, task.key) / ERROR, report)
        others = [one for one in self.plan.tasks if task.key in one.needs and one.key not in self.failed]
        self.lost[task.key] = len(others)
        for other in others:
            self.failed[other.key] = {"title": other.title, "words": ""}

    @property
    def said(self) -> list[str]:
        """Warnings of the trainings, each once."""
        return list(dict.fromkeys(words for one in self.finished.values() for words in one.get("warnings", [])))

    @property
    def failures(self) -> list[str]:
        """What failed and why, with what could not be done because of it; a sentence or more for each."""
        found = []
        for key, lost in self.lost.items():
            title, words = self.failed[key]["title"], self.failed[key]["words"]
            text = f"{title[:1].upper()}{title[1:]}, failed: {words}"
            if lost:
                text += f" {lost} training{'s' * (lost > 1)} with its pairs could not be done."
            if (task_folder(self.folder, key) / ERROR).exists():
                text += f" The report is in segment/{self.folder.name}/tasks/{key}/{ERROR}."
            found.append(text)
        return found

    def progress(self, room: int) -> Progress:
        """Tasks done, what runs, and the time left from those measured."""
        running = [task for task, _ in self.running.values()]
        parts = {task.key: read_progress(self.folder, task.key) for task in running}
        notes = [f"{task.title} ({parts[task.key]:.0%})" if parts[task.key] else task.title for task in running]
        return Progress(
            self.done, len(self.plan.tasks), seconds_left=self._seconds_left(parts, room), note="; ".join(notes)
        )

    def _seconds_left(self, parts: Mapping[str, float], room: int) -> float | None:
        """By the mean time of the tasks of each kind; where none of a kind has ended, by how far those running are."""
        seconds: dict[str, list[float]] = {}
        for task in self.plan.tasks:
            if task.key in self.finished:
                seconds.setdefault(task.kind, []).append(float(self.finished[task.key].get("seconds", 0)))
        for task, began in self.running.values():
            if task.kind not in seconds and parts[task.key] > 0.05:
                seconds[task.kind] = [(time.monotonic() - began) / parts[task.key]]
        todo = [*self.pending, *(task for task, _ in self.running.values())]
        if any(task.kind not in seconds for task in todo):
            return None
        each = {kind: sum(found) / len(found) for kind, found in seconds.items()}
        return sum(each[task.kind] * (1 - parts.get(task.key, 0.0)) for task in todo) / max(1, min(room, len(todo)))

    def write(self) -> None:
        """Write ``results.json``."""
        self.written = time.monotonic()
        write_text(self.folder / RESULTS, json.dumps(self.record, indent=1))

    @property
    def record(self) -> dict[str, Any]:
        """The table so far, in the form that `segment` writes, with what folds and seeds add."""
        settings, plan, records = self.settings, self.plan, self.records
        score = main_score(plan.mask_kind)
        groups = plan.grouping.groups
        rows = gain_table(records, groups)
        sentences = gain_sentences(rows, score, settings.paper_protocol)
        if len({one["steps"] for one in records}) > 1:
            raise RuntimeError("arms took different numbers of steps")
        return {
            "arms": _arms(records, settings),
            "sentence": " ".join(sentences),
            "sentences": sentences,
            "warnings": plan.warnings + self.said + self.failures,
            "train": sorted(groups),
            "test": sorted({name for fold in plan.folds for name in fold.test}),
            "mask_kind": plan.mask_kind,
            "score": score,
            "table": rows,
            "design": {
                "name": settings.design,
                "groups": plan.grouping.words,
                "folds": [{"train": list(fold.train), "test": list(fold.test)} for fold in plan.folds],
                "repeats": settings.repeats,
                "seed": settings.seed,
                "paper_protocol": settings.paper_protocol,
            },
            "tasks": {"total": len(plan.tasks), "done": self.done, "failed": len(self.failed)},
        }


def _arms(records: Sequence[Mapping[str, Any]], settings: GainSettings) -> dict[str, Any]:
    """Each arm with the most training images and the first ratio, as the results of `segment` show it."""
    from napari_organoid_synth.core.segmentation.agreement import mean_scores

    arms: dict[str, Any] = {}
    for arm in dict.fromkeys([RAW, *settings.arms]):
        found = [
            one
            for one in records
            if (one["arm"], one["subset"], one["ratio"]) == (arm, max(settings.subsets), settings.ratios[0])
        ]
        if not found:
            continue
        names = sorted({name for one in found for name in one["per_image"]})
        tests = {name: [one["per_image"][name] for one in found if name in one["per_image"]] for name in names}
        per_image = {name: mean_scores(scores) for name, scores in tests.items()}
        classes = found[0]["per_class"]
        arms[arm] = {
            **mean_scores(list(per_image.values())),
            "per_image": per_image,
            "per_class": {name: mean_scores([one["per_class"][name] for one in found]) for name in classes},
            "steps": found[0]["steps"],
            "seconds": round(sum(one["seconds"] for one in found) / len(found), 1),
            "synthetic": round(sum(one["synthetic"] for one in found) / len(found)),
        }
    return arms
