"""Scores of a whole set of generated tiles, each with its uncertainty and with what real tiles reach.

A score compares a set with a reference set. Three things are made of it, all with the same function:

- the *value*: all generated tiles against all real ones;
- its *interval* (95 %): 200 times half of the real tiles and half of the generated ones are drawn without replacement,
  whose deviations from their mean have the variance of the full estimate (half-sampling); they are added to the value,
  and the interval is cut where no value of the score can lie.
  Drawing with replacement would put tiles in twice, which distances to neighbours take for copies;
- the *range of the originals*: 20 times one half of the real tiles against the other half, smallest and largest. Beside
  it stands the *matched value*: 20 times as many generated tiles against the same halves, because most scores depend
  on the number of tiles. The message compares these two.

Tiles of one image resemble each other, so halves are halves of the images where there are at least 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.distances import (
    Features,
    cubic_kernel,
    discrepancy,
    euclidean,
    frechet_distance,
    neighbour_accuracy,
    overlap,
    subset_discrepancy,
)
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.metrics.base import Score
from napari_organoid_synth.core.metrics.full_reference import NAMES, compare
from napari_organoid_synth.core.metrics.tile_facts import TileFacts

Indices = NDArray[np.intp]
Measure = Callable[[Indices, Indices], dict[str, float]]
"""Scores of the second set of tiles against the first; indices into the real tiles followed by the generated ones."""

SPLITS = 20
ROUNDS = 200
LEAST = 8  # tiles of either kind: halves of 4
GROUPS = 4  # images from which on halves are halves of the images
SUBSETS, SUBSET = 100, 1000  # KID as published, where there are so many tiles
UNBIASED = 2048  # tiles from which on the bias of FID is small
PAIRED = 64  # tiles of either kind that are compared pair by pair

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


class Interval(FrozenModel):
    """From `low` to `high`, both included."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


class SetScore(FrozenModel):
    """One number about a set.

    Attributes
    ----------
    name, title, unit : str
    better : {"high", "low", "range"}
        Which way is good; "range": like the originals among each other.
    value : float
        All synthetic tiles against all real ones.
    interval : Interval
        95 % interval of the value.
    matched_value : float
        Mean of as many synthetic tiles as a half of the real ones has, against the other half.
    originals : Interval
        Range of the originals: halves of the real tiles against each other. Compare ``matched_value`` with it.
    n_real, n_synthetic : int
        Tiles that the value was computed from.
    extractor : str
        Name and weight hash of the features; empty when there are none.
    seed : int
        Of the halves.
    message : str
        What it means.
    """

    name: str
    title: str
    unit: str
    better: Literal["high", "low", "range"]
    value: float
    interval: Interval
    matched_value: float
    originals: Interval
    n_real: int
    n_synthetic: int
    extractor: str
    seed: int
    message: str

    @property
    def within(self) -> bool:
        """Whether the set lies in the range of the originals."""
        return self.matched_value in self.originals


@dataclass(frozen=True)
class _Draws:
    """A measure of the whole sets and of halves of them; each entry holds all its scores by name."""

    value: dict[str, float]
    originals: list[dict[str, float]]
    matched: list[dict[str, float]]
    resampled: list[dict[str, float]]


def evaluate(
    scores: Sequence[Score],
    measure: Measure,
    sources: Sequence[str],
    n_synthetic: int,
    *,
    seed: int = 0,
    extractor: str = "",
    notes: Mapping[str, str] | None = None,
) -> list[SetScore]:
    """Compute value, interval and range of the originals of some scores; those that are not finite are left out.

    Parameters
    ----------
    scores : sequence of Score
        Which of the numbers of ``measure``.
    measure : callable
        Scores of one set of tiles against another.
    sources : sequence of str
        The image that each real tile was cut from, at least 4 tiles.
    n_synthetic : int
        Synthetic tiles, at least 4.
    seed : int
        Of the halves.
    extractor : str
        Name and weight hash of the features, for the record.
    notes : dict of str to str, optional
        What to add to the message, by name of score.
    """
    draws = _draw(measure, sources, n_synthetic, np.random.default_rng(seed))
    found = []
    for score in scores:
        value = draws.value[score.name]
        originals, matched, resampled = (
            _finite([draw[score.name] for draw in many]) for many in (draws.originals, draws.matched, draws.resampled)
        )
        if not (np.isfinite(value) and len(originals) and len(matched) and len(resampled)):
            continue
        low, high = np.clip(value + np.percentile(resampled - resampled.mean(), (2.5, 97.5)), *score.ends)
        span = Interval(low=float(originals.min()), high=float(originals.max()))
        note = (notes or {}).get(score.name, "")
        found.append(
            SetScore(
                name=score.name,
                title=score.title,
                unit=score.unit,
                better=score.better,
                value=value,
                interval=Interval(low=float(low), high=float(high)),
                matched_value=float(matched.mean()),
                originals=span,
                n_real=len(sources),
                n_synthetic=n_synthetic,
                extractor=extractor,
                seed=seed,
                message="; ".join(part for part in (_message(score, float(matched.mean()), span), note) if part),
            )
        )
    return found


def _draw(measure: Measure, sources: Sequence[str], n_synthetic: int, rng: np.random.Generator) -> _Draws:
    """Measure the whole sets, halves of the originals, synthetic tiles against the same halves, and resampled sets."""
    real, synthetic = np.arange(len(sources)), np.arange(len(sources), len(sources) + n_synthetic)
    groups = np.unique(np.asarray(sources), return_inverse=True)[1].reshape(-1)
    value = measure(real, synthetic)
    originals, matched = [], []
    for _ in range(SPLITS):
        first, second = _halves(groups, rng)
        number = min(len(second), n_synthetic)
        originals.append(measure(first, rng.permutation(second)[:number]))
        matched.append(measure(first, rng.permutation(synthetic)[:number]))
    half = (n_synthetic + 1) // 2
    resampled = [measure(_halves(groups, rng)[0], rng.permutation(synthetic)[:half]) for _ in range(ROUNDS)]
    return _Draws(value, originals, matched, resampled)


def _halves(groups: NDArray[np.intp], rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Two halves of the real tiles at random, of whole images where there are enough."""
    number = int(groups.max()) + 1
    if number < GROUPS:
        order = rng.permutation(len(groups))
        return order[: len(order) // 2], order[len(order) // 2 :]
    first = np.isin(groups, rng.permutation(number)[: number // 2])
    parts = np.flatnonzero(first), np.flatnonzero(~first)
    if min(map(len, parts)) < 2:  # images of one tile
        order = rng.permutation(len(groups))
        return order[: len(order) // 2], order[len(order) // 2 :]
    return parts if rng.random() < 0.5 else parts[::-1]


def _finite(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    finite: NDArray[np.float64] = array[np.isfinite(array)]
    return finite


def _message(score: Score, matched_value: float, originals: Interval) -> str:
    if matched_value in originals:
        return "within the range of the originals"
    above = matched_value > originals.high
    if score.better == "range":
        return f"{'above' if above else 'below'} the range of the originals"
    if above == (score.better == "low"):
        return "worse than the originals among each other"
    return "nearer than the originals are to each other"


# --- what is measured ------------------------------------------------------------------------------------------------


def feature_measure(real: Features, fake: Features) -> Measure:
    """KID, FID, precision, recall, density, coverage and C2ST of features (N, D) and (M, D)."""
    features = np.concatenate([real, fake])
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


def feature_notes(real: Features, fake: Features, note: str = "", seed: int = 0) -> dict[str, str]:
    """What to say beside the scores of features: the bias of FID, KID of subsets, and the note of the extractor."""
    more = {}
    if min(len(real), len(fake)) < UNBIASED:
        more["fid"] = f"biased upwards with fewer than {UNBIASED} tiles: trust KID"
    if min(len(real), len(fake)) >= SUBSET:
        kernels = (cubic_kernel(x, y) for x, y in ((real, real), (fake, fake), (real, fake)))
        mean, sd = subset_discrepancy(*kernels, subsets=SUBSETS, size=SUBSET, seed=seed)
        more["kid"] = f"{SUBSETS} subsets of {SUBSET}: {mean:.3g} ± {sd:.2g}"
    return {
        score.name: "; ".join(words)
        for score in FEATURE_SCORES
        if (words := [one for one in (more.get(score.name), note) if one])
    }


def compare_all(a: Sequence[NDArray[np.float32]], b: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """SSIM, UQI, mutual information, PSNR and MSE of every pair of images (C, S, S), (N, M, 5)."""
    others = np.stack(list(b))
    return np.stack([compare(image, others) for image in a])


def pair_measure(among: NDArray[np.float64], between: NDArray[np.float64]) -> Measure:
    """Means over all pairs of a real with a generated (or another real) tile, the pairing of the organoid study.

    Parameters
    ----------
    among, between : NDArray (N, N, 5), (N, M, 5)
        From `compare_all`, real with real and real with generated.
    """
    table = np.concatenate([among, between], 1)

    def measure(a: Indices, b: Indices) -> dict[str, float]:
        return dict(zip(NAMES, (float(mean) for mean in table[np.ix_(a, b)].mean((0, 1))), strict=True))

    return measure


def image_measure(tiles: Sequence[TileFacts]) -> Measure:
    """Mean fine structure and blur of the second set."""
    values = np.array([(tile.hf_energy, tile.blur) for tile in tiles])

    def measure(_: Indices, b: Indices) -> dict[str, float]:
        means = values[b].mean(0)
        return {"hf_energy": float(means[0]), "blur": float(means[1])}

    return measure


def mask_measure(tiles: Sequence[TileFacts]) -> Measure:
    """Kolmogorov–Smirnov (0 equal, 1 separate) and Wasserstein distances (in units) of what the masks hold."""
    from scipy.stats import ks_2samp, wasserstein_distance

    columns = _mask_columns(tiles)

    def measure(a: Indices, b: Indices) -> dict[str, float]:
        found = {}
        for name, column in columns.items():
            x, y = (_finite(np.concatenate([column[index] for index in one])) for one in (a, b))
            both = len(x) and len(y)
            found[f"ks_{name}"] = float(ks_2samp(x, y, method="asymp").statistic) if both else np.nan
            found[f"w_{name}"] = float(wasserstein_distance(x, y)) if both else np.nan
        return found

    return measure


def mask_notes(tiles: Sequence[TileFacts], n_real: int) -> dict[str, str]:
    """Medians of the generated and of the real masks, in words."""
    notes = {}
    for name, column in _mask_columns(tiles).items():
        real, fake = (_finite(np.concatenate(part)) for part in (column[:n_real], column[n_real:]))
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
