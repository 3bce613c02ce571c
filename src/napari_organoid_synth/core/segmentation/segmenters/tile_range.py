"""One normalisation for real crops and synthetic tiles: that of the real image which a tile could be cut from.

A segmenter sees whole images, scaled by their percentiles. Those of a tile depend on how many objects happen to be in
it, so that the same object would be brighter in a tile with few of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.training_range import TrainingRange
from napari_organoid_synth.core.simulators.pasting import CUT_FROM

QUANTILES = 1, 10, 25, 50, 75, 90, 99
"""Percentiles by which tiles are compared."""
INSIDE = 10, 50, 90
"""Percentiles of the objects, and of the background, by which they are compared too."""
MIN_PIXELS = 50
"""Fewest pixels of objects, or of background, of which percentiles tell something."""
PLACES = 6
"""Rows and columns of tiles of a real image that are compared, at most."""
PIXELS = 128
"""Rows and columns of a tile that are looked at, about."""

Range = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Intensity that becomes 0 and distance to that which becomes 1, each (C, 1, 1) float32."""


class TileRanges:
    """The ranges of the real images of an arm, and which of them a synthetic tile has.

    Parameters
    ----------
    real : sequence of SamplePair
        Real pairs.
    usual : TrainingRange
        Normalises real images.
    """

    def __init__(self, real: Sequence[SamplePair], usual: TrainingRange) -> None:
        self._real, self._usual = real, usual
        self.ranges: list[Range] = [usual.range_of(pair.image) for pair in real]
        self._names = {pair.name: place for place, pair in reversed(list(enumerate(real)))}
        self._known: dict[tuple[int, int], tuple[NDArray[np.float64], NDArray[np.intp]]] = {}

    def of(self, pair: SamplePair) -> Range:
        """Return the range of a pair.

        A pair that was cut from a real image (`CUT_FROM`) has its range. A tile of a generator has that of the real
        image with the most similar tile, by the percentiles of all pixels, of the objects and of the background. Real
        images, simulated ones, whose intensities are their own, and tiles of another pixel type or far outside the real
        intensities have their own range.
        """
        cut_from = pair.source.provenance.get(CUT_FROM)
        if cut_from in self._names:
            return self.ranges[self._names[cut_from]]
        like = self._real[0].image
        if pair.source.kind == "synthetic" and (len(pair.image), pair.image.dtype) == (len(like), like.dtype):
            found = self._nearest(pair)
            if found is not None:
                return self.ranges[found]
        return self._usual.range_of(pair.image)

    def of_part(self, pair: SamplePair) -> Range:
        """Return the range of a held-back part: that of the image which it was cut from, or its own."""
        known = self._names.get(pair.name)
        return self._usual.range_of(pair.image) if known is None else self.ranges[known]

    def _nearest(self, pair: SamplePair) -> int | None:
        """Return which real image has the most similar tile; None if all intensities are far from this one's."""
        if pair.size not in self._known:
            self._known[pair.size] = self._tiles(pair.size)
        tiles, images = self._known[pair.size]  # (tiles, percentiles, C), (tiles,)
        found, least, most = _percentiles(pair), np.nanmin(tiles, axis=(0, 1)), np.nanmax(tiles, axis=(0, 1))
        width = np.where(most > least, most - least, 1.0)
        if ((found < least - width) | (found > most + width)).any():
            return None
        return int(images[np.argmin(np.nanmean(np.abs(tiles - found) / width, axis=(1, 2)))])

    def _tiles(self, size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Measure tiles of the real images: percentiles (tiles, P, C), and which image each is from (tiles,)."""
        found, images = [], []
        for index, pair in enumerate(self._real):
            starts = [_starts(length, side) for length, side in zip(pair.size, size, strict=True)]
            for y in starts[0]:
                for x in starts[1]:
                    box = slice(y, y + size[0]), slice(x, x + size[1])
                    found.append(
                        _percentiles(pair.replace(image=pair.image[(slice(None), *box)], labels=pair.labels[box]))
                    )
                    images.append(index)
        return np.stack(found), np.array(images)


def _starts(length: int, side: int) -> list[int]:
    """Return the first lines of tiles that lie evenly in an image, at most half a tile apart if few suffice."""
    free = max(0, length - side)
    number = min(PLACES, 1 + -(-2 * free // side))
    return [round(place) for place in np.linspace(0, free, number)]


def _percentiles(pair: SamplePair) -> NDArray[np.float64]:
    """Return percentiles (P, C): of all pixels, of the background and of the objects; NaN where there are too few."""
    rows, columns = (max(1, length // PIXELS) for length in pair.size)
    values = pair.image[:, ::rows, ::columns].reshape(len(pair.image), -1)
    objects = pair.labels[::rows, ::columns].ravel() > 0
    found = [_sorted(values, QUANTILES)]
    for part in (values[:, ~objects], values[:, objects]):
        enough = part.shape[1] >= MIN_PIXELS
        found.append(_sorted(part, INSIDE) if enough else np.full((len(INSIDE), len(values)), np.nan))
    return np.concatenate(found)


def _sorted(values: NDArray[Any], percentiles: Sequence[int]) -> NDArray[np.float64]:
    """Return percentiles (P, C) of values (C, n), each one of the values."""
    places = [round(share / 100 * (values.shape[1] - 1)) for share in percentiles]
    return np.sort(values, axis=1)[:, places].T.astype(np.float64)
