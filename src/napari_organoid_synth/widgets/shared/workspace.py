"""The state that the docks of one viewer share: the project, its pairs and samples, jobs, remembered settings."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QMessageBox

from napari_organoid_synth.core.job import Added, Event
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.settings import ImportModelSettings
from napari_organoid_synth.core.runs.titles import WORK
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.layers import close_shown
from napari_organoid_synth.widgets.shared.live_renderer import LiveRenderer
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.notices import Notice, notice
from napari_organoid_synth.widgets.shared.project_folders import (
    new_project_folder,
    read_json,
    remember_project,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_organoid_synth.core.pairs.loading import PairTable
    from napari_organoid_synth.core.samples.store import SampleStore


class Workspace(QObject):
    """One per viewer; get it with `Workspace.of`.

    Signals
    -------
    projectChanged(Project | None)
    pairsChanged(PairTable | None)
        The table was replaced; also after the project changed.
    objectsChanged()
        The objects of the pairs were measured again.
    samplesChanged()
        Samples were added, decided or scored; also after the project changed.
    runsChanged()
        A training was started, made progress or ended; also after the project changed.
    selectionChanged(tuple of str)
        Other samples (or real tiles, by name) are selected; `selector` did it and need not follow.
    queryAsked(str)
        Curate is to show the samples that this query finds.
    """

    projectChanged = Signal(object)
    pairsChanged = Signal(object)
    objectsChanged = Signal()
    samplesChanged = Signal()
    runsChanged = Signal()
    selectionChanged = Signal(object)
    queryAsked = Signal(str)

    _all: ClassVar[WeakKeyDictionary[Any, Workspace]] = WeakKeyDictionary()

    @classmethod
    def of(cls, viewer: Any) -> Workspace:
        """Return the workspace of a viewer, made when first asked for."""
        viewer = getattr(viewer, "__wrapped__", viewer)  # docks may get a proxy of the viewer
        if viewer not in cls._all:
            cls._all[viewer] = cls(viewer)
        return cls._all[viewer]

    def __init__(self, viewer: Any = None) -> None:
        window = getattr(getattr(viewer, "window", None), "_qt_window", None)
        super().__init__(window)
        self._viewer: Any = weakref.proxy(viewer) if viewer is not None else None
        self._opener: Callable[[], Any] = weakref.ref(viewer) if viewer is not None else nobody
        self._project: Project | None = None
        self._shown: Path | None = None  # the project that was open last; layers show its files
        self._pairs: PairTable | None = None
        self._store: SampleStore | None = None
        self._runners: dict[str, JobRunner] = {}
        self._renderer: LiveRenderer | None = None
        self._models: list[Path] = []  # model files that wait to be imported
        self._requester: Callable[[], Any] = nobody
        self._selector: Callable[[], Any] = nobody
        self._selected: tuple[str, ...] = ()
        self._settings: dict[str, Any] = {}
        self._save_timer = QTimer(self)
        self._save_timer.setSingleShot(True)
        self._save_timer.setInterval(500)
        self._save_timer.timeout.connect(self._save_settings)
        self._closing = False
        if window is not None:
            window.installEventFilter(self)

    # --- project ---

    @property
    def project(self) -> Project | None:
        """The open project."""
        return self._project

    def setProject(self, project: Project | Path | str | None) -> None:
        """Open a project: read its table, remember it, take up its running jobs. Jobs of the old one keep running.

        Raises
        ------
        UserError
            If the folder cannot be a project or its table cannot be read; the old project stays open.
        """
        opened = Project(project) if isinstance(project, Path | str) else project
        pairs = _read_table(opened)
        self._leave()
        self._project, self._pairs = opened, pairs
        if opened is not None:
            self._close_layers_of_another(opened)
            self._settings = read_json(opened.path / "window.json")
            remember_project(opened.path)
        self.projectChanged.emit(opened)
        self.pairsChanged.emit(pairs)
        self.samplesChanged.emit()
        self.runsChanged.emit()
        if opened is not None:
            for job in opened.jobs():
                verb = str(job.info.get("verb", ""))
                if job.info.get("arguments") == ["pipeline"]:
                    continue  # a training inside a pipeline: that is the job to steer
                if job.alive and not self.runner(verb).running:
                    self.runner(verb).attach(job)

    def _close_layers_of_another(self, project: Project) -> None:
        """Close the layers that show files of the project that was open before."""
        if self._shown not in (None, project.path) and hasattr(self._viewer, "layers"):
            close_shown(self._viewer)
        self._shown = project.path

    def ensure_project(self, name: str = "project") -> Project:
        """Return the open project, or a new one called ``name`` in the documents folder."""
        if self._project is None:
            folder = new_project_folder(name)
            self.setProject(folder)
        assert self._project is not None
        return self._project

    def _leave(self, closing: bool = False) -> None:
        self._save_settings()
        for verb, runner in self._runners.items():
            if runner.running and (closing or verb != "study"):  # a study is of no project that is open
                runner.detach()
        if self._store is not None:
            self._store.close()
        self._store = None
        if self._renderer is not None:
            self._renderer.stop()  # its model is one of the old project
        self._settings, self._models, self._selected = {}, [], ()

    # --- pairs and samples ---

    @property
    def pairs(self) -> PairTable | None:
        """The table of real pairs."""
        return self._pairs

    def setPairs(self, table: PairTable) -> None:
        """Replace the table and write it to the project."""
        self._pairs = table
        if self._project is not None:
            table.to_file(self._project.pairs_path)
        self.pairsChanged.emit(table)

    @property
    def store(self) -> SampleStore | None:
        """The samples of the project; opened when first asked for."""
        if self._store is None and self._project is not None:
            from napari_organoid_synth.core.samples.store import SampleStore

            self._store = SampleStore(self._project.samples_path)
        return self._store

    @property
    def selected(self) -> tuple[str, ...]:
        """Ids of the samples, and names of the real tiles, that are selected in the dock that selected last."""
        return self._selected

    @property
    def selector(self) -> Any:
        """The dock in which something was selected last, if it is still there."""
        return self._selector()

    def select(self, ids: Sequence[str], selector: Any) -> None:
        """Notify all docks that the ``selector`` dock changed the selection, unless it is the same."""
        ids = tuple(ids)
        if ids != self._selected:
            self._selected, self._selector = ids, weakref.ref(selector)
            self.selectionChanged.emit(ids)

    # --- painting live ---

    @property
    def renderer(self) -> LiveRenderer:
        """The process that paints live for all docks; made when first asked for, started by its first request."""
        if self._renderer is None:
            self._renderer = LiveRenderer(self)
        return self._renderer

    # --- jobs ---

    def runner(self, verb: str) -> JobRunner:
        """Return the one runner of a command: all docks see the same job."""
        if verb not in self._runners:
            runner = self._runners[verb] = JobRunner(verb, self)
            runner.event.connect(self._take_event)
            runner.finished.connect(self._announce)
            if verb in {"train", "pipeline", "import-model", "try"}:
                runner.started.connect(self.runsChanged)
                runner.finished.connect(lambda _: self.runsChanged.emit())
                runner.failed.connect(lambda _: self.runsChanged.emit())
            if verb in {"generate", "score", "pipeline", "fill", "try"}:
                runner.finished.connect(lambda _: self.samplesChanged.emit())
            if verb in {"generate", "pipeline", "fill"}:
                runner.finished.connect(self._score_added)
            if verb == "import-model":
                runner.stateChanged.connect(lambda _: QTimer.singleShot(0, self._import_next))
        return self._runners[verb]

    def import_models(self, paths: Sequence[Path], requester: Any = None) -> None:
        """Import model files into the open project, or a new one, one by one; follow ``runner("import-model")``.

        Parameters
        ----------
        paths : sequence of Path
            Their files.
        requester : ColumnDock, optional
            The dock that asks; it uses the new run and shows errors.

        Raises
        ------
        UserError
            If no project is open and none can be made.
        """
        self.ensure_project(Path(paths[0]).stem)
        self._requester = nobody if requester is None else weakref.ref(requester)
        self._models += map(Path, paths)
        self._import_next()

    @property
    def requester(self) -> Any:
        """The dock that asked for the import of model files, if it is still there."""
        return self._requester()

    def _import_next(self) -> None:
        runner = self.runner("import-model")
        if self._models and self._project is not None and not runner.running:
            runner.start("import-model", self._project, ImportModelSettings(), files=[self._models.pop(0)])

    def running(self) -> list[JobRunner]:
        """Runners that follow a job."""
        return [runner for runner in self._runners.values() if runner.running]

    def _take_event(self, event: Event) -> None:
        adding = [self._runners.get(verb) for verb in ("generate", "pipeline", "fill", "try")]
        if isinstance(event, Added) and self.sender() in adding:
            self.samplesChanged.emit()

    def _score_added(self, _: str) -> None:
        """Score the pairs that a command has added, so that copies and broken masks are flagged."""
        runner, scorer = self.sender(), self.runner("score")
        if not isinstance(runner, JobRunner) or self._project is None or scorer.running:
            return
        if runner.result.get("added") or runner.result.get("pairs"):
            try:
                scorer.start("score", self._project, ScoreSettings(sets="none"))
            except OSError as error:
                self.notify(f"The new pairs are not scored: {error}.")

    def _announce(self, reason: str) -> None:
        """Show that long work has ended, whatever page is open."""
        runner, project = self.sender(), self._project
        if not isinstance(runner, JobRunner) or project is None or runner.folder is None or reason != "completed":
            return
        said = notice(project, runner.verb, runner.folder, runner.result)
        if said is not None:
            self.notify(said.text, [(said.button, lambda: self._look(said))])

    def _look(self, said: Notice) -> None:
        """Open the page that a notification names."""
        if said.project and (self._project is None or str(self._project.path) != said.project):
            self.setProject(Path(said.project))
        open_dock(self._opener(), said.page)

    def notify(self, text: str, actions: Sequence[tuple[str, Callable[[], Any]]] = ()) -> None:
        """Show a napari notification with buttons in place of an earlier one: they would cover each other."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification
        from napari.utils.notifications import Notification, notification_manager

        class Note(Notification):
            source = "Organoid Synth"  # otherwise napari prints the address of its own manager

        window = self.parent()
        for earlier in window.findChildren(NapariQtNotification) if window is not None else ():
            if earlier.source_label.text().endswith(Note.source):
                earlier.close()
        buttons = [(label, lambda _box, action=action: action()) for label, action in actions]
        notification_manager.dispatch(Note(plain(text), "info", actions=buttons))

    # --- remembered settings ---

    def remembered(self, dock: str) -> dict[str, Any]:
        """Return the choices that a dock kept in this project with `remember`; JSON values."""
        stored = self._settings.get(dock)
        return dict(stored) if isinstance(stored, dict) else {}

    def remember(self, dock: str, values: dict[str, Any]) -> None:
        """Keep a dock's choices in the project (``window.json``); written half a second later."""
        if self._project is not None and self._settings.get(dock) != values:
            self._settings[dock] = values
            self._save_timer.start()

    def _save_settings(self) -> None:
        if self._project is not None and self._save_timer.isActive():
            self._save_timer.stop()
            write_json(self._project.path / "window.json", self._settings)
        elif self._project is not None and self._settings and self.sender() is self._save_timer:
            write_json(self._project.path / "window.json", self._settings)

    # --- closing ---

    def eventFilter(self, a0: QObject, a1: QEvent) -> bool:
        """Ask about running jobs before the window closes."""
        if a1.type() != QEvent.Type.Close or self._closing:
            return False
        running = self.running()
        by_hand = a1.spontaneous() or bool(getattr(a0, "_quit_app", False))
        if running and by_hand:
            answer = ask_about(running, a0)
            if answer == "stay":
                a1.ignore()
                return True
            if answer == "stop":
                for runner in running:
                    runner.cancel()
        self.close()
        if running and a1.spontaneous():
            # asked already: close once more without napari's own question about its threads
            a1.ignore()
            self._closing = True
            QTimer.singleShot(0, a0.close)
            return True
        return False

    def close(self) -> None:
        """Leave the project; running jobs keep running."""
        runners = self.running()
        if self._renderer is not None:  # before the project is left, which would not wait for it
            self._renderer.stop(wait=True)
        self._leave(closing=True)
        for runner in runners:
            runner.wait()
        self._project = None


def nobody() -> Any:
    """Stand in for the reference to a dock where there is none."""
    return None


def ask_about(running: list[JobRunner], parent: Any) -> str:
    """Ask whether running jobs keep running ("leave"), stop and save ("stop"), or the window stays ("stay")."""
    box = QMessageBox(parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setWindowTitle("A job is running")
    names = " and ".join(WORK.get(runner.verb, runner.verb) for runner in running)
    box.setText(f"'{names}' is running. It can keep running without the window; open the project again to follow it.")
    if any(runner.state == "waiting" for runner in running):
        box.setInformativeText("What waits for memory has not started and will not start without the window.")
    keep = box.addButton("Keep running", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton("Stop and save", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.exec()
    if box.clickedButton() is keep:
        return "leave"
    return "stop" if box.clickedButton() is stop else "stay"


def _read_table(project: Project | None) -> PairTable | None:
    if project is None or not project.pairs_path.exists():
        return None
    from napari_organoid_synth.core.pairs.loading import PairTable

    return PairTable.from_file(project.pairs_path)
