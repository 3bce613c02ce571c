"""The picture of the point on the map that the mouse points to."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from qtpy.QtCore import QPoint, QPointF, QRect, Qt
from qtpy.QtGui import QColor, QImage, QPixmap
from qtpy.QtWidgets import QFrame, QHBoxLayout

from napari_organoid_synth.core.pairs.thumbnail import Contrast
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.map.points import Points
from napari_organoid_synth.widgets.map.view import MapView
from napari_organoid_synth.widgets.shared.contrast import ProjectContrast
from napari_organoid_synth.widgets.shared.sample_model import describe
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.theme import theme_colour
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread, draw_thumbnail

PICTURE, WORDS, GAP = 144, 200, 6
MAX_PICTURES = 300


class HoverCard(QFrame):
    """Thumbnail and description of the point that the mouse points to, in a window of its own beside the map.

    It covers no point, is never cut by the edge of its page, and takes no clicks.

    Parameters
    ----------
    view : MapView
    contrast : ProjectContrast
        Of the thumbnails.
    """

    def __init__(self, view: MapView, contrast: ProjectContrast) -> None:
        super().__init__(view, Qt.WindowType.ToolTip | Qt.WindowType.WindowTransparentForInput)
        self._view, self._contrast = view, contrast
        self._points = Points()
        self._thread: StoreThread | None = None
        self._project: Project | None = None
        self._row = -1
        self.pictures: OrderedDict[TilePlace, QImage] = OrderedDict()  # those of pairs are in the thread
        self._fetching = False
        contrast.changed.connect(self._forget_pictures)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 4, 4, 4)
        row.setSpacing(6)
        self.picture, self.words = PlainLabel(), WrapLabel()
        self.picture.setFixedSize(PICTURE, PICTURE)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.words.setFixedWidth(WORDS)
        row.addWidget(self.picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.words, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def _forget_pictures(self) -> None:
        """Draw real tiles again, with another contrast."""
        self.pictures.clear()

    def follow(self, thread: StoreThread | None, project: Project | None) -> None:
        """Read rows and pixels from here; forget those of another project."""
        self._thread, self._project = thread, project
        self.pictures.clear()
        self._fetching = False
        if thread is not None:
            thread.loaded.connect(lambda ids: self.point(self._row))

    def set_points(self, points: Points) -> None:
        """Set the points on the map."""
        self._points = points

    def point(self, row: int) -> None:
        """Show thumbnail and description of a point; grey until both have been read."""
        self._row = row
        if row < 0 or row >= len(self._points.ids) or self._thread is None:
            self.hide()
            return
        id, image = self._points.ids[row], None
        if self._points.is_real(row):
            tile = self._points.tiles[row]
            image = self.pictures.get(tile)
            text = f"{id}\nreal tile"
            if image is None:
                self._fetch(tile)
        else:
            image = self._thread.image(id, PICTURE, "outline")
            known = self._thread.row(id)
            run = self._points.titles.get(known.run, "") if known else ""
            text = describe(known, with_scores=False, run=run) if known else id
        self.show_sample(self._view.pixel_of(row), text, image)

    def _fetch(self, tile: TilePlace) -> None:
        """Read a real tile, one at a time; when it has arrived, the one pointed to by then is next."""
        project, side = self._project, self._points.side
        if self._fetching or self._thread is None or project is None:
            return
        self._fetching = True

        contrast = self._contrast.limits

        def keep(image: QImage) -> None:
            self._fetching = False
            if contrast == self._contrast.limits:  # else it is drawn again
                self.pictures[tile] = image
            while len(self.pictures) > MAX_PICTURES:
                self.pictures.popitem(last=False)
            self.point(self._row)

        self._thread.submit(lambda _: draw_tile(project, tile, side or 0, contrast), keep, lambda _: keep(QImage()))

    def show_sample(self, place: QPointF, text: str, image: QImage | None) -> None:
        """Show for a place of the map; a grey picture until there is one."""
        self.words.setText(text)
        if image is None or image.isNull():
            pixmap = QPixmap(PICTURE, PICTURE)
            pixmap.fill(QColor(theme_colour("foreground")))
        else:
            pixmap = QPixmap.fromImage(image)
        self.picture.setPixmap(pixmap)
        self.adjustSize()
        self.move(self._place(place))
        self.show()
        self.raise_()

    def _place(self, point: QPointF) -> QPoint:
        """Return where the card lies: above, right, left or below the map, where the screen has room for it whole."""
        view, size = self._view, self.size()
        map_box = QRect(view.mapToGlobal(QPoint(0, 0)), view.size())
        screen: Any = view.screen()
        room, at = screen.availableGeometry(), view.mapToGlobal(point.toPoint())
        x = min(max(at.x() - size.width() // 2, room.left()), room.right() - size.width())
        y = min(max(at.y() - size.height() // 2, room.top()), room.bottom() - size.height())
        for corner in (
            QPoint(x, map_box.top() - GAP - size.height()),
            QPoint(map_box.right() + GAP, y),
            QPoint(map_box.left() - GAP - size.width(), y),
            QPoint(x, map_box.bottom() + GAP),
        ):
            if room.contains(QRect(corner, size)):
                return corner
        left = room.left() if at.x() > room.center().x() else room.right() - size.width()  # the map fills the screen
        return QPoint(left, room.top())


def draw_tile(project: Project, tile: TilePlace, side: int, contrast: Contrast = ()) -> QImage:
    """Draw the thumbnail of a real tile; for the background thread."""
    from napari_organoid_synth.core.pairs.thumbnail import Thumbnail
    from napari_organoid_synth.core.pairs.tile_reading import read_tile

    small = Thumbnail.of(read_tile(project, tile, side))
    return draw_thumbnail(small.picture(contrast), small.labels, PICTURE, "outline")
