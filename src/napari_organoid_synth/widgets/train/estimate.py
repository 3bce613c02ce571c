"""Estimate memory and time of a training before it starts, in a child process."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import psutil
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import words_for_seconds
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.training.estimate import Estimate
from napari_organoid_synth.widgets.shared.jobs import JobRunner

Answer: TypeAlias = tuple[threading.Event, Estimate | UserError | None]
"""Whether the question was dropped, and the estimate; none while it is measured."""


class Estimator(QObject):
    """Asks ``organoid-synth train --dry-run`` in the background; only the newest question is answered.

    Signals
    -------
    measured(Estimate)
    failed(UserError)
    """

    measured = Signal(object)
    failed = Signal(object)
    _answered = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._answered.connect(self._take)
        self._known: dict[tuple[str, str], Estimate] = {}
        self._dropped = threading.Event()

    def ask(self, project: Project, recipe: Recipe) -> None:
        """Measure a recipe, or answer at once when it was measured before with the same pairs."""
        self.forget()
        pairs = project.pairs_path
        key = (recipe.digest, f"{project.path} {pairs.stat().st_mtime_ns if pairs.exists() else 0}")
        if key in self._known:
            self.measured.emit(self._known[key])
            return
        self._dropped = threading.Event()
        self._key = key
        # not a napari worker: napari would ask about it when the window closes
        threading.Thread(target=self._measure, args=(project, recipe, self._dropped), daemon=True).start()

    def _measure(self, project: Project, recipe: Recipe, dropped: threading.Event) -> None:
        """Measure a recipe; in the thread."""
        try:
            for answer in dry_run(project, recipe, dropped):
                if answer[1] is not None:
                    self._answered.emit(answer)
        except OSError as error:  # no space, no process
            self._answered.emit((dropped, UserError(str(error))))
        except RuntimeError:
            return  # the dock is gone

    def forget(self) -> None:
        """Stop a measurement that runs; it sends no answer."""
        self._dropped.set()

    def _take(self, answer: Answer) -> None:
        dropped, result = answer
        if dropped is not self._dropped or dropped.is_set() or result is None:
            return
        if isinstance(result, UserError):
            self.failed.emit(result)
        else:
            self._known[self._key] = result
            self.measured.emit(result)


def dry_run(project: Project, recipe: Recipe, dropped: threading.Event) -> Iterator[Answer]:
    """Run the child until it answers or the question is dropped; in a thread."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(recipe.to_yaml(), encoding="utf-8")
        command = [
            *JobRunner.COMMAND,
            "train",
            str(project.path),
            "--recipe",
            str(path),
            "--dry-run",
            "--keep",
            "--json",
        ]
        with (Path(folder) / "out").open("w+b") as out, (Path(folder) / "err").open("w+b") as err:
            flags = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # exists only on Windows
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, creationflags=flags)
            atexit.register(process.kill)  # a window that closes meanwhile leaves nobody measuring
            try:
                if sys.platform != "win32":
                    psutil.Process(process.pid).nice(10)
                while process.poll() is None and not dropped.is_set():
                    yield dropped, None
                    time.sleep(0.1)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
                atexit.unregister(process.kill)
            out.seek(0)
            err.seek(0)
            try:
                answer = _parse(out.read().decode())
            except (ValueError, KeyError, UserError):
                lines = err.read().decode(errors="replace").strip().splitlines() or ["The estimate gave no answer."]
                yield dropped, UserError(lines[-1].removeprefix("organoid-synth: "))
                return
    yield dropped, answer


def _parse(text: str) -> Estimate:
    """Read the object that the command prints; it says more than the estimate."""
    values = json.loads(text)
    return Estimate.parse({name: values[name] for name in Estimate.model_fields})


def describe(estimates: Sequence[Estimate]) -> str:
    """Describe trainings that follow one another: ``Memory 1.9 of 24 GB ✓ · about 40 min to 4,000 steps``.

    Parameters
    ----------
    estimates : sequence of Estimate
        One for each training.
    """
    steps = sum(one.steps for one in estimates)
    most = max(estimates, key=lambda one: one.needed_gb)
    size = f"Memory {most.needed_gb:.1f} of {most.free_gb:.0f} GB {'✓' if most.fits else '✕ too little'}"
    text = f"{size} · {words_for_seconds(60 * sum(one.minutes for one in estimates))} to {steps:,} steps"
    return text if most.fits else f"{text}. Choose a smaller tile or batch."
