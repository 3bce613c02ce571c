"""The line for queries; names are completed while they are typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QEvent, QStringListModel, Qt
from qtpy.QtWidgets import QCompleter, QLineEdit

from napari_organoid_synth.core.samples.query import FIELDS

_WORD = re.compile(r"[\w.-]+$")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


class Line(QLineEdit):
    """A line edit that keeps Enter and Escape from the shortcuts of the gallery around it."""

    def event(self, event: Any) -> bool:
        """Claim these keys; letters are claimed by every line edit."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in keys:
            event.accept()
            return True
        return bool(super().event(event))


class QueryEdit(Line):
    """A line edit that completes the names of scores and fields before the cursor.

    Down and Enter, Tab or a click accept a completion; Escape closes the list; typing continues as usual.
    """

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._names = QStringListModel(self)
        self.offers = QCompleter(self._names, self)
        self.offers.setWidget(self)
        self.offers.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.offers.setFilterMode(Qt.MatchFlag.MatchContains)
        self.offers.activated[str].connect(self.insert_name)
        self.textEdited.connect(lambda _: self._offer())
        self.setPlaceholderText("objects > 5 and not flagged")
        self.setClearButtonEnabled(True)
        self.setMinimumWidth(60)
        self.set_names([])

    def set_names(self, scores: Sequence[str]) -> None:
        """Offer these scores and the fields of samples."""
        names = [*scores, *FIELDS]
        if names != self._names.stringList():
            self._names.setStringList(names)
            self.setToolTip(
                "Show only pairs that fulfil this. Compare scores with numbers, texts with == and *:\n"
                '    nearest < 0.8 and 5 <= objects < 20        not flagged        run == "run 3*"\n'
                "A word alone is searched in name, run, tags, notes and flags.\n"
                f"Known: {', '.join(names)}"
            )

    def _word(self) -> str:
        """Return the part of a name before the cursor; nothing inside quotes."""
        before = _QUOTED.sub(lambda match: " " * len(match[0]), self.text()[: self.cursorPosition()])
        match = _WORD.search(before)
        return match[0] if match and '"' not in before and "'" not in before else ""

    def _offer(self) -> None:
        word, popup = self._word(), self.offers.popup()
        self.offers.setCompletionPrefix(word)
        best = self.offers.currentCompletion()
        if not word or not self.offers.completionCount() or (best == word and self.offers.completionCount() == 1):
            popup.hide()
            return
        place = self.cursorRect()
        place.setWidth(popup.sizeHintForColumn(0) + popup.verticalScrollBar().sizeHint().width() + 8)
        self.offers.complete(place)

    def insert_name(self, name: str) -> None:
        """Put a name in place of the word before the cursor."""
        end = self.cursorPosition()
        start = end - len(self._word())
        self.setSelection(start, end - start)
        self.insert(name)
