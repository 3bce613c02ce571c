"""The one prominent button of a dock, and the button that copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QApplication, QPushButton, QSizePolicy, QWidget

from napari_organoid_synth.widgets.shared.theme import theme_colour

CONFIRM_MS = 1500


class PrimaryButton(QPushButton):
    """The one prominent button of a dock; it follows the theme."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setMinimumHeight(34)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._style, self._prominent = "", True
        self._follow_theme()

    def set_prominent(self, prominent: bool) -> None:
        """Be the prominent button, or step back while another one is."""
        self._prominent = prominent
        self._follow_theme()

    def changeEvent(self, event: QEvent) -> None:
        """Apply the colour of the new theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._follow_theme()

    def _follow_theme(self) -> None:
        colour = f"font-weight: bold; background-color: {theme_colour('current')};" if self._prominent else ""
        style = (
            f"QPushButton {{ padding: 6px; {colour} }}"
            f"QPushButton:disabled {{ background-color: {theme_colour('foreground')}; }}"
            f"QPushButton:focus {{ border: 1px solid {theme_colour('text')}; }}"
        )
        if style != self._style:  # setting it raises StyleChange again
            self._style = style
            self.setStyleSheet(style)


class CopyButton(QPushButton):
    """Copies a text to the clipboard and confirms it for a moment.

    Parameters
    ----------
    text : str
    tip : str
    content : callable
        Returns the text; nothing is copied when it is empty.
    """

    def __init__(self, text: str, tip: str, content: Callable[[], str | None]) -> None:
        super().__init__(text)
        self.setAccessibleName(text)
        self.setAccessibleDescription(tip)
        self.setToolTip(tip)
        self._content = content
        self._confirming = QTimer(self)
        self._confirming.setSingleShot(True)
        self._confirming.setInterval(CONFIRM_MS)
        self._confirming.timeout.connect(lambda: self.setText(text))
        self.clicked.connect(self.copy)

    def copy(self) -> None:
        """Copy the text to the clipboard."""
        if content := self._content():
            clipboard: Any = QApplication.clipboard()
            clipboard.setText(content)
            self.setText("Copied")
            self._confirming.start()
