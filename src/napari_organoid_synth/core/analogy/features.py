"""Numbers that stand for a patch, few enough to compare quickly: filters from a principal component analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PATCH = 7  # px
RADIUS = PATCH // 2
GUIDE_NUMBERS, IMAGE_NUMBERS = 12, 20
NUMBERS = GUIDE_NUMBERS + IMAGE_NUMBERS
"""Of a patch; 64 bytes as int16, a line of a processor's cache."""
UNIT = 1 / 1000
"""Of the integers that numbers are stored as."""
_BAND = 32  # rows that are projected at once


@dataclass(frozen=True, eq=False)
class Filters:
    """Filters that turn patches into numbers whose squared distance is about that of the patches.

    Parameters
    ----------
    weights : NDArray (C * PATCH * PATCH, K) float32
    offset : NDArray (K,) float32
        Numbers of the mean patch; taken off, so that the range of int16 is enough.
    """

    weights: NDArray[np.float32]
    offset: NDArray[np.float32]

    @classmethod
    def fitted(cls, patches: NDArray[np.float32], number: int, scale: float) -> Filters:
        """Compute the principal components of example patches.

        Parameters
        ----------
        patches : NDArray (N, C * PATCH * PATCH) float32
            In the scale of the later ones.
        number : int
            K; where patches have fewer components the rest is 0.
        scale : float
            Factor of all numbers.
        """
        mean = patches.mean(0, dtype=np.float64)
        centred = patches - mean
        _, vectors = np.linalg.eigh(centred.T @ centred / max(1, len(patches)))
        chosen = vectors[:, ::-1][:, :number] * scale
        weights = np.zeros((patches.shape[1], number), np.float32)
        weights[:, : chosen.shape[1]] = chosen
        return cls(weights, (mean @ weights).astype(np.float32))

    def of(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the numbers of patches, (N, K) float32."""
        found: NDArray[np.float32] = patches @ self.weights - self.offset
        return found

    def everywhere(self, padded: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the numbers of the patch around every pixel.

        Parameters
        ----------
        padded : NDArray (C, Y + 2 RADIUS, X + 2 RADIUS) float32
            Continued on all sides as far as a patch reaches.

        Returns
        -------
        NDArray (Y, X, K) float32
        """
        height, width = padded.shape[1] - 2 * RADIUS, padded.shape[2] - 2 * RADIUS
        out = np.empty((height, width, self.weights.shape[1]), np.float32)
        for top in range(0, height, _BAND):
            rows = padded[:, top : top + _BAND + 2 * RADIUS]
            out[top : top + _BAND] = self.of(all_patches(rows)).reshape(-1, width, out.shape[2])
        return out


def all_patches(padded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the patch around every pixel, row by row, (Y * X, C * PATCH * PATCH) float32."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, (len(padded), PATCH, PATCH))[0]  # (Y, X, C, 7, 7)
    return np.ascontiguousarray(windows).reshape(-1, len(padded) * PATCH * PATCH)


def patches_at(channels: NDArray[np.float32], places: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the patches around chosen pixels.

    Parameters
    ----------
    channels : NDArray (C, Y, X) float32
        Continued by its mirror image.
    places : NDArray (N, 2) int
        Rows and columns.

    Returns
    -------
    NDArray (N, C * PATCH * PATCH) float32
    """
    windows = np.lib.stride_tricks.sliding_window_view(mirrored(channels), (len(channels), PATCH, PATCH))[0]
    return np.ascontiguousarray(windows[places[:, 0], places[:, 1]]).reshape(len(places), -1)


def mirrored(channels: NDArray[Any]) -> NDArray[np.float32]:
    """Continue channels by their mirror image, as far as a patch reaches."""
    margin = [(0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)]
    return np.pad(np.asarray(channels, np.float32), margin, mode="symmetric")


def packed(numbers: NDArray[np.float32]) -> NDArray[np.int16]:
    """Store numbers as integers."""
    found: NDArray[np.int16] = np.clip(np.rint(numbers * (1 / UNIT)), -32767, 32767).astype(np.int16)
    return found
