"""Where pairs are missing: against coverage, on clouds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.distances import euclidean, overlap
from napari_organoid_synth.core.map.gaps import empty_regions, nearest_each, uncovered


def clouds() -> tuple[np.ndarray, np.ndarray]:
    """Three clouds of 40, 20 and 10 real tiles far apart; generated ones on the first alone."""
    rng = np.random.default_rng(0)
    middles = np.repeat([[0.0, 0, 0], [50, 0, 0], [0, 50, 0]], [40, 20, 10], axis=0)
    return middles + rng.normal(size=(70, 3)), rng.normal(size=(200, 3))


def test_uncovered_tiles_are_what_coverage_leaves() -> None:
    real, fake = clouds()
    rows = uncovered(real, fake)
    assert set(range(40, 70)) <= set(rows)
    share = overlap(euclidean(real, real), euclidean(fake, fake), euclidean(real, fake))["coverage"]
    assert 1 - len(rows) / 70 == pytest.approx(share)
    np.testing.assert_array_equal(uncovered(real, np.empty((0, 3))), np.arange(70))
    assert len(uncovered(real, real)) == 0


def test_empty_regions_are_the_clouds_without_pairs() -> None:
    real, fake = clouds()
    regions = empty_regions(real, fake)
    assert max(map(len, regions)) <= 20
    for first, last in ((40, 60), (60, 70)):
        inside = [region for region in regions if all(first <= row < last for row in region)]
        assert sum(map(len, inside)) >= 0.8 * (last - first)
    assert [len(region) for region in regions] == sorted((len(region) for region in regions), reverse=True)
    assert empty_regions(real, np.concatenate([fake, real])) == ()


def test_places_take_turns() -> None:
    near = np.array([[1.0, 2.0, 3.0, 4.0], [1.1, 9.0, 8.0, 7.0]])
    assert nearest_each(near, 4) == [0, 3, 1, 2]
    assert nearest_each(near, 9) == [0, 3, 1, 2]
    near[:, 0] = np.inf  # may not be taken
    assert nearest_each(near, 2) == [1, 3]
    assert nearest_each(np.full((1, 2), np.inf), 2) == []
