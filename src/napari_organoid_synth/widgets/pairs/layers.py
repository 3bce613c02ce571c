"""Pairs of the table on the canvas: image and mask as layers, the tile grid over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.table import PairEntry
from napari_organoid_synth.core.pairs.tiling import TileGrid
from napari_organoid_synth.widgets.pairs.examine import read_pair_of
from napari_organoid_synth.widgets.shared.background import start_worker
from napari_organoid_synth.widgets.shared.layer_grid import place_of
from napari_organoid_synth.widgets.shared.layers import PREVIEW, show_alone, show_pair, shows, unedited_layers
from napari_organoid_synth.widgets.shared.workspace import Workspace

GRID = "tile grid"
FROM_TABLE = "organoid_synth_from_table"
"""Key of the metadata of layers that were opened from the table: the next pair takes their place."""


class PairLayers(QObject):
    """Open pairs and draw their tiles.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    workspace : Workspace
        Whose table names the files.
    tiles : callable
        Returns the current tile settings.
    failed : callable
        Called with the error when a pair cannot be read.
    parent : QObject, optional
        The dock: pairs that are read after it was closed are not shown.
    """

    def __init__(
        self,
        viewer: Any,
        workspace: Workspace,
        tiles: Callable[[], TileSettings],
        failed: Callable[[BaseException], Any],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer, self.workspace = viewer, workspace
        self._tiles, self._failed = tiles, failed
        self._grid = False

    def open(self, name: str) -> None:
        """Open image and mask of a pair as layers; they are read in a worker."""
        from napari.qt.threading import create_worker

        table = self.workspace.pairs
        if table is None:
            return
        if there := self._layers_of(table.entry(name)):
            for layer in there:
                layer.visible = True
            self._view(there)
            return
        worker: Any = create_worker(read_pair_of, table, name, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(self._show)
        worker.errored.connect(self._failed)
        start_worker(worker)

    def _layers_of(self, entry: PairEntry) -> list[Any]:
        """Return the layers that show the image of a row, and the mask beside it."""
        return [layer for layer in self.viewer.layers if shows(layer, entry)]

    def _view(self, layers: Sequence[Any]) -> None:
        """Bring a pair into view; a person's own layers under it are hidden, not removed."""
        hidden = show_alone(self.viewer, layers)
        self.viewer.layers.selection.active = layers[0]
        if hidden:
            others = "1 layer under it is" if hidden == 1 else f"{hidden} layers under it are"
            self.viewer.status = f"{layers[0].name}: {others} hidden; the eye in the list shows what is hidden."

    def _show(self, pair: SamplePair) -> None:
        """Show a pair in place of the one that was opened before, unless its mask was edited."""
        for layer in unedited_layers(self.viewer):
            if layer.metadata.get(FROM_TABLE):
                self.viewer.layers.remove(layer)
        layers = show_pair(self.viewer, pair)
        for layer in layers:
            layer.metadata[FROM_TABLE] = True
        self._view(layers)
        if self._grid:
            self.show_grid(True)

    def show_grid(self, shown: bool) -> None:
        """Draw the tiles on the open image as the Shapes layer "tile grid"; open an image when there is none."""
        self._grid = shown
        if GRID in self.viewer.layers:
            self.viewer.layers.remove(GRID)
        table = self.workspace.pairs
        if not shown or table is None:
            return
        entries = table.matched
        opened = [
            (layer, entry)
            for layer in reversed(self.viewer.layers)
            if isinstance(layer, Image)
            for entry in entries
            if shows(layer, entry)
        ]
        if not opened:
            if entries:
                self.open(entries[0].name)  # comes back here when it is read
            return
        layer, size = opened[0][0], opened[0][1].size
        assert size is not None
        tiles = self._tiles()
        side = tiles.size
        grid = TileGrid(size, side, tiles.overlap)
        boxes = [[[y, x], [y, x + side], [y + side, x + side], [y + side, x]] for y, x in grid.boxes]
        self.viewer.add_shapes(
            np.asarray(boxes, dtype=float),
            shape_type="rectangle",
            name=GRID,
            edge_width=max(1.0, side / 128),
            edge_color="white",
            face_color="transparent",
            opacity=0.6,
            metadata={PREVIEW: GRID},
            **place_of(layer, range(layer.ndim)[-2:]),
        )
