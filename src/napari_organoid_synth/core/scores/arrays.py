"""Scores of two sets of arrays in memory; no project is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Progress
from napari_organoid_synth.core.metrics.real_features import RealFeatures, places, some
from napari_organoid_synth.core.metrics.real_tiles import cut_tiles, every_tile
from napari_organoid_synth.core.metrics.set_measures import MAX_PAIRED
from napari_organoid_synth.core.metrics.sets import MIN_TILES
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.metrics.tile_facts import look
from napari_organoid_synth.core.metrics.tile_space import check_weights
from napari_organoid_synth.core.pairs.arrays import PairLike, as_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.tile_reading import tile_side
from napari_organoid_synth.core.scores.comparison import (
    SyntheticTiles,
    copy_ratios,
    is_borrowed,
    memorisation,
    score_families,
    variety,
)
from napari_organoid_synth.core.scores.progress import result_of
from napari_organoid_synth.core.scores.set_scores import MAX_SAMPLES
from napari_organoid_synth.core.scores.storage import SetScores


def score_sets(
    real: Iterable[PairLike],
    synthetic: Iterable[PairLike],
    settings: ScoreSettings | None = None,
    tiles: TileSettings | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> SetScores:
    """Compare synthetic pairs with real ones, as sets.

    Parameters
    ----------
    real : iterable of SamplePair or (image, labels)
        Of any size; they are cut into tiles of the side of the synthetic pairs.
    synthetic : iterable of SamplePair or (image, labels)
        At least eight, of about one size; ``max_samples`` of the settings at most, evenly chosen, are compared.
    settings : ScoreSettings, optional
        Extractor of features (by default an encoder learns from the real tiles first), its weights, seed, device.
    tiles : TileSettings, optional
        Cutting of the real pairs, but for the side; by default as for a training.
    progress : callable, optional
        Called with a `Progress` while features are learned; its total is 100.

    Returns
    -------
    SetScores
        The same as of the verb `score`: ``scores``, ``memorisation`` (without SSIM), ``variety``.

    Raises
    ------
    UserError
        If there are fewer than eight tiles of either kind, or the extractor lacks its file of weights.
    """
    settings = settings or ScoreSettings()
    check_weights(settings)
    reals = as_pairs(real)
    made = some(as_pairs(synthetic, "synthetic", "synthetic", like=reals[0]), settings.max_samples)
    side = tile_side(pair.size for pair in made)
    cutting = (tiles or TileSettings()).replace(size=side)
    found = cut_tiles(reals, cutting)
    cut, most = found.pairs, settings.max_tiles
    every = (lambda: every_tile(reals, cutting, most)) if min(found.number, most) > len(cut) else None
    if min(len(cut), len(made)) < MIN_TILES:
        raise UserError(
            f"There are {len(cut)} real tiles of {side} px and {len(made)} synthetic pairs.",
            f"Expected at least {MIN_TILES} of each.",
            "Give more pairs.",
        )
    features, vectors = _learn(cut, settings, side, progress, every, made)
    few = some(made, MAX_SAMPLES)
    decoded = set(places(len(few), MAX_PAIRED))
    facts = [look(pair, features.limits, features.side, number in decoded) for number, pair in enumerate(few)]
    synthetic_tiles = SyntheticTiles(facts, np.array([is_borrowed(pair) for pair in few]))
    return SetScores(
        run="",
        samples="all",
        extractor=settings.extractor,
        weights=settings.weights,
        seed=settings.seed,
        max_samples=settings.max_samples,
        max_tiles=settings.max_tiles,
        fingerprint=content_hash(*(array for pair in [*cut, *made] for array in (pair.image, pair.labels))),
        number=len(made),
        made=time.time(),
        scores=tuple(result_of(score_families(features, facts, vectors))),
        memorisation=memorisation(features, synthetic_tiles, copy_ratios(features, synthetic_tiles)),
        variety=variety(features, synthetic_tiles),
    )


def _learn(
    tiles: list[SamplePair],
    settings: ScoreSettings,
    side: int,
    progress: Callable[[Progress], object] | None,
    every: Callable[[], Iterable[SamplePair]] | None,
    made: list[SamplePair],
) -> tuple[RealFeatures, dict[str, NDArray[np.float32]]]:
    """Look at the real tiles and learn their features, and those of many samples; nothing is kept on disk."""
    vectors: dict[str, NDArray[np.float32]] = {}
    with TemporaryDirectory() as folder:
        features = RealFeatures(tiles, [], settings, side, Path(folder), every)
        for number, tile in enumerate(tiles):
            features.look(number, tile)
        for share in features.learn():
            if progress is not None:
                progress(Progress(round(100 * share), 100, note="learn features"))
        if len(made) > MAX_SAMPLES:
            batches = features.batches("samples")
            for pair in made:
                batches.add_unnamed(pair)
            vectors = batches.finish()
    features.measure()
    return features, vectors
