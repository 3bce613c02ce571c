"""The look of an image: the tones that another image gets by matching their histograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError

Tones: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Values of one channel, rising, and what becomes of each; those between are interpolated."""
QUANTILES = 1024  # of floats


@dataclass(frozen=True, eq=False)
class Look:
    """What becomes of the values of each channel, so that their histogram is that of another image.

    Parameters
    ----------
    tones : tuple of (NDArray (K,), NDArray (K,))
        Of each channel.
    """

    tones: tuple[Tones, ...]

    @classmethod
    def between(cls, image: NDArray[Any], other: NDArray[Any]) -> Self:
        """Measure what gives an image the histograms of another one, of any size.

        Integers are matched exactly, as by `skimage.exposure.match_histograms`; floats by 1024 quantiles.

        Parameters
        ----------
        image, other : NDArray (C, Y, X)
            Native dtype.

        Raises
        ------
        UserError
            If they have different numbers of channels.
        """
        if len(image) != len(other):
            raise UserError(
                f"The image has {len(image)} channels, the one whose look it should get {len(other)}.",
                "Expected as many.",
                "Choose an image with the same channels.",
            )
        return cls(tuple(_matched(one, wanted) for one, wanted in zip(image, other, strict=True)))


def _matched(plane: NDArray[Any], other: NDArray[Any]) -> Tones:
    values, shares = _distribution(plane)
    wanted, its_shares = _distribution(other)
    return values, np.interp(shares, its_shares, wanted)


def _distribution(plane: NDArray[Any]) -> Tones:
    """Return rising values, and the share of pixels up to each."""
    if plane.dtype.kind == "f":
        finite = plane[np.isfinite(plane)]
        if not finite.size:
            return np.zeros(1), np.ones(1)
        shares = np.linspace(0, 1, QUANTILES)
        return np.quantile(finite, shares).astype(np.float64), shares
    if plane.dtype.kind == "u" and plane.dtype.itemsize <= 2:
        counts = np.bincount(plane.ravel())
        values = np.flatnonzero(counts)
        return values.astype(np.float64), np.cumsum(counts[values]) / plane.size
    values, counts = np.unique(plane, return_counts=True)
    return values.astype(np.float64), np.cumsum(counts) / plane.size
