"""Sharpness against its formula written out, and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import blur_effect

from napari_organoid_synth.core.metrics.sharpness import Sharpness, hf_energy
from napari_organoid_synth.core.pairs.pair import SamplePair


def test_energy_equals_the_formula_written_out() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    padded = np.pad(image.astype(float), 1, mode="edge")
    residue = np.empty(image.shape)
    for y in range(40):
        for x in range(50):
            residue[y, x] = image[y, x] - np.median(padded[y : y + 3, x : x + 3])
    blocks = [residue[y : y + 16, x : x + 16] for y in (0, 16) for x in (0, 16, 32)]
    expected = np.mean([((block - np.median(block)) ** 2).mean() for block in blocks])
    assert hf_energy(image) == pytest.approx(expected, rel=1e-6)
    assert hf_energy(image) == hf_energy(image.astype(np.float64))


def test_energy_of_simple_images() -> None:
    assert hf_energy(np.full((32, 32), 9.0)) == 0
    ramp = np.tile(np.arange(32.0), (32, 1))
    assert hf_energy(ramp) == 0  # a 3 × 3 median leaves a plane as it is
    spikes = np.zeros((32, 32))
    spikes[8, 8] = spikes[24, 24] = 16
    assert hf_energy(spikes) == pytest.approx((16**2 / 256) / 2)  # one spike in two of four blocks


def make(sigma: float, noise: float = 0.0, seed: int = 0) -> SamplePair:
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.normal(size=(96, 96)), sigma)
    image = image / image.std() + noise * rng.normal(size=image.shape)
    image = (20_000 + 3000 * image).astype(np.uint16)
    return SamplePair("a", image[None], np.zeros((96, 96), np.int32))


def test_blurred_and_noisy_are_told_apart() -> None:
    metric = Sharpness().fit([make(1.5, seed=seed) for seed in range(12)])
    assert metric.judge(make(1.5, seed=9)).message == "sharp"
    assert metric.judge(make(4, seed=9)).message == "blurred"
    assert metric.judge(make(1.5, noise=0.7, seed=9)).message == "noisy"
    values = metric(make(1.5, seed=9))
    assert metric.ranges["hf_energy"].low < values["hf_energy"] < metric.ranges["hf_energy"].high


def test_blur_is_that_of_scikit_image_whatever_the_units() -> None:
    pair = make(2)
    metric = Sharpness().fit([pair])
    assert metric(pair)["blur"] == pytest.approx(blur_effect(pair.image[0].astype(np.float64)), rel=1e-4)
    low, high = metric._limits[0]
    scaled = 255 * (pair.image[0] - low) / (high - low)
    assert metric(pair)["hf_energy"] == pytest.approx(hf_energy(scaled), rel=1e-4)


def test_a_constant_image_is_as_blurred_as_can_be() -> None:
    metric = Sharpness().fit([make(1.5, seed=seed) for seed in range(2)])
    flat = make(1).replace(image=np.full((1, 96, 96), 7, np.uint16))
    judgement = metric.judge(flat)
    assert judgement.values == {"hf_energy": 0.0, "blur": 1.0}
    assert judgement.message == "blurred"
