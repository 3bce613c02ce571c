"""Panels above the gallery: accept the best pairs, and tag or annotate the selected ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QStringListModel, Qt, Signal
from qtpy.QtWidgets import QCompleter, QFrame, QPushButton, QSpinBox, QWidget
from superqt import QLabeledDoubleSlider

from napari_organoid_synth.core.samples.row import split_tags
from napari_organoid_synth.core.samples.store import SampleRow
from napari_organoid_synth.widgets.curate.query_edit import Line
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.shared.controls import flow_layout, named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

WHY = (
    "Accepts those of the more realistic half of the new pairs that differ most from each other and from the accepted "
    "ones; flagged pairs are left out. Press U to undo."
)
MORE_WHY = "Makes more pairs with the same generator and kind of masks, similar to this one."
DISTANCE_TIP = "0.05: hardly different. 1: as different as any other pair."
ANYWAY = "Accepts the best although, as a set, they are far from the originals. Press U to undo."


class Panel(QFrame):
    """A line of controls that is hidden until asked for; Escape closes it.

    Attributes
    ----------
    closed : Signal()
        The keys go back to the tiles.
    """

    closed = Signal()

    def __init__(self, *widgets: Any) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        layout = flow_layout(self, 4, 3)
        layout.setContentsMargins(4, 3, 4, 3)
        for widget in widgets:
            layout.addWidget(widget)
        self.hide()

    def close_panel(self) -> None:
        """Hide it."""
        self.hide()
        self.closed.emit()

    def keyPressEvent(self, event: Any) -> None:
        """Close on Escape; no other key reaches the gallery."""
        if event.key() == Qt.Key.Key_Escape:
            self.close_panel()
        event.accept()


def _button(text: str, tip: str, action: Any) -> QPushButton:
    button = QPushButton(text)
    named(button, text, tip)
    button.clicked.connect(lambda _=False: action())
    return button


class AcceptPanel(Panel):
    """The number of best pairs to accept.

    Attributes
    ----------
    wanted : Signal(int, bool)
        Accept so many; whether also of runs that are far from the originals.
    """

    wanted = Signal(int, bool)

    def __init__(self) -> None:
        self.number = QSpinBox()
        self.number.setLineEdit(Line())
        self.number.setRange(1, 1_000_000)
        self.number.setValue(50)
        named(self.number, "How many to accept", "How many of the new pairs are accepted. Press Enter to accept.")
        self.button = _button("Accept the best, keeping diversity", WHY, lambda: self._ask())
        self.number.lineEdit().returnPressed.connect(lambda: self._ask())
        self.anyway = _button("Accept anyway", ANYWAY, lambda: self._ask(anyway=True))
        self.anyway.hide()
        close = _button("Close", "Close without accepting (Escape)", lambda: self.close_panel())
        super().__init__(self.number, self.button, self.anyway, close)
        self.why = WrapLabel(WHY)
        self.why.hide()

    def _ask(self, anyway: bool = False) -> None:
        self.close_panel()
        self.wanted.emit(self.number.value(), anyway)

    def open(self, refusal: str = "") -> None:
        """Show it, ready to type the number; after a refusal with its words and a button that accepts anyway."""
        self.why.setText(refusal or WHY)
        self.anyway.setVisible(bool(refusal))
        self.show()
        self.number.setFocus()
        self.number.selectAll()

    def showEvent(self, event: Any) -> None:
        """Show or hide the explanation with the controls."""
        super().showEvent(event)
        self.why.show()

    def hideEvent(self, event: Any) -> None:
        """Show or hide the explanation with the controls."""
        super().hideEvent(event)
        self.why.hide()


class MorePanel(Panel):
    """How many pairs like the selected one to make, and how near.

    Attributes
    ----------
    wanted : Signal(str, int, float)
        Id of the sample, number of pairs, distance.
    """

    wanted = Signal(str, int, float)

    def __init__(self) -> None:
        self._id = ""
        self.whose, self.number = PlainLabel(), QSpinBox()
        self.number.setLineEdit(Line())
        self.number.setRange(1, 10_000)
        self.number.setValue(10)
        named(self.number, "How many to make", "How many pairs like it to make. Press Enter to make them.")
        self.distance = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.distance.setRange(0.05, 1.0)
        self.distance.setDecimals(2)
        self.distance.setValue(0.3)
        self.distance.setFixedWidth(130)
        guard_wheel(self.distance)
        for part in (self.distance, *self.distance.findChildren(QWidget)):
            named(part, "How different", DISTANCE_TIP)
        make = _button("Make", MORE_WHY, lambda: self._ask())
        self.number.lineEdit().returnPressed.connect(lambda: self._ask())
        close = _button("Close", "Close without making any (Escape)", lambda: self.close_panel())
        different = PlainLabel("How different")
        different.setBuddy(self.distance)
        super().__init__(self.whose, self.number, different, self.distance, make, close)

    def _ask(self) -> None:
        self.close_panel()
        self.wanted.emit(self._id, self.number.value(), float(self.distance.value()))

    def open(self, row: SampleRow) -> None:
        """Show it for a sample, ready to type the number."""
        self._id = row.id
        self.whose.setText(f"More like {row.name}:")
        self.show()
        self.number.setFocus()
        self.number.selectAll()


class TagPanel(Panel):
    """Tags and note of the selected samples.

    Attributes
    ----------
    wanted : Signal(list, list, list, object)
        Ids, tags to add, tags to remove, and the note, None to leave the notes unchanged.
    """

    wanted = Signal(list, list, list, object)

    def __init__(self) -> None:
        self.tags, self.remark, self.whose = Line(), Line(), PlainLabel()
        named(
            self.tags, "Tags", "Tags, separated by commas; those of all selected pairs are shown. Press Enter to save."
        )
        named(
            self.remark,
            "Note",
            "A note; empty where the selected pairs differ, which then keep theirs. Press Enter to save.",
        )
        self.tags.setPlaceholderText("tags, separated by commas")
        self.remark.setPlaceholderText("note")
        for line in (self.tags, self.remark):
            line.setMinimumWidth(180)
            line.returnPressed.connect(lambda: self._save())
        self._known = QStringListModel()
        self.offers = QCompleter(self._known)
        self.offers.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.offers.setWidget(self.tags)
        self.offers.activated[str].connect(self._complete)
        self.tags.textEdited.connect(lambda _: self._offer())
        save = _button(
            "Save", "Save tags and note of the selected pairs (Enter); press U to undo", lambda: self._save()
        )
        close = _button("Close", "Close without saving (Escape)", lambda: self.close_panel())
        super().__init__(self.whose, self.tags, self.remark, save, close)
        self._ids: list[str] = []
        self._common: tuple[str, ...] = ()
        self._shared = ""

    def open(self, rows: Sequence[SampleRow], known: Sequence[str], note: bool) -> None:
        """Show the common tags and note of these samples; ``known`` tags are completed while typing."""
        self._ids = [row.id for row in rows]
        self._known.setStringList(list(known))
        every = [{tag.casefold() for tag in row.tags} for row in rows]
        self._common = tuple(tag for tag in rows[0].tags if all(tag.casefold() in tags for tags in every))
        self._shared = rows[0].remark if len({row.remark for row in rows}) == 1 else ""
        self.whose.setText(rows[0].name if len(rows) == 1 else f"{len(rows):,} pairs")
        self.tags.setText(", ".join(self._common))
        self.remark.setText(self._shared)
        self.show()
        line = self.remark if note else self.tags
        line.setFocus()
        line.selectAll()

    def _save(self) -> None:
        if self.offers.popup().isVisible():
            return
        typed = split_tags(self.tags.text())
        gone = [tag for tag in self._common if tag.casefold() not in {one.casefold() for one in typed}]
        remark = self.remark.text().strip()
        self.close_panel()
        self.wanted.emit(self._ids, list(typed), gone, None if remark == self._shared else remark)

    def _offer(self) -> None:
        word = self.tags.text()[: self.tags.cursorPosition()].rpartition(",")[2].strip()
        self.offers.setCompletionPrefix(word)
        if word and self.offers.completionCount() and self.offers.currentCompletion() != word:
            self.offers.complete()
        else:
            self.offers.popup().hide()

    def _complete(self, tag: str) -> None:
        end = self.tags.cursorPosition()
        before, after = self.tags.text()[:end], self.tags.text()[end:]
        kept = before.rpartition(",")[0]
        self.tags.setText(f"{kept}, {tag}{after}" if kept else f"{tag}{after}")
        self.tags.setCursorPosition(len(self.tags.text()) - len(after))
