"""The meter finds a gain that is there, and none where there is none: rates over simulated comparisons."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "benchmarks" / "meter.py"


@pytest.fixture(scope="module")
def meter():
    """Return the benchmark, which simulates the comparisons."""
    spec = importlib.util.spec_from_file_location("meter", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["meter"] = module  # its data class looks there for its types
    spec.loader.exec_module(module)
    yield module
    del sys.modules["meter"]


def test_pairs_with_variation_that_the_training_lacks_are_a_gain_and_repeated_ones_are_none(meter, monkeypatch):
    """A random forest of pixels on small images, ten comparisons of each kind."""
    monkeypatch.setattr(meter, "SIDE", 96)
    monkeypatch.setattr(meter, "DISCS", 5)
    options = meter.Options(segmenter="forest", comparisons=10, seeds=2)
    missing = list(meter.verdicts("missing", options))
    assert Counter(verdict for verdict, _ in missing) == {"gain": 10}
    assert all(text.sentences[0].startswith("Synthetic pairs added 0.") for _, text in missing)
    repeated = Counter(verdict for verdict, _ in meter.verdicts("repeated", options))
    assert repeated["no clear difference"] >= 8  # with two seeds an interval holds the truth in 83 %
    assert repeated["gain"] <= 1


@pytest.mark.slow
def test_a_network_at_its_plateau_tells_the_two_apart(meter):
    options = meter.Options(segmenter="unet", comparisons=1, seeds=2, steps=2500, floor=600)
    ((verdict, result),) = meter.verdicts("missing", options)
    assert verdict == "gain", result.sentences
    ((verdict, result),) = meter.verdicts("repeated", options)
    assert verdict != "gain", result.sentences
