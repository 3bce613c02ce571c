"""Files of this plugin dropped on the canvas: they open as layers, without napari's question which reader to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import proxy

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.background import start_worker
from napari_organoid_synth.widgets.shared.drop import are_models, dropped_files
from napari_organoid_synth.widgets.shared.reader import get_reader


def watch_canvas(viewer: Any) -> CanvasDrop | None:
    """Take drops on the canvas of a viewer, once; None without a window."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # docks may get a proxy of the viewer
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is None:
        return None
    watching: CanvasDrop | None = window.findChild(CanvasDrop)
    return watching if watching is not None else CanvasDrop(viewer, window)


class CanvasDrop(QObject):
    """Opens our files that are dropped on a canvas.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    window : QMainWindow
        The viewer's Qt window, which owns this object.
    """

    def __init__(self, viewer: Any, window: Any) -> None:
        super().__init__(window)
        self._viewer = proxy(viewer)
        canvas = window.centralWidget()
        for widget in (canvas, *canvas.findChildren(QWidget)):
            if widget.acceptDrops():
                widget.installEventFilter(self)

    def eventFilter(self, a0: QObject, a1: QEvent) -> bool:
        """Open our files; leave all others to napari."""
        return a1.type() == QEvent.Type.Drop and self._open(a1)

    def _open(self, drop: Any) -> bool:
        from napari.layers import Layer
        from napari.qt.threading import create_worker
        from napari.utils.notifications import show_error

        paths = [str(path) for path in dropped_files(drop)]
        reader = get_reader(paths) if paths and len(paths) == len(drop.mimeData().urls()) else None
        if reader is None:
            return False
        drop.setDropAction(Qt.DropAction.CopyAction)
        drop.accept()
        if are_models([Path(path) for path in paths]):
            reader(paths)  # in this thread: it opens a dock
            return True

        def show(layers: list[Any]) -> None:
            for data, options, kind in layers:
                self._viewer.add_layer(Layer.create(data, options, kind))

        connect = {"returned": show, "errored": lambda error: show_error(plain(str(error)))}
        start_worker(create_worker(reader, paths, _start_thread=False, _ignore_errors=True, _connect=connect))
        return True
