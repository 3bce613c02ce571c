"""Thumbnails and everything else that touches the sample database, in one background thread of the gallery.

The thread has its own connection. Tasks (verdicts, listings) run in the order in which they were given and before any
thumbnail; of thumbnails the one asked for last comes first, because that one is on the screen.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QSize, Qt, Signal
from qtpy.QtGui import QImage, QPainter

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.thumbnail import Contrast
from napari_organoid_synth.core.samples.row import SampleDeleted
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore, Verdict

logger = logging.getLogger(__name__)

MASK_MODES = ("outline", "fill", "none")
CACHE_BYTES = 192 * 2**20
MAX_ROWS = 8000  # kept in memory; the columns know the rest by id alone
MAX_WAITING = 400  # thumbnails waiting at most; older wishes have been scrolled past
BATCH_SECONDS = 0.02  # the window repaints this often at most while thumbnails arrive
POLL_SECONDS = 0.5
FILL_ALPHA = 110


@cache
def label_colours() -> NDArray[np.uint8]:
    """Return the colours that napari gives to the labels 0 to 65535; (65536, 3) uint8.

    First to be called in the window's thread: while napari mixes its colours it ignores a warning of scikit-image, in
    a way that holds for all threads and ends too early for one when two of them do it at once. napari would then show
    that warning to the person.
    """
    from napari.utils.colormaps import label_colormap

    colours = label_colormap(49).map(np.arange(65536, dtype=np.uint16))
    return np.asarray(np.rint(colours[:, :3] * 255), dtype=np.uint8)


def mask_overlay(labels: NDArray[np.uint16], height: int, width: int, mode: str) -> NDArray[np.uint8]:
    """Draw the mask as a picture to lay over a thumbnail.

    Parameters
    ----------
    labels : NDArray (h, w) uint16
        0 is background.
    height, width : int
        Size of the overlay, px; labels are repeated or dropped, never mixed.
    mode : {"outline", "fill", "none"}
        ``outline`` colours the pixels of a label that touch another label or background: 1 px at the size shown.

    Returns
    -------
    NDArray (height, width, 4) uint8
        Red, green, blue, opacity.
    """
    overlay = np.zeros((height, width, 4), np.uint8)
    if mode == "none" or not labels.any():
        return overlay
    rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(np.intp)
    shown = labels[rows[:, None], columns]
    drawn = shown > 0
    if mode == "outline":
        edge = np.zeros(shown.shape, bool)
        across, down = shown[:, 1:] != shown[:, :-1], shown[1:] != shown[:-1]
        edge[:, 1:] |= across
        edge[:, :-1] |= across
        edge[1:] |= down
        edge[:-1] |= down
        drawn &= edge
    overlay[drawn, :3] = label_colours()[shown[drawn]]
    overlay[drawn, 3] = 255 if mode == "outline" else FILL_ALPHA
    return overlay


def draw_thumbnail(image: NDArray[np.uint8], labels: NDArray[np.uint16], side: int, mode: str) -> QImage:
    """Draw a thumbnail with its mask, the longer edge ``side`` px; may be called from any thread.

    Parameters
    ----------
    image : NDArray (h, w, 3) uint8
        From the database, any size.
    labels : NDArray (h, w) uint16
        0 is background.
    side : int
        Longer edge of the thumbnail, px.
    mode : {"outline", "fill", "none"}
        How the mask is drawn.
    """
    height, width = image.shape[:2]
    size = QSize(width, height).scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))
    pixels = image.tobytes()
    picture = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
    picture = picture.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
    picture = picture.convertToFormat(QImage.Format.Format_RGB32)
    if mode != "none":
        overlay = mask_overlay(labels, size.height(), size.width(), mode).tobytes()
        layer = QImage(overlay, size.width(), size.height(), 4 * size.width(), QImage.Format.Format_RGBA8888)
        painter = QPainter(picture)
        painter.drawImage(0, 0, layer)
        painter.end()
    return picture


class ImageCache:
    """Pictures by key; those not used for longest go when the memory is spent.

    Parameters
    ----------
    limit : int
        Bytes of pixels at most.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit, self.used = limit, 0
        self._images: OrderedDict[Any, QImage] = OrderedDict()
        self._versions: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._images)

    def get(self, key: Any) -> QImage | None:
        """Return the picture, now the most recently used, or None."""
        image = self._images.get(key)
        if image is not None:
            self._images.move_to_end(key)
        return image

    def version(self, key: Any) -> int:
        """Return the version of a picture; -1 where there is none."""
        return self._versions.get(key, -1)

    def drop(self, id: str) -> None:
        """Forget the pictures of a sample."""
        for key in [key for key in self._images if key[0] == id]:
            self.used -= self._images.pop(key).sizeInBytes()
            del self._versions[key]

    def put(self, key: Any, image: QImage, version: int = 0) -> None:
        """Keep a picture, letting the oldest go."""
        old = self._images.pop(key, None)
        self.used += image.sizeInBytes() - (old.sizeInBytes() if old is not None else 0)
        self._images[key], self._versions[key] = image, version
        while self.used > self.limit and len(self._images) > 1:
            oldest, gone = self._images.popitem(last=False)
            del self._versions[oldest]
            self.used -= gone.sizeInBytes()


Key = tuple[str, int, str]
"""Key of a thumbnail: id of the sample, longer edge in px, mask mode."""


class StoreThread(QObject):
    """The gallery's background thread on one sample database.

    Parameters
    ----------
    path : Path
        ``samples.sqlite``.

    Attributes
    ----------
    loaded : Signal(list of str)
        Ids whose thumbnail or row is there now.
    changedOutside : Signal()
        Another process or another dock changed the database.
    unreadable : Signal(object)
        The error of the first tile that cannot be read; others stay grey without an error of their own.
    """

    loaded = Signal(list)
    changedOutside = Signal()
    unreadable = Signal(object)
    _answered = Signal(object, object)  # carries an answer into the thread of the window

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path = Path(path)
        self._tasks: deque[tuple[Callable[[SampleStore], Any], Callable[[Any], None], Callable[[Any], None]]] = deque()
        self._wanted: OrderedDict[Key, tuple[bool, int]] = OrderedDict()  # pixels needed or not, and the epoch
        self._arrived: deque[tuple[Key, int, int, QImage | None, SampleRow | None]] = deque()
        self._wake = threading.Condition()
        self._closing = self._complained = False
        self._images = ImageCache()
        self._rows: OrderedDict[str, tuple[int, SampleRow | None]] = OrderedDict()
        self._contrast: tuple[int, Contrast] = (0, ())  # its number, and the limits
        self._follows: Callable[[], Contrast] = tuple
        self._epoch = 0  # rows of an older epoch are shown, and asked for again
        self._answered.connect(self._deliver)
        label_colours()
        self._thread = threading.Thread(target=self._work, name="organoid-synth gallery", daemon=True)
        self._thread.start()

    # --------------------------------------------------------------------------------------- for the window's thread

    def submit(
        self, task: Callable[[SampleStore], Any], done: Callable[[Any], None], failed: Callable[[Any], None]
    ) -> None:
        """Run ``task(store)`` in the background, in order; its answer reaches ``done`` or ``failed`` in the window."""
        with self._wake:
            self._tasks.append((task, done, failed))
            self._wake.notify()

    def image(self, id: str, side: int, mode: str) -> QImage | None:
        """Return the thumbnail (null if it cannot be read), or None and it will be ``loaded``."""
        self._take_in()
        key = (id, side, mode)
        image, known = self._images.get(key), self._rows.get(id)
        is_drawn = self._images.version(key) == self._contrast[0]  # one of another contrast is shown until then
        if not is_drawn or known is None or known[0] != self._epoch:
            with self._wake:
                self._wanted[key] = not is_drawn, self._epoch
                self._wanted.move_to_end(key)
                while len(self._wanted) > MAX_WAITING:
                    self._wanted.popitem(last=False)
                self._wake.notify()
        return image

    def row(self, id: str) -> SampleRow | None:
        """Return the row of a sample, perhaps outdated for a moment; None before it is read."""
        self._take_in()
        known = self._rows.get(id)
        return known[1] if known else None

    def set_contrast(self, limits: Contrast) -> None:
        """Draw all images with these pixel values as black and white; empty: each with its own."""
        if limits != self._contrast[1]:
            self._contrast = self._contrast[0] + 1, limits
            self.loaded.emit(list(self._rows))

    def follow_contrast(self, source: Any) -> None:
        """Draw with ``source.limits``, now and whenever `contrast_changed` is called."""
        self._follows = lambda: source.limits
        self.contrast_changed()

    def contrast_changed(self) -> None:
        """Draw with the present limits of the source."""
        self.set_contrast(self._follows())

    def forget_rows(self) -> None:
        """Read each row again when it is next shown: it may have changed."""
        self._epoch += 1

    def note_verdict(self, id: str, verdict: Verdict) -> None:
        """Show a verdict before the database has confirmed it."""
        row = self.row(id)
        if row is not None:
            self._rows[id] = self._epoch, replace(row, verdict=verdict)

    def close(self) -> None:
        """Finish all tasks (no verdict is lost), drop waiting thumbnails, end the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _take_in(self) -> None:
        while self._arrived:
            key, epoch, contrast, image, row = self._arrived.popleft()
            before = self._rows.get(key[0], (0, None))[1]
            if before and row and before.labels_path != row.labels_path:  # another mask: draw it
                self._images.drop(key[0])
            self._rows[key[0]] = epoch, row
            self._rows.move_to_end(key[0])
            if image is not None:
                self._images.put(key, image, contrast)
        while len(self._rows) > MAX_ROWS:
            self._rows.popitem(last=False)

    def _deliver(self, call: Callable[[Any], None], value: Any) -> None:
        if not self._closing:
            call(value)

    # ------------------------------------------------------------------------------------------ the background thread

    def _work(self) -> None:
        try:
            self._serve()
        except RuntimeError:  # a signal of what Qt has deleted with its window: nobody waits for an answer
            if isalive(self):
                raise

    def _serve(self) -> None:
        try:
            store = SampleStore(self.path)
            version = store.data_version()
        except UserError as error:
            self._refuse(error)
            return
        with store:
            poll_at, emitted_at, ids = time.monotonic() + POLL_SECONDS, 0.0, list[str]()
            while True:
                with self._wake:
                    while not (self._tasks or self._wanted or self._closing) and time.monotonic() < poll_at:
                        self._wake.wait(max(0.0, poll_at - time.monotonic()))
                    if self._closing and not self._tasks:
                        return
                    task = self._tasks.popleft() if self._tasks else None
                    wish = self._wanted.popitem() if self._wanted and task is None else None
                if task is not None:
                    self._run(store, *task)
                if wish is not None:
                    ids.append(self._load(store, wish[0], *wish[1]))
                now = time.monotonic()
                if ids and (not self._wanted or now - emitted_at > BATCH_SECONDS):
                    self.loaded.emit(ids)
                    emitted_at, ids = now, []
                if now >= poll_at:
                    poll_at = now + POLL_SECONDS
                    version = self._poll(store, version)

    def _run(
        self,
        store: SampleStore,
        task: Callable[[SampleStore], Any],
        done: Callable[[Any], None],
        failed: Callable[[Any], None],
    ) -> None:
        try:
            answer = task(store)
        except Exception as error:  # whatever it is, the person must see it and the thread must live on
            if not isinstance(error, UserError):
                logger.exception("A task of the gallery failed")
            self._answered.emit(failed, error)
        else:
            self._answered.emit(done, answer)

    def _load(self, store: SampleStore, key: Key, pixels: bool, epoch: int) -> str:
        image: QImage | None = None
        row: SampleRow | None = None
        number, limits = self._contrast
        try:
            row = store.row(key[0])
            if pixels:
                image = draw_thumbnail(*store.thumbnail(key[0], limits), key[1], key[2])
        except SampleDeleted:  # since it was listed: stays grey until the list is read again
            image = QImage()
        except (UserError, OSError, ValueError) as error:  # removed since, or not a picture: stays grey
            logger.info("No thumbnail of %s: %s", key[0], error)
            image = QImage()
            if not self._complained:
                self._complained = True
                self.unreadable.emit(error)
        self._arrived.append((key, epoch, number, image, row))
        return key[0]

    def _poll(self, store: SampleStore, version: int) -> int:
        try:
            newest = store.data_version()
        except UserError as error:
            logger.info("Cannot look for changes: %s", error)
            return version
        if newest != version:
            self.changedOutside.emit()
        return newest

    def _refuse(self, error: UserError) -> None:
        """Fail every task with the error of a database that cannot be opened."""
        while True:
            with self._wake:
                while not (self._tasks or self._closing):
                    self._wake.wait()
                if not self._tasks:
                    return
                failed = self._tasks.popleft()[2]
            self._answered.emit(failed, error)
