"""Outlines: the published formula, filling against another implementation, descriptors against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.simulators.outlines import contour, describe, draw_knots, fill, measure, through


def ellipse(a: float, b: float, tilt: float = 0.0, points: int = 500) -> np.ndarray:
    t = 2 * np.pi * np.arange(points) / points
    x, y = a * np.cos(t), b * np.sin(t)
    return np.stack([x * np.sin(tilt) + y * np.cos(tilt), x * np.cos(tilt) - y * np.sin(tilt)], -1)


def draw_outlines(
    rng: np.random.Generator,
    radii: list[float],
    elongations: list[float],
    roughness: float = 0.1,
    jitter: float = 0.1,
    points: int = 1000,
) -> np.ndarray:
    return through(draw_knots(rng, np.array(radii), np.array(elongations), roughness, jitter), points)


def test_without_perturbation_it_is_a_circle_or_an_ellipse_of_the_same_area() -> None:
    rng = np.random.default_rng(0)
    circle, oval = draw_outlines(rng, [10, 10], [1, 2], roughness=0, jitter=0)
    np.testing.assert_allclose(np.hypot(*circle.T), 10, rtol=2e-3)
    assert describe(oval)[:2] == pytest.approx((np.pi * 100, 2), rel=5e-3)


def test_knots_lie_where_the_formula_puts_them() -> None:
    (outline,) = draw_outlines(np.random.default_rng(7), [20], [1], points=800)
    rng = np.random.default_rng(7)
    angle = 2 * np.pi * np.arange(8) / 8 + 0.1 * rng.uniform(-1, 1, (1, 8))
    shift = 0.1 * rng.uniform(-1, 1, (1, 8, 2))
    tilt = rng.uniform(0, np.pi, 1)
    y, x = 20 * (np.sin(angle) + shift[..., 0])[0], 20 * (np.cos(angle) + shift[..., 1])[0]
    turned = np.stack([y * np.cos(tilt) - x * np.sin(tilt), y * np.sin(tilt) + x * np.cos(tilt)], -1)
    np.testing.assert_allclose(outline[::100], turned, atol=1e-9)


def test_spline_is_closed_and_smooth() -> None:
    (outline,) = draw_outlines(np.random.default_rng(0), [30], [1.5])
    steps = np.diff(outline, axis=0, append=outline[:1])
    assert np.hypot(*steps.T).max() < 0.5
    assert np.abs(np.diff(steps, axis=0, append=steps[:1])).max() < 0.01  # no corner, also not where it closes


def test_fill_is_what_lies_inside() -> None:
    from matplotlib.path import Path

    for seed in range(5):
        rng = np.random.default_rng(seed)
        (outline,) = draw_outlines(rng, [rng.uniform(2, 40)], [rng.uniform(1, 3)], 0.2) + rng.uniform(-9, 9, 2)
        for points in (outline, outline[::50]):  # fine, and a coarse polygon whose sides cross many rows
            mask, (top, left) = fill(points)
            y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
            inside = Path(points).contains_points(np.stack([y.ravel() + top, x.ravel() + left], -1))
            np.testing.assert_array_equal(mask, inside.reshape(mask.shape))


@pytest.mark.parametrize("tilt", [0.0, 0.7, 2.0])
def test_descriptors_of_an_ellipse(tilt: float) -> None:
    a, b = 30.0, 12.0
    around = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))  # Ramanujan
    expected = (np.pi * a * b, a / b, 4 * np.pi * np.pi * a * b / around**2, np.sqrt(1 - (b / a) ** 2), 1.0)
    assert describe(ellipse(a, b, tilt)) == pytest.approx(expected, rel=2e-3)
    assert describe(ellipse(a, b, tilt)[::-1] + 50) == pytest.approx(expected, rel=2e-3)  # other way round, elsewhere


def test_descriptors_of_a_square_and_of_an_angle() -> None:
    square = np.array([(0, 0), (0, 4), (4, 4), (4, 0)], float)
    assert describe(square)[2:] == pytest.approx((np.pi / 4, 0, 1), abs=1e-9)
    angle = np.array([(0, 0), (0, 4), (2, 4), (2, 2), (4, 2), (4, 0)], float)  # 12 px² of a hull of 14
    assert describe(angle)[0] == pytest.approx(12)
    assert describe(angle)[4] == pytest.approx(12 / 14)


def test_many_are_measured_as_one_by_one() -> None:
    outlines = draw_outlines(np.random.default_rng(0), [5, 9, 30], [1, 2, 3], points=100)
    np.testing.assert_allclose(measure(outlines), [describe(outline)[:4] for outline in outlines], rtol=1e-12)
    assert measure(np.empty((0, 100, 2))).shape == (0, 4)


@pytest.mark.parametrize(("a", "b"), [(6.0, 6.0), (20.0, 9.0)])
def test_contour_of_pixels_has_the_shape_without_the_steps(a: float, b: float) -> None:
    """On average over where the centre lies between pixels; one disc of radius 6 has 3 % more or fewer of them."""
    rng, found = np.random.default_rng(0), []
    for _ in range(40):
        mask, _ = fill(ellipse(a, b, rng.uniform(0, np.pi)) + rng.uniform(0, 1, 2))
        found.append(describe(contour(mask)))
    mean, true = np.mean(found, axis=0), describe(ellipse(a, b))
    assert mean[0] == pytest.approx(true[0], rel=0.01)
    assert mean[1:3] == pytest.approx(true[1:3], rel=0.05)
    assert mean[2] > 0.97 * true[2]  # the steps themselves would make a disc's outline 4 / π too long: 0.62
    assert mean[4] > 0.985
    if a != b:
        assert mean[3] == pytest.approx(true[3], rel=0.01)
