"""The range of the real tiles, and what every metric has to keep."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.metrics.base import RealRange, intensity_limits, to_grey, to_unit
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.registry import METRICS


def test_range_of_five_values() -> None:
    real = RealRange([4, 0, 1, 3, 2, float("nan")])
    assert (real.low, real.high, real.median) == (-0.8, 4.8, 2.0)  # widened by 4 / 5
    assert [real.word(value, "a", "b", "c") for value in (-1, 0, 5)] == ["a", "b", "c"]


@pytest.mark.parametrize("values", [[7.0], [7.0, 7.0, 7.0]])
def test_few_or_equal_values_leave_a_margin(values: list[float]) -> None:
    real = RealRange(values)
    assert (real.low, real.high) == pytest.approx((6.3, 7.7))
    assert real.word(7, "a", "b", "c") == "b"


def test_no_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="no finite value"):
        RealRange([float("nan")])


def test_native_values_become_float_between_the_real_limits() -> None:
    image = np.arange(10_000, dtype=np.uint16).reshape(1, 100, 100) + 1000
    pair = SamplePair("a", image, np.zeros((100, 100), np.int32))
    limits = intensity_limits([pair])
    probe = image[0, ::2, ::2].ravel()
    np.testing.assert_allclose(limits, [np.percentile(probe, [0.1, 99.9])])
    unit = to_unit(image, limits)
    assert unit.dtype == np.float32
    assert unit.min() < 0  # not clipped
    middle = (1500 - limits[0, 0]) / (limits[0, 1] - limits[0, 0])
    assert unit[0, 5, 0] == pytest.approx(middle, rel=1e-6)
    both = to_grey(np.concatenate([image, image[:, ::-1]]), np.concatenate([limits, limits]))
    np.testing.assert_allclose(both, (unit[0] + unit[0, ::-1]) / 2, rtol=1e-6)
    constant = intensity_limits([pair.replace(image=np.full_like(image, 5))])
    assert constant.tolist() == [[5, 6]]


@pytest.mark.parametrize("name", METRICS.names())
def test_every_metric_keeps_its_promises(name: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((64, 64), np.int32)
    labels[10:30, 10:30] = 1
    real = [
        SamplePair(f"r{i}", rng.integers(0, 60_000, (1, 64, 64)).astype(np.uint16), labels, "instances")
        for i in range(3)
    ]
    cls = METRICS.load(name)
    assert cls.name == name
    metric = cls().fit(real)
    judgement = metric.judge(real[0])
    assert list(judgement.values) == [score.name for score in metric.scores]
    assert all(np.isfinite(value) for value in judgement.values.values())
    assert judgement.message or name in ("fits", "network", "texture", "tones")  # which only say what is unusual
    assert judgement.flag in ("", metric.flag_name)
    assert {score.name for score in metric.scores if score.unusual} - {"fits", "skeleton", "junctions"} <= set(
        metric.ranges
    )  # fits: too few tiles
    assert set(metric.ranges) == set(metric.real_values)
    assert all(found.shape == (len(real),) for found in metric.real_values.values())
    assert metric.__doc__.splitlines()[0].endswith(".")
    assert all(score.title and score.better in ("high", "low", "range") for score in metric.scores)
    as_float = real[0].replace(image=real[0].image.astype(np.float64))
    assert metric(as_float) == metric(real[0])  # no integer arithmetic
    empty = real[0].replace(image=np.zeros_like(real[0].image), labels=np.zeros_like(labels))
    assert all(np.isfinite(value) for value in metric(empty).values())
