"""The picture of the point on the map that the mouse points to."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QImage, QPixmap
from qtpy.QtWidgets import QFrame, QVBoxLayout

from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.map.points import Points
from napari_organoid_synth.widgets.map.view import MapView
from napari_organoid_synth.widgets.shared.sample_model import describe
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.theme import theme_colour
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread, draw_thumbnail

PICTURE = 144
MAX_PICTURES = 300


class HoverCard(QFrame):
    """Thumbnail and description of the point that the mouse points to; lies over the map and takes no clicks.

    Parameters
    ----------
    view : MapView
    """

    def __init__(self, view: MapView) -> None:
        super().__init__(view)
        self._view = view
        self._points = Points()
        self._thread: StoreThread | None = None
        self._project: Project | None = None
        self._row = -1
        self.pictures: OrderedDict[TilePlace, QImage] = OrderedDict()  # those of pairs are in the thread
        self._fetching = False
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(3)
        self.picture, self.words = PlainLabel(), WrapLabel()
        self.picture.setFixedSize(PICTURE, PICTURE)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.words.setFixedWidth(PICTURE)
        column.addWidget(self.picture)
        column.addWidget(self.words)
        self.hide()

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
            text = describe(known) if known else id
        self.show_sample(self._view.pixel_of(row), text, image)

    def _fetch(self, tile: TilePlace) -> None:
        """Read a real tile, one at a time; when it has arrived, the one pointed to by then is next."""
        project, side = self._project, self._points.side
        if self._fetching or self._thread is None or project is None:
            return
        self._fetching = True

        def keep(image: QImage) -> None:
            self._fetching = False
            self.pictures[tile] = image
            while len(self.pictures) > MAX_PICTURES:
                self.pictures.popitem(last=False)
            self.point(self._row)

        self._thread.submit(lambda _: draw_tile(project, tile, side or 0), keep, lambda _: keep(QImage()))

    def show_sample(self, place: QPointF, text: str, image: QImage | None) -> None:
        """Show beside a place of the map; a grey picture until there is one."""
        self.words.setText(text)
        if image is None or image.isNull():
            pixmap = QPixmap(PICTURE, PICTURE)
            pixmap.fill(QColor(theme_colour("foreground")))
        else:
            pixmap = QPixmap.fromImage(image)
        self.picture.setPixmap(pixmap)
        self.adjustSize()
        room: Any = self.parent()
        x = place.x() + 14 if place.x() + 14 + self.width() <= room.width() else place.x() - 14 - self.width()
        y = np.clip(place.y() - self.height() / 2, 0, max(0, room.height() - self.height()))
        self.move(max(0, round(x)), round(float(y)))
        self.show()
        self.raise_()


def draw_tile(project: Project, tile: TilePlace, side: int, contrast: Contrast = ()) -> QImage:
    """Draw the thumbnail of a real tile; for the background thread."""
    from napari_organoid_synth.core.pairs.thumbnail import Thumbnail
    from napari_organoid_synth.core.pairs.tile_reading import read_tile

    small = Thumbnail.of(read_tile(project, tile, side))
    return draw_thumbnail(small.picture(contrast), small.labels, PICTURE, "outline")
