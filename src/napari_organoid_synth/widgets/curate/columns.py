"""New, accepted and rejected samples: three columns, or one with chips where there is little width; one selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from napari_organoid_synth.core.samples.store import VERDICTS, Verdict
from napari_organoid_synth.widgets.curate.chips import Chips
from napari_organoid_synth.widgets.curate.gallery import GalleryView
from napari_organoid_synth.widgets.shared.theme import LETTERS, VERDICT_COLOURS

HINTS: dict[Verdict, str] = {
    "new": "Nothing is waiting for a verdict.",
    "accepted": "Drag good pairs here, or press A.",
    "rejected": "Drag bad pairs here, or press R.",
}
WIDE = 1000
"""Width, px, below which one column shows the verdict of the chosen chip."""


class Columns(QWidget):
    """The tiles of each verdict.

    Parameters
    ----------
    commands : sequence of QAction
        Offered on every tile.

    Attributes
    ----------
    views : dict of str to GalleryView
        By verdict.
    chips : Chips
        Placed by the dock; shown where there is one column.
    active : GalleryView
        The tiles that keys act on; the ones in view where there is one column.
    picked, opened, resized : Signal()
        A person selected tiles, or double-clicked one; the tiles have another height.
    zoomed : Signal(int)
        Tiles are to be larger or smaller by so many px.
    samplesDropped : Signal(str, list of str)
        Verdict, ids of the samples.
    filesDropped : Signal(str, list of Path)
        Verdict, files from elsewhere.
    """

    picked = Signal()
    opened = Signal()
    resized = Signal()
    zoomed = Signal(int)
    samplesDropped = Signal(str, list)
    filesDropped = Signal(str, list)

    def __init__(self, commands: Sequence[QAction]) -> None:
        super().__init__()
        self.views: dict[Verdict, GalleryView] = {verdict: GalleryView(verdict, HINTS[verdict]) for verdict in VERDICTS}
        self.titles = {verdict: QLabel() for verdict in VERDICTS}
        for title in self.titles.values():
            title.setTextFormat(Qt.TextFormat.RichText)  # own words alone
        self.chips, self.is_wide = Chips(), True
        self.chips.hide()
        self.chips.chosen.connect(lambda verdict: self.show_verdict(verdict))
        self._active, self._following = self.views["new"], False
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        self._holders: dict[Verdict, QWidget] = {}
        for place, (verdict, view) in enumerate(self.views.items()):
            holder = self._holders[verdict] = QWidget()
            layout = QVBoxLayout(holder)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(2)
            layout.addWidget(self.titles[verdict])
            layout.addWidget(view, 1)
            self._split.addWidget(holder)
            self._split.setStretchFactor(place, 1)
            view.addActions(list(commands))
            self._wire(verdict, view)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._split)

    def _wire(self, verdict: Verdict, view: GalleryView) -> None:
        view.touched.connect(lambda: self._touch(view))
        view.picked.connect(lambda: self._pick(view))
        view.doubleClicked.connect(lambda _: self.opened.emit())
        view.zoomed.connect(self.zoomed)
        chip = self.chips.chips[verdict]
        for source in (view, chip):
            source.samplesDropped.connect(lambda ids: self.samplesDropped.emit(verdict, ids))
            source.filesDropped.connect(lambda files: self.filesDropped.emit(verdict, files))

    def set_width(self, width: int) -> None:
        """Show three columns, or one where ``width``, px, is too small."""
        was_wide, self.is_wide = self.is_wide, width >= WIDE
        self.chips.setVisible(not self.is_wide)
        for verdict, view in self.views.items():
            self.titles[verdict].setVisible(self.is_wide)
            self._holders[verdict].setVisible(self.is_wide or view is self._active)
        if self.is_wide and not was_wide:
            self._split.setSizes([width // len(self.views)] * len(self.views))  # hidden ones had none

    def resizeEvent(self, a0: Any) -> None:
        """Report another height."""
        super().resizeEvent(a0)
        self.resized.emit()

    def side_for(self, rows: int) -> int:
        """Return the side of a tile with which so many rows are in view, px."""
        return self._active.side_for(rows)

    @property
    def active(self) -> GalleryView:
        """The tiles that keys act on."""
        return self._active

    @active.setter
    def active(self, view: GalleryView) -> None:
        self._active = view
        self.chips.choose(view.verdict)
        if not self.is_wide:
            holder = self._holders[view.verdict]
            holder.show()  # before the others go, so that the focus does not leave the gallery
            for other in self._holders.values():
                other.setVisible(other is holder)

    def show_verdict(self, verdict: Verdict) -> None:
        """Bring the tiles of a verdict into view, and give them the keys."""
        self.active = self.views[verdict]
        self.active.setFocus()

    # --- what is shown ---

    def show_ids(self, ids: Mapping[Verdict, Sequence[str]]) -> None:
        """Show these samples, by verdict; selection and scroll position stay."""
        for verdict, view in self.views.items():
            view.show_ids(ids.get(verdict, []))

    def show_tiles(self, side: int, mode: str) -> None:
        """Change size, px, and mask drawing of all tiles."""
        for view in self.views.values():
            view.show_tiles(side, mode)

    def set_source(self, source: Any) -> None:
        """Set where tiles get rows and thumbnails from."""
        self.chips.set_store(source.path if source is not None else None)
        for view in self.views.values():
            view.samples.source = source

    def repaint_tiles(self, ids: Sequence[str]) -> None:
        """Repaint tiles that have a thumbnail now."""
        for view in self.views.values():
            view.repaint_tiles(ids)

    def repaint_all(self) -> None:
        """Repaint all tiles; rows are asked for again then."""
        for view in self.views.values():
            view.viewport().update()

    def has(self, verdict: Verdict, id: str) -> bool:
        """Return whether a sample is in this column."""
        return self.views[verdict].samples.row_of(id) is not None

    def move(self, ids: Sequence[str], verdict: Verdict, places: Mapping[str, int]) -> None:
        """Move samples into another column, each to its place in the order of all samples."""
        self.take_out(ids, but=verdict)
        self.views[verdict].put_in(ids, places)

    def take_out(self, ids: Sequence[str], but: Verdict | None = None) -> None:
        """Take samples out of all columns but one, where they are."""
        for other, view in self.views.items():
            if other != but:
                view.take_out(ids)

    def count(self) -> None:
        """Show in titles and chips how many samples there are."""
        numbers = {verdict: len(view.samples.ids) for verdict, view in self.views.items()}
        self.chips.show_numbers(numbers)
        for verdict, number in numbers.items():
            style = f"background-color:{VERDICT_COLOURS[verdict]}; color:black"
            letter = f'<span style="{style}">&nbsp;{LETTERS[verdict]}&nbsp;</span>'
            self.titles[verdict].setText(f"{letter} {verdict.upper()} <b>{number:,}</b>")

    # --- selection ---

    def _touch(self, view: GalleryView) -> None:
        self.active = view

    def _pick(self, view: GalleryView) -> None:
        """End the selection in the other columns, so that a key always acts on one set of tiles."""
        if self._following:
            return
        self.picked.emit()
        if view.isVisible():
            self.active = view
        for other in self.views.values():
            if other is not view:
                other.clearSelection()

    def chosen(self) -> list[str]:
        """Return the ids of the selected tiles, those of the active column first."""
        others = [view for view in self.views.values() if view is not self.active]
        return [id for view in (self.active, *others) for id in view.selected()]

    def follow(self, ids: Sequence[str]) -> None:
        """Select the tiles that were selected in another dock, in all columns, and bring them into view."""
        self._following = True
        for view in self.views.values():
            view.select(ids)
        self._following = False
        most = max(self.views.values(), key=lambda view: len(view.selectedIndexes()))
        if most.selectedIndexes():
            self.active = most

    def find(self, ids: Sequence[str]) -> None:
        """Select these where they are and give them the keys."""
        for verdict, view in self.views.items():
            if any(view.samples.row_of(id) is not None for id in ids):
                self.show_verdict(verdict)
                view.select(ids)
