"""The statistics of a blind test against closed forms, published examples and scipy."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from napari_organoid_synth.core.blind.sentences import sentences, small, verdict_sentence
from napari_organoid_synth.core.blind.statistics import (
    NOISE,
    SIGNAL,
    Judged,
    MedianTimes,
    Rate,
    Way,
    cohen_kappa,
    detectable,
    fleiss_kappa,
    percent,
    sensitivity,
    summarise,
)

FLEISS = [  # 10 subjects, 14 raters, 5 categories: kappa 0.210
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def answers(hits: int, signals: int, alarms: int, noises: int, way: Way = "one by one") -> list[Judged]:
    """Answers with these numbers, a second each, signals first."""
    yes, no = SIGNAL[way], NOISE[way]
    return [Judged(yes, yes if number < hits else no, 1.0) for number in range(signals)] + [
        Judged(no, yes if number < alarms else no, 1.0) for number in range(noises)
    ]


@pytest.mark.parametrize(("count", "total"), [(0, 1), (0, 12), (1, 1), (3, 7), (31, 40), (40, 40), (500, 1000)])
def test_the_interval_is_that_of_wilson(count: int, total: int) -> None:
    expected = stats.binomtest(count, total).proportion_ci(0.95, "wilson")
    assert Rate(count, total).interval == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_rate_in_words_and_without_answers() -> None:
    assert str(Rate(31, 40)) == "31 of 40 (78 %, 62 to 88 %)"
    assert (Rate(0, 0).share, Rate(0, 0).interval) == (0.5, (0.0, 1.0))
    assert [percent(share) for share in (0.005, 0.025, 0.775, 1.0)] == [1, 3, 78, 100]
    assert [small(p) for p in (1e-5, 0.0307, 0.5)] == ["< 0.001", "= 0.031", "= 0.50"]


def test_error_rates_by_kind_and_the_exact_test() -> None:
    found = summarise(answers(hits=17, signals=20, alarms=6, noises=20), "one by one")
    assert found.wrong == Rate(9, 40)
    assert found.fooled == Rate(6, 20)
    assert found.doubted == Rate(3, 20)
    assert found.p == pytest.approx(2 * sum(math.comb(40, k) for k in range(31, 41)) / 2**40, rel=1e-12)
    assert found.first == Rate(3, 20)
    assert found.second == Rate(6, 20)
    assert found.p_learning == pytest.approx(stats.fisher_exact([[3, 17], [6, 14]])[1])
    assert found.model_dump()["fooled"] == {
        "count": 6, "total": 20, "share": 0.3, "low": Rate(6, 20).interval[0], "high": Rate(6, 20).interval[1]
    }  # fmt: skip


def test_sensitivity_and_bias_with_the_log_linear_correction() -> None:
    z = stats.norm.ppf
    d_prime, bias = sensitivity(Rate(17, 20), Rate(6, 20))
    assert d_prime == pytest.approx(z(17.5 / 21) - z(6.5 / 21), abs=1e-12)
    assert bias == pytest.approx(-(z(17.5 / 21) + z(6.5 / 21)) / 2, abs=1e-12)
    assert sensitivity(Rate(20, 20), Rate(0, 20)) == pytest.approx((2 * z(20.5 / 21), 0), abs=1e-12)
    assert sensitivity(Rate(10, 20), Rate(10, 20)) == pytest.approx((0, 0), abs=1e-12)
    assert sensitivity(Rate(20, 20), Rate(20, 20))[1] < -1  # an observer who always says "real" leans to it
    assert sensitivity(Rate(20, 20), Rate(20, 20))[0] == 0


def test_in_pairs_sensitivity_is_divided_by_the_root_of_two() -> None:
    found = summarise(answers(hits=7602, signals=10000, alarms=2398, noises=10000, way="in pairs"), "in pairs")
    assert found.d_prime == pytest.approx(1.0, abs=2e-3)  # 76 % right is d' 1 (Macmillan & Creelman, table A5.3)
    assert found.doubted is None
    assert found.fooled == found.wrong
    assert found.p_kind is None
    assert (found.seconds.real, found.seconds.synthetic) == (None, None)


def test_what_a_number_of_answers_can_show() -> None:
    assert detectable(5) is None
    assert detectable(6) == pytest.approx(0.8 ** (1 / 6), abs=1e-9)  # six of six is the only significant result
    share = detectable(40)
    assert share is not None
    assert stats.binomtest(27, 40).pvalue < 0.05 < stats.binomtest(26, 40).pvalue
    assert stats.binom.sf(26, 40, share) == pytest.approx(0.8, abs=1e-9)


def test_hesitation_by_right_and_wrong_and_by_kind() -> None:
    said = [Judged("real", "real", 1.0), Judged("synthetic", "synthetic", 2.0)]
    said += [Judged("real", "synthetic", 3.0), Judged("synthetic", "real", 4.0), Judged("synthetic", "real", 0.19)]
    found = summarise(said[:4], "one by one")
    assert found.seconds == MedianTimes(right=1.5, wrong=3.5, real=2.0, synthetic=3.0)
    assert found.p_hesitation == pytest.approx(1 / 3)  # 1, 2 before 3, 4: two of the six ways to divide them
    assert found.p_kind == pytest.approx(2 / 3)
    assert (found.fast, summarise(said, "one by one").fast) == (0, 1)


def test_cohen_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        one = rng.random(30) < rng.uniform(0.2, 0.8)
        other = np.where(rng.random(30) < 0.6, one, rng.random(30) < 0.5)
        assert cohen_kappa(one, other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    assert cohen_kappa(np.ones(4, bool), np.ones(4, bool)) is None
    assert cohen_kappa(np.array([]), np.array([])) is None


def test_fleiss_is_that_of_the_published_example() -> None:
    assert fleiss_kappa(np.array(FLEISS)) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])) == pytest.approx(1)
    assert fleiss_kappa(np.array([[3, 0], [3, 0]])) is None
    assert fleiss_kappa(np.zeros((0, 2))) is None


def test_the_headline_says_what_to_take_home() -> None:
    def headline(hits: int, signals: int, alarms: int, noises: int) -> str:
        return sentences(summarise(answers(hits, signals, alarms, noises), "one by one"))[0]

    apart = "synthetic pairs can be told apart."
    assert headline(17, 20, 6, 20) == f"You recognised 31 of 40 (78 %, 62 to 88 %): {apart}"
    gap = percent(detectable(40) - 0.5)  # type: ignore[operator]
    guess = f"no better than guessing, but 40 answers can only show differences larger than {gap} percentage points."
    assert headline(11, 20, 9, 20) == f"You recognised 22 of 40 (55 %, 40 to 69 %): {guess}"
    assert headline(2, 20, 18, 20).endswith("can be told apart, but were taken for each other.")
    assert headline(2, 2, 0, 2).endswith("4 answers are too few to tell from guessing.")
    assert headline(1, 1, 0, 0).endswith("1 answer is too few to tell from guessing.")
    assert sentences(summarise([], "one by one")) == ["Nothing has been answered yet."]


def test_the_verdict_is_one_sentence_without_statistics() -> None:
    def verdict(hits: int, signals: int, alarms: int, noises: int) -> str:
        return verdict_sentence(summarise(answers(hits, signals, alarms, noises), "one by one"), "Anna")

    assert verdict(2, 2, 0, 2) == "Too few answers to say whether they can be told apart: 4."
    assert verdict(18, 20, 3, 20) == (
        "Anna could tell synthetic from real images: right in 88 % of 40 answers, guessing is 50 %."
    )
    assert verdict(2, 20, 18, 20) == "Anna saw a difference, but took real and synthetic images for each other."
    assert verdict(11, 20, 9, 20) == (
        "Anna could not tell synthetic from real images: right in 55 % of 40 answers, guessing is 50 %. "
        "Differences below 22 percentage points would not have been noticed."
    )
    assert verdict_sentence(summarise([], "one by one")) == "Nothing has been answered yet."


@pytest.mark.parametrize("way", get_args(Way))
def test_every_sentence_stands_alone(way: Way) -> None:
    lines = sentences(summarise(answers(17, 20, 6, 20, way), way), "Anna")
    assert lines[0].startswith("Anna recognised 31 of 40")
    assert all(line.endswith(".") and "nan" not in line for line in lines)
    assert ("Real taken for synthetic: 3 of 20" in " ".join(lines)) == (way == "one by one")


def test_an_observer_who_knows_and_one_who_guesses() -> None:
    rng = np.random.default_rng(1)
    truth = rng.permutation(["real", "synthetic"] * 100)
    guess = rng.choice(["real", "synthetic"], 200)
    knows = summarise([Judged(word, word, 1.0) for word in truth], "one by one")
    guesses = summarise([Judged(*both, 1.0) for both in zip(truth, guess, strict=True)], "one by one")
    assert knows.wrong == Rate(0, 200)
    assert knows.p == pytest.approx(2 * 0.5**200, rel=1e-9)
    assert math.isfinite(knows.d_prime)
    low, high = guesses.wrong.interval
    assert low < 0.5 < high
    assert guesses.p > 0.05
    assert abs(guesses.d_prime) < 0.4
