"""The choice what to paint on: an empty canvas, a real pair, a labels layer, or a sample of the gallery."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QSpinBox, QVBoxLayout, QWidget

from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows, show_row
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.paint.stamp import FLOAT
from napari_organoid_synth.widgets.paint.start import MAX_SIDE, StartChoice, default_size, usable_rows
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

KINDS = {
    "empty": ("an empty canvas", "Begin with nothing and paint every object."),
    "pair": ("a real pair", "Begin with the mask of a real pair: add a cell, remove one, move a border."),
    "layer": ("a labels layer", "Paint on a labels layer that is open in this window."),
    "sample": ("a sample", "Change a synthetic pair of the gallery."),
}
NO_SAMPLE = "In Curate, click a tile with the right mouse button and choose 'Change this one'."
KEEP_TIP = "Pixels of the real image stay as they are wherever the mask stays; only what you change is painted."


class StartForm(QWidget):
    """Editors of a `StartChoice`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose labels layers can be painted on.

    Signals
    -------
    changed()
        Another choice.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._sample = viewer, ""
        self._size_by_hand = False
        self.kind, self.pair, self.layer = combo_box(), combo_box(), combo_box()
        for key, (text, tip) in KINDS.items():
            self.kind.addItem(text, key)
            self.kind.setItemData(self.kind.count() - 1, tip, 3)  # tool tip
        self.height_box, self.width_box = QSpinBox(), QSpinBox()
        for box, name in ((self.height_box, "Height"), (self.width_box, "Width")):
            box.setRange(16, MAX_SIDE)
            box.setSingleStep(32)
            box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)  # two numbers of four digits beside each other
            named(box, name, f"{name} of the canvas, 16 to {MAX_SIDE} px.")
            guard_wheel(box)
        self.keep_real = QCheckBox("Keep the real image elsewhere")
        self.keep_real.setChecked(True)
        named(self.keep_real, "Keep the real image", KEEP_TIP)
        self.hint = WrapLabel(NO_SAMPLE)
        self.hint.setAccessibleName("The sample to change")
        self._build()
        self.show_table(None)

    def _build(self) -> None:
        self.form = rows()
        add_row(self.form, "Start on", self.kind, "What is on the canvas at first.")
        self.size_row = row_of(self.width_box, PlainLabel("×"), self.height_box)
        add_row(self.form, "Size, px", self.size_row, "Width and height of the canvas.")
        add_row(self.form, "Pair", self.pair, "The real pair whose mask is changed.")
        add_row(self.form, "Layer", self.layer, "The labels layer that is painted on.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.form)
        column.addWidget(self.keep_real)
        column.addWidget(self.hint)
        for combo in (self.kind, self.pair, self.layer):
            combo.currentIndexChanged.connect(self._edited)
        for box in (self.height_box, self.width_box):
            box.valueChanged.connect(self._sized)
        self.keep_real.toggled.connect(self._edited)
        self._show_rows()

    # --- value ---

    @property
    def own(self) -> Any:
        """The labels layer that is chosen; None for another start."""
        if self.kind.currentData() != "layer":
            return None
        chosen = self.layer.currentData()
        return next((layer for layer in self._viewer.layers if id(layer) == chosen), None)

    def choice(self) -> StartChoice:
        """Return what is chosen."""
        kind, own = self.kind.currentData(), self.own
        size = self.height_box.value(), self.width_box.value()
        if kind == "pair":
            return StartChoice("pair", self.pair.currentData() or "", size, self.keep_real.isChecked())
        if kind == "sample":
            return StartChoice("sample", self._sample)
        if own is not None:
            return StartChoice("layer", str(own.name), labels=np.asarray(own.data).astype(np.int32))
        return StartChoice("empty", size=size)

    @property
    def problem(self) -> str:
        """Why it cannot be started; empty if it can."""
        kind = self.kind.currentData()
        if kind == "pair" and not self.pair.count():
            return "There are no real pairs with masks. Add some in Pairs."
        if kind == "layer" and self.own is None:
            return "There is no labels layer of one image, up to 4,096 px. Choose an empty canvas."
        return NO_SAMPLE if kind == "sample" and not self._sample else ""

    def choose_sample(self, id: str) -> None:
        """Start on a sample of the gallery."""
        self._sample = id
        self.kind.setCurrentIndex(self.kind.findData("sample"))
        self._edited()

    def choose_layer(self, layer: Any) -> None:
        """Start on a labels layer; `problem` says why where it cannot be painted on."""
        self.show_layers()
        self.layer.setCurrentIndex(self.layer.findData(id(layer)))
        self.kind.setCurrentIndex(self.kind.findData("layer"))
        self._edited()

    def remembered(self) -> dict[str, Any]:
        """Return what is kept for the next time."""
        size = [self.height_box.value(), self.width_box.value()] if self._size_by_hand else []
        return {"kind": self.kind.currentData(), "size": size, "keep_real": self.keep_real.isChecked()}

    def restore(self, kept: dict[str, Any]) -> None:
        """Show what was kept; a sample must be chosen again."""
        kind, size = kept.get("kind"), kept.get("size")
        with QSignalBlocker(self):
            self.keep_real.setChecked(kept.get("keep_real") is not False)
            self.kind.setCurrentIndex(max(0, self.kind.findData(kind)) if kind != "sample" else 0)
            if isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size):
                self.height_box.setValue(size[0])
                self.width_box.setValue(size[1])
                self._size_by_hand = True
        self._show_rows()

    # --- what there is ---

    def show_table(self, table: PairTable | None) -> None:
        """Offer the pairs of a table, and their size unless a person chose one."""
        names = [entry.name for entry in usable_rows(table)]
        _refill(self.pair, [(name, name) for name in names])
        if not self._size_by_hand:
            with QSignalBlocker(self.height_box), QSignalBlocker(self.width_box):
                height, width = default_size(table)
                self.height_box.setValue(height)
                self.width_box.setValue(width)

    def forget_project(self) -> None:
        """Forget what belongs to the project that was open."""
        self._sample, self._size_by_hand = "", False
        self._show_rows()

    def show_layers(self) -> None:
        """Offer the labels layers that there are now."""
        _refill(self.layer, [(str(layer.name), id(layer)) for layer in self._viewer.layers if can_paint_on(layer)])

    def _sized(self) -> None:
        self._size_by_hand = True
        self._edited()

    def _edited(self, *_: object) -> None:
        self._show_rows()
        self.changed.emit()

    def _show_rows(self) -> None:
        kind = self.kind.currentData()
        self.kind.setToolTip(KINDS[kind][1])
        show_row(self.form, self.size_row, kind == "empty")
        show_row(self.form, self.pair, kind == "pair")
        show_row(self.form, self.layer, kind == "layer")
        self.keep_real.setVisible(kind == "pair")
        self.hint.setVisible(kind == "sample")
        self.hint.setText(f"Sample {self._sample}" if self._sample else NO_SAMPLE)


def can_paint_on(layer: Any) -> bool:
    """Return whether a layer holds the labels of one image in memory, of a size that can be painted."""
    if not isinstance(layer, Labels) or layer.multiscale or layer.metadata.get(FLOAT):
        return False
    data = layer.data
    return isinstance(data, np.ndarray) and data.ndim == 2 and 0 < max(data.shape) <= MAX_SIDE


def _refill(combo: Any, items: list[tuple[str, Any]]) -> None:
    chosen = combo.currentData()
    with QSignalBlocker(combo):
        combo.clear()
        for text, value in items:
            combo.addItem(text, value)
        combo.setCurrentIndex(max(0, combo.findData(chosen)) if items else -1)
