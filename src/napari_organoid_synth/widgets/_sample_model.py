"""Which samples a column of the gallery shows, as Qt sees a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt

from napari_organoid_synth.core.curation import SampleRow
from napari_organoid_synth.widgets._thumbnails import StoreThread

FLAGS = {"copy": "a copy of a real image", "mask": "its mask is broken"}


def describe(row: SampleRow) -> str:
    """A sample in words, for its tooltip."""
    lines = [row.name, f"{row.verdict}; {row.note or 'not scored yet'}"]
    if row.flagged:
        lines.append(f"Flagged: {FLAGS.get(row.flagged, row.flagged)}")
    if row.nearest:
        lines.append(f"Most similar real image: {row.nearest}")
    lines.append(f"{row.n_objects} objects, {row.size[0]} × {row.size[1]} px" + (f", {row.run}" if row.run else ""))
    lines += [f"{metric}: {value:.3g}" for metric, value in sorted(row.scores.items())]
    return "\n".join(lines)


class SampleModel(QAbstractListModel):
    """Ids in the order shown; everything else is fetched when a tile is painted."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.source: StoreThread | None = None
        self.ids: list[str] = []
        self._rows: dict[str, int] | None = None

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of samples."""
        return 0 if parent is not None and parent.isValid() else len(self.ids)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Id (user role), name, or all that is known in words (tooltip)."""
        if not index.isValid():
            return None
        id = self.ids[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return id
        row = self.source.row(id) if self.source else None
        if role == Qt.ItemDataRole.ToolTipRole:
            return describe(row) if row else id
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{row.name}, {row.verdict}{', flagged' if row.flagged else ''}" if row else id
        return (row.name if row else id) if role == Qt.ItemDataRole.DisplayRole else None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Tiles can be selected and dragged."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled

    def row_of(self, id: str) -> int | None:
        """Place of a sample, or None."""
        if self._rows is None:
            self._rows = {known: row for row, known in enumerate(self.ids)}
        return self._rows.get(id)

    def set_ids(self, ids: Sequence[str]) -> None:
        """Show these; tiles that stay keep their selection, because rows are removed, sorted and inserted."""
        ids = list(ids)
        if ids == self.ids:
            return
        wanted = set(ids)
        for first, last in reversed(list(_runs(i for i, id in enumerate(self.ids) if id not in wanted))):
            self.beginRemoveRows(QModelIndex(), first, last)
            del self.ids[first : last + 1]
            self._rows = None
            self.endRemoveRows()
        kept = set(self.ids)
        order = [id for id in ids if id in kept]
        if order != self.ids:
            self.layoutAboutToBeChanged.emit()
            before = self.persistentIndexList()
            names = [self.ids[index.row()] for index in before]
            self.ids, self._rows = order, None
            self.changePersistentIndexList(before, [self.index(self.row_of(name) or 0) for name in names])
            self.layoutChanged.emit()
        for first, last in _runs(i for i, id in enumerate(ids) if id not in kept):
            self.beginInsertRows(QModelIndex(), first, last)
            self.ids[first:first] = ids[first : last + 1]
            self._rows = None
            self.endInsertRows()


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as first and last of each unbroken run."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last
