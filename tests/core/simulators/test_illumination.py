"""Uneven background: its mean, direction and size are as asked, whatever the pixels are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.simulators.illumination import add_background, bright_field


def slope(field: np.ndarray) -> np.ndarray:
    """Least-squares plane: change per side along y and x."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in field.shape), indexing="ij")
    terms = np.stack([y.ravel(), x.ravel(), np.ones(field.size)], -1)
    return np.linalg.lstsq(terms, field.ravel(), rcond=None)[0][:2]


@pytest.mark.parametrize("angle", [0.0, 0.8, 2.5, -1.2])
@pytest.mark.parametrize("shape", [(128, 128), (90, 140)])
def test_it_is_brighter_in_the_direction_asked_for(angle: float, shape: tuple[int, int]) -> None:
    for seed in range(5):
        field = bright_field(np.random.default_rng(seed), shape, angle, dust=0)
        assert field.dtype == np.float32
        assert field.mean() == pytest.approx(0, abs=1e-5)
        assert np.ptp(field) == pytest.approx(1, abs=1e-3)
        y, x = slope(field)
        assert np.hypot(y, x) > 0.15
        assert np.cos(np.arctan2(y, x) - angle) > 0.999
        dusty = slope(bright_field(np.random.default_rng(seed), shape, angle))
        assert np.cos(np.arctan2(*dusty) - angle) > 0.9


def test_directions_are_random_when_not_given() -> None:
    angles = [np.arctan2(*slope(bright_field(np.random.default_rng(seed), (32, 32)))) for seed in range(200)]
    assert abs(np.exp(1j * np.array(angles)).mean()) < 0.2


def test_dust_is_dark_small_and_as_much_as_asked_for() -> None:
    clean, dusty = (bright_field(np.random.default_rng(0), (512, 512), 0.0, dust) for dust in (0, 6))
    grains = dusty - clean - np.median(dusty - clean)
    assert grains.min() < -0.1
    assert -grains.min() > 1.5 * grains.max()
    assert 0.001 < (grains < -0.05).mean() < 0.05


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64, bool])
def test_type_and_limits_are_kept(dtype: type) -> None:
    rng = np.random.default_rng(0)
    image = (rng.random((2, 64, 80)) * (2 if dtype is bool else 250)).astype(dtype)
    image[:, 0, 0], image[:, 0, 1] = (
        (np.iinfo(dtype).min, np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else (0, 1)
    )
    before = image.copy()
    found = add_background(image, np.random.default_rng(1), 1.0)
    assert (found.dtype, found.shape) == (image.dtype, image.shape)
    np.testing.assert_array_equal(image, before)
    assert np.array_equal(found, image) == (dtype is bool)  # which has no levels
    if np.issubdtype(dtype, np.integer):  # clipped, not wrapped round: black stays dark and white bright
        assert (found[:, 0, 0] <= np.iinfo(dtype).min + 250).all()
        assert (found[:, 0, 1] >= np.iinfo(dtype).max - 250).all()


def test_strength_is_a_share_of_the_range_and_0_changes_nothing() -> None:
    ramp = np.tile(np.linspace(1000, 2000, 100), (1, 100, 1))
    image = np.concatenate([ramp, 10 * ramp])
    assert add_background(image, np.random.default_rng(0), 0.0) is image
    added = add_background(image, np.random.default_rng(0), 0.3, dust=0) - image
    assert added.mean() == pytest.approx(0, abs=0.1)
    assert np.ptp(added[0]) == pytest.approx(0.3 * 980, rel=0.01)
    np.testing.assert_allclose(added[1], 10 * added[0], rtol=1e-6, atol=1e-6)
    again, other = (add_background(image, np.random.default_rng(seed), 0.3) for seed in (0, 1))
    np.testing.assert_array_equal(again, add_background(image, np.random.default_rng(0), 0.3))
    assert not np.array_equal(again, other)


def test_missing_pixels_stay_missing() -> None:
    image = np.ones((1, 32, 32), np.float32)
    image[0, :16] = 2
    image[0, 3, 3] = np.nan
    found = add_background(image, np.random.default_rng(0), 0.5)
    assert np.isnan(found).sum() == 1
