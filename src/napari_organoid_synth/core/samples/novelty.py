"""How little a sample resembles the others: its distance to the most similar one, in statistics of thumbnails."""

from __future__ import annotations

import numpy as np

from napari_organoid_synth.core.samples.selection import read_features, scaled
from napari_organoid_synth.core.samples.store import SampleStore

MAX_OTHERS = 4000
"""Samples that each is compared with at most, evenly chosen."""
ROWS = 1000


def novelty(store: SampleStore) -> dict[str, float]:
    """Return the distance of every sample to the most similar other one, by id; see `samples.selection.features`.

    Parameters
    ----------
    store : SampleStore
        Features that it lacks are computed and kept.

    Returns
    -------
    dict of str to float
        At least 0, in units of the spread; empty for fewer than two samples.
    """
    ids = store.ids()
    if len(ids) < 2:
        return {}
    points = scaled(read_features(store, ids))
    others = np.unique(np.linspace(0, len(ids) - 1, min(MAX_OTHERS, len(ids))).astype(int))
    references = points[others]
    lengths = (references**2).sum(1)
    nearest = np.empty(len(ids))
    for start in range(0, len(ids), ROWS):
        rows = points[start : start + ROWS]
        squares = (rows**2).sum(1)[:, None] + lengths - 2 * rows @ references.T
        squares[others == np.arange(start, start + len(rows))[:, None]] = np.inf  # not with itself
        nearest[start : start + ROWS] = np.sqrt(np.maximum(squares.min(1), 0))
    return dict(zip(ids, nearest.tolist(), strict=True))
