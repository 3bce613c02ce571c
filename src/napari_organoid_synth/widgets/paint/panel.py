"""The section "Paint": napari's brush on a mask, and the image follows while the mouse is down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.widgets.paint.form import StartForm
from napari_organoid_synth.widgets.paint.keep import unlike_sentence
from napari_organoid_synth.widgets.paint.keep_bar import KeepBar
from napari_organoid_synth.widgets.paint.launch import PaintLauncher, PaintModel
from napari_organoid_synth.widgets.paint.session import PaintOptions, PaintSession
from napari_organoid_synth.widgets.paint.shapes import shapes_of
from napari_organoid_synth.widgets.paint.tools import PaintTools
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.cards import ErrorCard
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.workspace import Workspace

KEY = "paint"
"""Under which the choices are remembered."""
PURPOSE = "Paint on a mask with napari's brush, and the image follows. What you keep appears in Curate."
NO_PAINTER = (
    "This generator draws image and mask together and cannot follow a brush. Above, under 'From', choose 'no "
    "training', which is ready at once, or a run that paints on masks."
)
STATES = {
    "starting": "Starting the painter…",
    "busy": "Painting…",
    "ready": "Ready: paint on the mask.",
    "stopped": "The painter rests; it starts again with your next stroke.",
    "crashed": "The painter stopped unexpectedly and starts again.",
}


class PaintPanel(QWidget):
    """Painting on a labels layer while an image layer follows.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the two layers.
    renderer : LiveRenderer, optional
        Default: that of the workspace.

    Signals
    -------
    sessionChanged(PaintSession | None)
        A painting began or ended.

    """

    sessionChanged = Signal(object)

    def __init__(self, viewer: Any, renderer: Any = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer, self.workspace = viewer, Workspace.of(viewer)
        self._restoring, self._problem = True, NO_PAINTER
        self._background = Background(self)
        self.renderer = renderer if renderer is not None else self.workspace.renderer
        self.launcher = PaintLauncher(viewer, self.renderer, self._background, self)
        self.form, self.tools, self.error = StartForm(viewer), PaintTools(self._background), ErrorCard()
        self.keeper = KeepBar(self.launcher, self._background)
        self._build()
        self._connect()
        self._open_project()

    @property
    def session(self) -> PaintSession | None:
        """The painting; None while there is none."""
        return self.launcher.session

    def _build(self) -> None:
        self.purpose, self.status, self.unlike = WrapLabel(), WrapLabel(), WrapLabel()
        self.start_button = QPushButton("Start painting")
        tip = "Makes an image layer and a labels layer; paint on the labels."
        named(self.start_button, "Start painting", tip)
        self.start_button.clicked.connect(lambda: self.start())
        self.status.setAccessibleName("State of the painter")
        self.unlike.setAccessibleName("Objects unlike any example")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.purpose, self.form, self.start_button, self.tools, self.status, self.unlike):
            column.addWidget(widget)
        column.addWidget(self.keeper)
        column.addWidget(self.error)
        self.error.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)  # its texts wrap
        self.unlike.hide()

    def _connect(self) -> None:
        launcher, workspace = self.launcher, self.workspace
        launcher.began.connect(self._began)
        launcher.ended.connect(self._ended)
        launcher.failed.connect(self._fail)
        launcher.changed.connect(self._judge)
        workspace.projectChanged.connect(self._open_project)
        workspace.pairsChanged.connect(self._show_table)
        self.form.changed.connect(self._edited)
        self.tools.changed.connect(self._edited)
        self.tools.failed.connect(self._fail)
        self.keeper.failed.connect(self._fail)

    # --- choices ---

    def set_model(self, path: Path | None, checkpoint: str = "newest", problem: str = "") -> None:
        """Paint with another model.

        Parameters
        ----------
        path : Path, optional
            See `PaintModel`; None where the chosen generator paints no masks.
        checkpoint : str
            ``"newest"``, ``"best"``, or a step.
        problem : str
            Why it cannot be used; default: that it paints no masks.
        """
        self._problem = problem or NO_PAINTER
        self.launcher.set_model(PaintModel(path, checkpoint))
        self._judge()

    def set_options(self, options: PaintOptions) -> None:
        """Paint with another seed, class or variety."""
        self.launcher.set_options(options)

    def reset_choices(self, _: object = None) -> None:
        """Offer the labels layers that there are; to be called when they change."""
        self.form.show_layers()
        self._judge()

    def _open_project(self, _: object = None) -> None:
        """Forget what belongs to another project, and show what was chosen in this one."""
        self.launcher.cancel()
        self._restoring = True
        self.error.hide()
        self.keeper.show_outcome("")
        self.form.forget_project()
        self._show_table(self.workspace.pairs)
        kept = self.workspace.remembered(KEY)
        self.form.restore(kept)
        self.tools.restore(kept)
        self._restoring = False
        self.reset_choices()

    def _show_table(self, table: PairTable | None) -> None:
        self.form.show_table(table)
        self._judge()

    def _edited(self) -> None:
        if not self._restoring:
            self.workspace.remember(KEY, self.form.remembered() | self.tools.remembered())
        self._judge()

    # --- painting ---

    def start(self) -> None:
        """Begin a painting on what is chosen."""
        if not self.form.problem:
            self.error.dismiss()
            self.keeper.show_outcome("")
            self.launcher.start(self.form.choice(), self.form.own)

    def start_on_sample(self, id: str) -> None:
        """Begin a painting on a sample of the gallery."""
        self.form.choose_sample(id)
        self.start()

    def start_on_layer(self, layer: Any) -> None:
        """Begin a painting on a labels layer."""
        self.form.choose_layer(layer)
        self.start()

    def _began(self, session: PaintSession) -> None:
        session.factsChanged.connect(self._show_facts)
        session.pictured.connect(self.error.hide)
        self.tools.follow(session, shapes_of(self.workspace.project, self.workspace.pairs, session.mask_kind))
        self.sessionChanged.emit(session)

    def _ended(self, why: str) -> None:
        self.tools.release()
        self.unlike.hide()
        self.keeper.show_outcome(why)
        self.sessionChanged.emit(None)

    def _show_facts(self, facts: Mapping[str, Any]) -> None:
        session = self.session
        if session is None:
            return
        names = session.layers.class_names if session.mask_kind == "classes" else ()
        self.unlike.setText(unlike_sentence(facts, names, session.drawn_labels()))
        self.unlike.setVisible(bool(self.unlike.text()))

    def _judge(self) -> None:
        """Show what can be done now, and what cannot and why."""
        launcher, painting = self.launcher, self.session is not None
        usable, problem = launcher.model.path is not None, self.form.problem
        self.purpose.setText(PURPOSE if usable else self._problem)
        self.purpose.setVisible(not painting)
        self.form.setVisible(usable and not painting)
        self.start_button.setVisible(usable and not painting)
        self.start_button.setEnabled(not problem and not launcher.is_starting)
        self.tools.setVisible(painting)
        self.keeper.buttons.setVisible(painting)
        state = "starting" if launcher.is_starting else launcher.state if painting else ""
        known = (STATES.get(state, ""), str(launcher.opened.get("remark", "")))
        shown = "" if self.form.hint.text() == problem else problem
        self.status.setText(" ".join(filter(None, known)) if state else shown)
        self.status.setVisible(usable and bool(self.status.text()))

    def _fail(self, error: Any) -> None:
        self.error.show_error(error)
        if not isinstance(error, UserError) or self.session is None:
            self.error.offer("Start again", "Opens the painter once more and paints what is chosen.", self._again)

    def _again(self) -> None:
        """Start the painter once more; a painting goes on where it was."""
        self.error.dismiss()
        if self.session is None:
            self.start()
        else:
            self.launcher.reopen()

    # --- the end ---

    def close_painting(self) -> None:
        """End painting, reading and the painter's process; called when the dock closes."""
        self.launcher.cancel()
        self._background.close()
        self.renderer.stop()
