"""Aimed tiles: some of the tiles of a step lie around a pixel of a class, and every class has the same chance.

Without them a network hardly sees what is rare, such as mitochondria or a single cell on a dark field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import Tile, TileGrid
from napari_organoid_synth.core.seeds import seed_of

MAX_PLACES = 2048
"""Pixels of a class and image that tiles may lie around; drawn where there are more."""


class Aim:
    """Moves tiles of a step so that the pixel in their middle belongs to a class that is drawn evenly.

    A pure function of the seed and the number of the tile in the training, so that a resumed training sees what an
    uninterrupted one would have seen.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Those that tiles are cut from. Of binary masks and instances all objects are one class.
    share : float
        Share of the tiles that are moved, 0 to 1; without any object none is.
    seed : int
        Of the training.
    """

    def __init__(self, pairs: Sequence[SamplePair], share: float, seed: int) -> None:
        self.pairs, self.share, self.seed = pairs, share, seed

    def __call__(self, tile: Tile, place: int) -> Tile:
        """Return a tile, or one of the same orientation around a drawn pixel.

        Parameters
        ----------
        tile : Tile
            Whose turn it is.
        place : int
            Tiles shown before it in this training.
        """
        if not self.share or not self._places:
            return tile
        rng = np.random.default_rng(seed_of(self.seed, "aim", place))
        if rng.random() >= self.share:
            return tile
        pairs, weights, places = self._places[rng.integers(len(self._places))]
        chosen = rng.choice(len(pairs), p=weights)
        index = pairs[chosen]
        row, column = divmod(int(rng.choice(places[chosen])), self.pairs[index].size[1])
        y, x = _around((row, column), self.pairs[index].size, tile.size)
        return replace(tile, pair=index, name=self.pairs[index].name, y=y, x=x)

    @cached_property
    def _places(self) -> list[tuple[list[int], NDArray[np.float64], list[NDArray[np.int64]]]]:
        """For each class with pixels: images, their share of its pixels, and some of its pixels in each."""
        rng = np.random.default_rng(seed_of(self.seed, "places"))
        found: dict[int, list[tuple[int, int, NDArray[np.int64]]]] = {}
        for index, pair in enumerate(self.pairs):
            classes = pair.labels if pair.mask_kind == "classes" else pair.labels != 0
            for value in np.unique(classes[classes != 0]):
                pixels = np.flatnonzero(classes == value)
                some = rng.choice(pixels, MAX_PLACES, replace=False) if len(pixels) > MAX_PLACES else pixels
                found.setdefault(int(value), []).append((index, len(pixels), some))
        places = []
        for _, rows in sorted(found.items()):
            numbers = np.array([number for _, number, _ in rows], float)
            places.append(([index for index, *_ in rows], numbers / numbers.sum(), [some for *_, some in rows]))
        return places


def _around(pixel: tuple[int, int], size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the first row and column of a tile with a pixel in its middle, moved to lie in the (padded) image."""
    pads = TileGrid(size, side).pad
    y, x = (
        min(max(place + before - side // 2, 0), max(length, side) - side)
        for place, length, (before, _) in zip(pixel, size, pads, strict=True)
    )
    return y, x
