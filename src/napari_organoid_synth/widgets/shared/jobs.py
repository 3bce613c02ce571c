"""Long work in a child process, followed without ever blocking the window.

`JobRunner` starts the command line's own verb as a process that outlives the window, follows the events in its job
folder from a napari ``thread_worker`` and steers it through the folder's control file.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.job import Event, Failed, Finished, Heartbeat, JobFolder, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.verbs import VERBS

POLL_SECONDS = 0.1
REPAINT_SECONDS = 0.2
BATCH = 500
"""Most events handed to the window at once: a long history arrives in slices that each take about a millisecond."""

_children: list[subprocess.Popen[bytes]] = []
"""Processes started here: kept so that a job left running is not taken for a leak, and reaped when they end."""


class JobRunner(QObject):
    """One long verb of a project: start, follow, steer, leave.

    Parameters
    ----------
    verb : str
        A key of `napari_organoid_synth.core.verbs.VERBS`.
    parent : QObject, optional

    Signals
    -------
    started()
        A job was launched or a running one was taken up.
    event(Event)
        Every event, except that of many `Progress` only the newest passes, at most five a second: for repainting.
    events(list of Event)
        Every event without exception, in slices: for curves.
    finished(str)
        "completed" or "canceled".
    failed(Failed)
        With the traceback or, after a crash, the last lines of the log as ``report``.
    stateChanged(str)
        "idle", "running" or "paused".
    """

    started = Signal()
    event = Signal(object)
    events = Signal(list)
    finished = Signal(str)
    failed = Signal(object)
    stateChanged = Signal(str)

    COMMAND: ClassVar[tuple[str, ...]] = (sys.executable, "-P", "-m", "napari_organoid_synth")
    """The command line (-P: a stray torch.py beside the data is not imported); tests put a script of their own here."""

    def __init__(self, verb: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.verb = verb
        self.folder: JobFolder | None = None
        self.files: tuple[Path, ...] = ()
        self.result: dict[str, Any] = {}
        self.last_progress: Progress | None = None
        self._state = "idle"
        self._left, self._done = threading.Event(), threading.Event()
        self._done.set()
        self._worker: Any = None
        self._pending: Progress | None = None
        self._painted = 0.0

    # --- start and leave ---

    @property
    def state(self) -> str:
        """``"idle"``, ``"running"`` or ``"paused"``."""
        return self._state

    @property
    def running(self) -> bool:
        """Whether a job is followed (also a paused one)."""
        return self._state != "idle"

    def start(
        self,
        verb: str,
        project: Project,
        settings: Settings | None = None,
        resume: JobFolder | None = None,
        files: Sequence[Path] = (),
    ) -> JobFolder:
        """Launch a verb in a process of its own and follow it.

        Parameters
        ----------
        verb : str
            A key of `napari_organoid_synth.core.verbs.VERBS`, or "share", "import-model" or "report".
        project : Project
            Where the job folder is made.
        settings : Settings, optional
            Written to ``settings.yaml`` in the job folder; not needed with ``resume``.
        resume : JobFolder, optional
            Go on with this stopped run instead of starting a new one.
        files : sequence of Path
            What the verb takes beside the project, such as the model file of ``import-model``.

        Returns
        -------
        JobFolder
            Where events, control and log lie.

        Raises
        ------
        RuntimeError
            If this runner follows a job already.
        """
        if self.running:
            raise RuntimeError(f"{self.verb} runs already in {self.folder.path if self.folder else '?'}")
        self.verb, self.files = verb, tuple(files)
        if resume is not None:
            folder, arguments = resume, [verb, str(project.path), "--resume", resume.path.name]
        else:
            folder = project.job(verb)
            recipe = folder.path / "settings.yaml"
            recipe.write_text(settings.to_yaml() if settings is not None else "{}\n", encoding="utf-8")
            arguments = [verb, str(project.path), *map(str, files), "--recipe", str(recipe)]
        self._follow(folder, [*self.COMMAND, *arguments, "--job", str(folder.path)])
        return folder

    def attach(self, folder: JobFolder) -> None:
        """Take up a job that runs already: its history comes first, then what happens next."""
        if self.running:
            raise RuntimeError(f"{self.verb} runs already in {self.folder.path if self.folder else '?'}")
        self.files = ()
        self._follow(folder, None)

    def detach(self) -> None:
        """Stop following; the job goes on by itself."""
        self._left.set()
        if self._worker is not None:
            self._worker.quit()
        self._worker = None
        self._set_state("idle")

    def wait(self, seconds: float = 5.0) -> None:
        """Block until the follower thread has ended after `detach`; for closing and for tests."""
        self._done.wait(seconds)

    # --- steer ---

    def pause(self) -> None:
        """Ask the job to wait after the step it is in."""
        if self.folder is not None and self._state == "running":
            self.folder.control.pause()
            self._set_state("paused")

    def resume(self) -> None:
        """Ask a paused job to go on."""
        if self.folder is not None and self._state == "paused":
            self.folder.control.resume()
            self._set_state("running")

    def cancel(self) -> None:
        """Ask the job to save and end; `finished` follows with "canceled"."""
        if self.folder is not None and self.running:
            self.folder.control.cancel()

    # --- follow ---

    def _follow(self, folder: JobFolder, command: list[str] | None) -> None:
        from napari.qt.threading import create_worker

        self.folder, self.result, self.last_progress, self._pending, self._painted = folder, {}, None, None, 0.0
        self._left, self._done = threading.Event(), threading.Event()
        worker: Any = create_worker(
            follow,
            folder,
            command,
            self._left,
            self._done,
            _start_thread=False,
            _progress={"desc": f"{self.verb} {folder.path.name}"},
            _ignore_errors=True,
        )
        self._worker = worker
        worker.yielded.connect(self._take)
        # paused by another window or the command line before: say so from the beginning
        paused = command is None and folder.control.request() == "pause"
        worker.start()
        self._set_state("paused" if paused else "running")
        self.started.emit()

    def _take(self, batch: tuple[threading.Event, list[Event], bool]) -> None:
        """Slice of events from the follower thread; runs in the GUI thread."""
        left, events, ended = batch
        if left is not self._left or left.is_set():
            return  # a slice of a job that was left
        if events:
            self.events.emit(events)
            self._notice_pause(events[-1])
        for event in events:
            if isinstance(event, Progress):
                self.last_progress = self._pending = event
            else:
                self.event.emit(event)
        if self._pending is not None and (ended or time.monotonic() - self._painted >= REPAINT_SECONDS):
            progress, self._pending, self._painted = self._pending, None, time.monotonic()
            self.event.emit(progress)
            self._show_activity(progress)
        if ended:
            self._end(events[-1])

    def _notice_pause(self, newest: Event) -> None:
        """Another window or the command line may have paused or resumed the job."""
        if self.folder is None or isinstance(newest, Finished | Failed):
            return
        if isinstance(newest, Heartbeat) and self._state == "running":
            if self.folder.control.request() == "pause":
                self._set_state("paused")
        elif isinstance(newest, Progress) and self._state == "paused" and self.folder.control.request() == "run":
            self._set_state("running")

    def _end(self, ended: Event) -> None:
        self._left.set()
        self._worker = None
        self._set_state("idle")
        if isinstance(ended, Failed):
            self.failed.emit(ended)
        elif isinstance(ended, Finished):
            self.result = ended.result
            self.finished.emit(ended.reason)

    def _show_activity(self, progress: Progress) -> None:
        """Bring napari's activity bar to this step."""
        bar = getattr(self._worker, "pbar", None)
        if bar is None or bar.disable:
            return
        if progress.total and bar.total != progress.total:
            bar.total = progress.total
        bar.update(progress.step - bar.n)

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.stateChanged.emit(state)


def follow(
    folder: JobFolder, command: list[str] | None, left: threading.Event, done: threading.Event
) -> Iterator[tuple[threading.Event, list[Event], bool]]:
    """Launch a job (with ``command``) or take one up, then yield its events in slices until it ends or is left.

    Runs in a worker thread. Yields about ten times a second, also nothing, so that napari can end the thread. The last
    slice ends with `Finished` or `Failed`, whatever became of the process.
    """
    try:
        process = None
        offset = 0
        if command is not None:
            offset = folder.events_path.stat().st_size if folder.events_path.exists() else 0
            try:
                process = launch(folder, command)
            except OSError as error:
                yield (
                    left,
                    [Failed(0, f"Cannot start the job: {error}.", "", "Copy the report.", shlex.join(command))],
                    True,
                )
                return
        while not left.is_set():
            alive = process.poll() is None if process is not None else folder.alive
            events, offset = folder.read_events(offset)  # after `alive`: what a dead process wrote last is not missed
            ended = bool(events) and isinstance(events[-1], Finished | Failed)
            if not alive and not ended:
                events.append(crash(folder, process.returncode if process is not None else None))
                ended = True
            for start in range(0, max(len(events), 1), BATCH):
                yield left, events[start : start + BATCH], ended and start + BATCH >= len(events)
            if ended:
                if process is not None:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(5)  # reaped here, so that no dead process is left behind
                return
            left.wait(POLL_SECONDS)
    finally:
        done.set()


def launch(folder: JobFolder, command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one, at low priority, its output in the job's log."""
    _children[:] = [child for child in _children if child.poll() is None]
    folder.control.resume()  # an earlier request, such as the one that stopped the run, is over
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    with folder.log_path.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            **options,
        )
    _children.append(process)
    try:
        if sys.platform != "win32":
            psutil.Process(process.pid).nice(10)
        folder.begin(command[len(JobRunner.COMMAND)], command[len(JobRunner.COMMAND) :], process.pid)
    except (psutil.Error, OSError):
        pass  # it ended at once: the follower says how
    return process


def crash(folder: JobFolder, code: int | None) -> Failed:
    """What to say of a process that ended without a word of its own: exit code and the last lines of its log."""
    try:
        lines = folder.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
    except OSError:
        lines = []
    how = "" if code is None else f" (exit code {code})" if code >= 0 else f" (stopped by signal {-code})"
    said = next((line for line in reversed(lines) if line.startswith("organoid-synth: ")), "")
    found = said.removeprefix("organoid-synth: ") or f"The job ended without saying why{how}."
    return Failed(
        0,
        found,
        "" if said else "Expected it to finish or to be stopped.",
        "" if said else "Often the memory was used up: close other programs or choose a smaller tile or batch.",
        "\n".join(lines) or f"{folder.log_path} is empty.",
    )


def history(folder: JobFolder) -> list[Event]:
    """All events of a job so far, oldest first; reads the file, so call it in a worker thread."""
    return folder.read_events()[0]


def command_text(verb: str, project: Project, settings: Settings) -> str:
    """The command that does the same: only what differs from the defaults."""
    parts = ["organoid-synth", verb, str(project.path)]
    default = VERBS[verb].settings_class()().model_dump(mode="json")
    for key, value in _differences(default, settings.model_dump(mode="json")):
        parts += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(parts)


def _differences(default: dict[str, Any], values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        before = default.get(key)
        if value == before:
            continue
        if isinstance(value, dict) and isinstance(before, dict) and value.get("name") == before.get("name"):
            yield from _differences(before, value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def preview_path(folder: JobFolder, path: str) -> Path:
    """Where a preview lies now: run folders may have been moved since the event was written."""
    noted = Path(path)
    for candidate in (noted, folder.path / noted, folder.path / "previews" / noted.name):
        if candidate.is_file():
            return candidate
    return noted
