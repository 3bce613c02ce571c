"""Distances of sets equal square roots of matrices, double loops, brute force and the theory of Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from napari_organoid_synth.core.distances import (
    cubic_kernel,
    euclidean,
    frechet_distance,
    kernel_distance,
    neighbour_accuracy,
    overlap,
)


def matrices(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return euclidean(x, x), euclidean(y, y), euclidean(x, y)


@pytest.mark.parametrize(("n", "m", "d"), [(12, 9, 40), (80, 60, 10), (8, 60, 20)])
def test_frechet_distance_is_that_of_the_matrix_root(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)), rng.normal(0.3, 1.5, (m, d)) @ rng.normal(size=(d, d)) / np.sqrt(d)
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(sqrtm(sqrtm(a) @ b @ sqrtm(a)))  # the symmetric form, which stands singular matrices
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b) - 2 * np.trace(root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-9)
    if min(n, m) > d:
        whole = np.trace(np.real(sqrtm(a @ b)))  # as it is published
        expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b) - 2 * whole
        assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_gaussians() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 50))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 0.5) == pytest.approx(50 * 0.25, rel=1e-9)  # same covariance
    assert frechet_distance(x, x * 3 - 2 * x.mean(0)) == pytest.approx(4 * x.var(0, ddof=1).sum(), rel=1e-9)
    y = rng.normal(2, 3, size=(20_000, 2))  # N(2, 9) against N(0, 1) in two dimensions: 2 · (4 + (3 - 1)²)
    assert frechet_distance(y, rng.normal(size=(20_000, 2))) == pytest.approx(16, rel=0.03)


def test_kernel_distance_is_that_of_a_double_loop() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(7, 5)), rng.normal(1, 1, (6, 5))

    def mean(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        values = [
            (float(p @ q) / 5 + 1) ** 3 for i, p in enumerate(a) for j, q in enumerate(b) if not (same and i == j)
        ]
        return sum(values) / len(values)

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-12)


def test_kernel_distance_is_not_clipped() -> None:
    rng = np.random.default_rng(3)
    values = [kernel_distance(rng.normal(size=(10, 4)), rng.normal(size=(10, 4))) for _ in range(200)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)
    x = rng.normal(size=(10, 4))
    diagonal, everything = np.trace(cubic_kernel(x, x)) / 10, cubic_kernel(x, x).mean()
    assert kernel_distance(x, x) == pytest.approx(2 * (everything - diagonal) / 9)  # below 0: copies, no fresh draws


@pytest.mark.parametrize(("n", "m"), [(30, 20), (4, 9)])
def test_overlap_equals_brute_force(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 3)), rng.normal(0.7, 0.8, (m, 3))

    def ball(points: np.ndarray, i: int) -> float:
        others = sorted(np.linalg.norm(points[i] - points[j]) for j in range(len(points)) if j != i)
        return others[min(5, len(others)) - 1]

    def inside(points: np.ndarray, i: int, other: np.ndarray) -> bool:
        return np.linalg.norm(points[i] - other) <= ball(points, i)

    expected = {
        "precision": np.mean([any(inside(x, i, fake) for i in range(n)) for fake in y]),
        "recall": np.mean([any(inside(y, j, real) for j in range(m)) for real in x]),
        "density": sum(inside(x, i, fake) for i in range(n) for fake in y) / (min(5, n - 1) * m),
        "coverage": np.mean([any(inside(x, i, fake) for fake in y) for i in range(n)]),
    }
    assert overlap(*matrices(x, y)) == pytest.approx(expected)


def test_extremes_of_the_neighbour_scores() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 3))
    assert overlap(*matrices(x, x.copy())) == pytest.approx(
        {"precision": 1, "recall": 1, "density": 1.2, "coverage": 1}
    )
    assert neighbour_accuracy(*matrices(x, x.copy())) == 0  # every fake lies on a real one
    far = overlap(*matrices(x, x + 100))
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    assert neighbour_accuracy(*matrices(x, x + 100)) == 1


def test_neighbour_accuracy_of_one_distribution_is_a_half_also_for_unequal_sizes() -> None:
    rng = np.random.default_rng(6)
    values = [neighbour_accuracy(*matrices(rng.normal(size=(15, 4)), rng.normal(size=(60, 4)))) for _ in range(200)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)
    line = np.array([[0.0], [1.0], [5.0]])  # nearest others: 1, 0, 1 | fake at 4.5, 9: nearest 5, 4.5
    fake = np.array([[4.5], [9.0]])
    # reals: 0 → 1 real, 1 → 0 real, 5 → 4.5 fake: 2/3; fakes: 4.5 → 5 real, 9 → 5 real: 0
    assert neighbour_accuracy(*matrices(line, fake)) == pytest.approx((2 / 3 + 0) / 2)
