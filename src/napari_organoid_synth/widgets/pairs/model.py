"""The pairing table as Qt sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.quantities import pixels, plural
from napari_organoid_synth.widgets.forms.plain_text import plain

COLUMNS = ("Pair", "Size", "Objects")
SIGNS = {"matched": "✓", "orphan": "○", "ambiguous": "?", "broken": "✕", "skipped": "–"}
MAX_CROP = 8  # px
STACK_TEXTS = {
    "plane": "each plane is an image",
    "ask": "say below what they are",
    "channels": "taken as channels",
    "max": "the brightest is used (maximum)",
    "mean": "their mean is used",
}
"""How the planes of a stack are used."""


def can_crop(entry: PairEntry) -> bool:
    """Return whether image and mask differ by so few pixels that cutting the larger to the smaller is sensible."""
    if entry.status != "broken" or entry.shape is None or entry.mask_size is None:
        return False
    return max(abs(side - other) for side, other in zip(entry.shape[1:], entry.mask_size, strict=True)) <= MAX_CROP


class PairModel(QAbstractTableModel):
    """Rows of a `PairTable`: sign and name, size and pixel type, objects; the reason as tool tip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[PairEntry, ...] = ()

    def setTable(self, table: PairTable | None) -> None:
        """Show another table."""
        self.beginResetModel()
        self._entries = table.entries if table is not None else ()
        self.endResetModel()

    def entry(self, row: int) -> PairEntry:
        """Return the entry of a row."""
        return self._entries[row]

    def first_problem(self) -> int:
        """Return the first row with a problem; the first row when there is none."""
        return next((row for row, e in enumerate(self._entries) if e.status not in ("matched", "skipped")), 0)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of pairs."""
        return 0 if parent is not None and parent.isValid() else len(self._entries)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title of a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell, its tool tip or its description for screen readers."""
        entry = self._entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (f"{sign(entry)} {entry.name}", size_text(entry), count_text(entry))[index.column()]
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return plain(describe(entry))
        return None


def sign(entry: PairEntry) -> str:
    """Return a sign for the status of a row."""
    return "T" if entry.status == "matched" and entry.split == "test" else SIGNS[entry.status]


def image_text(entry: PairEntry) -> str:
    """Describe size and pixels of an image: ``512 × 378 px, RGB``, ``512 × 378 px, 3 channels, 16-bit``."""
    bits = "" if entry.channel_names == RGB and entry.dtype == "uint8" else bits_text(entry.dtype)
    stack = f"of a stack of {entry.n_planes} planes" if entry.n_planes is not None else ""
    return ", ".join(filter(None, (size_text(entry.replace(dtype="uint8")), bits, stack)))


def size_text(entry: PairEntry) -> str:
    """Describe an image in a narrow column: as `image_text`, but 8 bits are understood."""
    if entry.shape is None:
        return ""
    n_channels = entry.shape[0]
    channels = "RGB" if entry.channel_names == RGB else plural(n_channels, "channel") if n_channels > 1 else ""
    bits = "" if entry.dtype == "uint8" else bits_text(entry.dtype)
    return ", ".join(filter(None, (pixels(entry.shape[1:]), channels, bits)))


def bits_text(dtype: str) -> str:
    """Return a pixel type as microscopists call it: ``8-bit``, ``16-bit``, ``32-bit float``."""
    if not dtype:
        return ""
    kind = np.dtype(dtype)
    extra = {"f": " float", "i": " signed"}.get(kind.kind, "")
    return f"{8 * kind.itemsize}-bit{extra}"


def count_text(entry: PairEntry) -> str:
    """Return the number of objects in the mask."""
    return "" if entry.n_objects is None else f"{entry.n_objects:,}"


def describe(entry: PairEntry) -> str:
    """Describe a row in a few sentences."""
    state = "matched, for testing" if entry.status == "matched" and entry.split == "test" else entry.status
    parts = [f"{entry.name}: {state}"]
    if entry.reason:
        parts.append(entry.reason[:1].upper() + entry.reason[1:].rstrip("."))
    if entry.status == "matched":
        parts += [image_text(entry), objects_text(entry)]
    if entry.image_class:
        parts.append(f"Class of the image: {entry.image_class}")
    if entry.size is not None and entry.shape is not None and entry.size != entry.shape[1:]:
        parts.append(f"Used at {pixels(entry.size)}")
    if entry.pixel_size is not None:
        parts.append(f"Pixel size {entry.pixel_size[0]:.4g} µm")
    return ". ".join(filter(None, parts)) + "."


def reading_text(table: PairTable) -> str:
    """Say which images are in colour and which are stacks, and how these are used; empty for plain grey images."""
    rows = [entry for entry in table.matched if entry.shape is not None]
    rgb = sum(entry.channel_names == RGB for entry in rows)
    parts = []
    if rgb:
        parts.append("RGB images." if rgb == len(rows) else f"{rgb} of {plural(len(rows), 'image')} are RGB.")
    uses: dict[tuple[int, str], set[str]] = {}
    for entry in table.entries:
        if entry.n_planes is not None:
            use: str = "plane" if entry.page is not None and entry.stack_use in ("", "slice") else entry.stack_use
            uses.setdefault((entry.n_planes, use), set()).add(entry.image)
    for (planes, use), files in sorted(uses.items()):
        stacks = "Stack" if len(files) == 1 else f"{len(files)} stacks"
        parts.append(f"{stacks} of {planes} planes: {STACK_TEXTS[use]}.")
    return " ".join(parts)


def objects_text(entry: PairEntry) -> str:
    """Describe the objects of a mask: ``One object, 37,406 px``, ``12 objects of 30 to 400 px``."""
    if entry.n_objects is None:
        return ""
    if not entry.masks:
        return "No mask"
    if entry.object_size is None:
        return "No objects"
    smallest, largest = entry.object_size
    if entry.n_objects == 1:
        return f"One object, {largest:,} px"
    sizes = f"{smallest:,} to {largest:,} px" if smallest < largest else f"{largest:,} px"
    return f"{entry.n_objects:,} objects of {sizes}"


class PairView(QTableView):
    """The table as a list of rows in a narrow column."""

    def __init__(self, model: PairModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setAccessibleName("Pairs")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        header = self.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        header.setResizeContentsPrecision(30)
        header.setHighlightSections(False)
        self.setMinimumHeight(120)

    def rows(self) -> list[int]:
        """Return the selected rows, top to bottom."""
        return sorted({index.row() for index in self.selectionModel().selectedIndexes()})
