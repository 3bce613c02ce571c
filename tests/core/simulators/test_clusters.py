"""Clusters among points that were scattered with known ones."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.simulators.clusters import Clusters, find_clusters


def scattered(seed: int, n: int, clusters: int, share: float, spread: float, side: float = 500) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.1 * side, 0.9 * side, (max(clusters, 1), 2))
    inside = centres[rng.integers(len(centres), size=n)] + rng.normal(0, spread, (n, 2))
    return np.where(rng.random((n, 1)) < share, inside, rng.uniform(0, side, (n, 2)))


@pytest.mark.parametrize(("clusters", "share", "spread"), [(2, 0.5, 25.0), (4, 0.7, 15.0), (6, 0.9, 12.0)])
def test_known_clusters_are_found(clusters: int, share: float, spread: float) -> None:
    found = find_clusters([scattered(seed, 80, clusters, share, spread) for seed in range(10)], [500.0**2] * 10)
    assert abs(found.number - clusters) <= 1
    assert found.share == pytest.approx(share, abs=0.08)
    assert found.spread == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize("n", [3, 20, 100])
def test_even_points_have_none(n: int) -> None:
    for seed in range(10):
        points = [scattered(10 * seed + k, n, 0, 0.0, 1.0) for k in range(5)]
        assert find_clusters(points, [500.0**2] * 5) == Clusters()


def test_their_number_grows_with_the_area() -> None:
    small = [scattered(seed, 60, 2, 0.8, 10, 250) for seed in range(6)]
    large = [scattered(seed, 240, 8, 0.8, 10, 500) for seed in range(5)]
    found = find_clusters([*small, *large], [250.0**2] * 6 + [500.0**2] * 5)
    assert abs(found.number - 2) <= 1  # in the median area, that of the small ones
    assert found.share == pytest.approx(0.8, abs=0.1)


def test_two_objects_side_by_side_are_no_cluster() -> None:
    points = scattered(0, 40, 0, 0.0, 1.0)
    twins = np.concatenate([points, points[:10] + 0.5])
    assert find_clusters([twins, points], [500.0**2] * 2) == Clusters()


def test_nothing_to_look_at() -> None:
    assert find_clusters([np.empty((0, 2)), np.ones((1, 2))], [100.0, 100.0]) == Clusters()
