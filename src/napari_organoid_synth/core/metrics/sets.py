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
Measure = Callable[[Indices, Indices], dict[str, float]]
"""Scores of the second set of tiles against the first; indices into the real tiles followed by the synthetic ones."""

SPLITS = 20  # into halves, for the range of the originals
ROUNDS = 200  # for the interval
MIN_TILES = 8  # tiles of either kind: halves of 4
MIN_IMAGES = 4  # images from which on halves are halves of the images


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
    """
    draws = _draw(measure, sources, n_synthetic, np.random.default_rng(seed))
    results = []
    for score in scores:
        value = draws.value[score.name]
        originals, matched, resampled = (
            finite([draw[score.name] for draw in values])
            for values in (draws.originals, draws.matched, draws.resampled)
        )
        if not (np.isfinite(value) and len(originals) and len(matched) and len(resampled)):
            continue
        low, high = np.clip(value + np.percentile(resampled - resampled.mean(), (2.5, 97.5)), *score.ends)
        span = Interval(low=float(originals.min()), high=float(originals.max()))
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
                n_real=len(sources),
                n_synthetic=n_synthetic,
                extractor=extractor,
                seed=seed,
                message="; ".join(part for part in (_message(score, float(matched.mean()), span), note) if part),
            )
        )
    return results


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


def _message(score: Score, matched_value: float, originals: Interval) -> str:
    if matched_value in originals:
        return "within the range of the originals"
    above = matched_value > originals.high
    if score.better == "range":
        return f"{'above' if above else 'below'} the range of the originals"
    if above == (score.better == "low"):
        return "worse than the originals among each other"
    return "nearer than the originals are to each other"
