"""Thumbnails that keep the pixel values of a pair, so that all can be shown with one contrast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import THUMBNAIL_SIDE, decode_png, encode_png, limits, picture, resized

Contrast = tuple[tuple[float, float], ...]
"""For each channel that is shown, the pixel values that become black and white."""
SHOWN_CHANNELS = 3
_PLANES = {1: (0, 0, 0), 2: (0, 1, 0), 3: (0, 1, 2)}  # by number of channels: those in red, green and blue


@dataclass(frozen=True)
class Thumbnail:
    """A pair at a small size.

    Parameters
    ----------
    levels : NDArray (C, h, w) uint8 or uint16
        At most three channels; 8-bit images as they are, others spread over 16 bits.
    ends : tuple of (float, float)
        For each channel the pixel values of the lowest and the highest level.
    labels : NDArray (h, w) uint16
        0 is background; ids above 65535 share a number.
    is_rgb : bool
        Whether the channels are red, green and blue.
    """

    levels: NDArray[Any]
    ends: Contrast
    labels: NDArray[np.uint16]
    is_rgb: bool = False

    @classmethod
    def of(cls, pair: SamplePair, side: int = THUMBNAIL_SIDE) -> Self:
        """Shrink a pair so that its longer edge has at most ``side`` px: means of the image, nearest labels."""
        height, width = pair.size
        shrink = min(1.0, side / max(height, width))
        small = max(1, round(height * shrink)), max(1, round(width * shrink))
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.intp)
            for new, old in zip(small, (height, width), strict=True)
        )
        labels = pair.labels[rows[:, None], columns]
        labels = np.where(labels > 0, (labels - 1) % 65535 + 1, 0)
        classes: NDArray[np.uint16] = np.asarray(labels, np.uint16)
        channels = [resized(channel, small) for channel in pair.image[:SHOWN_CHANNELS]]
        if pair.image.dtype == np.uint8:
            return cls(np.stack(channels), ((0.0, 255.0),) * len(channels), classes, pair.is_rgb)
        spread = [_spread(channel) for channel in channels]
        return cls(np.stack([levels for levels, _ in spread]), tuple(ends for _, ends in spread), classes, pair.is_rgb)

    def encode(self) -> tuple[bytes, bytes, str]:
        """Return PNG of the channels below each other, PNG of the labels, and what the levels mean."""
        count, height, width = self.levels.shape
        meaning = json.dumps({"ends": self.ends, "rgb": self.is_rgb})
        return encode_png(self.levels.reshape(count * height, width)), encode_png(self.labels), meaning

    @classmethod
    def decode(cls, image: bytes, labels: bytes, meaning: str) -> Self:
        """Read the result of `encode`."""
        record = json.loads(meaning)
        ends = tuple((float(low), float(high)) for low, high in record["ends"])
        levels, shown = decode_png(image), decode_png(labels)
        levels = levels[..., 0] if levels.ndim == 3 else levels
        return cls(levels.reshape(len(ends), *shown.shape), ends, shown, bool(record["rgb"]))

    def values(self) -> NDArray[np.float32]:
        """Return the pixel values, (C, h, w)."""
        low, high = (np.array(side, np.float64)[:, None, None] for side in zip(*self.ends, strict=True))
        return np.asarray(low + self.levels / self._top * (high - low), np.float32)

    def picture(self, contrast: Contrast = ()) -> NDArray[np.uint8]:
        """Return the picture that a person sees, (h, w, 3).

        Parameters
        ----------
        contrast : tuple of (float, float), optional
            Values that become black and white; default, and where it is for fewer channels: from the image itself.
        """
        if len(contrast) < len(self.levels):
            return picture(self.values(), self.is_rgb)
        steps = np.arange(self._top + 1) / self._top
        planes = []
        for levels, (low, high), (black, white) in zip(self.levels, self.ends, contrast, strict=False):
            scaled = (low + steps * (high - low) - black) / max(white - black, 1e-12)
            planes.append(np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)[levels])
        return np.stack([planes[channel] for channel in _PLANES[len(planes)]], -1)

    @property
    def _top(self) -> int:
        return int(np.iinfo(self.levels.dtype).max)


def _spread(channel: NDArray[Any]) -> tuple[NDArray[np.uint16], tuple[float, float]]:
    """Spread the finite values of a channel over 16 bits; return levels and ends."""
    values = np.asarray(channel, np.float64)
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    scaled = (np.where(finite, values, low) - low) / ((high - low) or 1.0)
    return np.rint(scaled * 65535).astype(np.uint16), (low, high)


def common_contrast(thumbnails: Sequence[Thumbnail]) -> Contrast:
    """Return one contrast for pairs without real ones to follow: 8 bits and colours as they are, else percentiles."""
    if not thumbnails:
        return ()
    count = min(len(one.levels) for one in thumbnails)
    if all(one.levels.dtype == np.uint8 for one in thumbnails):
        return ((0.0, 255.0),) * count
    values = [one.values()[:count].reshape(count, -1) for one in thumbnails]
    pooled = np.concatenate(values, axis=1)
    if thumbnails[0].is_rgb:
        return (limits(pooled.ravel()),) * count
    return tuple(limits(channel) for channel in pooled)
