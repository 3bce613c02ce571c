"""Smooth surfaces, noise, uneven light and the camera."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.simulators.texture import enlarge, expose, illumination, noise


def test_enlarge_is_smooth_and_keeps_constants_and_ramps():
    np.testing.assert_allclose(enlarge(np.full((5, 6), 3.0), (40, 31)), 3, rtol=1e-5)
    ramp = enlarge(np.tile(np.arange(7.0)[:, None], (1, 4)), (100, 9))
    np.testing.assert_allclose(np.diff(ramp, axis=0), 4 / 100, atol=1e-5)
    assert ramp[0, 0] == pytest.approx(1)


def test_noise_light_and_camera():
    rng = np.random.default_rng(0)
    field = noise(rng, (128, 96), 32)
    assert field.mean() == pytest.approx(0, abs=1e-5)
    assert field.std() == pytest.approx(1, abs=1e-4)
    assert np.abs(np.diff(noise(rng, (256, 256), 64, 1), axis=0)).max() < 0.3
    light = illumination(rng, (64, 64), 0.4)
    assert light.max() <= 1.1
    assert light.min() == pytest.approx(0.6, abs=1e-5)
    counts = expose(rng, np.full((400, 400), 0.5, np.float32), np.uint16, photons=1000, read_noise=0.01)
    assert counts.dtype == np.uint16
    assert counts.mean() / 65535 == pytest.approx(0.5, abs=1e-3)
    assert counts.std() / 65535 == pytest.approx((0.5 / 1000 + 0.01**2) ** 0.5, rel=0.02)
