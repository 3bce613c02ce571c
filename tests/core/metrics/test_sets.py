"""Intervals, ranges and messages of set scores."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.metrics.base import Score
from napari_organoid_synth.core.metrics.sets import SetScore, evaluate

SOURCES = [f"image{index // 5}" for index in range(40)]  # eight images of five tiles


def test_the_interval_of_a_mean_is_that_of_statistics() -> None:
    values = np.random.default_rng(0).normal(3, 2, 140)
    (found,) = evaluate(
        [Score("mean", "Mean")], lambda a, b: {"mean": float(values[b].mean())}, SOURCES, 100, extractor="e:1"
    )
    assert found.value == values[40:].mean()
    expected = 2 * 1.96 * values[40:].std(ddof=1) / np.sqrt(100)
    assert found.interval.high - found.interval.low == pytest.approx(expected, rel=0.2)
    assert found.interval.low < found.value < found.interval.high
    assert (found.n_real, found.n_synthetic, found.extractor, found.seed) == (40, 100, "e:1", 0)
    assert found.originals.low < values[:40].mean() < found.originals.high
    again = evaluate([Score("mean", "Mean")], lambda a, b: {"mean": float(values[b].mean())}, SOURCES, 100)
    assert (again[0].interval, again[0].originals) == (found.interval, found.originals)


def test_no_interval_leaves_the_values_that_a_score_can_have() -> None:
    values = np.random.default_rng(0).normal(0.5, 10, 140)

    def measure(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        return {"x": float(values[b].mean())}

    free, cut = evaluate([Score("x", "X"), Score("x", "X", ends=(0, 1))], measure, SOURCES, 100)
    assert free.interval.low < 0 == cut.interval.low
    assert free.interval.high > 1 == cut.interval.high


def test_halves_share_no_image_and_sizes_are_alike() -> None:
    seen: list[tuple[int, int]] = []

    def measure(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        if b.max() < 40:  # real against real
            assert not {SOURCES[i] for i in a} & {SOURCES[i] for i in b}
        elif len(a) < 40:
            seen.append((len(a), len(b)))
        assert len(set(a)) == len(a)
        assert len(set(b)) == len(b)
        return {"x": float(len(b)), "nothing": np.nan}

    found = evaluate([Score("x", "x"), Score("nothing", "n")], measure, SOURCES, 12)
    assert [score.name for score in found] == ["x"]
    assert found[0].originals.low == found[0].originals.high == found[0].matched_value == 12
    assert set(seen) == {(20, 12), (20, 6)}
    one_image: list[int] = []
    evaluate([Score("x", "x")], lambda a, b: one_image.append(len(a)) or {"x": 1.0}, ["a"] * 9, 8)
    assert set(one_image) == {9, 4}


@pytest.mark.parametrize(
    ("better", "shift", "message"),
    [
        ("low", 0.0, "within the range of the originals"),
        ("low", 9.0, "worse than the originals among each other"),
        ("low", -9.0, "nearer than the originals are to each other"),
        ("high", -9.0, "worse than the originals among each other"),
        ("high", 9.0, "nearer than the originals are to each other"),
        ("range", 9.0, "above the range of the originals"),
        ("range", -9.0, "below the range of the originals; because"),
    ],
)
def test_the_message_compares_like_with_like(better: str, shift: float, message: str) -> None:
    values = np.random.default_rng(1).normal(size=80)
    values[40:] += shift - values[40:].mean()
    notes = {"m": "because"} if message.endswith("because") else {}
    score = Score("m", "M", better=better)  # type: ignore[arg-type]
    (found,) = evaluate([score], lambda a, b: {"m": float(values[b].mean())}, SOURCES, 40, notes=notes)
    assert found.message == message
    assert found.within == message.startswith("within")


def judged(better: str, ends: tuple[float, float], values: list[float], value: float, noise: float) -> SetScore:
    """A score whose originals are drawn from some values."""
    real = np.array([values[index % len(values)] for index in range(40)])
    every = np.concatenate([real, np.full(10, value), np.full(10, noise)])
    score = Score("m", "M", better=better, ends=ends)  # type: ignore[arg-type]

    def measure(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        return {"m": float(every[b].max() if better == "high" else every[b].min())}

    alone = [f"image{index}" for index in range(40)]
    (found,) = evaluate([score], measure, alone, 10, noise=[np.arange(50, 60)])
    return found


@pytest.mark.parametrize(
    ("better", "ends", "originals", "value", "noise", "verdict", "words"),
    [
        ("range", (0, 1), [1.0], 1.0, 0.5, "none", "the same value, 1"),
        ("range", (0, 1), [1.0], 0.5, 0.2, "none", "the same value, 1"),
        ("high", (0, 1), [0.0], 0.0, 0.0, "none", "the same value, 0"),
        ("high", (0, 1), [0.0], 0.3, 0.0, "none", "the same value, 0"),
        ("low", (0, 1), [0.0], 0.3, 0.5, "worse", "worse than"),  # 0 is the best: what differs is worse
        ("low", (0, np.inf), [3.0, 1.0] + 19 * [5.0], 2.0, 9.0, "within", "within the range"),
        ("low", (0, np.inf), [3.0, 1.0] + 19 * [5.0], 2.0, 2.5, "none", "pure noise lies there too"),
        ("low", (0, np.inf), [3.0, 1.0] + 19 * [5.0], 0.5, 0.7, "none", "pure noise lies there too"),
        ("low", (0, np.inf), [3.0, 1.0] + 19 * [5.0], 9.0, 2.5, "worse", "worse than"),
        ("low", (0, 3), [3.0, 1.0] + 19 * [3.0], 2.0, 9.0, "none", "reach the end of the scale"),
    ],
)
def test_a_range_that_says_nothing_gives_no_verdict(
    better: str, ends: tuple[float, float], originals: list[float], value: float, noise: float, verdict: str, words: str
) -> None:
    found = judged(better, ends, originals, value, noise)
    assert found.verdict == verdict
    assert found.within == (verdict == "within")
    assert words in found.message
    assert SetScore.parse(found.model_dump(mode="json")).verdict == verdict
    assert found.message.startswith("no verdict: ") == (verdict == "none")


def test_a_range_without_width_in_an_older_file_says_nothing() -> None:
    found = judged("low", (0, np.inf), [3.0, 1.0] + 19 * [5.0], 2.0, 9.0)
    values = found.model_dump(mode="json") | {"originals": {"low": 2.0, "high": 2.0}}
    del values["doubt"]
    assert SetScore.parse(values).verdict == "none"
