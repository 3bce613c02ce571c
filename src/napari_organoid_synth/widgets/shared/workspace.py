"""What the docks of one viewer share: the project, its pairs and samples, its running jobs, remembered settings."""

from __future__ import annotations

import json
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from qtpy.QtCore import QEvent, QObject, QStandardPaths, Qt, QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Event
from napari_organoid_synth.core.project import MARKER, Project, file_stem
from napari_organoid_synth.core.runs.settings import ImportModelSettings
from napari_organoid_synth.widgets.shared.jobs import JobRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_organoid_synth.core.pairs.loading import PairTable
    from napari_organoid_synth.core.samples.store import SampleStore

NAME = "napari-organoid-synth"
RECENT = 5


class Workspace(QObject):
    """One per viewer; get it with `Workspace.of`.

    Signals
    -------
    projectChanged(Project | None)
    pairsChanged(PairTable | None)
        The table was replaced; also after the project changed.
    samplesChanged()
        Samples were added, decided or scored; also after the project changed.
    runsChanged()
        A training was started, went on or ended; also after the project changed.
    selectionChanged(tuple of str)
        Other samples (or real tiles, by name) are selected; `selector` did it and need not follow.
    queryAsked(str)
        Curate is to show the samples that this query finds.
    """

    projectChanged = Signal(object)
    pairsChanged = Signal(object)
    samplesChanged = Signal()
    runsChanged = Signal()
    selectionChanged = Signal(object)
    queryAsked = Signal(str)

    _all: ClassVar[WeakKeyDictionary[Any, Workspace]] = WeakKeyDictionary()

    @classmethod
    def of(cls, viewer: Any) -> Workspace:
        """The workspace of a viewer, made when first asked for."""
        viewer = getattr(viewer, "__wrapped__", viewer)  # docks may get a proxy of the viewer
        if viewer not in cls._all:
            cls._all[viewer] = cls(viewer)
        return cls._all[viewer]

    def __init__(self, viewer: Any = None) -> None:
        window = getattr(getattr(viewer, "window", None), "_qt_window", None)
        super().__init__(window)
        self._viewer: Any = weakref.proxy(viewer) if viewer is not None else None
        self._project: Project | None = None
        self._pairs: PairTable | None = None
        self._store: SampleStore | None = None
        self._runners: dict[str, JobRunner] = {}
        self._models: list[Path] = []  # model files that wait to be taken in
        self.giver: Any = None  # the dock that they were given to
        self.selector: Any = None  # the dock in which something was selected last
        self._selected: tuple[str, ...] = ()
        self._settings: dict[str, Any] = {}
        self._save_timer = QTimer(self)
        self._save_timer.setSingleShot(True)
        self._save_timer.setInterval(500)
        self._save_timer.timeout.connect(self._save_settings)
        self._closing = False
        if window is not None:
            window.installEventFilter(self)
            canvas = window.centralWidget()
            for widget in (canvas, *canvas.findChildren(QWidget)):
                if widget.acceptDrops():
                    widget.installEventFilter(self)

    # --- project ---

    @property
    def project(self) -> Project | None:
        """The open project."""
        return self._project

    def setProject(self, project: Project | Path | str | None) -> None:
        """Open a project: read its table, remember it, take up its running jobs. The old one's jobs go on.

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
            self._settings = _read_json(opened.path / "window.json")
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

    def ensure_project(self, name: str = "project") -> Project:
        """The open project, or a new one called ``name`` in the documents folder."""
        if self._project is None:
            folder = new_project_folder(name)
            self.setProject(folder)
        assert self._project is not None
        return self._project

    def _leave(self) -> None:
        self._save_settings()
        for runner in self._runners.values():
            if runner.running:
                runner.detach()
        if self._store is not None:
            self._store.close()
        self._store = None
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

    def select(self, ids: Sequence[str], giver: Any) -> None:
        """Let all docks but the ``giver`` follow a selection; the same one again is no news."""
        ids = tuple(ids)
        if ids != self._selected:
            self._selected, self.selector = ids, giver
            self.selectionChanged.emit(ids)

    # --- jobs ---

    def runner(self, verb: str) -> JobRunner:
        """The one runner of a verb: all docks see the same job."""
        if verb not in self._runners:
            runner = self._runners[verb] = JobRunner(verb, self)
            runner.event.connect(self._heed)
            if verb in {"train", "pipeline", "import-model"}:
                runner.started.connect(self.runsChanged)
                runner.finished.connect(lambda _: self.runsChanged.emit())
                runner.failed.connect(lambda _: self.runsChanged.emit())
            if verb in {"generate", "score", "pipeline", "fill"}:
                runner.finished.connect(lambda _: self.samplesChanged.emit())
            if verb == "import-model":
                runner.stateChanged.connect(lambda _: QTimer.singleShot(0, self._import_next))
        return self._runners[verb]

    def import_models(self, paths: Sequence[Path], giver: Any = None) -> None:
        """Import model files into the open project, or a new one, one by one; follow ``runner("import-model")``.

        Parameters
        ----------
        paths : sequence of Path
            Their files.
        giver : ColumnDock, optional
            The dock that asks; it uses the new run and says what goes wrong.

        Raises
        ------
        UserError
            If no project is open and none can be made.
        """
        self.ensure_project(Path(paths[0]).stem)
        self.giver = giver
        self._models += map(Path, paths)
        self._import_next()

    def _import_next(self) -> None:
        runner = self.runner("import-model")
        if self._models and self._project is not None and not runner.running:
            runner.start("import-model", self._project, ImportModelSettings(), files=[self._models.pop(0)])

    def running(self) -> list[JobRunner]:
        """Runners that follow a job."""
        return [runner for runner in self._runners.values() if runner.running]

    def _heed(self, event: Event) -> None:
        adding = [self._runners.get(verb) for verb in ("generate", "pipeline", "fill")]
        if isinstance(event, Added) and self.sender() in adding:
            self.samplesChanged.emit()

    def notify(self, text: str, actions: Sequence[tuple[str, Callable[[], Any]]] = ()) -> None:
        """One napari notification, with buttons."""
        from napari.utils.notifications import Notification, notification_manager

        class Note(Notification):
            source = "Organoid Synth"  # else napari prints the address of its own manager

        buttons = [(label, lambda _box, action=action: action()) for label, action in actions]
        notification_manager.dispatch(Note(text, "info", actions=buttons))

    # --- remembered settings ---

    def remembered(self, dock: str) -> dict[str, Any]:
        """What a dock stored in this project with `remember`; JSON values."""
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
            _write_json(self._project.path / "window.json", self._settings)
        elif self._project is not None and self._settings and self.sender() is self._save_timer:
            _write_json(self._project.path / "window.json", self._settings)

    # --- closing ---

    def eventFilter(self, a0: QObject, a1: QEvent) -> bool:
        """Our files dropped on the canvas open as pairs; before the window closes, ask about running jobs."""
        if a1.type() == QEvent.Type.Drop:
            return self._open_dropped(a1)
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

    def _open_dropped(self, drop: Any) -> bool:
        """Open what is ours without napari's question which reader should; leave foreign files to it."""
        from napari.layers import Layer
        from napari.qt.threading import create_worker

        from napari_organoid_synth.widgets.shared.drop import are_models
        from napari_organoid_synth.widgets.shared.reader import get_reader

        urls = drop.mimeData().urls()
        paths = [url.toLocalFile() for url in urls if url.isLocalFile()]
        reader = get_reader(paths) if paths and len(paths) == len(urls) else None
        if reader is None:
            return False
        drop.setDropAction(Qt.DropAction.CopyAction)
        drop.accept()
        if are_models([Path(path) for path in paths]):
            reader(paths)  # here: it opens a dock
            return True

        def show(layers: list[Any]) -> None:
            for data, options, kind in layers:
                self._viewer.add_layer(Layer.create(data, options, kind))

        create_worker(reader, paths, _connect={"returned": show})
        return True

    def close(self) -> None:
        """Leave the project; running jobs go on by themselves."""
        runners = self.running()
        self._leave()
        for runner in runners:
            runner.wait()
        self._project = None


def ask_about(running: list[JobRunner], parent: Any) -> str:
    """Whether running jobs go on ("leave"), stop and save ("stop"), or the window stays ("stay")."""
    box = QMessageBox(parent)
    box.setWindowTitle("A job is running")
    names = " and ".join(runner.verb for runner in running)
    box.setText(f"'{names}' is running. It can go on without the window; open the project again to follow it.")
    go_on = box.addButton("Let it go on", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton("Stop and save", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(go_on)
    box.exec()
    if box.clickedButton() is go_on:
        return "leave"
    return "stop" if box.clickedButton() is stop else "stay"


def choose_project(workspace: Workspace, parent: QWidget | None = None) -> None:
    """Let a person open or make a project folder.

    Raises
    ------
    UserError
        If the folder cannot be used.
    """
    start = str(workspace.project.path.parent) if workspace.project is not None else str(projects_folder())
    path = QFileDialog.getExistingDirectory(parent, "Open or make a project folder", start)
    if path:
        workspace.setProject(Path(path))


def open_project_window(viewer: Any, path: Path | str) -> Workspace:
    """Open a project in a viewer with its docks, as ``organoid-synth window`` does."""
    from napari_organoid_synth.widgets.shared.menus import open_dock

    workspace = Workspace.of(viewer)
    workspace.setProject(Path(path))
    docks = "Curate", "Pairs", "Train", "Generate", "Scores", "Segment", "Export", "Pairs"  # the last one is in front
    for title in docks:
        open_dock(viewer, title)
    return workspace


def add_recent_buttons(card: Any, workspace: Workspace, report: Callable[[BaseException], Any]) -> Callable[[], None]:
    """Give an empty card a button that opens a project and one that offers the last one.

    Parameters
    ----------
    card : EmptyCard
        The card.
    workspace : Workspace
        Where the project is opened.
    report : callable
        Gets the error when a project cannot be opened.

    Returns
    -------
    callable
        Brings the buttons up to date; call it when the project changed.
    """

    def attempt(action: Callable[[], Any]) -> None:
        try:
            action()
        except UserError as error:
            report(error)

    last: list[Path] = []
    (last_button,) = card.add_buttons({"Last project": lambda: attempt(lambda: workspace.setProject(last[0]))})
    (open_button,) = card.add_buttons({"Open a project…": lambda: attempt(lambda: choose_project(workspace, card))})
    open_button.setToolTip("A project is a folder: open one, or choose an empty folder to make one.")

    def update() -> None:
        last[:] = [path for path in recent_projects()[:1] if workspace.project is None]
        last_button.setVisible(bool(last))
        if last:
            last_button.setText(f"Go on with '{short(last[0].name)}'")
            last_button.setToolTip(str(last[0]))

    update()
    return update


def short(text: str, length: int = 24) -> str:
    """A long name with its middle left out, so that it does not widen a dock."""
    return text if len(text) <= length else f"{text[: length // 2 - 1]}…{text[-length // 2 :]}"


# --- folders --------------------------------------------------------------------------------------------------------


def config_folder() -> Path:
    """Where the list of recent projects lies, by the platform's custom."""
    place = QStandardPaths.StandardLocation.GenericConfigLocation
    return Path(QStandardPaths.writableLocation(place)) / NAME


def projects_folder() -> Path:
    """Where new projects go unless a person chooses another folder."""
    place = QStandardPaths.StandardLocation.DocumentsLocation
    return Path(QStandardPaths.writableLocation(place) or Path.home()) / "organoid-synth"


def new_project_folder(name: str) -> Path:
    """A folder that is not there yet, named after the data."""
    stem = projects_folder() / file_stem(name)
    path, number = stem, 2
    while path.exists():
        path, number = stem.with_name(f"{stem.name}-{number}"), number + 1
    return path


def recent_projects() -> list[Path]:
    """Projects opened before that are still there, newest first."""
    listed = _read_json(config_folder() / "recent.json").get("projects", [])
    paths = [Path(text) for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    return [path for path in paths if (path / MARKER).is_file()]


def remember_project(path: Path) -> None:
    """Put a project first in the list of recent ones."""
    paths = [path, *(other for other in recent_projects() if other != path)]
    _write_json(config_folder() / "recent.json", {"projects": [str(other) for other in paths[:RECENT]]})


def _read_table(project: Project | None) -> PairTable | None:
    if project is None or not project.pairs_path.exists():
        return None
    from napari_organoid_synth.core.pairs.loading import PairTable

    return PairTable.from_file(project.pairs_path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write_json(path: Path, values: dict[str, Any]) -> None:
    """Beside, then renamed; not flushed to disk, because losing it costs nothing and waiting would be felt."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(values, indent=1), encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)  # a read-only project works without remembered settings
