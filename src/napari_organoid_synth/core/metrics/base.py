"""Base of every score: its name and direction, the range of the real images, and its description in words."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair


@dataclass(frozen=True)
class Score:
    """One number that a metric gives.

    Parameters
    ----------
    name : str
        Key in the database.
    title : str
        Name in the window.
    unit : str
        Unit, or nothing.
    better : {"high", "low", "range"}
        Direction that is good; "range": near to the real images, in both directions.
    ends : (float, float)
        Between which every value lies.
    unusual : {"both", "low", "high", ""}
        Side of the real tiles on which a value counts against ``realism``; nothing: it does not count.
    is_log : bool
        Whether distances are those of logarithms, for values above 0 that differ by factors.
    """

    name: str
    title: str
    unit: str = ""
    better: Literal["high", "low", "range"] = "range"
    ends: tuple[float, float] = (-math.inf, math.inf)
    unusual: Literal["both", "low", "high", ""] = "both"
    is_log: bool = False


class RealRange:
    """The values that real tiles have for one score.

    Parameters
    ----------
    values : sequence of float
        One per real tile; values that are not finite are dropped.

    Notes
    -----
    With n values the range is widened on each side by spread / n, because the extremes of a few images understate
    those of all; when all are equal, by 10 % of the value.
    """

    def __init__(self, values: Sequence[float] | NDArray[np.float64]) -> None:
        array = np.asarray(values, dtype=np.float64)
        self.values: NDArray[np.float64] = np.sort(array[np.isfinite(array)])
        if self.values.size == 0:
            raise ValueError("no finite value")
        least, most = self.values[0].item(), self.values[-1].item()
        margin = (most - least) / self.values.size or 0.1 * abs(most) or 1e-6
        self.low: float = least - margin
        self.high: float = most + margin
        self.median: float = float(np.median(self.values))

    def word(self, value: float, below: str, within: str, above: str) -> str:
        """Choose one of three words."""
        return below if value < self.low else above if value > self.high else within


@dataclass(frozen=True)
class Judgement:
    """The result of a metric for one pair.

    Parameters
    ----------
    values : dict of str to float
        Its scores.
    message : str
        The same in a few words.
    flag : str
        Why the pair should not be used, or nothing.
    nearest : int, optional
        Index of the most similar tile among those that were fitted, from the metric that looks for it.
    """

    values: dict[str, float]
    message: str
    flag: str = ""
    nearest: int | None = None


class Metric(ABC):
    """Scores of a pair, judged against real tiles.

    ``fit`` once on tiles cut from the real images, then call with any pair.

    Attributes
    ----------
    name : str
        Name in the registry.
    scores : tuple of Score
        Scores that a call returns.
    flag_name : str
        The one flag that it may raise, or nothing.
    ranges : dict of str to RealRange
        Range of each score over real tiles, after `fit`; scores without a range are missing.
    real_values : dict of str to NDArray (N,) float64
        Values of the real tiles, in the order of `fit`, for each score that counts in ``realism``; NaN where unknown.
        What is learned from real tiles is computed for each tile without its own image.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    scores: ClassVar[tuple[Score, ...]]
    flag_name: ClassVar[str] = ""

    def __init__(self) -> None:
        self.ranges: dict[str, RealRange] = {}
        self.real_values: dict[str, NDArray[np.float64]] = {}

    @abstractmethod
    def fit(self, real: Sequence[SamplePair]) -> Self:
        """Learn the ranges, or any other reference, from real tiles.

        Parameters
        ----------
        real : sequence of SamplePair
            Tiles of the size of the samples; those cut from one image share ``source.files``.
        """

    @abstractmethod
    def __call__(self, pair: SamplePair) -> dict[str, float]:
        """Compute all scores of a pair, by name."""

    @abstractmethod
    def describe(self, values: dict[str, float]) -> str:
        """Describe the scores of one pair in a few words, against the real range."""

    def is_flagged(self, values: dict[str, float]) -> bool:
        """Return whether a pair with these scores gets the flag `flag_name`."""
        return False

    def judge(self, pair: SamplePair) -> Judgement:
        """Compute scores, message and flag of a pair."""
        return self._judgement(self(pair))

    def _judgement(self, values: dict[str, float], nearest: int | None = None) -> Judgement:
        flag = self.flag_name if self.is_flagged(values) else ""
        return Judgement(values, self.describe(values), flag, nearest)

    def _fit_ranges(self, real: Sequence[SamplePair]) -> None:
        """Take values and range of every score that counts in ``realism`` from the real tiles."""
        scores = [self(pair) for pair in real]
        for score in self.scores:
            if score.unusual:
                values = np.array([found[score.name] for found in scores], np.float64)
                self.real_values[score.name], self.ranges[score.name] = values, RealRange(values)


def intensity_limits(real: Sequence[SamplePair]) -> NDArray[np.float64]:
    """Compute percentiles 0.1 and 99.9 of each channel over all real tiles, (C, 2) float64."""
    channels = range(min(len(pair.image) for pair in real))
    limits = []
    for channel in channels:
        probe = np.concatenate([pair.image[channel, ::2, ::2].ravel().astype(np.float64) for pair in real])
        probe = probe[np.isfinite(probe)]
        low, high = np.percentile(probe, [0.1, 99.9]) if probe.size else (0.0, 1.0)
        limits.append((low, high if high > low else low + 1.0))
    return np.asarray(limits)


def to_unit(image: NDArray[Any], limits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale native values so that the limits of each channel become 0 and 1, not clipped; (C, Y, X) float32."""
    image = image[: len(limits)].astype(np.float64)
    low, high = limits[: len(image), 0, None, None], limits[: len(image), 1, None, None]
    return np.asarray((np.nan_to_num(image) - low) / (high - low), dtype=np.float32)


def to_grey(image: NDArray[Any], limits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Compute the mean of the channels of `to_unit`, (Y, X) float32."""
    return np.asarray(to_unit(image, limits).mean(axis=0), dtype=np.float32)
