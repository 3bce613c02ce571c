"""Median and reach of grey levels that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.metrics.tones import Tones
from napari_organoid_synth.core.pairs.pair import SamplePair


def ramp(name: str, low: float, high: float) -> SamplePair:
    image = np.linspace(low, high, 101 * 101).reshape(1, 101, 101)
    return SamplePair(name, image, np.zeros((101, 101), np.int32))


def test_tones_of_ramps() -> None:
    metric = Tones().fit([ramp("a", 0, 1000), ramp("b", 100, 900), ramp("c", 0, 900)])
    low, high = metric._limits[0]
    found = metric(ramp("a", 0, 1000))
    assert found["brightness"] == pytest.approx((500 - low) / (high - low))
    assert found["contrast"] == pytest.approx(900 / (high - low))
    assert metric.describe(found) == ""
    assert metric.judge(ramp("dark", -900, 100)).message == "darker than real"
    assert metric.judge(ramp("pale", 480, 490)).message == "paler than real"
    assert metric.judge(ramp("hard", -3000, 4000)).message == "harder than real"
