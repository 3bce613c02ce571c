"""Random numbers of a canvas that is painted tile by tile: they belong to places, so that neighbours see the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from napari_organoid_synth.core.device import random_stream


class TileStream:
    """The random numbers of one tile of a canvas.

    Every feature map covers the canvas with numbers that depend on the seed and the place alone, whatever tile looks at
    them and in whatever order: where tiles overlap they see the same noise, up to half a pixel of the feature map.
    Nothing is kept, the canvas may be as large as it likes: numbers are drawn in blocks of the size of a tile, at most
    four for each tile.

    Parameters
    ----------
    seed : int
        Of the canvas.
    y, x : int
        First row and column of the tile, px.
    tile : int
        Side of the tile, px.
    """

    def __init__(self, seed: int, y: int, x: int, tile: int) -> None:
        self.seed, self.y, self.x, self.tile = seed, y, x, tile
        self._drawn = 0  # maps of one sample are told apart by their order

    def fill(self, out: Tensor, draw: Callable[[Tensor, torch.Generator], object]) -> None:
        """Fill a map of the tile, the next one in the order of the network.

        Parameters
        ----------
        out : Tensor (C, h, h)
            Filled in place; h is the side of the tile or a part of it.
        draw : callable
            Fills a tensor in place from a stream.
        """
        number, self._drawn = self._drawn, self._drawn + 1
        side = out.shape[-1]
        top, left = (round(first * side / self.tile) for first in (self.y, self.x))
        block = torch.empty(out.shape, dtype=out.dtype, device=out.device)
        for down in range(top // side, (top + side - 1) // side + 1):
            for right in range(left // side, (left + side - 1) // side + 1):
                draw(block, random_stream(out.device, "canvas", self.seed, number, down, right))
                rows, own_rows = _overlap(down * side, top, side)
                columns, own_columns = _overlap(right * side, left, side)
                out[:, own_rows, own_columns] = block[:, rows, columns]


Stream: TypeAlias = torch.Generator | TileStream
"""A stream of random numbers, or those of a tile of a canvas."""


def fill(out: Tensor, stream: Stream, draw: Callable[[Tensor, torch.Generator], object]) -> Tensor:
    """Fill (N, C, Y, X) in place from a stream, or (1, C, Y, X) with the numbers of a tile; return it."""
    if isinstance(stream, TileStream):
        stream.fill(out[0], draw)
    else:
        draw(out, stream)
    return out


def _overlap(block: int, tile: int, side: int) -> tuple[slice, slice]:
    """Return the pixels of a block that a tile sees, and their place in the tile; both begin there and are as large."""
    first, last = max(block, tile), min(block, tile) + side
    return slice(first - block, last - block), slice(first - tile, last - tile)
