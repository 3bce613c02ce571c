r"""What the answers of a blind test say: error rates with intervals, sensitivity, hesitation, learning, agreement.

With one picture at a time "real" is the signal, in pairs "the left one is real". From the share of hits :math:`H` and
of false alarms :math:`F`, each with half an answer added (log-linear correction: Hautus 1995, Behav. Res. Methods 27,
46), sensitivity and bias are (Macmillan & Creelman 2005, Detection Theory, chapters 1, 2 and 7)

.. math:: d' = z(H) - z(F), \qquad c = -\tfrac12 (z(H) + z(F)), \qquad H = \frac{hits + 0.5}{signals + 1};

of two pictures beside each other :math:`d'` is divided by :math:`\sqrt 2`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist, median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Way = Literal["one by one", "in pairs"]
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


@dataclass(frozen=True)
class Rate:
    """How many of how many, with the 95 % interval of Wilson (1927, J. Am. Stat. Assoc. 22, 209).

    Examples
    --------
    >>> from napari_organoid_synth.core.blind.statistics import Rate
    >>> str(Rate(31, 40))
    '31 of 40 (78 %, 62 to 88 %)'
    """

    count: int
    total: int

    @property
    def share(self) -> float:
        """0 to 1; 0.5 when nothing was counted."""
        return self.count / self.total if self.total else 0.5

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


@dataclass(frozen=True)
class Result:
    """The statistics of some answers; None is what they cannot tell.

    Parameters
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
    seconds : dict of str to float
        Median time of answers that were ``right`` and ``wrong``, and to ``real`` and ``synthetic`` pictures.
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
    seconds: dict[str, float]
    p_hesitation: float | None
    p_kind: float | None
    first: Rate
    second: Rate
    p_learning: float | None
    fast: int

    def as_dict(self) -> dict[str, Any]:
        """JSON values, rates with their share and interval."""
        found = asdict(self)
        for name, value in vars(self).items():
            if isinstance(value, Rate):
                low, high = value.interval
                found[name] |= {"share": value.share, "low": low, "high": high}
        return found


def summarise(answers: Sequence[Judged], way: Way) -> Result:
    """All statistics of answers in the order in which they were given.

    Parameters
    ----------
    answers : sequence of Judged
        Of one way of asking.
    way : {"one by one", "in pairs"}
        How they were asked.
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
        seconds={name: median(values) for name, values in groups.items() if values},
        p_hesitation=_mann_whitney(groups["right"], groups["wrong"]),
        p_kind=_mann_whitney(groups["real"], groups["synthetic"]) if one else None,
        first=first,
        second=second,
        p_learning=_fisher(first, second),
        fast=sum(answer.seconds < FAST for answer in answers),
    )


def sensitivity(hits: Rate, alarms: Rate) -> tuple[float, float]:
    """Sensitivity d' and bias c of one picture at a time; formulas at the top of this file."""
    high, low = (_NORMAL.inv_cdf((rate.count + 0.5) / (rate.total + 1)) for rate in (hits, alarms))
    return high - low, -(high + low) / 2


def detectable(n: int) -> float | None:
    """Share of right answers above which n answers differ from guessing (p < 0.05) in 80 % of tests; None: never."""
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
    """Agreement of two observers about the same items beyond chance (Cohen 1960), at most 1.

    Parameters
    ----------
    one, other : NDArray (items,)
        What each answered.

    Returns
    -------
    float or None
        None where both always gave the same one answer, or there are no items.
    """
    one, other = np.asarray(one), np.asarray(other)
    if not one.size:
        return None
    expected = sum(float((one == word).mean() * (other == word).mean()) for word in np.unique([one, other]))
    return None if expected == 1 else (float((one == other).mean()) - expected) / (1 - expected)


def fleiss_kappa(counts: NDArray[Any]) -> float | None:
    """Agreement of several observers beyond chance (Fleiss 1971, Psychol. Bull. 76, 378), at most 1.

    Parameters
    ----------
    counts : NDArray (items, categories) int
        How many observers gave each answer; equal sums of at least 2.

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


# ---------------------------------------------------------------------------------------------------------- in words


def words(result: Result, who: str = "You") -> list[str]:
    """A result in plain sentences; the first one says what to take home."""
    n, wrong = result.wrong.total, result.wrong
    if not n:
        return ["Nothing was answered yet."]
    told = [f"{who} recognised {Rate(n - wrong.count, n)}: {_verdict(result)}."]
    if result.doubted is None:
        told.append(f"The synthetic one was taken for the real one in {wrong}. Guessing is 50 %.")
    else:
        low, high = wrong.interval
        told.append(
            f"Error rate {percent(wrong.share)} % ({percent(low)} to {percent(high)} %); guessing is 50 %. "
            f"Synthetic taken for real: {result.fooled}. Real taken for synthetic: {result.doubted}."
        )
    sides = ("real", "synthetic") if result.doubted is not None else ("left", "right")
    lean = f"leaning to '{sides[result.bias > 0]}'" if abs(result.bias) > 0.2 else "no side preferred"
    told.append(
        f"Exact binomial test against guessing: p {small(result.p)}. Sensitivity d' {result.d_prime:.2f} "
        f"(0: cannot be told apart), bias c {result.bias:+.2f} ({lean})."
    )
    told += _hesitation(result)
    if result.p_learning is not None:
        told.append(
            f"Wrong in the first half {percent(result.first.share)} %, in the second {percent(result.second.share)} % "
            f"(Fisher's exact test: p {small(result.p_learning)})."
        )
    if result.fast:
        are, noun = ("was", "answer") if result.fast == 1 else ("were", "answers")
        told.append(f"{result.fast} {noun} {are} faster than {FAST} s: too fast to have looked.")
    return told


def _verdict(result: Result) -> str:
    n = result.wrong.total
    if result.detectable is None:
        return f"{n} answer{'s are' if n > 1 else ' is'} too few to tell from guessing"
    if result.p < SIGNIFICANT:
        if result.wrong.share < 0.5:
            return "synthetic pairs can be told apart"
        return "real and synthetic can be told apart, but were taken for each other"
    gap = percent(result.detectable - 0.5)
    return f"no better than guessing, but {n} answers can only show differences larger than {gap} percentage points"


def _hesitation(result: Result) -> list[str]:
    told = []
    for one, other, p in (("right", "wrong", result.p_hesitation), ("real", "synthetic", result.p_kind)):
        if p is None:
            continue
        of = "answers" if one == "right" else "pictures"
        told.append(
            f"Median time {result.seconds[one]:.1f} s for {one}, {result.seconds[other]:.1f} s for {other} {of} "
            f"(Mann–Whitney: p {small(p)})."
        )
    if not told and result.seconds:
        told.append(f"Median time {next(iter(result.seconds.values())):.1f} s.")
    return told


def percent(share: float) -> int:
    """A share in whole per cent, halves upwards."""
    return math.floor(100 * share + 0.5)


def small(p: float) -> str:
    """A p value as it is printed: ``= 0.031``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"
