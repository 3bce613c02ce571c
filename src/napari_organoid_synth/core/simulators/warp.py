"""New masks from real ones: turned, mirrored and smoothly deformed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.simulators.texture import enlarge


def warp_labels(labels: NDArray[np.integer[Any]], rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.int32]:
    """Make a new mask from a real one by a right-angle turn, mirroring, a slight affine map and elastic deformation.

    Parameters
    ----------
    labels : NDArray (Y, X) integer
        Any mask kind; values are kept (nearest neighbour), what enters from outside is a reflection.
    rng : numpy.random.Generator
        Fixes turn, mirror and deformation.
    strength : float
        0 only turns and mirrors; 1 moves pixels by about 4 % of the side; values above 2 may tear.

    Returns
    -------
    NDArray (Y, X) int32
        Of the same shape; an oblong mask is only turned by half turns.
    """
    height, width = labels.shape
    quarter = int(rng.integers(4))
    turned = np.rot90(labels, quarter if height == width else 2 * (quarter // 2))
    if rng.random() < 0.5:
        turned = turned[:, ::-1]
    affine = np.eye(2) + strength * rng.normal(0, 0.06, (2, 2))
    shift = strength * rng.normal(0, 0.02, 2) * labels.shape
    grid = strength * rng.standard_normal((2, 8, 8)) * 0.045 * min(height, width)
    push = enlarge(grid, (height, width))
    y, x = (np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in (height, width))
    rows = affine[0, 0] * y[:, None] + affine[0, 1] * x[None, :] + shift[0] + (height - 1) / 2 + push[0]
    columns = affine[1, 0] * y[:, None] + affine[1, 1] * x[None, :] + shift[1] + (width - 1) / 2 + push[1]
    return np.asarray(turned[mirrored(rows, height), mirrored(columns, width)], np.int32)


def mirrored(place: NDArray[Any], length: int) -> NDArray[np.intp]:
    """Return the nearest index, reflected at both ends."""
    index = np.rint(place).astype(np.intp) % (2 * length)
    return np.asarray(np.minimum(index, 2 * length - 1 - index))
