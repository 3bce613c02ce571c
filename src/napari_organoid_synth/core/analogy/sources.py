"""Real pairs to paint from: brought to one range, cut to pieces of a manageable size, described region by region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.guide import Guide
from napari_organoid_synth.core.errors import UserError

MAX_SIDE = 512  # px; larger images are cut
TAILS = (0.1, 99.9)  # percentiles that the range of an image runs between
_CHANNELS_OF_RGB = 3


@dataclass(frozen=True, eq=False)
class Source:
    """A real pair that pieces are taken from.

    Parameters
    ----------
    name : str
        Unique among the sources; `exclude` and the shares of a painting call it so.
    image : NDArray (C, Y, X), native dtype
    labels : NDArray (Y, X) int32, 0 is background
    """

    name: str
    image: NDArray[Any]
    labels: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Range:
    """Values that become 0 and 1.

    Parameters
    ----------
    low, high : NDArray (C, 1, 1) float32
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @classmethod
    def of(cls, image: NDArray[Any]) -> Range:
        """Measure the percentiles of an image; the channels of RGB have one range."""
        flat = np.nan_to_num(np.asarray(image, np.float32)).reshape(len(image), -1)
        if len(image) == _CHANNELS_OF_RGB and image.dtype == np.uint8:
            flat = np.broadcast_to(flat.reshape(1, -1), (3, flat.size))
        low, high = np.percentile(flat, TAILS, axis=1)
        high = np.where(high > low, high, low + 1)
        return cls(*(side.astype(np.float32)[:, None, None] for side in (low, high)))

    def unit(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Bring an image to about 0 to 1."""
        scaled = (np.nan_to_num(np.asarray(image, np.float32)) - self.low) / (self.high - self.low)
        return np.asarray(scaled, np.float32)

    def native(self, image: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Bring an image back to its values, clipped to what the type can hold."""
        values = image * (self.high - self.low) + self.low
        if dtype.kind == "f":
            return values.astype(dtype)
        limits = np.iinfo(dtype)
        return np.asarray(np.clip(np.rint(values), limits.min, limits.max), dtype)


@dataclass(frozen=True, eq=False)
class Cut:
    """A source, or a piece of a large one.

    Parameters
    ----------
    name : str
        Of the source.
    image : NDArray (C, Y, X) float32
        About 0 to 1.
    guide : NDArray (G, Y, X) float32
    labels : NDArray (Y, X) int32
    range : Range
    tones : dict
        Mean and spread of each channel in each region: background and objects, or classes; two arrays (C,).
    """

    name: str
    image: NDArray[np.float32]
    guide: NDArray[np.float32]
    labels: NDArray[np.int32]
    range: Range
    tones: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]]

    @property
    def size(self) -> int:
        """Pixels."""
        return int(self.labels.size)

    def agrees(self, other: Cut) -> bool:
        """Return whether the other's tones differ by less than a standard deviation in every region of both."""
        for region in self.tones.keys() & other.tones.keys():
            mean, spread = self.tones[region]
            if np.any(np.abs(other.tones[region][0] - mean) >= np.maximum(spread, 1e-3)):
                return False
        return True


def check(sources: Sequence[Source]) -> None:
    """Refuse sources that cannot be painted from together.

    Raises
    ------
    UserError
        If there is none, two have one name, or they differ in channels or type.
    """
    if not sources:
        raise UserError("There are no images to paint from.", "Expected at least one with its mask.", "Load pairs.")
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"Two images are called {twice}.", "Expected different names.", "Rename one of them.")
    for source in sources:
        if source.image.ndim != 3 or source.image.shape[1:] != source.labels.shape or not source.labels.size:
            raise UserError(
                f"{source.name} has an image of {source.image.shape} and a mask of {source.labels.shape}.",
                "Expected (C, Y, X) and (Y, X).",
                "Pair them again.",
            )
    kinds = {f"{len(source.image)} channels of {source.image.dtype}" for source in sources}
    if len(kinds) > 1:
        raise UserError(
            f"The images differ: {', '.join(sorted(kinds))}.",
            "Expected the same channels and pixel type in all.",
            "Convert them first.",
        )


def cuts_of(source: Source, guide: Guide) -> Iterator[Cut]:
    """Cut a source into pieces of at most `MAX_SIDE` px.

    The guide is computed before cutting, so that objects keep their size.
    """
    found = Range.of(source.image)
    image = found.unit(source.image)
    channels = guide.of(source.labels)
    rows, columns = (_pieces(side) for side in source.labels.shape)
    for top, bottom in rows:
        for left, right in columns:
            part = np.s_[..., top:bottom, left:right]
            labels = np.asarray(source.labels[part], np.int32)
            tones = _tones(image[part], labels if guide.mask_kind == "classes" else (labels > 0).astype(np.int32))
            yield Cut(source.name, image[part], channels[part], labels, found, tones)


def _pieces(side: int) -> list[tuple[int, int]]:
    number = -(-side // MAX_SIDE)
    edges = [round(k * side / number) for k in range(number + 1)]
    return list(pairwise(edges))


def _tones(
    image: NDArray[np.float32], regions: NDArray[np.int32]
) -> dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    found = {}
    for region in np.unique(regions):
        values = image[:, regions == region]
        if values.shape[1] >= 16:
            found[int(region)] = (values.mean(1), values.std(1))
    return found


def turned(channels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn channels (C, Y, X) by quarters (0 to 3), then mirror them (4 to 7)."""
    quarter = np.rot90(channels, orientation % 4, axes=(1, 2))
    return quarter[:, :, ::-1] if orientation >= 4 else quarter
