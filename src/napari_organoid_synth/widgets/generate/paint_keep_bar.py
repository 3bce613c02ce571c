"""The end of a painting: keep it as a sample, look at the samples, stop following."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.widgets.generate.paint_keep import keep_painting, learned_from, take_painting
from napari_organoid_synth.widgets.generate.paint_launch import PaintLauncher
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import named, row_of
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class KeepBar(QWidget):
    """Buttons to keep and to end, and what came of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where Curate opens.
    launcher : PaintLauncher
        Has the painting.
    background : Background
        Writes files.
    parent : QWidget, optional

    Signals
    -------
    failed(object)
        An error to show.

    Attributes
    ----------
    light : dict
        Settings of light and noise that the picture has, for the record.
    """

    failed = Signal(object)

    def __init__(
        self, viewer: Any, launcher: PaintLauncher, background: Background, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._launcher, self._background = launcher, background
        self.light: dict[str, Any] = {}
        self.keep_button, self.end_button = QPushButton("Keep this pair"), QPushButton("End")
        self.outcome, self.look = WrapLabel(), QPushButton("Look at samples")
        self.outcome.setAccessibleName("Outcome")
        for button, tip, action in (
            (self.keep_button, "Saves image and mask as a sample, with the record of how they were made.", self.keep),
            (self.end_button, "The image no longer follows. Both layers stay.", launcher.cancel),
            (self.look, "Opens the gallery of the Curate dock.", lambda: open_dock(viewer, "Curate")),
        ):
            named(button, button.text(), tip)
            button.clicked.connect(lambda _=False, action=action: action())
        self.buttons = row_of(self.keep_button, self.end_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.buttons, self.outcome, self.look):
            column.addWidget(widget)
        self.show_outcome("")

    def keep(self) -> None:
        """Save image and mask as they are now, in the background."""
        session, workspace = self._launcher.session, self._launcher.workspace
        if session is None:
            return
        try:
            painting = take_painting(session, self.light)
            samples = workspace.ensure_project("painted").samples_path
        except UserError as error:
            self.show_outcome(" ".join(filter(None, (error.found, error.todo))))
            return
        path = self._launcher.model.path
        self.keep_button.setEnabled(False)
        self._background.do(
            lambda: keep_painting(painting, samples, learned_from(path) if path is not None else {}),
            self._kept,
            self._not_kept,
        )

    def _kept(self, id: str) -> None:
        self.keep_button.setEnabled(True)
        self.show_outcome(f"Kept as '{id}'. It is new in Curate.", look=True)
        self._launcher.workspace.samplesChanged.emit()

    def _not_kept(self, error: BaseException) -> None:
        self.keep_button.setEnabled(True)
        self.failed.emit(error)

    def show_outcome(self, text: str, look: bool = False) -> None:
        """Show a sentence, and whether there is something to look at; an empty one hides both."""
        self.outcome.setText(text)
        self.outcome.setVisible(bool(text))
        self.look.setVisible(look)
