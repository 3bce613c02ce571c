"""Gaps of the map: groups of real tiles without a synthetic one nearby, and the samples that would fill them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.distances import Features, euclidean, radii

MAX_REGIONS = 6
MIN_TILES = 3
"""Of a region: fewer uncovered tiles that are alike are outliers."""


def uncovered(real: Features, fake: Features) -> NDArray[np.intp]:
    """Return the rows of the real tiles that no synthetic tile covers, ascending.

    A real tile is covered when a synthetic one lies no farther than its fifth nearest real neighbour (coverage,
    Naeem 2020, arXiv 2002.09797; `distances.overlap`).

    Parameters
    ----------
    real, fake : NDArray (N, D), (M, D)
        Features of one extractor; N at least 2.
    """
    ball = radii(euclidean(real, real))
    if not len(fake):
        return np.arange(len(real))
    return np.flatnonzero(euclidean(real, fake).min(1) > ball)


def empty_regions(real: Features, fake: Features) -> tuple[tuple[int, ...], ...]:
    """Group uncovered real tiles that are alike, largest group first; in features, not on the map.

    Ward's clustering of the uncovered tiles into 6 groups at most, about ten tiles each; groups of fewer than 3 tiles
    are left out.

    Parameters
    ----------
    real, fake : NDArray (N, D), (M, D)
        Features of one extractor.

    Returns
    -------
    tuple of tuple of int
        Rows of ``real``.
    """
    rows = uncovered(real, fake)
    if len(rows) < MIN_TILES:
        return ()
    number = min(MAX_REGIONS, -(-len(rows) // 10))
    labels = np.zeros(len(rows), int)
    if number > 1:
        from sklearn.cluster import AgglomerativeClustering

        labels = AgglomerativeClustering(number).fit_predict(np.asarray(real, np.float64)[rows])
    groups = [tuple(int(row) for row in rows[labels == label]) for label in range(number)]
    return tuple(sorted((group for group in groups if len(group) >= MIN_TILES), key=len, reverse=True))


def nearest_each(distance: NDArray[np.floating[Any]], number: int) -> list[int]:
    """Assign candidates to places: the places in turn take the nearest candidate that is left.

    Parameters
    ----------
    distance : NDArray (T, C)
        Of every place to every candidate; infinite where a candidate may not be taken.
    number : int
        Number to take; fewer come back when there are fewer.

    Returns
    -------
    list of int
        Columns in the order taken.

    Examples
    --------
    >>> nearest_each(np.array([[1.0, 2.0, 9.0], [1.5, 7.0, 8.0]]), 3)
    [0, 1, 2]
    """
    remaining = np.array(distance, np.float64)
    columns: list[int] = []
    for turn in range(min(number, remaining.shape[1])):
        row = remaining[turn % len(remaining)]
        column = int(row.argmin())
        if not np.isfinite(row[column]):
            break
        columns.append(column)
        remaining[:, column] = np.inf
    return columns
