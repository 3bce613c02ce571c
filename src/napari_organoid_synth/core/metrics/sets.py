"""Scores of a whole set of synthetic tiles, each with its uncertainty and the range of the originals.

A score compares a set with a reference set. Three things are made of it, all with the same function:

- the *value*: all synthetic tiles against all real ones;
- its *interval* (95 %): 200 times half of the real tiles and half of the synthetic ones are drawn without replacement,
  whose deviations from their mean have the variance of the full estimate (half-sampling); they are added to the value,
  and the interval is cut where no value of the score can lie.
  Drawing with replacement would put tiles in twice, which distances to neighbours take for copies;
- the *range of the originals*: 20 times one half of the real tiles against the other half, smallest and largest. Beside
  it stands the *matched value*: 20 times as many synthetic tiles against the same halves, because most scores depend
  on the number of tiles. The message compares these two.

A range says nothing where it has no width, where it reaches the end of the scale that the worst set would have, or
where pure noise lies in it too (or nearer): then no set is called like the originals.

Tiles of one image resemble each other, so halves are halves of the images where there are at least 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.metrics.base import Score

Indices = NDArray[np.intp]
Verdict = Literal["within", "nearer", "worse", "above", "below", "none"]
Measure = Callable[[Indices, Indices], dict[str, float]]
"""Scores of the second set of tiles against the first; indices into the real tiles followed by the synthetic ones."""

SPLITS = 20  # into halves, for the range of the originals
ROUNDS = 200  # for the interval
MIN_TILES = 8  # tiles of either kind: halves of 4
FLAT = 1e-9  # width of a range, as a share of its ends, that is none
MIN_IMAGES = 4  # images from which on halves are halves of the images


class Interval(FrozenModel):
    """From `low` to `high`, both included."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


class Subsets(FrozenModel):
    """A score of random subsets.

    Attributes
    ----------
    number, size : int
        Subsets, and tiles of either kind in each.
    mean, sd : float
        Mean and standard deviation of the score over them.
    """

    number: int
    size: int
    mean: float
    sd: float


@dataclass(frozen=True)
class Whole:
    """Scores of sets that are too large for `evaluate`, which gets some of their tiles.

    Parameters
    ----------
    values : dict of str to float
        By name of score.
    subsets : dict of str to Subsets
        Of those that are means over subsets.
    n_real, n_synthetic : int
        All tiles of either kind.
    """

    values: dict[str, float]
    subsets: dict[str, Subsets]
    n_real: int
    n_synthetic: int

    @property
    def smaller(self) -> int:
        """Tiles of the smaller set."""
        return min(self.n_real, self.n_synthetic)


class SetScore(FrozenModel):
    """One number about a set.

    Attributes
    ----------
    name, title, unit : str
    better : {"high", "low", "range"}
        Direction that is good; "range": like the originals among each other.
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
        Meaning of the value, in words.
    doubt : str
        Why a value in the range of the originals says nothing; empty where it says something.
    subsets : Subsets, optional
        KID of large sets, whose value is the mean over subsets.
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
    doubt: str = ""
    subsets: Subsets | None = None

    @property
    def verdict(self) -> Verdict:
        """How the set lies to the range of the originals; ``none`` where that says nothing."""
        return _verdict(self.better, self.matched_value, self.originals, self.doubt)

    @property
    def within(self) -> bool:
        """Whether the set lies in the range of the originals, and that says something."""
        return self.verdict == "within"


@dataclass(frozen=True)
class _Draws:
    """A measure of the whole sets and of halves of them; each entry holds all its scores by name."""

    value: dict[str, float]
    originals: list[dict[str, float]]
    matched: list[dict[str, float]]
    resampled: list[dict[str, float]]
    noise: list[list[dict[str, float]]]  # of each kind of noise against the same halves


def evaluate(
    scores: Sequence[Score],
    measure: Measure,
    sources: Sequence[str],
    n_synthetic: int,
    *,
    seed: int = 0,
    extractor: str = "",
    notes: Mapping[str, str] | None = None,
    noise: Sequence[Indices] = (),
    whole: Whole | None = None,
) -> list[SetScore]:
    """Compute value, interval and range of the originals of some scores; those that are not finite are left out.

    Parameters
    ----------
    scores : sequence of Score
        Scores to take from ``measure``.
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
        Additions to the message, by name of score.
    noise : sequence of NDArray
        Indices, as of ``measure``, of tiles of each kind of pure noise.
    whole : Whole, optional
        Values of all tiles where ``measure`` knows only some; interval and range remain those of these.
    """
    of_all = {} if whole is None else whole.values
    subsets = {} if whole is None else whole.subsets
    draws = _draw(measure, sources, n_synthetic, seed, noise)
    results = []
    for score in scores:
        value = of_all.get(score.name, draws.value[score.name])
        counts = (whole.n_real, whole.n_synthetic) if whole and score.name in of_all else (len(sources), n_synthetic)
        originals, matched, resampled = (
            finite([draw[score.name] for draw in values])
            for values in (draws.originals, draws.matched, draws.resampled)
        )
        if not (np.isfinite(value) and len(originals) and len(matched) and len(resampled)):
            continue
        low, high = np.clip(value + np.percentile(resampled - resampled.mean(), (2.5, 97.5)), *score.ends)
        span = Interval(low=float(originals.min()), high=float(originals.max()))
        controls = [
            float(np.mean(values)) for one in draws.noise if len(values := finite([d[score.name] for d in one]))
        ]
        doubt = _doubt(score, span, controls)
        words = _message(_verdict(score.better, float(matched.mean()), span, doubt), doubt)
        note = (notes or {}).get(score.name, "")
        results.append(
            SetScore(
                name=score.name,
                title=score.title,
                unit=score.unit,
                better=score.better,
                value=value,
                interval=Interval(low=float(low), high=float(high)),
                matched_value=float(matched.mean()),
                originals=span,
                n_real=counts[0],
                n_synthetic=counts[1],
                extractor=extractor,
                seed=seed,
                message="; ".join(part for part in (words, note) if part),
                doubt=doubt,
                subsets=subsets.get(score.name),
            )
        )
    return results


def _draw(measure: Measure, sources: Sequence[str], n_synthetic: int, seed: int, noise: Sequence[Indices]) -> _Draws:
    """Measure the whole sets, halves of the originals, synthetic tiles and noise against these, and resampled sets."""
    rng, noise_rng = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    real, synthetic = np.arange(len(sources)), np.arange(len(sources), len(sources) + n_synthetic)
    groups = np.unique(np.asarray(sources), return_inverse=True)[1].reshape(-1)
    value = measure(real, synthetic)
    originals, matched = [], []
    controls: list[list[dict[str, float]]] = [[] for _ in noise]
    for _ in range(SPLITS):
        first, second = _halves(groups, rng)
        number = min(len(second), n_synthetic)
        originals.append(measure(first, rng.permutation(second)[:number]))
        matched.append(measure(first, rng.permutation(synthetic)[:number]))
        for kind, values in zip(noise, controls, strict=True):
            values.append(measure(first, noise_rng.permutation(kind)[:number]))
    half = (n_synthetic + 1) // 2
    resampled = [measure(_halves(groups, rng)[0], rng.permutation(synthetic)[:half]) for _ in range(ROUNDS)]
    return _Draws(value, originals, matched, resampled, controls)


def _halves(groups: NDArray[np.intp], rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Draw two halves of the real tiles at random, of whole images where there are enough."""
    number = int(groups.max()) + 1
    if number < MIN_IMAGES:
        order = rng.permutation(len(groups))
        return order[: len(order) // 2], order[len(order) // 2 :]
    first = np.isin(groups, rng.permutation(number)[: number // 2])
    parts = np.flatnonzero(first), np.flatnonzero(~first)
    if min(map(len, parts)) < 2:  # images of one tile
        order = rng.permutation(len(groups))
        return order[: len(order) // 2], order[len(order) // 2 :]
    return parts if rng.random() < 0.5 else parts[::-1]


def finite(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values that are neither infinite nor NaN."""
    array = np.asarray(values, np.float64)
    numbers: NDArray[np.float64] = array[np.isfinite(array)]
    return numbers


def _is_flat(originals: Interval) -> bool:
    """Return whether a range has no width but that of rounding."""
    return originals.high - originals.low <= FLAT * max(abs(originals.low), abs(originals.high), FLAT)


def _doubt(score: Score, originals: Interval, noise: Sequence[float]) -> str:
    """Explain why a value in the range of the originals, or nearer, would say nothing; empty where it says something.

    Parameters
    ----------
    score : Score
        Its direction and ends.
    originals : Interval
        Range of the originals.
    noise : sequence of float
        The matched value of each kind of noise.
    """
    least, most = score.ends
    worst = {"low": (most,), "high": (least,), "range": (least, most)}[score.better]
    if _is_flat(originals):
        return f"all halves of the originals give the same value, {originals.high:.3g}"
    if any(end in originals for end in worst):
        return "the originals among each other reach the end of the scale, where the worst set lies too"
    verdicts = [_verdict(score.better, value, originals, "") for value in noise]
    if "within" in verdicts or "nearer" in verdicts or {"above", "below"} <= set(verdicts):  # or noise in between
        return "pure noise lies there too"
    return ""


def _verdict(better: str, value: float, originals: Interval, doubt: str) -> Verdict:
    """Return how a value lies to the range of the originals."""
    doubtful = bool(doubt) or _is_flat(originals)
    if value in originals:
        return "none" if doubtful else "within"
    above = value > originals.high
    if better == "range":
        return "none" if _is_flat(originals) else "above" if above else "below"
    if above == (better == "low"):
        return "worse"
    return "none" if doubtful else "nearer"


def _message(verdict: Verdict, doubt: str) -> str:
    """Return a verdict in words."""
    if verdict == "none":
        return f"no verdict: {doubt}"
    return {
        "within": "within the range of the originals",
        "above": "above the range of the originals",
        "below": "below the range of the originals",
        "worse": "worse than the originals among each other",
        "nearer": "nearer than the originals are to each other",
    }[verdict]
