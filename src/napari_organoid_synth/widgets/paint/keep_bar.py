"""The end of a painting: keep it as a sample, or stop following."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.widgets.paint.keep import keep_painting, learned_from, take_painting
from napari_organoid_synth.widgets.paint.launch import PaintLauncher
from napari_organoid_synth.widgets.paint.session import PaintSession
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import named, row_of
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class KeepBar(QWidget):
    """Buttons to keep and to end, and what came of it.

    Parameters
    ----------
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

    def __init__(self, launcher: PaintLauncher, background: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._launcher, self._background = launcher, background
        self.light: dict[str, Any] = {}
        self.keep_button, self.end_button = QPushButton("Keep this pair"), QPushButton("End")
        self.outcome = WrapLabel()
        self.outcome.setAccessibleName("Outcome")
        for button, tip, action in (
            (self.keep_button, "Saves image and mask as a sample, with the record of how they were made.", self.keep),
            (self.end_button, "The image no longer follows. Both layers stay.", launcher.cancel),
        ):
            named(button, button.text(), tip)
            button.clicked.connect(lambda _=False, action=action: action())
        launcher.began.connect(self._follow)
        launcher.failed.connect(self._allow)  # then nothing is painted to be kept
        self.buttons = row_of(self.keep_button, self.end_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.buttons, self.outcome):
            column.addWidget(widget)
        self.show_outcome("")

    def keep(self) -> None:
        """Save image and mask once the image is painted up to the last stroke."""
        session = self._launcher.session
        if session is None:
            return
        self.buttons.setEnabled(False)  # the end would come before what is kept
        session.settle()

    def _save(self) -> None:
        """Save image and mask as they are now, in the background."""
        session, workspace = self._launcher.session, self._launcher.workspace
        if session is None:
            return
        try:
            painting = take_painting(session, self.light)
            samples = workspace.ensure_project("painted").samples_path
        except UserError as error:
            self._allow()
            self.show_outcome(" ".join(filter(None, (error.found, error.todo))))
            return
        path = self._launcher.model.path
        self._background.do(
            lambda: keep_painting(painting, samples, learned_from(path) if path is not None else {}),
            self._kept,
            self._not_kept,
        )

    def _follow(self, session: PaintSession) -> None:
        session.settled.connect(self._save)
        self._allow()

    def _allow(self, _: object = None) -> None:
        self.buttons.setEnabled(True)

    def _kept(self, id: str) -> None:
        self._allow()
        self.show_outcome(f"Kept as '{id}'. It is new in Curate.")
        self._launcher.workspace.samplesChanged.emit()

    def _not_kept(self, error: BaseException) -> None:
        self._allow()
        self.failed.emit(error)

    def show_outcome(self, text: str) -> None:
        """Show a sentence; an empty one hides it. The dock's own button opens the samples."""
        self.outcome.setText(text)
        self.outcome.setVisible(bool(text))
