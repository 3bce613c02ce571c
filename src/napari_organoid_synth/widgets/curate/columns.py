"""The three columns of the gallery as one: new, accepted and rejected, with one selection among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from napari_organoid_synth.core.samples.store import VERDICTS, Verdict
from napari_organoid_synth.widgets.curate.gallery import LETTERS, GalleryView
from napari_organoid_synth.widgets.shared.theme import VERDICT_COLOURS

HINTS: dict[Verdict, str] = {
    "new": "Nothing is waiting for a verdict.",
    "accepted": "Drag good pairs here, or press A.",
    "rejected": "Drag bad pairs here, or press R.",
}


class Columns(QSplitter):
    """A column of tiles for each verdict.

    Parameters
    ----------
    commands : sequence of QAction
        Offered on every tile.

    Attributes
    ----------
    views : dict of str to GalleryView
        By verdict.
    active : GalleryView
        The column that keys act on.
    picked, opened : Signal()
        A person selected tiles, or double-clicked one.
    zoomed : Signal(int)
        Tiles are to be larger or smaller by so many px.
    samplesDropped : Signal(str, list of str)
        Verdict of the column, ids of the samples.
    filesDropped : Signal(str, list of Path)
        Verdict of the column, files from elsewhere.
    """

    picked = Signal()
    opened = Signal()
    zoomed = Signal(int)
    samplesDropped = Signal(str, list)
    filesDropped = Signal(str, list)

    def __init__(self, commands: Sequence[QAction]) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setChildrenCollapsible(False)
        self.views: dict[Verdict, GalleryView] = {verdict: GalleryView(verdict, HINTS[verdict]) for verdict in VERDICTS}
        self.titles = {verdict: QLabel() for verdict in VERDICTS}
        for title in self.titles.values():
            title.setTextFormat(Qt.TextFormat.RichText)  # own words alone
        self.active = self.views["new"]
        self._following = False
        for place, (verdict, view) in enumerate(self.views.items()):
            column = QWidget()
            layout = QVBoxLayout(column)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(2)
            layout.addWidget(self.titles[verdict])
            layout.addWidget(view, 1)
            self.addWidget(column)
            self.setStretchFactor(place, 1)
            view.addActions(list(commands))
            self._wire(verdict, view)

    def _wire(self, verdict: Verdict, view: GalleryView) -> None:
        view.touched.connect(lambda: self._touch(view))
        view.picked.connect(lambda: self._pick(view))
        view.doubleClicked.connect(lambda _: self.opened.emit())
        view.zoomed.connect(self.zoomed)
        view.samplesDropped.connect(lambda ids: self.samplesDropped.emit(verdict, ids))
        view.filesDropped.connect(lambda files: self.filesDropped.emit(verdict, files))

    def set_width(self, width: int) -> None:
        """Put the columns below each other where ``width``, px, is too small."""
        wide = width >= 3 * self.views["new"].minimumWidth() + 24
        self.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)

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
        for other, view in self.views.items():
            if other != verdict:
                view.take_out(ids)
        self.views[verdict].put_in(ids, places)

    def count(self) -> None:
        """Show in the titles how many samples there are."""
        for verdict, view in self.views.items():
            style = f"background-color:{VERDICT_COLOURS[verdict]}; color:black"
            letter = f'<span style="{style}">&nbsp;{LETTERS[verdict]}&nbsp;</span>'
            self.titles[verdict].setText(f"{letter} {verdict.upper()} <b>{len(view.samples.ids):,}</b>")

    # --- selection ---

    def _touch(self, view: GalleryView) -> None:
        self.active = view

    def _pick(self, view: GalleryView) -> None:
        """End the selection in the other columns, so that a key always acts on one set of tiles."""
        if self._following:
            return
        self.picked.emit()
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
        self.active = max(self.views.values(), key=lambda view: len(view.selectedIndexes()))

    def find(self, ids: Sequence[str]) -> None:
        """Select these where they are and give them the keys."""
        for view in self.views.values():
            if any(view.samples.row_of(id) is not None for id in ids):
                view.setFocus()
                view.select(ids)
