"""A column of the gallery: how a tile looks (delegate), how tiles are touched and dragged (view)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from qtpy.QtGui import QBrush, QColor, QDrag, QPainter, QPen, QPixmap, QPolygon
from qtpy.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate

from napari_organoid_synth.core.samples.store import SampleRow, Verdict
from napari_organoid_synth.widgets.curate.tile_drag import drag_data, offered
from napari_organoid_synth.widgets.shared.sample_model import SampleModel, unbroken
from napari_organoid_synth.widgets.shared.shortcuts import action_for
from napari_organoid_synth.widgets.shared.theme import LETTERS, VERDICT_COLOURS, theme_colour

SIDES = range(64, 193)
NAMED = 80
"""Side of a tile, px, from which on its name stands below it."""
EDGE, STRIPE, SPACING, DRAWN_IN_STACK = 4, 4, 3, 3


def frame_height(line: int, side: int) -> int:
    """Return the height of a tile without its picture, px, for a line of text of that height; small tiles have none."""
    return 2 * EDGE + STRIPE + (line if side >= NAMED else 0)


class TileDelegate(QStyledItemDelegate):
    """Paints a tile: thumbnail (grey until it is there), verdict stripe with letter, name, flag badge."""

    def __init__(self, verdict: Verdict, parent: Any = None) -> None:
        super().__init__(parent)
        self.verdict = verdict
        self.side, self.mode, self.chosen = 112, "outline", QColor("#8888ff")

    def sizeHint(self, option: Any, index: Any) -> QSize:
        """Return the size, the same for all tiles."""
        return QSize(self.side + 2 * EDGE, self.side + frame_height(option.fontMetrics.height(), self.side))

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint one tile; never waits for pixels."""
        model: Any = index.model()
        id, source, palette = model.ids[index.row()], model.source, option.palette
        if source is None:
            return
        box = QRect(option.rect.topLeft() + QPoint(EDGE, EDGE), QSize(self.side, self.side))
        ratio = painter.device().devicePixelRatioF()
        image, row = source.image(id, round(self.side * ratio), self.mode), source.row(id)
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, self.chosen)
        painter.fillRect(box, palette.color(palette.ColorRole.Mid))
        if image is not None and not image.isNull():
            size = QSize(round(image.width() / ratio), round(image.height() / ratio))
            painter.drawImage(QRect(box.center() - QPoint(size.width() - 1, size.height() - 1) / 2, size), image)
        foot = QRect(box.left(), box.bottom() + 1, box.width(), STRIPE + option.fontMetrics.height())
        self._paint_foot(painter, option, foot, row, id)
        if row is not None and row.flagged:
            _paint_flag(painter, box)
        if row is not None and (row.tags or row.remark or row.edited):
            _paint_signs(painter, box, "#" * bool(row.tags) + "❝" * bool(row.remark) + "✎" * row.edited)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(palette.color(palette.ColorRole.Text), 2))
            painter.drawRect(option.rect.adjusted(1, 1, -1, -1))
        painter.restore()

    def _paint_foot(self, painter: QPainter, option: Any, foot: QRect, row: SampleRow | None, id: str) -> None:
        colour = QColor(VERDICT_COLOURS[self.verdict])
        painter.fillRect(QRect(foot.topLeft(), QSize(foot.width(), STRIPE)), colour)
        line = option.fontMetrics.height()
        text = foot.adjusted(0, STRIPE, 0, 0)
        chip = QRect(text.topLeft(), QSize(line, line))
        if self.side < NAMED:
            chip.moveBottom(foot.top())  # over the picture
        painter.fillRect(chip, colour)
        painter.setPen(QColor("black"))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, LETTERS[self.verdict])
        if self.side < NAMED:
            return
        painter.setPen(option.palette.color(option.palette.ColorRole.Text))
        text.setLeft(chip.right() + 4)
        name = option.fontMetrics.elidedText(row.name if row else id, Qt.TextElideMode.ElideMiddle, text.width())
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)


def _paint_flag(painter: QPainter, box: QRect) -> None:
    """Paint an orange triangle with an exclamation mark in the upper right corner."""
    corner = 22
    right, top = box.right() + 1, box.top()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(QColor(VERDICT_COLOURS["flagged"])))
    painter.drawPolygon(QPolygon([QPoint(right - corner, top), QPoint(right, top), QPoint(right, top + corner)]))
    painter.setPen(QColor("black"))
    painter.drawText(
        QRect(right - corner // 2 - 1, top, corner // 2, corner // 2 + 3), Qt.AlignmentFlag.AlignCenter, "!"
    )


def _paint_signs(painter: QPainter, box: QRect, signs: str) -> None:
    """Paint signs in the upper left corner: # has tags, ❝ has a note, ✎ its mask was edited."""
    width = painter.fontMetrics().horizontalAdvance(signs) + 8
    chip = QRect(box.topLeft(), QSize(width, painter.fontMetrics().height()))
    painter.fillRect(chip, QColor("black"))
    painter.setPen(QColor("white"))
    painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, signs)


class GalleryView(QListView):
    """One column of tiles, source and target of drags.

    Attributes
    ----------
    samplesDropped : Signal(list of str)
        Ids of tiles of another column.
    filesDropped : Signal(list of Path)
        Files from outside.
    zoomed : Signal(int)
        Ctrl and the wheel were turned: px to add to the side of the tiles.
    touched, picked : Signal()
        This column got the focus; its selection holds something new.
    """

    samplesDropped = Signal(list)
    filesDropped = Signal(list)
    zoomed = Signal(int)
    touched = Signal()
    picked = Signal()

    def __init__(self, verdict: Verdict, hint: str, parent: Any = None) -> None:
        super().__init__(parent)
        self.verdict, self.hint, self._lit = verdict, hint, False
        self.samples, self.tiles = SampleModel(self), TileDelegate(verdict, self)
        self.setModel(self.samples)
        self._port: Any = self.viewport()
        self._bar: Any = self.verticalScrollBar()
        self._chosen: Any = self.selectionModel()
        self.setItemDelegate(self.tiles)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSpacing(SPACING)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionRectVisible(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setDragEnabled(True)
        self.setAcceptDrops(True)
        self._port.setAcceptDrops(True)  # a static movement had taken it away
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.setMinimumHeight(64)
        self.setMinimumWidth(SIDES[0] + 2 * EDGE + 34)
        self.setAccessibleName(f"{verdict} samples")

    # ------------------------------------------------------------------------------------------------ what is shown

    def side_for(self, rows: int) -> int:
        """Return the side of a tile with which so many rows are in view, px; as near to it as `SIDES` allow."""
        room: int = (self._port.height() - SPACING) // rows - SPACING
        line = self.fontMetrics().height()
        side = room - frame_height(line, NAMED)
        if side < NAMED:
            side = min(room - frame_height(line, 0), NAMED - 1)
        return min(max(side, SIDES[0]), SIDES[-1])

    def show_tiles(self, side: int, mode: str) -> None:
        """Change size and mask drawing of all tiles."""
        resized = side != self.tiles.side
        anchor = self._anchor() if resized else None
        self.tiles.side, self.tiles.mode = side, mode
        if resized:
            self.scheduleDelayedItemsLayout()
            self._return_to(anchor)
        self._port.update()

    def show_ids(self, ids: Sequence[str]) -> None:
        """Change which samples are shown; the tile in the upper left corner stays in place."""
        if list(ids) != self.samples.ids:
            anchor, top, chosen = self._anchor(), self._bar.value(), self.selected()
            self.samples.set_ids(ids)
            if chosen and not self._chosen.hasSelection():
                self.select(chosen)
                self._bar.setValue(top)
            self._return_to(anchor)

    def take_out(self, ids: Iterable[str]) -> None:
        """Remove samples, those that are here, and select the tile that follows them."""
        anchor = self._anchor()
        rows = self.samples.remove(ids)
        if rows:
            self._return_to(anchor)
            self.select(self.samples.ids[min(rows[0], len(self.samples.ids) - 1) :][:1])

    def put_in(self, ids: Iterable[str], places: Mapping[str, int]) -> None:
        """Add samples at their places in the order of all samples; the tile in the upper left corner stays in place."""
        anchor = self._anchor()
        self.samples.insert(ids, places)
        self._return_to(anchor)

    def repaint_tiles(self, ids: Iterable[str]) -> None:
        """Repaint tiles that have a thumbnail now."""
        for id in ids:
            row = self.samples.row_of(id)
            if row is not None:
                self._port.update(self.visualRect(self.samples.index(row)))

    def selected(self) -> list[str]:
        """Return the selected ids in the order shown."""
        return [self.samples.ids[row] for row in sorted(index.row() for index in self.selectedIndexes())]

    def select(self, ids: Iterable[str]) -> None:
        """Select exactly these and bring the first into view."""
        rows = sorted(row for id in ids if (row := self.samples.row_of(id)) is not None)
        self.clearSelection()
        if rows:
            self.setCurrentIndex(self.samples.index(rows[0]))
            selection = QItemSelection()
            for first, last in unbroken(rows):
                selection.select(self.samples.index(first), self.samples.index(last))
            self._chosen.select(selection, QItemSelectionModel.SelectionFlag.Select)

    def _anchor(self) -> tuple[str, int] | None:
        """Return the tile in the upper left corner and its offset from the edge, px; None at the top."""
        if self._bar.value() == 0:
            return None
        index = self.indexAt(QPoint(self.spacing() + EDGE + 1, self.tiles.side // 2))
        return (self.samples.ids[index.row()], self.visualRect(index).top()) if index.isValid() else None

    def _return_to(self, anchor: tuple[str, int] | None) -> None:
        row = self.samples.row_of(anchor[0]) if anchor else None
        if anchor and row is not None:
            self.executeDelayedItemsLayout()
            self._bar.setValue(self._bar.value() + self.visualRect(self.samples.index(row)).top() - anchor[1])

    def paintEvent(self, event: Any) -> None:
        """Paint the tiles, a hint when there are none, a frame while a drag hovers."""
        super().paintEvent(event)
        if self._lit or not self.samples.ids:
            painter, box = QPainter(self._port), self._port.rect()
            if not self.samples.ids:
                flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
                painter.drawText(box.adjusted(12, 12, -12, -12), int(flags), self.hint)
            if self._lit:
                glow = QColor(VERDICT_COLOURS[self.verdict])
                painter.setPen(QPen(glow, 4))
                glow.setAlpha(50)
                painter.setBrush(glow)
                painter.drawRect(box.adjusted(2, 2, -2, -2))

    def changeEvent(self, event: Any) -> None:
        """Apply the selection colour of the new theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self.tiles.chosen = QColor(theme_colour("current"))

    # ----------------------------------------------------------------------------------------------- keys and wheel

    def event(self, event: Any) -> bool:
        """Claim the gallery's keys before the window's own shortcuts see them."""
        if event.type() == QEvent.Type.ShortcutOverride and action_for(self, event):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: Any) -> None:
        """Handle the gallery's keys; arrows, Ctrl+A and the rest as in any list."""
        action = action_for(self, event)
        if action:
            action.trigger()
        else:
            super().keyPressEvent(event)

    def keyboardSearch(self, search: Any) -> None:
        """Ignore letters, which are commands here."""

    def wheelEvent(self, event: Any) -> None:
        """Scroll; with Ctrl change the size of the tiles."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoomed.emit(16 if event.angleDelta().y() > 0 else -16)
            event.accept()
        else:
            super().wheelEvent(event)

    def selectionChanged(self, selected: Any, deselected: Any) -> None:
        """Notify the dock when something was added to the selection."""
        super().selectionChanged(selected, deselected)
        if not selected.isEmpty():
            self.picked.emit()

    def focusInEvent(self, event: Any) -> None:
        """Report that keys act on this column now."""
        super().focusInEvent(event)
        self.touched.emit()

    # ------------------------------------------------------------------------------------------------ drag and drop

    def startDrag(self, actions: Qt.DropAction) -> None:
        """Drag the selected tiles: ids for another column, files for everything else."""
        ids = self.selected()
        if not ids or self.samples.source is None:
            return
        drag = QDrag(self)
        drag.setMimeData(drag_data(self.samples.source.path, ids, self.samples.source))
        drag.setPixmap(self.stack_pixmap(ids))
        drag.setHotSpot(QPoint(24, 24))
        drag.exec(Qt.DropAction.CopyAction)

    def stack_pixmap(self, ids: Sequence[str]) -> QPixmap:
        """Draw the first tiles as a stack, with their number."""
        side, step, source = 96, 10, self.samples.source
        ratio = self.devicePixelRatioF()
        drawn = list(ids[:DRAWN_IN_STACK])
        extent = side + step * (len(drawn) - 1) + 12
        pixmap = QPixmap(QSize(extent, extent) * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        for depth, id in reversed(list(enumerate(drawn))):
            box = QRect(step * depth, step * depth, side, side)
            painter.fillRect(box, QColor(VERDICT_COLOURS["new"]))
            image = source.image(id, round(self.tiles.side * ratio), self.tiles.mode) if source else None
            if image is not None and not image.isNull():
                painter.drawImage(box, image)
            painter.setPen(QColor("white"))
            painter.drawRect(box.adjusted(0, 0, -1, -1))
        if len(ids) > 1:
            text = f"{len(ids):,}"
            width = max(24, painter.fontMetrics().horizontalAdvance(text) + 12)
            badge = QRect(extent - width, extent - 24, width, 24)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor("black"))
            painter.drawRoundedRect(badge, 12, 12)
            painter.setPen(QColor("white"))
            painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()
        return pixmap

    def _offered(self, event: Any) -> tuple[list[str], list[Path]]:
        """Return ids and files that could be dropped here; neither for a column's own tiles."""
        source = self.samples.source
        if event.source() is self:
            return [], []
        return offered(event.mimeData(), source.path if source is not None else None)

    def dragEnterEvent(self, event: Any) -> None:
        """Highlight the column for a drag that can be dropped."""
        self._light(any(self._offered(event)))
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(self._lit)

    def dragMoveEvent(self, event: Any) -> None:
        """Accept drops anywhere in the column."""
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(self._lit)

    def dragLeaveEvent(self, event: Any) -> None:
        """End the highlight when the drag leaves or is cancelled."""
        self._light(False)

    def dropEvent(self, event: Any) -> None:
        """Pass dropped tiles and files to the dock."""
        ids, files = self._offered(event)
        self._light(False)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(bool(ids or files))
        if ids:
            self.samplesDropped.emit(ids)
        elif files:
            self.filesDropped.emit(files)

    def _light(self, lit: bool) -> None:
        self._lit = lit
        self._port.update()
