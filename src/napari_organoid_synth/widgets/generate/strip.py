"""The newest samples as tiles: a click opens one as layers, a double click accepts it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QApplication, QGridLayout, QToolButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.contrast import ProjectContrast
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.theme import VERDICT_COLOURS
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread

SIDE = 84
COLUMNS = 3


class SampleStrip(QWidget):
    """Tiles of the newest samples of a project; reads the database in the background.

    Signals
    -------
    opened(SamplePair)
        A tile was clicked, or Enter pressed on it.
    accepted(str)
        Id of a sample that was just accepted.
    failed(Exception)
    """

    opened = Signal(object)
    accepted = Signal(str)
    failed = Signal(object)

    def __init__(self, count: int = 6, contrast: ProjectContrast | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._contrast = contrast
        self._thread: StoreThread | None = None
        self._path: Any = None
        self._rows: list[SampleRow] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(WrapLabel("Newest samples. Click: open as layers. Double-click: accept."))
        grid = QGridLayout()
        grid.setSpacing(4)
        column.addLayout(grid)
        self.tiles = [Tile(self) for _ in range(count)]
        for number, tile in enumerate(self.tiles):
            grid.addWidget(tile, number // COLUMNS, number % COLUMNS)
            tile.opened.connect(lambda number=number: self._open(number))
            tile.accepted.connect(lambda number=number: self._accept(number))
        grid.setColumnStretch(COLUMNS, 1)
        self.hide()

    def show_store(self, path: Any | None) -> None:
        """Follow a ``samples.sqlite``; None shows nothing."""
        if path != self._path:
            self.close_store()
            self._path = path
            if path is not None and path.exists():
                self._thread = StoreThread(path, self)
                self._thread.loaded.connect(self._repaint)  # a method: the connection ends with this widget
                self._thread.changedOutside.connect(self.refresh)
                if self._contrast is not None:
                    self._contrast.attach(self._thread)
        self.refresh()

    def refresh(self) -> None:
        """Look for the newest samples again."""
        if self._thread is None:
            if self._path is not None and self._path.exists():
                path, self._path = self._path, None
                self.show_store(path)
            else:
                self._take([])
            return
        self._thread.forget_rows()
        count = len(self.tiles)
        self._thread.submit(lambda store: newest(store, count), self._take, self.failed.emit)

    def close_store(self) -> None:
        """End the background thread."""
        if self._thread is not None:
            self._thread.close()
            self._thread.deleteLater()
        self._thread, self._path, self._rows = None, None, []

    @property
    def ids(self) -> list[str]:
        """Ids of the samples shown, newest first."""
        return [row.id for row in self._rows]

    def _take(self, rows: list[SampleRow]) -> None:
        self._rows = rows
        self.setVisible(bool(rows))
        self._paint()

    def _paint(self) -> None:
        for number, tile in enumerate(self.tiles):
            tile.setVisible(number < len(self._rows))
            if number >= len(self._rows):
                continue
            row = self._rows[number]
            ratio = self.devicePixelRatioF()
            image = self._thread.image(row.id, round(SIDE * ratio), "outline") if self._thread else None
            tile.show_sample(row, QPixmap() if image is None else QPixmap.fromImage(image), ratio)

    def _repaint(self, _: object) -> None:
        self._paint()

    def _open(self, number: int) -> None:
        if self._thread is not None and number < len(self._rows):
            id = self._rows[number].id
            self._thread.submit(lambda store: store.pair(id), self._opened, self.failed.emit)

    def _opened(self, pair: SamplePair) -> None:
        self.opened.emit(pair)

    def _accept(self, number: int) -> None:
        if self._thread is not None and number < len(self._rows):
            id = self._rows[number].id

            def done(_: Any) -> None:
                self.accepted.emit(id)
                self.refresh()

            self._thread.submit(lambda store: store.decide([id], "accepted"), done, self.failed.emit)


def newest(store: SampleStore, count: int) -> list[SampleRow]:
    """Return the samples added last, newest first."""
    return [store.row(id) for id in store.ids(sort="created", descending=True)[:count]]


class Tile(QToolButton):
    """One sample: picture, and a corner with the letter of its verdict.

    Signals
    -------
    opened()
        A single click, known when no second one followed, or Enter.
    accepted()
        A double click, or A.
    """

    opened = Signal()
    accepted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setFixedSize(SIDE + 4, SIDE + 4)
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(QApplication.doubleClickInterval())
        self._wait.timeout.connect(self.opened)
        self.clicked.connect(self._clicked)
        self._double = False

    def _clicked(self) -> None:
        if self._double:
            self._double = False  # the release that ends a double click
        else:
            self._wait.start()

    def event(self, e: QEvent | None) -> bool:
        """Accept on a double click or A, open on Enter."""
        assert e is not None
        if e.type() == QEvent.Type.MouseButtonDblClick:
            self._wait.stop()
            self._double = True
            self.accepted.emit()
        elif e.type() == QEvent.Type.KeyPress:
            key = e.key()
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.opened.emit()
                return True
            if key == Qt.Key.Key_A:
                self.accepted.emit()
                return True
        return bool(super().event(e))

    def show_sample(self, row: SampleRow, picture: QPixmap, ratio: float) -> None:
        """Show a sample; without its picture yet a grey tile."""
        if picture.isNull():
            picture = QPixmap(round(SIDE * ratio), round(SIDE * ratio))
            picture.fill(QColor("#777777"))
        if row.verdict != "new":
            painter = QPainter(picture)
            size = round(18 * ratio)
            painter.fillRect(0, 0, size, size, QColor(VERDICT_COLOURS[row.verdict]))
            font = painter.font()
            font.setPixelSize(round(14 * ratio))
            font.setBold(True)
            painter.setFont(font)
            painter.setPen(QColor("white"))
            painter.drawText(0, 0, size, size, int(Qt.AlignmentFlag.AlignCenter), row.verdict[0].upper())
            painter.end()
        picture.setDevicePixelRatio(ratio)
        self.setIcon(QIcon(picture))
        text = f"{row.name}: {row.n_objects} objects, {row.verdict}" + (f", {row.note}" if row.note else "")
        self.setAccessibleName(text)
        self.setToolTip(plain(f"{text}\nClick: open as layers (Enter). Double click: accept (A)."))
