"""The picture of the map: points to look at and point to, pan, zoom, and a lasso."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPointF, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.widgets.map.points import Points, inside, outline_of, towards
from napari_organoid_synth.widgets.shared.shortcuts import action_for
from napari_organoid_synth.widgets.shared.theme import theme_colour

REACH = 9
"""Pixels from a point at which it is pointed to."""
SIZE, REAL_SIZE, RING = 8, 9, 14
LEVELS = 64
"""Colours of a score; each needs a picture of its symbol."""
WAYS = {
    Qt.Key.Key_Left: (-1.0, 0.0),
    Qt.Key.Key_Right: (1.0, 0.0),
    Qt.Key.Key_Up: (0.0, 1.0),
    Qt.Key.Key_Down: (0.0, -1.0),
}


@dataclass(frozen=True, eq=False)
class Group:
    """Points that look alike and have one entry in the legend.

    Parameters
    ----------
    title : str
    symbol : str
        Of pyqtgraph.
    colour : str
        ``#rrggbb``; empty: that of the theme's text.
    rows : NDArray (n,) of int
    hollow : bool
    shades : NDArray (n,) float64, optional
        0 to 1 along the colours of a score, NaN: grey; in place of the one colour.
    """

    title: str
    symbol: str
    colour: str
    rows: NDArray[np.intp]
    hollow: bool = False
    shades: NDArray[np.float64] | None = None


def shade_colours() -> list[QColor]:
    """Return the colours of a score, low to high: viridis, whose steps look equal also to colour-blind people."""
    table = pg.colormap.get("viridis").getLookupTable(nPts=LEVELS)
    return [QColor(*map(int, colour[:3])) for colour in table]


class MapView(pg.PlotWidget):
    """The points of a map.

    Drag pans, the wheel zooms, Shift and drag (or `lasso` on) catches, double click opens a point or shows all.

    Attributes
    ----------
    picked : Signal()
        The person changed the selection, `chosen`.
    opened : Signal(list of int)
        Rows to open.
    hovered : Signal(int)
        Row that the mouse points to, or -1.
    """

    picked = Signal()
    opened = Signal(list)
    hovered = Signal(int)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.points, self.chosen = Points(), np.empty(0, np.intp)
        self.lasso = False
        self._groups: dict[str, Group] = {}
        self._items: dict[str, Any] = {}
        self._hidden: set[str] = set()
        self._visible = np.empty(0, bool)
        self._marks: list[Any] = []
        self._shows_regions = True
        self._corners: list[tuple[float, float]] = []
        self._pressed: QPointF | None = None
        self._path: list[QPointF] = []
        self._last = QPointF()
        self._moved = self._catching = False
        self._pointed = -1
        plot = self.getPlotItem()
        for axis in ("left", "bottom"):
            plot.hideAxis(axis)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        self.box = plot.getViewBox()
        self.box.setAspectLocked(True)
        self.box.disableAutoRange()
        self._halo, self._rings = (pg.ScatterPlotItem(size=RING, symbol="o", brush=None) for _ in range(2))
        self._rope = pg.PlotCurveItem()
        for height, item in ((20, self._halo), (21, self._rings), (30, self._rope)):
            item.setZValue(height)
            self.addItem(item, ignoreBounds=True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(200, 120)
        self.setAccessibleName("Map of real tiles and synthetic pairs")
        self._follow_theme()

    # ------------------------------------------------------------------------------------------------- what is shown

    def show_points(self, points: Points, groups: Sequence[Group], fit: bool) -> None:
        """Show a map; points that are on both maps stay selected."""
        chosen = {self.points.ids[row] for row in self.chosen}
        same = points.ids == self.points.ids and np.array_equal(points.xy, self.points.xy)
        self.points = points
        if not same:
            self._point_to(-1)
            rows = [row for row, id in enumerate(points.ids) if id in chosen] if chosen else []
            self.chosen = np.asarray(rows, np.intp)
            self._mark_regions()
        self._draw(groups)
        self._show_rings()
        if fit:
            self.fit()

    def _draw(self, groups: Sequence[Group]) -> None:
        text = QColor(theme_colour("text"))
        before = self._items
        self._items, self._groups = {}, {group.title: group for group in groups}
        for group in groups:
            colour = QColor(group.colour) if group.colour else text
            pen: Any = pg.mkPen(colour, width=1) if group.hollow or group.symbol == "x" else None
            brush: Any = None if group.hollow else pg.mkBrush(colour)
            if group.shades is not None:
                brush = self._brushes(group.shades)
                pen = None
            item = before.pop(group.title, None) or pg.ScatterPlotItem(pxMode=True)
            size = REAL_SIZE if group.hollow else SIZE
            x, y = self.points.xy[group.rows].T
            item.setData(x=x, y=y, symbol=group.symbol, size=size, pen=pen, brush=brush)
            item.setZValue(4 if group.hollow else 5)
            if item.scene() is None:
                self.addItem(item, ignoreBounds=True)
            self._items[group.title] = item
        for item in before.values():
            self.removeItem(item)
        self.hide_groups(self._hidden)

    def _brushes(self, shades: NDArray[np.float64]) -> list[Any]:
        brushes = [pg.mkBrush(colour) for colour in (*shade_colours(), QColor("#999999"))]
        places = np.where(np.isnan(shades), LEVELS, np.clip(np.nan_to_num(shades) * LEVELS, 0, LEVELS - 1))
        return [brushes[place] for place in places.astype(int)]

    def hide_groups(self, titles: Iterable[str]) -> None:
        """Hide the points of these groups; hidden ones cannot be pointed to or selected."""
        self._hidden = set(titles)
        self._visible = np.zeros(len(self.points.ids), bool)
        for title, group in self._groups.items():
            self._items[title].setVisible(title not in self._hidden)
            if title not in self._hidden:
                self._visible[group.rows] = True

    def is_visible(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which of these points are shown."""
        return self._visible[rows]

    def _mark_regions(self) -> None:
        """Draw a dashed outline with a number around each empty region."""
        for mark in self._marks:
            self.removeItem(mark)
        self._marks, self._corners = [], []
        if not len(self.points.xy):
            return
        colour = theme_colour("warning")
        margin = 0.012 * float(np.ptp(self.points.xy, axis=0).max() or 1)
        for number, region in enumerate(self.points.regions, 1):
            around = outline_of(self.points.xy[list(region)], margin)
            curve = pg.PlotCurveItem(*around.T, pen=pg.mkPen(colour, width=1.5, style=Qt.PenStyle.DashLine))
            top = around[around[:, 1].argmax()]
            label = pg.TextItem(str(number), color=theme_colour("background"), fill=colour, anchor=(0.5, 0.5))
            label.setPos(*top)
            for mark, height in ((curve, 12), (label, 25)):
                mark.setZValue(height)
                mark.setVisible(self._shows_regions)
                self.addItem(mark, ignoreBounds=True)
                self._marks.append(mark)
            self._corners.append((float(top[0]), float(top[1])))

    def show_regions(self, shown: bool) -> None:
        """Show or hide the outlines of empty regions."""
        self._shows_regions = shown
        for mark in self._marks:
            mark.setVisible(shown)

    def fit(self) -> None:
        """Show all points."""
        if len(self.points.xy):
            low, high = self.points.xy.min(0), self.points.xy.max(0)
            self.box.setRange(xRange=(low[0], high[0]), yRange=(low[1], high[1]), padding=0.06)

    def choose(self, rows: Sequence[int] | NDArray[np.intp], silent: bool = False) -> None:
        """Select these points; ``silent``: without telling the other docks."""
        rows = np.unique(np.asarray(rows, np.intp))
        if not np.array_equal(rows, self.chosen):
            self.chosen = rows
            self._show_rings()
            if not silent:
                self.picked.emit()

    def choose_region(self, number: int) -> None:
        """Select the real tiles of an empty region, counted from 1."""
        if 0 < number <= len(self.points.regions):
            self.choose(self.points.regions[number - 1])

    def _show_rings(self) -> None:
        x, y = self.points.xy[self.chosen].T
        for item, name, width in ((self._halo, "text", 4), (self._rings, "current", 2)):  # seen on any background
            item.setData(x=x, y=y, pen=pg.mkPen(theme_colour(name), width=width), brush=None)

    def _follow_theme(self) -> None:
        self.setBackground(theme_colour("background"))

    def changeEvent(self, event: Any) -> None:
        """Apply the colours of the new theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "_rope"):
            self._follow_theme()
            self._draw(list(self._groups.values()))
            self._mark_regions()
            self._show_rings()

    # ------------------------------------------------------------------------------------------------- where things are

    def _scale(self) -> tuple[QPointF, float, float]:
        """Return the pixel of the place (0, 0), and pixels for one unit right and up."""
        zero, one = self.box.mapViewToScene(QPointF(0, 0)), self.box.mapViewToScene(QPointF(1, 1))
        return zero, one.x() - zero.x(), one.y() - zero.y()

    def pixel_of(self, row: int) -> QPointF:
        """Return where a point is in the view, px."""
        x, y = self.points.xy[row]
        place: QPointF = self.box.mapViewToScene(QPointF(x, y))
        return place

    def row_at(self, place: QPointF) -> int:
        """Return the visible point nearest to a pixel, or -1 where there is none within reach."""
        if not self._visible.any():
            return -1
        zero, right, up = self._scale()
        x = zero.x() + right * self.points.xy[:, 0] - place.x()
        y = zero.y() + up * self.points.xy[:, 1] - place.y()
        distance = np.where(self._visible, x * x + y * y, np.inf)
        row = int(distance.argmin())
        return row if distance[row] <= REACH**2 else -1

    def _region_at(self, place: QPointF) -> int:
        if not self._shows_regions:
            return 0
        for number, corner in enumerate(self._corners, 1):
            pixel = self.box.mapViewToScene(QPointF(*corner))
            if abs(pixel.x() - place.x()) <= REACH and abs(pixel.y() - place.y()) <= REACH:
                return number
        return 0

    # ----------------------------------------------------------------------------------------------------------- mouse

    def mousePressEvent(self, event: Any) -> None:
        """Begin to pan, to draw a lasso, or to click."""
        self.setFocus()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed = self._last = event.position()
        self._moved = False
        self._catching = self.lasso or bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._path = [event.position()]

    def mouseMoveEvent(self, event: Any) -> None:
        """Pan, draw the lasso, or report the point under the mouse."""
        place = event.position()
        if self._pressed is None:
            self._point_to(self.row_at(place))
            return
        if (place - self._pressed).manhattanLength() >= QApplication.startDragDistance():
            self._moved = True
            self._point_to(-1)
        if not self._moved:
            return
        if self._catching:
            self._path.append(place)
            corners = self._places([*self._path, self._path[0]])
            self._rope.setData(*corners.T, pen=pg.mkPen(theme_colour("text"), width=2))
        else:
            _, right, up = self._scale()
            step = place - self._last
            self.box.translateBy(x=-step.x() / right, y=-step.y() / up)
        self._last = place

    def mouseReleaseEvent(self, event: Any) -> None:
        """Select the points inside the lasso, or the clicked one."""
        if self._pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed = None
        more = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if self._moved and self._catching:
            self._rope.setData([], [])
            caught = np.flatnonzero(inside(self.points.xy, self._places(self._path)) & self._visible)
            self.choose(np.union1d(self.chosen, caught) if more else caught)
        elif not self._moved:
            self._click(event.position(), more)

    def _click(self, place: QPointF, more: bool) -> None:
        number, row = self._region_at(place), self.row_at(place)
        if number:
            self.choose_region(number)
        elif more and row >= 0:
            self.choose(np.setxor1d(self.chosen, [row]))
        elif not more:
            self.choose([row] if row >= 0 else [])

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """Open a point; elsewhere show all."""
        row = self.row_at(event.position())
        if row >= 0:
            self.choose([row])
            self.opened.emit([row])
        else:
            self.fit()

    def leaveEvent(self, event: Any) -> None:
        """Point to nothing."""
        super().leaveEvent(event)
        self._point_to(-1)

    def _places(self, pixels: Sequence[QPointF]) -> NDArray[np.float64]:
        zero, right, up = self._scale()
        return np.asarray([((p.x() - zero.x()) / right, (p.y() - zero.y()) / up) for p in pixels])

    def _point_to(self, row: int) -> None:
        if row != self._pointed:
            self._pointed = row
            self.hovered.emit(row)

    # ------------------------------------------------------------------------------------------------------------ keys

    def event(self, event: Any) -> bool:
        """Claim the map's keys before the window's own shortcuts see them."""
        if event.type() == QEvent.Type.ShortcutOverride and action_for(self, event):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: Any) -> None:
        """Handle keys: arrows walk, 1 to 9 select an empty region, Ctrl+A all, Escape none; others are commands."""
        key, control = event.key(), event.modifiers() & Qt.KeyboardModifier.ControlModifier
        action = action_for(self, event)
        if action:
            action.trigger()
        elif key in WAYS:
            self._walk(WAYS[key])
        elif Qt.Key.Key_1 <= key <= Qt.Key.Key_9:
            self.choose_region(key - Qt.Key.Key_0)
        elif control and key == Qt.Key.Key_A:
            self.choose(np.flatnonzero(self._visible))
        elif key == Qt.Key.Key_Escape:
            self.choose([])
        else:
            event.ignore()

    def _walk(self, way: tuple[float, float]) -> None:
        """Select the nearest point in a direction; from nowhere the one in the middle of the view."""
        if not self._visible.any():
            return
        if len(self.chosen):
            row = towards(self.points.xy, int(self.chosen[-1]), way, self._visible)
        else:
            (left, right), (low, high) = self.box.viewRange()
            far = np.linalg.norm(self.points.xy - [(left + right) / 2, (low + high) / 2], axis=1)
            row = int(np.where(self._visible, far, np.inf).argmin())
        if row is None:
            return
        self.choose([row])
        x, y = self.points.xy[row]
        (left, right), (low, high) = self.box.viewRange()
        if not (left < x < right and low < y < high):
            self.box.translateBy(x=x - (left + right) / 2, y=y - (low + high) / 2)
