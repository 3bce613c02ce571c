"""Findings about a set beside its scores: copies of real tiles, repetition, masks that do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.collapse import count_distinct, near_duplicates, repeated
from napari_organoid_synth.core.metrics.mask_consistency import THRESHOLD, MaskConsistency
from napari_organoid_synth.core.metrics.memorisation import (
    MANIFOLD,
    REAL_DISTANCE,
    DataCopying,
    data_copying,
    turned_signatures,
)
from napari_organoid_synth.core.metrics.nearest import COPY_SSIM
from napari_organoid_synth.core.metrics.real_features import RealFeatures, some
from napari_organoid_synth.core.metrics.tile_facts import TileFacts
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.core.scores.storage import MaskFit, Memorisation, Variety


@dataclass(frozen=True)
class Samples:
    """The samples of a run that could be read, their facts, and which are painted on masks made from real ones."""

    rows: list[SampleRow]
    facts: list[TileFacts]
    borrowed: NDArray[np.bool_]


def memorisation(store: SampleStore, real: RealFeatures, samples: Samples, cleared_ids: set[str]) -> Memorisation:
    """Flag the copies among samples and return their share.

    Samples on borrowed masks, made from real ones, are meant to have the layout of a real tile: whether they copy its
    pixels is left to SSIM. Copies of masks are counted but never flagged.
    """
    rows, facts = samples.rows, samples.facts
    ratios = {name: space.ratio(real.vectors(name, facts)) for name, space in real.spaces.items()}
    if "masks" in ratios:
        ratios["masks"] = np.where([len(fact.areas) > 0 for fact in facts], ratios["masks"], np.inf)
    images = np.where(samples.borrowed, np.inf, np.minimum(ratios["pixels"], ratios.get("features", np.inf)))
    _flag_copies(store, real, samples, images, cleared_ids)
    similar = [row.scores["nearest"] for row in rows if "nearest" in row.scores]
    return Memorisation(
        ssim_copies=float(np.mean(np.array(similar) >= COPY_SSIM)) if similar else None,
        copies=float((images < 1).mean()),
        **{f"{name}_copies": float((ratio < 1).mean()) for name, ratio in ratios.items()},
        one_image=bool(np.isnan(real.spaces["pixels"].limit)),
        borrowed_masks=float(samples.borrowed.mean()),
        test=None if samples.borrowed.any() else _unseen_test(real, facts),
    )


def _flag_copies(
    store: SampleStore, real: RealFeatures, samples: Samples, ratios: NDArray[np.float64], cleared_ids: set[str]
) -> None:
    """Write ``real_distance`` and ``manifold`` of samples; a ratio below 1 sets the flag ``copy``."""
    outside: list[dict[str, float]] = [{} for _ in samples.rows]
    if "features" in real.spaces:
        away = real.spaces["features"].outside(real.vectors("features", samples.facts))
        outside = [{MANIFOLD: float(value)} for value in away]
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


def _unseen_test(real: RealFeatures, facts: Sequence[TileFacts]) -> DataCopying | None:
    if not real.unseen:
        return None
    names = [name for name in real.spaces if name != "masks"]
    synthetic = [real.spaces[name].nearest(real.vectors(name, facts)) for name in names]
    unseen = [real.spaces[name].nearest(real.vectors(name, real.unseen)) for name in names]
    return data_copying(synthetic, unseen, len({fact.source for fact in real.unseen}))


def variety(real: RealFeatures, samples: Samples) -> Variety:
    """Return what repeats; in each space as many samples are compared as there are real tiles, which set its limit."""
    facts = samples.facts
    pairs = near_duplicates([fact.image for fact in facts])
    own = near_duplicates([fact.image for fact in real.facts])
    shares: dict[str, float] = {}
    free = [fact for fact, borrowed in zip(facts, samples.borrowed, strict=True) if not borrowed]
    for name, space in real.spaces.items():
        few = some([fact for fact in free if name != "masks" or len(fact.areas)], len(real.facts))
        if len(few) < 2 or np.isnan(space.limit):
            continue
        if name == "features":
            vectors = real.vectors(name, few)[:, None]
        else:
            vectors = turned_signatures([fact.image if name == "pixels" else fact.mask for fact in few])
        shares[name] = float(repeated(vectors, space.limit).mean())
    return Variety(
        distinct=count_distinct(len(facts), pairs),
        ssim=len({one for pair in pairs for one in pair}) / len(facts),
        real_ssim=len({one for pair in own for one in pair}) / len(real.facts),
        **shares,
    )


def mask_fit(fits: MaskConsistency, rows: Sequence[SampleRow]) -> MaskFit | None:
    """Return the share of samples whose mask may not fit, beside that of real pairs and of masks of other images."""
    values = [row.scores["fits"] for row in rows if "fits" in row.scores]
    if not values or np.isnan(fits.detected):
        return None
    low = float((np.array(values) < THRESHOLD).mean())
    return MaskFit(low=low, real=fits.rejected, strange=fits.detected, useful=fits.useful)
