"""The quick try: one button from checked pairs to samples in the gallery and a first number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.try_settings import TrySettings
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.menus import open_wide
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.workspace import Workspace

MINUTES = round(TrySettings().minutes) + 1  # painting and scoring take about one more


class QuickTry(QWidget):
    """Button, progress and result.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    prepare : callable
        Called before it starts, to use what suits the objects.

    Signals
    -------
    failed(object)
        The job failed, or could not start.
    """

    failed = Signal(object)

    def __init__(self, viewer: Any, prepare: Callable[[], object]) -> None:
        super().__init__()
        self._prepare = prepare
        self.viewer, self.workspace = viewer, Workspace.of(viewer)
        self.runner = self.workspace.runner("try")
        self._ready = False
        self.button = QPushButton(f"Quick try (about {MINUTES} min)")
        named(
            self.button,
            self.button.text(),
            f"Uses the size that suits objects, paints {TrySettings().number} pairs, scores them, and trains a U-Net "
            "with and without them: samples to look at and a first number. All settings stay in the other steps.",
        )
        self.button.clicked.connect(self.run)
        self.progress = ProgressCard(self.runner, "Stop and keep", "%")
        self.result = WrapLabel()
        self.result.setAccessibleName("First number")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.progress, self.result, self.button):
            column.addWidget(widget)
        self.result.hide()
        self.runner.stateChanged.connect(self._update)
        self.runner.finished.connect(self._finished)
        self.runner.failed.connect(self.failed)
        self.workspace.projectChanged.connect(self._forget)
        self._update()

    def offer(self, ready: bool) -> None:
        """Offer the try once there is something to learn from."""
        self._ready = ready
        self._update()

    def run(self) -> None:
        """Start it."""
        if self.workspace.project is not None and not self.runner.running:
            self.result.hide()
            try:
                self._prepare()
                self.runner.start("try", self.workspace.project, TrySettings())
            except (UserError, OSError) as error:
                self.failed.emit(error)

    def _forget(self, _: object) -> None:
        self.result.hide()

    def _update(self, *_: object) -> None:
        self.button.setVisible(self._ready and not self.runner.running)

    def _finished(self, reason: str) -> None:
        result = self.runner.result
        text = f"{result.get('sentence', '')} {result.get('caveat', '')}".strip()
        if reason != "completed":
            text = f"Stopped. {result.get('pairs', 0)} pairs were kept."
        self.result.setText(text)
        self.result.setVisible(bool(text))
        if result.get("pairs") and self.isVisible():  # the person waits for them, with the number in view
            open_wide(self.viewer, "Curate")
