"""Text that fits its dock."""

from __future__ import annotations

import re

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_organoid_synth.widgets.forms.plain_text import BREAK, PlainLabel

_LONG_WORD = re.compile(r"\S{24,}")

_JOINT = re.compile(r"([_./\\-])")


class WrapLabel(PlainLabel):
    """Text that wraps, can be selected and copied, and never widens its dock."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setMinimumWidth(60)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def setText(self, text: str) -> None:
        """Show a text; long words, such as file names, may break after ``_ . / -``."""
        super().setText(_LONG_WORD.sub(lambda word: _JOINT.sub(rf"\1{BREAK}", word[0]), text))

    def text(self) -> str:
        """Return the text as it was given."""
        return str(super().text()).replace(BREAK, "")


class Drawn(PlainLabel):
    """Base of what a dock paints; a label, because napari gives its font size to labels and not to bare widgets.

    Subclasses paint, and give their height in lines of text in ``sizeHint``.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """Return the height of the size hint, so that the label never shrinks."""
        return QSize(60, self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:
        """Another font is another height."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
