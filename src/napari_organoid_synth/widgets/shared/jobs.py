"""Long work in a child process, followed without ever blocking the window.

`JobRunner` starts the command line's own verb as a process that outlives the window, follows the events in its job
folder from a napari ``thread_worker`` (in a thread of this program, for it mostly waits) and steers it
through the folder's control file.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.job import Event, Failed, Finished, Heartbeat, JobFolder, Progress
from napari_organoid_synth.core.memory_queue import waits_for
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.titles import job_title
from napari_organoid_synth.core.studies.settings import PROJECT, StudySettings
from napari_organoid_synth.widgets.shared.background import start_worker
from napari_organoid_synth.widgets.shared.job_process import Waits, follow

REPAINT_SECONDS = 0.2


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
        A job was launched, or a running one is followed.
    event(Event)
        Every event, except that of many `Progress` only the newest passes, at most five a second: for repainting.
    events(list of Event)
        Every event without exception, in slices: for curves.
    finished(str)
        "completed" or "canceled".
    failed(Failed)
        With the traceback or, after a crash, the last lines of the log as ``report``.
    stateChanged(str)
        "idle", "waiting", "running" or "paused".
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
        self.waits = ""  # why it has not started, in a sentence
        self._now = threading.Event()  # set: start, however little memory is free
        self._state = "idle"
        self._left, self._done = threading.Event(), threading.Event()
        self._done.set()
        self._worker: Any = None
        self._pending: Progress | None = None
        self._painted = 0.0

    # --- start and leave ---

    @property
    def state(self) -> str:
        """``"idle"``, ``"waiting"`` (for memory), ``"running"`` or ``"paused"``."""
        return self._state

    @property
    def running(self) -> bool:
        """Whether a job is followed (also one that is paused or waits)."""
        return self._state != "idle"

    def start(
        self,
        verb: str,
        project: Project,
        settings: Settings | None = None,
        resume: JobFolder | None = None,
        files: Sequence[Path] = (),
    ) -> JobFolder:
        """Launch a verb in a separate process and follow it.

        Parameters
        ----------
        verb : str
            A key of `napari_organoid_synth.core.verbs.VERBS`, or "share", "import-model" or "report".
        project : Project
            Where the job folder is made.
        settings : Settings, optional
            Written to ``settings.yaml`` in the job folder; not needed with ``resume``.
        resume : JobFolder, optional
            Continue this stopped run instead of starting a new one.
        files : sequence of Path
            Further arguments of the verb, such as the model file of ``import-model``.

        Returns
        -------
        JobFolder
            Where events, control and log lie.

        Raises
        ------
        RuntimeError
            If this runner follows a job already.
        """
        self._refuse_second()
        self.verb, self.files = verb, tuple(files)
        if resume is not None:
            folder, arguments = resume, [verb, str(project.path), "--resume", resume.path.name]
            folder.control.resume()  # the request that stopped it is over; one from now on counts
        else:
            folder = project.job(verb)
            recipe = folder.path / "settings.yaml"
            recipe.write_text(settings.to_yaml() if settings is not None else "{}\n", encoding="utf-8")
            arguments = [verb, str(project.path), *map(str, files), "--recipe", str(recipe)]
        self._launch(folder, project, arguments)
        return folder

    def start_study(self, folder: Path, settings: StudySettings) -> JobFolder:
        """Launch a published study, or go on with it; its job lies in the main project of its folder.

        Parameters
        ----------
        folder : Path
            Of the study.
        settings : StudySettings
            Whose name, images and size are used; everything else is as in the folder's ``study.yaml``, if there is one.

        Raises
        ------
        RuntimeError
            If this runner follows a job already.
        """
        self._refuse_second()
        project = Project(folder / PROJECT)
        running = [job for job in project.running_jobs().values() if job.info.get("verb") == "study"]
        if running:
            self.attach(running[0])
            return running[0]
        job = project.job("study")
        self._launch(
            job, project, ["study", settings.name, settings.data, "--out", str(folder), "--size", settings.size]
        )
        return job

    def _refuse_second(self) -> None:
        if self.running:
            raise RuntimeError(f"{self.verb} is already running in {self.folder.path if self.folder else '?'}")

    def _launch(self, folder: JobFolder, project: Project, arguments: list[str]) -> None:
        """Start the process, once there is memory for it, and follow it."""
        verb = self.verb
        self._now = now = threading.Event()
        waits = lambda: "" if now.is_set() else waits_for(project, verb, folder)  # noqa: E731
        self._follow(folder, project, [*arguments, "--job", str(folder.path)], waits)

    def attach(self, folder: JobFolder) -> None:
        """Follow a job that is already running: its history comes first, then new events."""
        if self.running:
            raise RuntimeError(f"{self.verb} is already running in {self.folder.path if self.folder else '?'}")
        self.files = ()
        self._follow(folder, Project(folder.path.parents[1]))

    def detach(self) -> None:
        """Stop following; the job keeps running."""
        self._left.set()
        if self._worker is not None:
            self._worker.quit()
        self._worker = None
        self._set_state("idle")

    def wait(self, seconds: float = 5.0) -> None:
        """Block until the follower thread has ended after `detach`; for closing and for tests."""
        self._done.wait(seconds)

    # --- steer ---

    def start_now(self) -> None:
        """Start a job that waits for memory, however little is free."""
        self._now.set()

    def pause(self) -> None:
        """Ask the job to wait after the step it is in."""
        if self.folder is not None and self._state == "running":
            self.folder.control.pause()
            self._set_state("paused")

    def resume(self) -> None:
        """Ask a paused job to continue."""
        if self.folder is not None and self._state == "paused":
            self.folder.control.resume()
            self._set_state("running")

    def cancel(self) -> None:
        """Ask the job to save and end; `finished` follows with "canceled"."""
        if self.folder is not None and self.running:
            self.folder.control.cancel()

    # --- follow ---

    def _follow(
        self,
        folder: JobFolder,
        project: Project,
        arguments: list[str] | None = None,
        waits: Callable[[], str] = lambda: "",
    ) -> None:
        from napari.qt.threading import create_worker

        self.folder, self.result, self.last_progress, self._pending, self._painted = folder, {}, None, None, 0.0
        self._left, self._done = threading.Event(), threading.Event()
        worker: Any = create_worker(
            follow,
            folder,
            self.COMMAND if arguments is not None else (),
            arguments or (),
            self._left,
            self._done,
            waits,
            _start_thread=False,
            _progress={"desc": job_title(project, folder.path.name, self.verb)},
            _ignore_errors=True,
        )
        self._worker = worker
        worker.yielded.connect(self._take)
        # paused by another window or the command line before: say so from the beginning
        paused = arguments is None and folder.control.request() == "pause"
        start_worker(worker)
        self._set_state("paused" if paused else "running")
        self.started.emit()

    def _take(self, batch: tuple[threading.Event, list[Event], bool]) -> None:
        """Slice of events from the follower thread; runs in the GUI thread."""
        left, events, ended = batch
        if left is not self._left or left.is_set():
            return  # a slice of a job that was left
        if events and isinstance(events[-1], Waits):  # alone, and only before the first event
            if events[-1].text != self.waits:
                self.waits, self._state = events[-1].text, "waiting"
                self.stateChanged.emit("waiting")
            return
        if self._state == "waiting":
            self.waits = ""
            self._set_state("running")
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
