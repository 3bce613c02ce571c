"""Mode collapse: how many different pictures there are, near-duplicates, and repeated mask layouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.distances import distinct_scale, effective_number, euclidean
from napari_organoid_synth.core.metrics.memorisation import (
    MIN_DISTANCE,
    ORIENTATIONS,
    SIGNATURE_SIDE,
    turned_signatures,
)
from napari_organoid_synth.core.metrics.nearest import COPY_SSIM, shrink, ssim
from napari_organoid_synth.core.pairs.tiling import orient

CANDIDATES = 4
"""Tiles in one of eight orientations that are compared in full with each tile."""
BATCH = 128
SAME = 0.67
"""Tiles count as one picture when nearer than this part of the scale at which the real tiles still differ."""

SMOOTH = 1.0  # sigma, in px at 32 px


@dataclass(frozen=True)
class Distinct:
    """How many different pictures there are.

    Parameters
    ----------
    number : int
        Pictures that are left when those that look the same count as one.
    effective : float
        Effective number of different ones; rare ones count less, alike ones in part.
    real : float
        The same of as many real tiles.
    of : int
        Tiles that were looked at.
    """

    number: int
    effective: float
    real: float
    of: int


def distinct_pictures(
    images: Sequence[NDArray[np.float32]], real: Sequence[NDArray[np.float32]], pairs: Sequence[tuple[int, int]] = ()
) -> Distinct:
    """Count the different pictures among images, measured by how much real tiles differ.

    Distances are those of correlation of the smoothed images at 32 px in the best of eight orientations, so that noise,
    brightness, and a shift by a pixel or two hardly count. The scale is the widest at which as many real tiles still
    count as different.

    Parameters
    ----------
    images : sequence of NDArray (C, S, S), float
        At least 1; 0 and 1 are the ends of the range.
    real : sequence of NDArray (C, S, S), float
        The real tiles; as many as there are images are taken.
    pairs : sequence of (int, int)
        Images that are known to look the same.
    """
    number = min(len(real), max(2, len(images)))
    few = [real[place * len(real) // number] for place in range(number)]
    distances, among = (_nearest_turn(turned_signatures(list(map(_smooth, one)))) for one in (images, few))
    for one, other in pairs:
        distances[one, other] = distances[other, one] = 0
    scale = max(distinct_scale(among) if number > 1 else 1.0, MIN_DISTANCE)
    near = [(int(i), int(j)) for i, j in np.argwhere(distances < SAME * scale) if i < j]
    return Distinct(
        count_distinct(len(images), near),
        effective_number(distances, scale),
        effective_number(among, scale),
        len(images),
    )


def _smooth(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image (C, Y, X) at 32 px without its finest structure, which moves with every pixel."""
    from scipy.ndimage import gaussian_filter

    coarse: NDArray[np.float32] = gaussian_filter(shrink(np.clip(image, 0, 1), SIGNATURE_SIDE), (0, SMOOTH, SMOOTH))
    return coarse


def _nearest_turn(turned: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Compute the distance of every two tiles (N, 8, D) in the best of all orientations, (N, N)."""
    distance = euclidean(turned[:, 0], turned.reshape(-1, turned.shape[2]))
    one_way = distance.reshape(len(turned), len(turned), -1).min(2)
    nearest: NDArray[np.float64] = np.minimum(one_way, one_way.T)
    np.fill_diagonal(nearest, 0)
    return nearest


def near_duplicates(images: Sequence[NDArray[np.float32]], threshold: float = COPY_SSIM) -> list[tuple[int, int]]:
    """Find pairs of images with at least this SSIM in one of the eight right-angle orientations.

    Only the four that agree best by correlation at 32 px are compared, so the cost grows with the number of images
    and not with its square; of a cluster of many equal images not every pair is found, but every image is.

    Parameters
    ----------
    images : sequence of NDArray (C, S, S), float
        0 and 1 are the ends of the range; S at least 11.
    threshold : float
        In [-1, 1].

    Returns
    -------
    list of (int, int)
        Each with the smaller index first.
    """
    if len(images) < 2:
        return []
    turned = turned_signatures(images)
    bank = turned.reshape(-1, turned.shape[2])
    own = np.arange(len(bank)) // len(ORIENTATIONS)
    known: dict[tuple[int, int], float] = {}
    for start in range(0, len(images), BATCH):
        agreement = turned[start : start + BATCH, 0] @ bank.T
        for row, values in enumerate(agreement, start):
            values[own == row] = -np.inf
            number = min(CANDIDATES, len(bank) - len(ORIENTATIONS))
            candidates = np.argpartition(-values, number - 1)[:number]
            others = np.stack([orient(images[own[one]], *ORIENTATIONS[one % len(ORIENTATIONS)]) for one in candidates])
            for other, value in zip(own[candidates], ssim(images[row], others), strict=True):
                key = (min(row, int(other)), max(row, int(other)))
                known[key] = max(known.get(key, -1.0), float(value))
    return [key for key, value in sorted(known.items()) if value >= threshold]


def count_distinct(number: int, pairs: Sequence[tuple[int, int]]) -> int:
    """Count the groups that remain when the images of each pair count as one.

    Examples
    --------
    >>> count_distinct(5, [(0, 1), (1, 4)])
    3
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(pairs, np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(number, number))
    return int(connected_components(graph, directed=False)[0])


def repeated(vectors: NDArray[np.floating[Any]], limit: float) -> NDArray[np.bool_]:
    """Return which tiles lie nearer to another one than a limit, (M,) bool.

    Parameters
    ----------
    vectors : NDArray (M, W, D)
        Of the tiles in W orientations, upright first; at least two.
    limit : float
        From `Space.limit`, the distance between real tiles of different images.
    """
    distance = euclidean(vectors[:, 0], vectors.reshape(-1, vectors.shape[2]))
    distance[np.eye(len(vectors), dtype=bool).repeat(vectors.shape[1], 1)] = np.inf
    near: NDArray[np.bool_] = distance.min(1) < limit
    return near
