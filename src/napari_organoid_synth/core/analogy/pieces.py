"""What a painting took from where: shares of the sources, and the largest verbatim piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label


def shares(field: NDArray[np.int32], page_of: NDArray[np.int32], names: Sequence[str]) -> dict[str, float]:
    """Count the pixels by source.

    Parameters
    ----------
    field : NDArray (Y, X, 2) int32
        Row and column of the sheet.
    page_of : NDArray (H,) int32
        Page of each row.
    names : sequence of str
        Source of each page.
    """
    counts = np.bincount(page_of[field[..., 0]].ravel(), minlength=len(names))
    found: dict[str, float] = {}
    for name, count in zip(names, counts, strict=True):
        if count:
            found[name] = found.get(name, 0.0) + float(count) / field[..., 0].size
    return found


def largest_piece(field: NDArray[np.int32]) -> int:
    """Count the pixels of the largest connected area whose distance to its place in the sources is the same."""
    height, width = field.shape[:2]
    down = field[..., 0].astype(np.int64) - np.arange(height)[:, None]
    across = field[..., 1].astype(np.int64) - np.arange(width)
    _, offsets = np.unique(down * (1 << 32) + across, return_inverse=True)
    areas = np.bincount(label(offsets.reshape(height, width), background=-1, connectivity=1).ravel())
    return int(areas.max())
