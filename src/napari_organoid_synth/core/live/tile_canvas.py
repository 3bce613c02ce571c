"""A canvas of networks that paint tiles: those that see a change are painted again, all others stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.boxes import Box, box_of, changed_box, union, widened
from napari_organoid_synth.core.live.canvas import Quality, drawn_labels
from napari_organoid_synth.core.pairs.tiling import TileGrid
from napari_organoid_synth.core.synthesis.trained_generator import OVERLAP, TrainedGenerator

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_organoid_synth.core.generators.canvas import Stream
    from napari_organoid_synth.core.synthesis.trained_generator import ImageClass

EDGE = 2  # px: how far the condition of a pixel looks


class TileCanvas:
    """A canvas of a network that paints tiles; see `Canvas`. A full change gives the bits of a new painting.

    Parameters
    ----------
    trained : TrainedGenerator
        A painter.
    labels : NDArray (Y, X) int
    stream : callable
        Returns the noise of the canvas, at its beginning.
    image_class : int or sequence of float
    variety : float
    """

    def __init__(
        self,
        trained: TrainedGenerator,
        labels: NDArray[np.integer[Any]],
        stream: Callable[[], Stream],
        image_class: ImageClass = 0,
        variety: float = 1.0,
    ) -> None:
        self._trained, self._stream, self._drawn = trained, stream, (image_class, variety)
        self.labels = drawn_labels(labels, trained.codec).copy()
        self._grid = TileGrid((self.labels.shape[0], self.labels.shape[1]), trained.side, OVERLAP)
        self._condition = trained.codec.encode_condition(self.labels)
        self._tiles = [self._paint(number) for number in range(len(self._grid.boxes))]
        self._total = self._blend((0, 0, *self._size))
        self.image = trained.codec.decode_image(self._inner(self._total))
        self._rough: Box | None = None

    @property
    def _size(self) -> tuple[int, int]:
        """Height and width of the grid, at least a tile."""
        height, width = (max(length, self._grid.tile) for length in self.labels.shape)
        return height, width

    def _inner(self, padded: NDArray[Any]) -> NDArray[Any]:
        """Return the part of the grid (..., Y, X) that is the canvas."""
        (above, _), (left, _) = self._grid.pad
        return padded[..., above : above + self.labels.shape[0], left : left + self.labels.shape[1]]

    def _paint(self, number: int) -> NDArray[np.float32]:
        """Paint a tile of the grid."""
        (y, x), side = self._grid.boxes[number], self._grid.tile
        tile = self._grid.padded(self._condition)[..., y : y + side, x : x + side]
        alone = self.labels.shape == (side, side)
        return self._trained.paint_tile(tile, (y, x), self._stream(), *self._drawn, alone)

    def change(self, labels: NDArray[np.integer[Any]], quality: Quality = "full") -> Box | None:
        """Paint the tiles again that see a difference; ``fast``: one tile around it; see `Canvas.change`."""
        drawn = drawn_labels(labels, self._trained.codec, self.labels)
        box = changed_box(self.labels, drawn)
        if box is not None:
            self.labels[box[0] : box[2], box[1] : box[3]] = drawn[box[0] : box[2], box[1] : box[3]]
            box = self._encode(box)
        if quality == "fast" and box is not None and self._fits_a_tile(box):
            self._rough = union(self._rough, box)
            return self._paint_around(box)
        window = union(box, self._rough)
        self._rough = None
        return self._paint_tiles(window) if window is not None else None

    def _encode(self, box: Box) -> Box | None:
        """Encode the mask around a box; return where the condition changed."""
        shape = self.labels.shape
        if self._trained.codec.condition == "flow":  # a heat flow fills whole objects
            after = self._trained.codec.encode_condition(self.labels)
            changed = changed_box(self._condition, after)
            self._condition = after
            return changed
        top, left, bottom, right = widened(box, EDGE, shape)
        outer = widened(box, 2 * EDGE, shape)
        part = self._trained.codec.encode_condition(self.labels[outer[0] : outer[2], outer[1] : outer[3]])
        part = part[:, top - outer[0] : bottom - outer[0], left - outer[1] : right - outer[1]]
        place = self._condition[:, top:bottom, left:right]
        changed = box_of((part != place).any(axis=0))
        place[:] = part
        return None if changed is None else (changed[0] + top, changed[1] + left, changed[2] + top, changed[3] + left)

    def _fits_a_tile(self, box: Box) -> bool:
        """Return whether half a tile holds the box, and there are several tiles at all."""
        most = self._grid.tile // 2
        return len(self._grid.boxes) > 1 and box[2] - box[0] <= most and box[3] - box[1] <= most and not _padded(self)

    def _paint_around(self, box: Box) -> Box:
        """Paint one tile in whose middle the box lies, and blend it into the image."""
        side, shape = self._grid.tile, self.labels.shape
        y, x = (
            min(max((first + last - side) // 2, 0), length - side)
            for first, last, length in ((box[0], box[2], shape[0]), (box[1], box[3], shape[1]))
        )
        painted = self._trained.paint_tile(
            self._condition[:, y : y + side, x : x + side], (y, x), self._stream(), *self._drawn
        )
        share = np.minimum.outer(_ramp(y, side, shape[0]), _ramp(x, side, shape[1]))
        region = self._total[:, y : y + side, x : x + side]
        region += share * (painted - region)
        self.image[:, y : y + side, x : x + side] = self._trained.codec.decode_image(region)
        return y, x, y + side, x + side

    def _paint_tiles(self, box: Box) -> Box:
        """Paint the tiles of the grid again that see a box of the canvas."""
        (above, _), (before, _) = self._grid.pad
        side = self._grid.tile
        top, left, bottom, right = box[0] + above, box[1] + before, box[2] + above, box[3] + before
        region: Box | None = None
        for number, (y, x) in enumerate(self._grid.boxes):
            if _padded(self) or (y < bottom and top < y + side and x < right and left < x + side):
                self._tiles[number] = self._paint(number)
                region = union(region, (y, x, y + side, x + side))
        assert region is not None  # the tiles cover the canvas
        if len(self._grid.boxes) > 1:  # what was painted fast reaches as far as a tile
            region = widened(region, side // 2, self._size)
        top, left, bottom, right = region
        self._total[:, top:bottom, left:right] = self._blend(region)
        y, x = max(top - above, 0), max(left - before, 0)
        bottom, right = min(bottom - above, self.labels.shape[0]), min(right - before, self.labels.shape[1])
        decoded = self._trained.codec.decode_image(self._inner(self._total)[:, y:bottom, x:right])
        self.image[:, y:bottom, x:right] = decoded
        return y, x, bottom, right

    def _blend(self, region: Box) -> NDArray[np.float32]:
        """Blend the tiles in a region of the grid; in the same order, so with the same bits, as for the whole."""
        top, left, bottom, right = region
        side = self._grid.tile
        total = np.zeros((len(self._tiles[0]), bottom - top, right - left), np.float32)
        weights = np.zeros(total.shape[1:], np.float32)
        window = self._grid.window
        for (y, x), tile in zip(self._grid.boxes, self._tiles, strict=True):
            first_y, last_y, first_x, last_x = max(y, top), min(y + side, bottom), max(x, left), min(x + side, right)
            if first_y >= last_y or first_x >= last_x:
                continue
            inside = np.s_[..., first_y - y : last_y - y, first_x - x : last_x - x]
            place = np.s_[..., first_y - top : last_y - top, first_x - left : last_x - left]
            total[place] += tile[inside] * window[inside]
            weights[place] += window[inside]
        return np.asarray(total / weights, np.float32)

    def facts(self) -> dict[str, Any]:
        """Return nothing: networks do not tell where their pixels come from."""
        return {}


def _padded(canvas: TileCanvas) -> bool:
    """Return whether the canvas is smaller than a tile, so that its edges are mirrored."""
    return any(any(pad) for pad in canvas._grid.pad)


def _ramp(first: int, side: int, length: int) -> NDArray[np.float32]:
    """Return the share of a tile along one axis: 1 in its middle half and towards an edge of the canvas."""
    at = np.arange(side)
    before = np.full(side, side) if first == 0 else at + 1
    after = np.full(side, side) if first + side == length else at[::-1] + 1
    return np.asarray(np.clip(np.minimum(before, after) / (side / 4), 0, 1), np.float32)
