"""Memory and time of a training before it starts, measured by a child process."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.progress_card import words_for_seconds


class Estimator(QObject):
    """Asks ``organoid-synth train --dry-run`` in the background; only the newest question is answered.

    Signals
    -------
    measured(dict)
        ``needed_gb, free_gb, seconds_per_step, minutes``.
    failed(UserError)
    """

    measured = Signal(dict)
    failed = Signal(object)
    _answered = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._answered.connect(self._take)
        self._known: dict[tuple[str, str], dict[str, Any]] = {}
        self._left = threading.Event()

    def ask(self, project: Project, recipe: Recipe) -> None:
        """Measure a recipe, or answer at once when it was measured before with the same pairs."""
        self.forget()
        pairs = project.pairs_path
        key = (recipe.digest, f"{project.path} {pairs.stat().st_mtime_ns if pairs.exists() else 0}")
        if key in self._known:
            self.measured.emit(self._known[key])
            return
        self._left = threading.Event()
        self._key = key
        # no worker of napari: it would ask about it when the window closes
        threading.Thread(target=self._measure, args=(project, recipe, self._left), daemon=True).start()

    def _measure(self, project: Project, recipe: Recipe, left: threading.Event) -> None:
        """In the thread."""
        try:
            for answer in dry_run(project, recipe, left):
                if answer[1] is not None:
                    self._answered.emit(answer)
        except OSError as error:  # no space, no process
            self._answered.emit((left, UserError(str(error))))
        except RuntimeError:
            return  # the dock is gone

    def forget(self) -> None:
        """Stop a measurement that runs; its answer will not come."""
        self._left.set()

    def _take(self, answer: tuple[threading.Event, dict[str, Any] | UserError | None]) -> None:
        left, found = answer
        if left is not self._left or left.is_set() or found is None:
            return
        if isinstance(found, UserError):
            self.failed.emit(found)
        else:
            self._known[self._key] = found
            self.measured.emit(found)


def dry_run(
    project: Project, recipe: Recipe, left: threading.Event
) -> Iterator[tuple[threading.Event, dict[str, Any] | UserError | None]]:
    """Run the child until it answers or the question is dropped; in a thread."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(recipe.to_yaml(), encoding="utf-8")
        command = [*JobRunner.COMMAND, "train", str(project.path), "--recipe", str(path), "--dry-run", "--json"]
        with (Path(folder) / "out").open("w+b") as out, (Path(folder) / "err").open("w+b") as err:
            flags = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # Windows alone has it
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, creationflags=flags)
            atexit.register(process.kill)  # a window that closes meanwhile leaves nobody measuring
            try:
                if sys.platform != "win32":
                    psutil.Process(process.pid).nice(10)
                while process.poll() is None and not left.is_set():
                    yield left, None
                    time.sleep(0.1)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
                atexit.unregister(process.kill)
            out.seek(0)
            err.seek(0)
            try:
                answer = json.loads(out.read().decode())
            except ValueError:
                lines = err.read().decode(errors="replace").strip().splitlines() or ["It said nothing."]
                yield left, UserError(lines[-1].removeprefix("organoid-synth: "))
                return
    yield left, answer


def describe(found: dict[str, Any], steps: int) -> tuple[str, bool]:
    """One line about an estimate, and whether it fits: ``Memory 1.9 of 24 GB ✓ · about 40 min to 4,000 steps``."""
    needed, free = float(found["needed_gb"]), float(found["free_gb"])
    fits = needed <= free
    size = f"Memory {needed:.1f} of {free:.0f} GB {'✓' if fits else '✕ too little'}"
    return f"{size} · {words_for_seconds(60 * float(found['minutes']))} to {steps:,} steps", fits
