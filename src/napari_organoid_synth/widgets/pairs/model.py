"""The pairing table as Qt sees it."""

from __future__ import annotations

import re
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_organoid_synth.core.pairs.table import PairEntry, PairTable

COLUMNS = ("Pair", "Size", "Objects")
SIGNS = {"matched": "✓", "orphan": "○", "ambiguous": "?", "broken": "✕"}
SKIPPED = "skipped by hand"
CROP_LIMIT = 8
_SIZES = re.compile(r"the image is (\d+) × (\d+) px, the mask (\d+) × (\d+) px")


def skipped(entry: PairEntry) -> bool:
    """Whether a person left this row out."""
    return entry.status == "ambiguous" and entry.reason == SKIPPED


def can_crop(entry: PairEntry) -> bool:
    """Whether image and mask differ by so few pixels that cutting the larger one to the smaller is sensible."""
    sizes = _SIZES.search(entry.reason)
    if entry.status != "broken" or sizes is None:
        return False
    height, width, mask_height, mask_width = map(int, sizes.groups())
    return max(abs(height - mask_height), abs(width - mask_width)) <= CROP_LIMIT


class PairModel(QAbstractTableModel):
    """Rows of a `PairTable`: sign and name, size and dtype, objects; the reason in words as tool tip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[PairEntry, ...] = ()

    def setTable(self, table: PairTable | None) -> None:
        """Show another table."""
        self.beginResetModel()
        self._entries = table.entries if table is not None else ()
        self.endResetModel()

    def entry(self, row: int) -> PairEntry:
        """The entry of a row."""
        return self._entries[row]

    def first_problem(self) -> int:
        """Row that needs a look; the first when none does."""
        return next((row for row, e in enumerate(self._entries) if e.status != "matched" and not skipped(e)), 0)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of pairs."""
        return 0 if parent is not None and parent.isValid() else len(self._entries)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Number of columns."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Column titles."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell, words for the tool tip and for screen readers."""
        entry = self._entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (f"{sign(entry)} {entry.name}", size_text(entry), count_text(entry))[index.column()]
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return describe(entry)
        return None


def sign(entry: PairEntry) -> str:
    """A sign for the state of a row."""
    if skipped(entry):
        return "–"
    return "T" if entry.status == "matched" and entry.split == "test" else SIGNS[entry.status]


def size_text(entry: PairEntry) -> str:
    """``1024² u8``, ``3 × 512 × 400 u16``."""
    if entry.shape is None:
        return ""
    channels, height, width = entry.shape
    size = f"{height}²" if height == width else f"{height}×{width}"
    dtype = entry.dtype.replace("uint", "u").replace("int", "i").replace("float", "f")
    return f"{'' if channels == 1 else f'{channels}×'}{size} {dtype}"


def count_text(entry: PairEntry) -> str:
    """Objects or classes in the mask."""
    return "" if entry.n_objects is None else f"{entry.n_objects:,}"


def describe(entry: PairEntry) -> str:
    """A row in words."""
    state = "matched, for testing" if entry.status == "matched" and entry.split == "test" else entry.status
    parts = [f"{entry.name}: {'skipped' if skipped(entry) else state}"]
    if entry.reason and not skipped(entry):
        parts.append(entry.reason.rstrip("."))
    if entry.status == "matched" and entry.object_size is not None:
        low, high = entry.object_size
        parts.append(f"Objects of {low:,} to {high:,} px")
    if entry.scale < 1 and entry.size is not None:
        parts.append(f"Used at {entry.size[0]} × {entry.size[1]} px")
    if entry.pixel_size is not None:
        parts.append(f"Pixel {entry.pixel_size[0]:.4g} µm")
    return ". ".join(parts) + "."


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
        """Selected rows, top to bottom."""
        return sorted({index.row() for index in self.selectionModel().selectedIndexes()})
