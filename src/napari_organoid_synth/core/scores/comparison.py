"""Compare synthetic tiles with real ones as sets: scores, copies, variety. Knows no project and no store."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.collapse import distinct_pictures, near_duplicates, repeated
from napari_organoid_synth.core.metrics.mask_picture import CLASSES, FLOWS
from napari_organoid_synth.core.metrics.memorisation import DataCopying, data_copying, turned_signatures
from napari_organoid_synth.core.metrics.nearest import COPY_SSIM
from napari_organoid_synth.core.metrics.noise import kinds_of
from napari_organoid_synth.core.metrics.real_features import RealFeatures, some
from napari_organoid_synth.core.metrics.set_measures import (
    FEATURE_SCORES,
    FLOW_SCORES,
    IMAGE_SCORES,
    MASK_SCORES,
    MAX_PAIRED,
    PAIR_SCORES,
    compare_steps,
    feature_measure,
    feature_notes,
    flow_measure,
    image_measure,
    mask_measure,
    mask_notes,
    pair_measure,
    scaled_steps,
    whole_sets,
)
from napari_organoid_synth.core.metrics.sets import MIN_TILES, SetScore, Whole, evaluate
from napari_organoid_synth.core.metrics.tile_facts import TileFacts
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.scores.storage import Memorisation, Variety

BORROWED = {"real", "warped"}  # masks to paint on that are made from real ones: the layout is meant to be alike


@dataclass(frozen=True)
class SyntheticTiles:
    """Synthetic tiles that were looked at.

    Parameters
    ----------
    facts : sequence of TileFacts
    borrowed : NDArray (N,) bool
        Whether each is painted on a mask that was made from a real one.
    """

    facts: Sequence[TileFacts]
    borrowed: NDArray[np.bool_]


def is_borrowed(pair: SamplePair) -> bool:
    """Return whether the mask of a synthetic pair was made from a real one."""
    return pair.source.provenance.get("mask", {}).get("kind") in BORROWED


def score_families(
    real: RealFeatures, synthetic: Sequence[TileFacts], every: Mapping[str, NDArray[np.float32]] | None = None
) -> Generator[float, None, list[SetScore]]:
    """Compute all scores of a set; yields the share that is done.

    Parameters
    ----------
    real : RealFeatures
        After `RealFeatures.measure`.
    synthetic : sequence of TileFacts
        Some synthetic tiles, 1000 at most.
    every : mapping of str to NDArray (M, D), optional
        Features of all of them, from `Batches`, where there are more.

    Returns
    -------
    list of SetScore
        Family by family; none when there are too few tiles.
    """
    number, seed = len(synthetic), real.settings.seed
    if real.extractor is None or number < MIN_TILES:
        return []
    found: list[SetScore] = []
    everything = [*real.facts, *synthetic, *real.noise]
    noise = kinds_of(len(real.noise), len(everything) - len(real.noise))
    features = [real.features[:, 0], *(real.vectors("features", facts) for facts in (synthetic, real.noise))]
    measure, rows, few = feature_measure(*features), (real.sources, number), min(len(real.facts), number)
    whole = _whole(real, "features", features[0], features[1], every)
    notes = feature_notes(FEATURE_SCORES, whole.smaller if whole else few, real.extractor.note, whole)
    identity = real.extractor.identity
    options: dict[str, Any] = {"seed": seed, "noise": noise}
    found += evaluate(FEATURE_SCORES, measure, *rows, **options, extractor=identity, notes=notes, whole=whole)
    yield 0.1
    yield from scaled_steps(real.compare(), 0.1, 0.5)
    assert real.among is not None
    mine, theirs = some(real.facts, MAX_PAIRED), some(synthetic, MAX_PAIRED)
    steps = compare_steps([fact.image for fact in mine], [fact.image for fact in theirs])
    between = yield from scaled_steps(steps, 0.5, 0.8)
    sources, places = [fact.source for fact in mine], kinds_of(real.among_noise.shape[1], len(mine) + len(theirs))
    measure = pair_measure(real.among, between, real.among_noise)
    found += evaluate(PAIR_SCORES, measure, sources, len(theirs), seed=seed, noise=places)
    found += evaluate(IMAGE_SCORES, image_measure(everything), *rows, **options)
    yield 0.85
    if "masks" in real.spaces:
        notes = mask_notes(everything[: len(real.facts) + number], len(real.facts))
        found += evaluate(MASK_SCORES, mask_measure(everything), *rows, seed=seed, notes=notes)
        yield 0.92
    if real.mask_extractor is not None:
        masks = real.mask_features[:, 0], real.mask_vectors(synthetic)
        how = CLASSES if real.tiles[0].mask_kind == "classes" else FLOWS
        whole = _whole(real, "masks", *masks, every, "flow_")
        words = "; ".join(filter(None, (how, real.mask_extractor.note)))
        notes = feature_notes(FLOW_SCORES, whole.smaller if whole else few, words, whole)
        identity, measure = real.mask_extractor.identity, flow_measure(*masks)
        found += evaluate(FLOW_SCORES, measure, *rows, seed=seed, extractor=identity, notes=notes, whole=whole)
    yield 1.0
    return found


def _whole(
    real: RealFeatures,
    space: str,
    some_real: NDArray[np.floating[Any]],
    some_synthetic: NDArray[np.floating[Any]],
    every: Mapping[str, NDArray[np.float32]] | None,
    prefix: str = "",
) -> Whole | None:
    """Compute FID and KID of all tiles; None where some are all."""
    reals, fakes = real.whole.get(space, some_real), (every or {}).get(space, some_synthetic)
    if len(reals) == len(some_real) and len(fakes) == len(some_synthetic):
        return None
    return whole_sets(reals, fakes, prefix, real.settings.seed)


def copy_ratios(real: RealFeatures, tiles: SyntheticTiles) -> dict[str, NDArray[np.float64]]:
    """Compute the distance of each tile to a real one, over that of real tiles of different images; below 1 is a copy.

    Returns
    -------
    dict of str to NDArray (N,) float64
        For each space; and ``images``, the smallest of pixels and features. Tiles on borrowed masks are meant to have
        the layout of a real tile: there ``images`` is infinite, and whether they copy its pixels is left to SSIM.
    """
    ratios = {name: space.ratio(real.vectors(name, tiles.facts)) for name, space in real.spaces.items()}
    if "masks" in ratios:
        ratios["masks"] = np.where([len(fact.areas) > 0 for fact in tiles.facts], ratios["masks"], np.inf)
    images = np.minimum(ratios["pixels"], ratios.get("features", np.inf))
    return {**ratios, "images": np.where(tiles.borrowed, np.inf, images)}


def memorisation(
    real: RealFeatures,
    tiles: SyntheticTiles,
    ratios: Mapping[str, NDArray[np.float64]],
    similarities: Sequence[float] = (),
) -> Memorisation:
    """Return the share of copies.

    Parameters
    ----------
    real : RealFeatures
        After `measure`.
    tiles : SyntheticTiles
        Of one set.
    ratios : mapping
        From `copy_ratios`.
    similarities : sequence of float
        SSIM of tiles with the most similar real one, where it is known.
    """
    shares = {f"{name}_copies": float((ratio < 1).mean()) for name, ratio in ratios.items() if name != "images"}
    return Memorisation(
        ssim_copies=float(np.mean(np.array(similarities) >= COPY_SSIM)) if similarities else None,
        copies=float((ratios["images"] < 1).mean()),
        **shares,
        one_image=bool(np.isnan(real.spaces["pixels"].limit)),
        borrowed_masks=float(tiles.borrowed.mean()),
        test=None if tiles.borrowed.any() else _unseen_test(real, tiles.facts),
    )


def _unseen_test(real: RealFeatures, facts: Sequence[TileFacts]) -> DataCopying | None:
    if not real.unseen:
        return None
    names = [name for name in real.spaces if name != "masks"]
    synthetic = [real.spaces[name].nearest(real.vectors(name, facts)) for name in names]
    unseen = [real.spaces[name].nearest(real.vectors(name, real.unseen)) for name in names]
    return data_copying(synthetic, unseen, len({fact.source for fact in real.unseen}))


def variety(real: RealFeatures, tiles: SyntheticTiles) -> Variety:
    """Measure repeated samples; each space compares as many tiles as there are real tiles, which set its limit."""
    facts = tiles.facts
    pairs = near_duplicates([fact.image for fact in facts])
    own = near_duplicates([fact.image for fact in real.facts])
    shares: dict[str, float] = {}
    free = [fact for fact, borrowed in zip(facts, tiles.borrowed, strict=True) if not borrowed]
    for name, space in real.spaces.items():
        few = some([fact for fact in free if name != "masks" or len(fact.areas)], len(real.facts))
        if len(few) < 2 or np.isnan(space.limit):
            continue
        if name == "features":
            vectors = real.vectors(name, few)[:, None]
        else:
            vectors = turned_signatures([fact.image if name == "pixels" else fact.mask for fact in few])
        shares[name] = float(repeated(vectors, space.limit).mean())
    distinct = distinct_pictures([fact.image for fact in facts], [fact.image for fact in real.facts], pairs)
    return Variety(
        distinct=distinct.number,
        effective=distinct.effective,
        real_effective=distinct.real,
        ssim=len({one for pair in pairs for one in pair}) / len(facts),
        real_ssim=len({one for pair in own for one in pair}) / len(real.facts),
        **shares,
    )
