"""Drags of tiles: their data, and the drop on the canvas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QByteArray, QEvent, QMimeData, QObject, Qt, QUrl, Signal
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.widgets.shared.thumbnails import StoreThread

SAMPLES_MIME = "application/x-organoid-synth-samples"


def drag_data(store_path: Path, ids: Sequence[str], source: StoreThread | None = None) -> QMimeData:
    """Return the data of a drag of samples: their ids for gallery and canvas, both files of each for everything else.

    An edited mask lies in a file of its own, which only the ``source`` of the rows knows.
    """
    files: list[Path] = []
    for id in ids:
        row = source.row(id) if source else None
        files += [row.image_path, row.labels_path] if row else sample_files(store_path, id)
    data = QMimeData()
    data.setData(SAMPLES_MIME, QByteArray(json.dumps({"store": str(store_path), "ids": list(ids)}).encode()))
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in files])
    return data


def sample_files(store_path: Path, id: str) -> tuple[Path, Path]:
    """Return image and label file of a sample; the id is the name of its files."""
    from napari_organoid_synth.core.pairs.ome_tiff import pair_paths

    return pair_paths(store_path.parent / "samples", id)


def read_ids(data: QMimeData, store_path: Path) -> list[str]:
    """Return the ids of a drag; none if they belong to another project."""
    try:
        record = json.loads(bytes(data.data(SAMPLES_MIME).data()))
        return [str(id) for id in record["ids"]] if record["store"] == str(store_path) else []
    except (ValueError, KeyError, TypeError):
        return []


def offered(data: QMimeData, store_path: Path | None) -> tuple[list[str], list[Path]]:
    """Return the samples of a drag, or its files if it comes from elsewhere; neither for tiles of another project."""
    if data.hasFormat(SAMPLES_MIME):
        return (read_ids(data, store_path), []) if store_path is not None else ([], [])
    return [], [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


class TileDrop(QObject):
    """Takes tiles that are dropped on the canvas: napari would ask which of its readers opens each of the files.

    Attributes
    ----------
    store_path : Path, optional
        Database of the samples that are taken.
    dropped : Signal(list of str)
        Ids of the samples.
    """

    dropped = Signal(list)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.store_path: Path | None = None

    def watch(self, canvas: QWidget) -> None:
        """Watch a canvas and everything in it that accepts drops."""
        for widget in (canvas, *canvas.findChildren(QWidget)):
            if widget.acceptDrops():
                widget.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Handle drops of tiles; napari handles all others."""
        if event.type() == QEvent.Type.Drop and self.store_path is not None:
            ids = read_ids(event.mimeData(), self.store_path)
            if ids:
                event.setDropAction(Qt.DropAction.CopyAction)
                event.accept()
                self.dropped.emit(ids)
                return True
        return False
