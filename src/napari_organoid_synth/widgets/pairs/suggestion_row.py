"""What the sizes of the objects suggest, with a button that uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

if TYPE_CHECKING:
    from napari_organoid_synth.core.pairs.suggestion import Suggestion


class SuggestionRow(QWidget):
    """A sentence about the objects, and "Use" where tile or size differ from what suits them.

    Signals
    -------
    used(Suggestion)
    """

    used = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.suggestion: Suggestion | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.sentence, self.button = WrapLabel(), QPushButton("Use")
        self.button.clicked.connect(self.use)
        row.addWidget(self.sentence, 1)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def use(self) -> None:
        """Use the suggestion, unless it is in use or there is none."""
        if self.suggestion is not None and not self.button.isHidden():
            self.used.emit(self.suggestion)

    def show_suggestion(self, suggestion: Suggestion | None, tile: int, scale: float) -> None:
        """Show what suits the objects, with the button where the present tile or scale is another."""
        self.suggestion = suggestion
        self.setVisible(suggestion is not None)
        if suggestion is None:
            return
        self.sentence.setText(suggestion.sentence)
        size = f" and images at {100 * suggestion.scale:g} % of their size" if suggestion.scale < 1 or scale < 1 else ""
        tip = (
            f"Uses tiles of {suggestion.tile} px{size}, here, in the training and in the measurement. No file changes."
        )
        named(self.button, "Use the suggested tile and size", tip)
        self.button.setVisible((suggestion.tile, suggestion.scale) != (tile, scale))
