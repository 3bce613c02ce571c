"""Measures of a set of tiles: features, pairs of images, sharpness, masks."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.distances import (
    Features,
    cubic_kernel,
    discrepancy,
    euclidean,
    frechet_distance,
    kid_of_subsets,
    neighbour_accuracy,
    overlap,
)
from napari_organoid_synth.core.metrics.base import Score
from napari_organoid_synth.core.metrics.full_reference import NAMES, Others
from napari_organoid_synth.core.metrics.sets import Indices, Measure, Subsets, Whole, finite
from napari_organoid_synth.core.metrics.tile_facts import TileFacts

T = TypeVar("T")
SUBSETS, SUBSET_SIZE = 100, 1000  # KID as published, where there are so many tiles
MIN_TILES_FID = 2048  # from which on the bias of FID is small
MAX_PAIRED = 64  # tiles of either kind that are compared pair by pair

SHARE, POSITIVE = (0, 1), (0, np.inf)
FEATURE_SCORES = (
    Score("kid", "KID", better="low"),
    Score("fid", "FID", better="low", ends=POSITIVE),
    Score("precision", "Precision: fakes that look real", better="high", ends=SHARE),
    Score("recall", "Recall: reals that are covered", better="high", ends=SHARE),
    Score("density", "Density", better="high", ends=POSITIVE),
    Score("coverage", "Coverage", better="high", ends=SHARE),
    Score("c2st", "Told apart by nearest neighbour (0.5: not)", ends=SHARE),
)
FLOW_SCORES = (
    Score("flow_kid", "KID of masks", better="low"),
    Score("flow_fid", "FID of masks", better="low", ends=POSITIVE),
)
PAIR_SCORES = (
    Score("ssim", "SSIM, all pairs", ends=(-1, 1)),
    Score("uqi", "UQI, all pairs", ends=(-1, 1)),
    Score("nmi", "Mutual information, all pairs", ends=SHARE),
    Score("psnr", "PSNR, all pairs", "dB"),
    Score("mse", "MSE, all pairs", "grey levels²", ends=POSITIVE),
)
IMAGE_SCORES = (
    Score("hf_energy", "Fine structure", "grey levels²", ends=POSITIVE),
    Score("blur", "Blur (0 sharp, 1 blurred)", ends=SHARE),
)
MASK_SCORES = (
    Score("ks_count", "Number of objects: distance of distributions", better="low", ends=SHARE),
    Score("ks_area", "Area: distance of distributions", better="low", ends=SHARE),
    Score("ks_eccentricity", "Eccentricity: distance of distributions", better="low", ends=SHARE),
    Score("ks_touching", "Touching share: distance of distributions", better="low", ends=SHARE),
    Score("ks_decode_error", "Decode error: distance of distributions", better="low", ends=SHARE),
    Score("w_count", "Number of objects: Wasserstein", better="low", ends=POSITIVE),
    Score("w_area", "Area: Wasserstein", "px", better="low", ends=POSITIVE),
    Score("w_eccentricity", "Eccentricity: Wasserstein", better="low", ends=POSITIVE),
    Score("w_touching", "Touching share: Wasserstein", better="low", ends=POSITIVE),
    Score("w_decode_error", "Decode error: Wasserstein", better="low", ends=POSITIVE),
)


def feature_measure(*sets: Features) -> Measure:
    """Return a measure of KID, FID, precision, recall, density, coverage and C2ST of features.

    Parameters
    ----------
    *sets : NDArray (N, D), (M, D), ...
        Of the real tiles, of the synthetic ones, of further tiles.
    """
    features = np.concatenate(sets)
    kernel, distance = cubic_kernel(features, features), euclidean(features, features)

    def measure(a: Indices, b: Indices) -> dict[str, float]:
        def parts(matrix: Features) -> tuple[Features, Features, Features]:
            return matrix[np.ix_(a, a)], matrix[np.ix_(b, b)], matrix[np.ix_(a, b)]

        distances = parts(distance)
        return {
            "kid": discrepancy(*parts(kernel)),
            "fid": frechet_distance(features[a], features[b]),
            **overlap(*distances),
            "c2st": neighbour_accuracy(*distances),
        }

    return measure


def flow_measure(*sets: Features) -> Measure:
    """Return a measure of KID and FID of features of masks; parameters as of `feature_measure`."""
    features = np.concatenate(sets)
    kernel = cubic_kernel(features, features)

    def measure(a: Indices, b: Indices) -> dict[str, float]:
        kid = discrepancy(kernel[np.ix_(a, a)], kernel[np.ix_(b, b)], kernel[np.ix_(a, b)])
        return {"flow_kid": kid, "flow_fid": frechet_distance(features[a], features[b])}

    return measure


def whole_sets(real: Features, fake: Features, prefix: str = "", seed: int = 0) -> Whole:
    """Compute FID of all tiles, and KID as the mean over subsets (Bińkowski 2018, arXiv 1801.01401).

    Memory grows with the features alone, and not with the square of their number.

    Parameters
    ----------
    real, fake : NDArray (N, D), (M, D)
        Features of all tiles.
    prefix : str
        Of the names of the scores.
    seed : int
        Of the subsets.
    """
    size = min(SUBSET_SIZE, len(real), len(fake))
    found = kid_of_subsets(real, fake, SUBSETS, size, seed)
    mean, sd = float(found.mean()), float(found.std())
    kid, fid = f"{prefix}kid", f"{prefix}fid"
    subsets = {kid: Subsets(number=SUBSETS, size=size, mean=mean, sd=sd)}
    return Whole({kid: mean, fid: frechet_distance(real, fake)}, subsets, len(real), len(fake))


def feature_notes(scores: Sequence[Score], number: int, note: str = "", whole: Whole | None = None) -> dict[str, str]:
    """Return notes on scores of features.

    Parameters
    ----------
    scores : sequence of Score
        `FEATURE_SCORES` or `FLOW_SCORES`.
    number : int
        Tiles of the smaller set: FID of few is biased.
    note : str
        That of the extractor.
    whole : Whole, optional
        Its subsets are told.
    """
    notes: dict[str, str] = {}
    for score in scores:
        words = [note] if note else []
        if score.name.endswith("fid") and number < MIN_TILES_FID:
            words.insert(0, f"biased upwards with fewer than {MIN_TILES_FID} tiles: trust KID")
        if whole is not None and (subsets := whole.subsets.get(score.name)):
            words.insert(0, f"{subsets.number} subsets of {subsets.size}: {subsets.mean:.3g} ± {subsets.sd:.2g}")
        if words:
            notes[score.name] = "; ".join(words)
    return notes


def compare_all(a: Sequence[NDArray[np.float32]], b: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Compute SSIM, UQI, mutual information, PSNR and MSE of every pair of images (C, S, S), (N, M, 5)."""
    others = Others(np.stack(list(b)))
    return np.stack([others.compare(image) for image in a])


def compare_steps(
    a: Sequence[NDArray[np.float32]], b: Sequence[NDArray[np.float32]]
) -> Generator[float, None, NDArray[np.float64]]:
    """Compute the same as `compare_all`; yields the share that is done, because it takes minutes for many images."""
    others, rows = Others(np.stack(list(b))), list[NDArray[np.float64]]()
    for image in a:
        rows.append(others.compare(image))
        yield len(rows) / len(a)
    return np.stack(rows)


def scaled_steps(steps: Generator[float, None, T], low: float, high: float) -> Generator[float, None, T]:
    """Yield shares of a part as shares of the whole, from ``low`` to ``high``; return what the steps return."""
    while True:
        try:
            yield low + next(steps) * (high - low)
        except StopIteration as end:
            result: T = end.value
            return result


def pair_measure(*tables: NDArray[np.float64]) -> Measure:
    """Return a measure of means over all pairs of a real with a synthetic (or another real) tile, as published.

    Parameters
    ----------
    *tables : NDArray (N, N, 5), (N, M, 5), ...
        From `compare_all`: real with real, real with synthetic, real with further tiles.
    """
    table = np.concatenate(tables, 1)

    def measure(a: Indices, b: Indices) -> dict[str, float]:
        return dict(zip(NAMES, (float(mean) for mean in table[np.ix_(a, b)].mean((0, 1))), strict=True))

    return measure


def image_measure(tiles: Sequence[TileFacts]) -> Measure:
    """Return a measure of the mean fine structure and blur of the second set."""
    values = np.array([(tile.hf_energy, tile.blur) for tile in tiles])

    def measure(_: Indices, b: Indices) -> dict[str, float]:
        means = values[b].mean(0)
        return {"hf_energy": float(means[0]), "blur": float(means[1])}

    return measure


def mask_measure(tiles: Sequence[TileFacts]) -> Measure:
    """Return a measure of Kolmogorov–Smirnov (0 equal, 1 separate) and Wasserstein distances between masks."""
    from scipy.stats import ks_2samp, wasserstein_distance

    columns = _mask_columns(tiles)

    def measure(a: Indices, b: Indices) -> dict[str, float]:
        values = {}
        for name, column in columns.items():
            x, y = (finite(np.concatenate([column[index] for index in one])) for one in (a, b))
            has_values = len(x) and len(y)
            values[f"ks_{name}"] = float(ks_2samp(x, y, method="asymp").statistic) if has_values else np.nan
            values[f"w_{name}"] = float(wasserstein_distance(x, y)) if has_values else np.nan
        return values

    return measure


def mask_notes(tiles: Sequence[TileFacts], n_real: int) -> dict[str, str]:
    """Describe the medians of the synthetic and of the real masks."""
    notes = {}
    for name, column in _mask_columns(tiles).items():
        real, fake = (finite(np.concatenate(part)) for part in (column[:n_real], column[n_real:]))
        if len(real) and len(fake):
            notes[f"ks_{name}"] = f"median {np.median(fake):.3g}, real {np.median(real):.3g}"
    return notes


def _mask_columns(tiles: Sequence[TileFacts]) -> dict[str, list[NDArray[np.float64]]]:
    return {
        "count": [np.array([float(len(tile.areas))]) for tile in tiles],
        "area": [tile.areas for tile in tiles],
        "eccentricity": [tile.eccentricities for tile in tiles],
        "touching": [np.array([tile.touching]) for tile in tiles],
        "decode_error": [np.array([tile.decode_error]) for tile in tiles],
    }
