r"""Statistics of a blind test: error rates with intervals, sensitivity, hesitation, learning, agreement.

With one picture at a time "real" is the signal, in pairs "the left one is real". From the share of hits :math:`H` and
of false alarms :math:`F`, each with half an answer added (log-linear correction: Hautus 1995, Behav. Res. Methods 27,
46), sensitivity and bias are (Macmillan & Creelman 2005, Detection Theory, chapters 1, 2 and 7)

.. math:: d' = z(H) - z(F), \qquad c = -\tfrac12 (z(H) + z(F)), \qquad H = \frac{hits + 0.5}{signals + 1};

of two pictures beside each other :math:`d'` is divided by :math:`\sqrt 2`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import computed_field
from pydantic.dataclasses import dataclass as model_dataclass

from napari_organoid_synth.core.blind.settings import Way
from napari_organoid_synth.core.frozen_model import FrozenModel

Choice = Literal["real", "synthetic", "left", "right"]
SIGNAL: dict[Way, Choice] = {"one by one": "real", "in pairs": "left"}
NOISE: dict[Way, Choice] = {"one by one": "synthetic", "in pairs": "right"}

FAST = 0.2
"""Seconds below which nobody has seen the picture before the answer."""
SIGNIFICANT, POWER = 0.05, 0.8

_NORMAL = NormalDist()
Z95 = _NORMAL.inv_cdf(0.975)


@dataclass(frozen=True)
class Judged:
    """One answer beside the truth: real or synthetic; of a pair, which side is real.

    Parameters
    ----------
    truth, choice : {"real", "synthetic"} or {"left", "right"}
    seconds : float
        From the moment when the picture was painted to the key.
    """

    truth: Choice
    choice: Choice
    seconds: float

    @property
    def right(self) -> bool:
        """Whether the answer is the truth."""
        return self.choice == self.truth


@model_dataclass(frozen=True)
class Rate:
    """Count of a total, with the 95 % interval of Wilson (1927, J. Am. Stat. Assoc. 22, 209).

    Examples
    --------
    >>> from napari_organoid_synth.core.blind.statistics import Rate
    >>> str(Rate(31, 40))
    '31 of 40 (78 %, 62 to 88 %)'
    """

    count: int
    total: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share(self) -> float:
        """0 to 1; 0.5 when nothing was counted."""
        return self.count / self.total if self.total else 0.5

    @computed_field  # type: ignore[prop-decorator]
    @property
    def low(self) -> float:
        """Lower end of the interval, 0 to 1."""
        return self.interval[0]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def high(self) -> float:
        """Upper end of the interval, 0 to 1."""
        return self.interval[1]

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end, 0 to 1."""
        if not self.total:
            return 0.0, 1.0
        n, p, z2 = self.total, self.share, Z95**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count} of {self.total} ({percent(self.share)} %, {percent(low)} to {percent(high)} %)"


class MedianTimes(FrozenModel):
    """Median seconds of some answers; None where there are none.

    Attributes
    ----------
    right, wrong : float, optional
        Of right and of wrong answers.
    real, synthetic : float, optional
        Of answers to real and to synthetic pictures; in pairs not distinguished.
    """

    right: float | None = None
    wrong: float | None = None
    real: float | None = None
    synthetic: float | None = None


class Result(FrozenModel):
    """Statistics of some answers; None for those that they do not allow.

    Attributes
    ----------
    way : {"one by one", "in pairs"}
    wrong : Rate
        Wrong answers: the error rate. 0.5 is guessing.
    p : float
        Exact two-sided binomial test of the error rate against 0.5.
    detectable : float, optional
        Share of right answers that so many answers find to differ from guessing in 80 % of tests.
    fooled : Rate
        Synthetic taken for real: the fooling rate. In pairs the same as ``wrong``.
    doubted : Rate, optional
        Real taken for synthetic; in pairs not asked.
    d_prime, bias : float
        Sensitivity, 0 is none; bias, positive towards "synthetic", in pairs towards "right".
    seconds : MedianTimes
    p_hesitation : float, optional
        Mann-Whitney test of the times of right against wrong answers.
    p_kind : float, optional
        The same for real against synthetic pictures.
    first, second : Rate
        Wrong answers in the two halves of the test.
    p_learning : float, optional
        Fisher's exact test of these.
    fast : int
        Answers faster than 0.2 s; they are counted like the others.
    """

    way: Way
    wrong: Rate
    p: float
    detectable: float | None
    fooled: Rate
    doubted: Rate | None
    d_prime: float
    bias: float
    seconds: MedianTimes
    p_hesitation: float | None
    p_kind: float | None
    first: Rate
    second: Rate
    p_learning: float | None
    fast: int


def summarise(answers: Sequence[Judged], way: Way) -> Result:
    """Compute all statistics of answers, in the order in which they were given.

    Parameters
    ----------
    answers : sequence of Judged
        Of one way of asking.
    way : {"one by one", "in pairs"}
        Kind of question.
    """
    n, right = len(answers), [answer.right for answer in answers]
    wrong = Rate(n - sum(right), n)
    signals, noises = ([a for a in answers if a.truth == word[way]] for word in (SIGNAL, NOISE))
    hits = Rate(sum(answer.right for answer in signals), len(signals))
    alarms = Rate(sum(not answer.right for answer in noises), len(noises))
    d_prime, bias = sensitivity(hits, alarms)
    groups = {
        "right": [a.seconds for a in answers if a.right],
        "wrong": [a.seconds for a in answers if not a.right],
    }
    one = way == "one by one"
    if one:
        groups |= {"real": [a.seconds for a in signals], "synthetic": [a.seconds for a in noises]}
    half = n // 2
    first, second = Rate(half - sum(right[:half]), half), Rate(n - half - sum(right[half:]), n - half)
    return Result(
        way=way,
        wrong=wrong,
        p=_binomial(wrong),
        detectable=detectable(n),
        fooled=alarms if one else wrong,
        doubted=Rate(hits.total - hits.count, hits.total) if one else None,
        d_prime=d_prime if one else d_prime / math.sqrt(2),
        bias=bias,
        seconds=MedianTimes(**{name: median(values) for name, values in groups.items() if values}),
        p_hesitation=_mann_whitney(groups["right"], groups["wrong"]),
        p_kind=_mann_whitney(groups["real"], groups["synthetic"]) if one else None,
        first=first,
        second=second,
        p_learning=_fisher(first, second),
        fast=sum(answer.seconds < FAST for answer in answers),
    )


def sensitivity(hits: Rate, alarms: Rate) -> tuple[float, float]:
    """Compute sensitivity d' and bias c of one picture at a time; formulas at the top of this file."""
    high, low = (_NORMAL.inv_cdf((rate.count + 0.5) / (rate.total + 1)) for rate in (hits, alarms))
    return high - low, -(high + low) / 2


def detectable(n: int) -> float | None:
    """Compute the share of right answers that differs from guessing (p < 0.05) in 80 % of tests of n; None: never."""
    from scipy.optimize import brentq
    from scipy.stats import binom

    least = next((k for k in range(n // 2, n + 1) if 2 * binom.sf(k - 1, n, 0.5) < SIGNIFICANT), None)
    if least is None:
        return None
    return float(brentq(lambda share: binom.sf(least - 1, n, share) - POWER, 0.5, 1.0))


def _binomial(rate: Rate) -> float:
    from scipy.stats import binomtest

    return float(binomtest(rate.count, rate.total, 0.5).pvalue) if rate.total else 1.0


def _mann_whitney(one: Sequence[float], other: Sequence[float]) -> float | None:
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(one, other).pvalue) if one and other else None


def _fisher(one: Rate, other: Rate) -> float | None:
    from scipy.stats import fisher_exact

    if not (one.total and other.total):
        return None
    return float(fisher_exact([[rate.count, rate.total - rate.count] for rate in (one, other)])[1])


def cohen_kappa(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Compute the agreement of two observers about the same items beyond chance (Cohen 1960), at most 1.

    Parameters
    ----------
    one, other : NDArray (items,)
        Answers of each observer.

    Returns
    -------
    float or None
        None where both gave the same answer every time, or there are no items.
    """
    one, other = np.asarray(one), np.asarray(other)
    if not one.size:
        return None
    expected = sum(float((one == word).mean() * (other == word).mean()) for word in np.unique([one, other]))
    return None if expected == 1 else (float((one == other).mean()) - expected) / (1 - expected)


def fleiss_kappa(counts: NDArray[Any]) -> float | None:
    """Compute the agreement of several observers beyond chance (Fleiss 1971, Psychol. Bull. 76, 378), at most 1.

    Parameters
    ----------
    counts : NDArray (items, categories) int
        Number of observers who gave each answer; equal sums of at least 2.

    Returns
    -------
    float or None
        None where only one category was ever used, or there are no items.
    """
    counts = np.asarray(counts, np.float64)
    if not counts.size:
        return None
    raters = counts[0].sum()
    observed = ((counts**2).sum(axis=1) - raters).mean() / (raters * (raters - 1))
    expected = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    return None if expected == 1 else float((observed - expected) / (1 - expected))


def percent(share: float) -> int:
    """Round a share to whole per cent, halves upwards."""
    return math.floor(100 * share + 0.5)
