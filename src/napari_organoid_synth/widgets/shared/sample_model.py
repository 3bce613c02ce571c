"""The list of samples that a column of the gallery shows, for Qt."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any

from qtpy.QtCore import QModelIndex, QStringListModel, Qt

from napari_organoid_synth.core.metrics.score_texts import sample_text
from napari_organoid_synth.core.quantities import pixels, plural
from napari_organoid_synth.core.runs.titles import name_of
from napari_organoid_synth.core.samples.store import SampleRow
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread

FLAGS = {"copy": "a copy of a real image", "mask": "its mask is broken"}


def describe(row: SampleRow, with_scores: bool = True, run: str = "") -> str:
    """Describe a sample for its tooltip; ``with_scores`` with each number, ``run`` a friendly name of its run."""
    lines = [row.name, f"{row.verdict}; {row.note or 'not scored yet'}"]
    if row.flagged:
        lines.append(f"Flagged: {FLAGS.get(row.flagged, row.flagged)}")
    if row.tags:
        lines.append(f"Tags: {', '.join(row.tags)}")
    if row.remark:
        lines.append(f"Note: {row.remark}")
    if row.edited:
        lines.append("Its mask was edited.")
    if row.nearest is not None:
        lines.append(f"Most similar real image: {row.nearest.pair}")
    lines.append(f"{plural(row.n_objects, 'object')}, {pixels(row.size)}" + (f", {run or row.run}" if row.run else ""))
    for metric, value in sorted(row.scores.items()) if with_scores else ():
        text = sample_text(metric)
        lines.append(f"{text.title} {value:.3g} ({text.direction})")
    return "\n".join(lines)


def _signs(row: SampleRow) -> str:
    """Describe the signs on a tile for screen readers."""
    signs = [f"tags {', '.join(row.tags)}"] * bool(row.tags) + ["note"] * bool(row.remark) + ["edited"] * row.edited
    return "".join(f", {sign}" for sign in signs)


MAX_RUNS = 300
"""Separate changes of a list that views are told one by one; more would block the window."""


class SampleModel(QStringListModel):
    """Ids in the order shown; everything else is fetched when a tile is painted.

    Qt asks a model for its length once for each tile that it lays out. The base class answers that without Python: its
    own strings are empty and only counted, `ids` says what they are.
    """

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.source: StoreThread | None = None
        self.ids: list[str] = []
        self._rows: dict[str, int] | None = None
        self._coming: Sequence[str] = ()
        self.rowsInserted.connect(self._follow_insertion)  # before any view hears of it
        self.rowsRemoved.connect(self._follow_removal)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return id (user role), name, or a description (tooltip)."""
        if not index.isValid():
            return None
        id = self.ids[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return id
        row = self.source.row(id) if self.source else None
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain(describe(row, run=self._run_of(row)) if row else id)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{row.name}, {row.verdict}{', flagged' * bool(row.flagged)}{_signs(row)}" if row else id
        return (row.name if row else id) if role == Qt.ItemDataRole.DisplayRole else None

    def _run_of(self, row: SampleRow) -> str:
        return name_of(self.source.path.parent / "runs" / row.run) if row.run and self.source is not None else ""

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return flags: tiles can be selected and dragged."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled

    def row_of(self, id: str) -> int | None:
        """Place of a sample, or None."""
        if self._rows is None:
            self._rows = {known: row for row, known in enumerate(self.ids)}
        return self._rows.get(id)

    def set_ids(self, ids: Sequence[str]) -> None:
        """Show these; tiles that stay keep their selection, because rows are removed, sorted and inserted.

        A very different list resets the model; then nothing is selected.
        """
        ids = list(ids)
        if ids == self.ids:
            return
        wanted, known = set(ids), set(self.ids)
        gone = list(unbroken(row for row, id in enumerate(self.ids) if id not in wanted))
        coming = list(unbroken(row for row, id in enumerate(ids) if id not in known))
        if len(gone) + len(coming) > MAX_RUNS:
            self._reset(ids)
            return
        self._remove_runs(gone)
        kept = set(self.ids)
        order = [id for id in ids if id in kept]
        if order != self.ids:
            self.layoutAboutToBeChanged.emit()
            before = self.persistentIndexList()
            names = [self.ids[index.row()] for index in before]
            self.ids, self._rows = order, None
            self.changePersistentIndexList(before, [self.index(self.row_of(name) or 0) for name in names])
            self.layoutChanged.emit()
        for first, last in coming:
            self._insert(first, ids[first : last + 1])

    def remove(self, ids: Iterable[str]) -> list[int]:
        """Remove samples, those that are here; return the rows that they had, ascending."""
        rows = sorted(row for id in ids if (row := self.row_of(id)) is not None)
        runs = list(unbroken(rows))
        if len(runs) > MAX_RUNS:
            gone = set(rows)
            self._reset([id for row, id in enumerate(self.ids) if row not in gone])
        else:
            self._remove_runs(runs)
        return rows

    def insert(self, ids: Iterable[str], places: Mapping[str, int]) -> None:
        """Add samples, each where its place in the order of all samples puts it; those without a place come last."""

        def place(id: str) -> float:
            return places.get(id, inf)

        coming = list(ids)
        if len(coming) > MAX_RUNS:
            self._reset(sorted([*self.ids, *coming], key=place))
            return
        for id in coming:
            self._insert(bisect_right(self.ids, place(id), key=place), [id])

    def _insert(self, row: int, ids: Sequence[str]) -> None:
        self._coming = ids
        self.insertRows(row, len(ids))

    def _remove_runs(self, runs: Sequence[tuple[int, int]]) -> None:
        for first, last in reversed(runs):
            self.removeRows(first, last - first + 1)

    def _reset(self, ids: Sequence[str]) -> None:
        """Replace all ids in one reset, which is fast but clears the selection of views."""
        self.ids, self._rows = list(ids), None
        self.setStringList([""] * len(ids))

    def _follow_insertion(self, _: QModelIndex, first: int, __: int) -> None:
        self.ids[first:first] = self._coming
        self._rows = None

    def _follow_removal(self, _: QModelIndex, first: int, last: int) -> None:
        del self.ids[first : last + 1]
        self._rows = None


def unbroken(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each unbroken run of ascending numbers."""
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
