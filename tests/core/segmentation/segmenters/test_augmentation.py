"""Crops of the protocol for organoids, whitening and bending, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import zoom

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.augmentation import bend, organoid_crop, whiten


class Fixed:
    """A generator whose choices are given: flips, turn or not, zoom, shift, whiten or not."""

    def __init__(self, randoms, uniforms):
        self.randoms, self.uniforms = list(randoms), list(uniforms)

    def random(self, size=None):
        return np.array(self.randoms.pop(0)) if size else self.randoms.pop(0)

    def uniform(self, low, high, size=None):
        value = np.broadcast_to(self.uniforms.pop(0), size or ())
        assert (low <= value).all()
        assert (value <= high).all()
        return value


def crop_of(image, randoms, uniforms, corner=(0, 0), size=None):
    pair = SamplePair("p", image[None], np.arange(image.size, dtype=np.int32).reshape(image.shape))
    zero, one = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)
    found, labels = organoid_crop(pair, corner, size or len(image), Fixed(randoms, uniforms), zero, one)
    return found[0], labels


def test_organoid_geometry_by_hand():
    image = np.random.default_rng(1).random((9, 9)).astype(np.float32)
    numbers = np.arange(81).reshape(9, 9)
    for flips, expected in (((0.9, 0.9), np.s_[:, :]), ((0.1, 0.9), np.s_[::-1]), ((0.9, 0.1), np.s_[:, ::-1])):
        found, labels = crop_of(image, [flips, 0.9, 0.9], [1.0, 0.0])
        assert found == pytest.approx(image[expected], abs=1e-5)
        assert np.array_equal(labels, numbers[expected])
    found, _ = crop_of(image, [(0.9, 0.9), 0.1, 0.9], [np.pi / 2, 1.0, 0.0])
    assert any(found == pytest.approx(np.rot90(image, k), abs=1e-4) for k in (1, 3))
    ramp = np.tile(np.arange(21, dtype=np.float32), (21, 1)) / 21
    found, _ = crop_of(ramp, [(0.9, 0.9), 0.9, 0.9], [0.8, (0.0, 2.0)])
    assert np.diff(found[0]) == pytest.approx(0.8 / 21, abs=1e-5)  # a zoom of 0.8 stretches the ramp
    assert found[10, 10] == pytest.approx(12 / 21, abs=1e-5)  # two pixels to the right of the middle


def test_whitening_gives_the_mean_and_spread_of_the_image():
    rng = np.random.default_rng(2)
    image, crop = rng.normal(0.4, 0.2, (2, 64, 64)).astype(np.float32), rng.normal(3, 5, (2, 8, 8)).astype(np.float32)
    found = whiten(crop, image)
    assert found.mean((1, 2)) == pytest.approx(image.mean((1, 2)), abs=1e-5)
    assert found.std((1, 2)) == pytest.approx(image.std((1, 2)), abs=1e-5)
    by_hand = (crop[0] - crop[0].mean()) / crop[0].std() * image[0].std() + image[0].mean()
    assert found[0] == pytest.approx(by_hand, abs=1e-5)
    even = whiten(np.ones((1, 8, 8), np.float32), image[:1])  # no spread: 1 / sqrt(n) stands in, nothing divides by 0
    assert even == pytest.approx(np.full((1, 8, 8), image[0].mean()), abs=1e-5)


def test_a_bend_is_the_cubic_spline_through_a_grid_of_shifts():
    rng = np.random.default_rng(3)
    shifts = rng.normal(0, rng.uniform(0, 4), (2, 6, 6)).astype(np.float32)
    smooth = zoom(shifts, (1, 32, 32), order=3)
    start = int(rng.integers(0, smooth.shape[1] - 100 + 1))
    assert bend(100, np.random.default_rng(3)) == pytest.approx(
        smooth[:, start : start + 100, start : start + 100], abs=1e-5
    )
