"""Texts from files as they are: Qt would take ``<b>`` in them for HTML, and ``&`` on a button for a shortcut."""

from __future__ import annotations

import re

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

BREAK = "\u200b"
"""A space without width, at which a line may break."""

_TAG = re.compile(r"<(?=[A-Za-z/!?])|&(?=lt;)")


class PlainLabel(QLabel):
    """A label whose text is never taken for HTML."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)


def plain(text: str) -> str:
    """Return a text that tool tips and napari's notifications show as it is: after ``<`` stands a space without width.

    Examples
    --------
    >>> plain("a < b"), plain("<b>x</b>") == "<\u200bb>x<\u200b/b>"
    ('a < b', True)
    """
    return _TAG.sub(lambda match: match[0] + BREAK, text)


def literal(text: str) -> str:
    """Return a text for a button, a menu or a tab, on which a single ``&`` would mark the key of a shortcut.

    Examples
    --------
    >>> literal("cells & debris")
    'cells && debris'
    """
    return text.replace("&", "&&")
