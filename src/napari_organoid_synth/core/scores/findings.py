"""Findings about the samples of a run: copies of real tiles, which are flagged, and masks that do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.mask_consistency import THRESHOLD, MaskConsistency
from napari_organoid_synth.core.metrics.memorisation import MANIFOLD, REAL_DISTANCE
from napari_organoid_synth.core.metrics.real_features import RealFeatures
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.core.scores.comparison import SyntheticTiles, copy_ratios, memorisation
from napari_organoid_synth.core.scores.storage import MaskFit, Memorisation


@dataclass(frozen=True)
class Samples:
    """The samples of a set that could be read.

    Parameters
    ----------
    rows : list of SampleRow
        Those that were looked at, some where there are many.
    tiles : SyntheticTiles
        The same.
    every : dict of str to NDArray (M, D)
        Features of all of them, where these are not all.
    number : int
        All of them.
    """

    rows: list[SampleRow]
    tiles: SyntheticTiles
    every: dict[str, NDArray[np.float32]]
    number: int


def find_copies(store: SampleStore, real: RealFeatures, samples: Samples, cleared_ids: set[str]) -> Memorisation:
    """Flag the copies among samples and return their share; copies of masks are counted but never flagged."""
    ratios = copy_ratios(real, samples.tiles)
    _flag_copies(store, real, samples, ratios["images"], cleared_ids)
    similarities = [row.scores["nearest"] for row in samples.rows if "nearest" in row.scores]
    return memorisation(real, samples.tiles, ratios, similarities)


def _flag_copies(
    store: SampleStore, real: RealFeatures, samples: Samples, ratios: NDArray[np.float64], cleared_ids: set[str]
) -> None:
    """Write ``real_distance`` and ``manifold`` of samples; a ratio below 1 sets the flag ``copy``."""
    outside: list[dict[str, float]] = [{} for _ in samples.rows]
    if "features" in real.spaces:
        distances = real.spaces["features"].outside(real.vectors("features", samples.tiles.facts))
        outside = [{MANIFOLD: float(value)} for value in distances]
    with store.transaction():
        for row, ratio, more in zip(samples.rows, ratios, outside, strict=True):
            flags = [flag for flag in row.flagged.split(", ") if flag]
            note = row.note
            if ratio < 1 and "copy" not in flags:
                flags.insert(0, "copy")
                note = note.replace("not a copy", "a copy of a real image")
            elif ratio >= 1 and "copy" in flags and row.id in cleared_ids:
                flags.remove("copy")
            store.rate(row.id, {REAL_DISTANCE: float(ratio), **more}, flagged=", ".join(flags), note=note)


def mask_fit(fits: MaskConsistency, rows: Sequence[SampleRow]) -> MaskFit | None:
    """Return the share of samples whose mask may not fit, beside that of real pairs and of masks of other images."""
    values = [row.scores["fits"] for row in rows if "fits" in row.scores]
    if not values or np.isnan(fits.detected):
        return None
    low = float((np.array(values) < THRESHOLD).mean())
    return MaskFit(low=low, real=fits.rejected, strange=fits.detected, useful=fits.useful)
