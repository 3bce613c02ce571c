"""Begins a painting: reads what it starts on and opens the model, both meanwhile, and keeps it in step with choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.widgets.paint.session import PaintOptions, PaintSession
from napari_organoid_synth.widgets.paint.start import Start, StartChoice, read_start
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.workspace import Workspace

PAUSE = 200
"""Time, ms, without another choice until the image is painted again."""
RECIPE = "recipe.yaml"
"""File by which the folder of a run is known."""
LONG = 500
"""Time, ms, from which on a person wants to know that the renderer works."""


@dataclass(frozen=True)
class PaintModel:
    """The model to paint with.

    Parameters
    ----------
    path : Path, optional
        Folder of its run, a model file, or a project whose pairs are painted with at once; None where none paints.
    checkpoint : str
        ``"newest"``, ``"best"``, or a step.
    """

    path: Path | None = None
    checkpoint: str = "newest"


class PaintLauncher(QObject):
    """Owns the one painting of a viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the layers.
    renderer : LiveRenderer
    background : Background
        Reads files.
    parent : QObject, optional

    Signals
    -------
    began(PaintSession)
    ended(str)
        Why; empty where a person ended it.
    failed(object)
        An error to show.
    changed()
        Something else about its state.

    Attributes
    ----------
    session : PaintSession or None
        The painting.
    opened : dict
        What the renderer says of the model; empty until it is open.
    is_starting : bool
        Whether one was asked for and has not begun.
    state : str
        Of the renderer; ``"busy"`` only where it takes long, for a text that changes with each stroke slows the window.
    """

    began = Signal(object)
    ended = Signal(str)
    failed = Signal(object)
    changed = Signal()

    def __init__(self, viewer: Any, renderer: Any, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer, self.renderer, self.workspace = viewer, renderer, Workspace.of(viewer)
        self.session: PaintSession | None = None
        self.model, self.opened, self.is_starting = PaintModel(), dict[str, Any](), False
        self._background, self._options = background, PaintOptions()
        self._read: tuple[Start, Any] | None = None  # and waiting for the renderer
        self._number = 0  # of the newest start; answers to older ones are dropped
        self._switching = False
        self.state = str(renderer.state)
        self._wait, self._busy = self._timer(PAUSE, self._apply_options), self._timer(LONG, self._tell_busy)
        renderer.opened.connect(self._take_model)
        renderer.failed.connect(self._fail)
        renderer.stateChanged.connect(self._see_state)

    def _timer(self, milliseconds: int, call: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(call)
        return timer

    # --- choices ---

    def set_model(self, model: PaintModel) -> None:
        """Paint with another model; a painting goes on with it where it paints the same kind of masks."""
        if model == self.model:
            return
        self.model = model
        if self.session is not None and model.path is None:
            self.end("This generator cannot paint.")
        self.reopen()
        self.changed.emit()

    def set_options(self, options: PaintOptions) -> None:
        """Paint with another seed, class or variety, once nothing has changed for a moment; a walk goes on."""
        options = replace(options, walk=self._options.walk)
        if options != self._options:
            self._options = options
            self._wait.start()

    def set_walk(self, walk: WalkSettings | None) -> bool:
        """Paint at another place of a way through the noise, at once; return whether a picture follows.

        Parameters
        ----------
        walk : WalkSettings, optional
            None: as the options say.
        """
        if walk == self._options.walk:
            return False
        self._options = replace(self._options, walk=walk)
        self._apply_options()
        return self.session is not None

    def _apply_options(self) -> None:
        if self.session is not None:
            self.session.set_options(self._options_for(self.session.start))

    def _options_for(self, start: Start) -> PaintOptions:
        """Return the options; a real mask whose whole image is painted is not painted with its own image."""
        return replace(self._options, exclude=(*self._options.exclude, *start.barred))

    # --- start and end ---

    def prepare(self) -> None:
        """Load the painter while the person still chooses: that takes longer than the first picture.

        A trained run is opened; of a project nothing is, for its painter is made when it is first used.
        """
        if self.session is not None or self.is_starting:
            return
        path = self.model.path
        if path is not None and (path / RECIPE).exists() and not self.renderer.has_canvases:
            self.renderer.open(path, self.model.checkpoint)
        else:
            self.renderer.prepare()

    def start(self, choice: StartChoice, own: Any = None) -> None:
        """Begin a painting; the present one ends.

        Parameters
        ----------
        choice : StartChoice
            What it starts on.
        own : napari.layers.Labels, optional
            The labels layer that is there already.
        """
        if self.model.path is None:
            return
        self.end()
        self._number += 1
        number, project = self._number, self.workspace.project
        table, samples = self.workspace.pairs, project.samples_path if project is not None else None

        def take(start: Start) -> None:
            if number == self._number and self.is_starting:
                self._read = start, own
                self._begin()

        def fail(error: BaseException) -> None:
            if number == self._number:
                self._fail(error)

        self.is_starting, self._read, self.opened = True, None, {}
        self._background.do(lambda: read_start(choice, table, samples), take, fail)
        self.renderer.open(self.model.path, self.model.checkpoint)
        self.changed.emit()

    def reopen(self) -> None:
        """Open the model once more and go on painting."""
        if self.session is not None and self.model.path is not None:
            self._switching = True
            self.renderer.open(self.model.path, self.model.checkpoint)

    def cancel(self) -> None:
        """Give up a start that has not become a painting, and end the painting."""
        self.is_starting, self._read = False, None
        self._number += 1
        self.end()
        self.changed.emit()

    def end(self, why: str = "") -> None:
        """End the painting; its layers stay."""
        if self.session is not None:
            self.session.end(why)

    def _begin(self) -> None:
        """Begin once both are there."""
        if self._read is None or not self.opened:
            return
        (start, own), self._read, self.is_starting = self._read, None, False
        if own is not None and own not in self.viewer.layers:
            self._fail(UserError(f"The layer '{start.choice.name}' was removed.", "", "Choose what to paint on."))
            return
        options = self._options_for(start)
        try:
            session = PaintSession(self.viewer, self.renderer, self.opened, start, options, own, self)
        except UserError as error:
            self._fail(error)
            return
        self.session = session
        session.ended.connect(self._ended)
        self.began.emit(session)
        self.changed.emit()

    def _ended(self, why: str) -> None:
        session, self.session = self.session, None
        self._switching = False
        self.ended.emit(why)
        self.changed.emit()
        if session is not None:
            session.deleteLater()

    # --- the renderer ---

    def _take_model(self, model: Mapping[str, Any]) -> None:
        """Go on once the model is open; the renderer also tells when another device computes."""
        self.opened = dict(model)
        switched, self._switching = self._switching, False
        if self.is_starting:
            self._begin()
        elif self.session is not None and switched:
            self.session.set_model(model)
        self.changed.emit()

    def _fail(self, error: Any) -> None:
        if self.is_starting or self._switching:  # without a model nothing can be painted
            self.is_starting, self._read = False, None
            self._number += 1
            if self._switching:
                self.end("The generator could not be opened.")
        self.failed.emit(error)
        self.changed.emit()

    def _see_state(self, state: str) -> None:
        if state == "busy":
            self._busy.start()
            return
        self._busy.stop()
        if state != self.state:
            self.state = state
            self.changed.emit()

    def _tell_busy(self) -> None:
        self.state = "busy"
        self.changed.emit()
