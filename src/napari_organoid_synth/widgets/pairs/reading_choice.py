"""How the images of the table are read: what the slices of stacks are, and colours or grey."""

from __future__ import annotations

from typing import get_args

from qtpy.QtCore import QObject, QSignalBlocker, Signal
from qtpy.QtWidgets import QFormLayout, QSpinBox

from napari_organoid_synth.core.pairs.stacks import Channels
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of

STACKS = {
    "choose…": "",
    "every slice, with its mask": "slices",
    "one slice": "slice",
    "brightest (maximum)": "max",
    "mean of the slices": "mean",
    "channels of one image": "channels",
}
COLOURS: dict[str, Channels] = dict(zip(("as stored", "grey", "RGB"), get_args(Channels), strict=True))


class ReadingChoice(QObject):
    """Two rows of a form; each shows only where the table has stacks, or images of different channels.

    Parameters
    ----------
    form : QFormLayout
        Gets the rows.

    Signals
    -------
    chosen()
        A person chose; see `planes` and `channels`.
    """

    chosen = Signal()

    def __init__(self, form: QFormLayout, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._form, self._is_chosen = form, False
        self.stacks, self.number, self.colours = combo_box(), QSpinBox(), combo_box()
        for text, value in STACKS.items():
            self.stacks.addItem(text, value)
        for text, colour in COLOURS.items():
            self.colours.addItem(text, colour)
        self.number.setMaximum(99_999)
        guard_wheel(self.number)
        self.number.setKeyboardTracking(False)
        named(self.number, "Slice", "Its number, from 0.")
        self._stack_row = row_of(self.stacks, self.number)
        tip = "What the slices of a stack (z or time) are, where the mask is one image."
        add_row(form, "Stacks are", self._stack_row, tip)
        named(self.stacks, "Stacks are", tip)
        add_row(form, "Colours", self.colours, "One channel by luminance (grey), or grey three times (RGB).")
        self.stacks.activated.connect(self._choose_stacks)
        self.number.valueChanged.connect(lambda _: self.chosen.emit())
        self.colours.activated.connect(lambda _: self.chosen.emit())
        self.show_table(None)

    def planes(self) -> str:
        """Return the choice for stacks, as `find_pairs` takes it; empty: not chosen."""
        value = str(self.stacks.currentData())
        return str(self.number.value()) if value == "slice" else value

    def for_new(self) -> tuple[str, Channels]:
        """Return how images are read that are found now: as those of the table, for which a person chose."""
        return self.planes() if self._is_chosen else "", self.channels()

    def channels(self) -> Channels:
        """Return the choice of colours."""
        value: Channels = self.colours.currentData()
        return value

    def show_table(self, table: PairTable | None) -> None:
        """Show how the images of a table are read."""
        entries = table.entries if table is not None else ()
        stacks = [entry for entry in entries if entry.stack_use or entry.page is not None]
        channels = {entry.shape[0] for entry in entries if entry.shape is not None}
        colours = {entry.channels for entry in entries}
        self._form.setRowVisible(self._stack_row, bool(stacks))
        self._form.setRowVisible(self.colours, len(channels) > 1 or bool(colours - {"as-stored"}))
        self._is_chosen = any(entry.stack_use not in ("", "ask") for entry in stacks)
        uses = {entry.stack_use or "slices" for entry in stacks}
        pages = {entry.page for entry in stacks if entry.page is not None}
        use = uses.pop() if len(uses) == 1 else ""
        if use == "slice" and len(pages) > 1:
            use = "slices"
        with QSignalBlocker(self.number):
            self.number.setVisible(use == "slice")
            if use == "slice":
                self.number.setValue(pages.pop() or 0)
        self.stacks.setCurrentIndex(max(self.stacks.findData("" if use == "ask" else use), 0))
        self.colours.setCurrentIndex(self.colours.findData(colours.pop() if len(colours) == 1 else "as-stored"))

    def _choose_stacks(self, _: int) -> None:
        value = self.stacks.currentData()
        self.number.setVisible(value == "slice")
        if value:
            self.chosen.emit()
