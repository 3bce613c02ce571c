"""Follows a labels layer: what was painted on it is found within 16 ms, whichever tool or undo changed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_organoid_synth.core.boxes import Box, changed_box, union

NOTICE_MS = 16
"""Time from an event of the layer until its pixels are compared."""
REST_MS = 300
"""Time without a change after which the mask is painted in full also while the mouse is down."""
EVENTS = ("paint", "labels_update", "set_data", "data")


class Follower(QObject):
    """Compares a labels layer with what was sent last, and says where it differs.

    Parameters
    ----------
    layer : napari.layers.Labels
        2-D.
    binary : bool
        Whether all objects count as 1.
    parent : QObject, optional

    Signals
    -------
    changed(tuple, str)
        The box that changed, and the quality: ``"fast"`` while the mouse is down, else ``"full"``.
    resized()
        The layer got data of another shape; `sent` has them.
    stroked()
        A stroke was finished.

    Attributes
    ----------
    sent : NDArray (Y, X) int32
        The mask as it was sent last.
    """

    changed = Signal(object, str)
    resized = Signal()
    stroked = Signal()

    def __init__(self, layer: Any, binary: bool = False, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer, self._binary = layer, binary
        self.sent = self._read(slice(None), slice(None)).copy()
        self._near: Box | None = None  # where a partial update says that something changed
        self._anywhere = False
        self._owed: Box | None = None  # painted in a hurry so far
        self.pressed = False
        self._notice, self._rest = self._timer(NOTICE_MS, self.compare), self._timer(REST_MS, self._settle)
        for name in EVENTS:
            getattr(layer.events, name).connect(self._see)
        layer.mouse_drag_callbacks.insert(0, self._watch_mouse)

    def _timer(self, milliseconds: int, call: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(call)
        return timer

    def stop(self) -> None:
        """Leave the layer alone."""
        self._notice.stop()
        self._rest.stop()
        for name in EVENTS:
            getattr(self._layer.events, name).disconnect(self._see)
        if self._watch_mouse in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._watch_mouse)

    # --- what happens on the layer ---

    def _see(self, event: Any) -> None:
        """Look at once where a brush was, for the window is drawn next; elsewhere in a moment."""
        if not isalive(self):  # napari's events outlive a window that was closed
            return
        if event.type == "labels_update" and self._layer.ndim == 2:
            self._near = union(self._near, _box_of(event.offset, event.data.shape))
            if not self._anywhere:
                self.compare()
                return
        else:
            self._anywhere = True
        if event.type == "paint":
            self.stroked.emit()
        if not self._notice.isActive():
            self._notice.start()

    def _watch_mouse(self, layer: Any, event: Any) -> Iterator[None]:
        """Know whether the mouse is down."""
        self.pressed = True
        yield
        while event.type == "mouse_move":
            yield
        self.pressed = False
        if isalive(self):
            self._notice.start()

    # --- what differs ---

    def _read(self, rows: slice, columns: slice) -> NDArray[np.int32]:
        values = np.asarray(self._layer.data[rows, columns])
        return values.astype(np.int32, copy=False) if not self._binary else (values > 0).astype(np.int32)

    def compare(self) -> None:
        """Find what differs from what was sent last, and report it."""
        near, self._near = self._near, None
        anywhere, self._anywhere = self._anywhere, False
        if self._layer.data.shape != self.sent.shape:
            self._owed = None
            self._rest.stop()
            if self._layer.data.ndim == 2:
                self.sent = self._read(slice(None), slice(None)).copy()
                self.resized.emit()
            return
        within = (0, 0, *self.sent.shape) if anywhere or near is None else near
        top, left, bottom, right = within
        now = self._read(slice(top, bottom), slice(left, right))
        found = changed_box(self.sent[top:bottom, left:right], now)
        if found is not None:
            box = found[0] + top, found[1] + left, found[2] + top, found[3] + left
            self.sent[box[0] : box[2], box[1] : box[3]] = now[found[0] : found[2], found[1] : found[3]]
            self._report(box)
        elif not self.pressed:
            self._settle()

    def _report(self, box: Box) -> None:
        if self.pressed:
            self._owed = union(self._owed, box)
            self._rest.start()
            self.changed.emit(box, "fast")
            return
        whole = union(self._owed, box)
        self._owed = None
        self._rest.stop()
        self.changed.emit(whole, "full")

    def finish(self) -> None:
        """Report what was not reported yet, and ask for the best picture, also while the mouse is down."""
        self._notice.stop()
        self.compare()
        self._settle()

    def _settle(self) -> None:
        """Ask for the best picture where it was painted in a hurry."""
        self._rest.stop()
        if self._owed is not None:
            box, self._owed = self._owed, None
            self.changed.emit(box, "full")

    def part(self, box: Box) -> NDArray[np.int32]:
        """Return the mask (h, w) of a box as it was sent last."""
        return np.ascontiguousarray(self.sent[box[0] : box[2], box[1] : box[3]])


def _box_of(offset: Any, shape: tuple[int, ...]) -> Box:
    top, left = int(offset[0]), int(offset[1])
    return top, left, top + int(shape[0]), left + int(shape[1])
