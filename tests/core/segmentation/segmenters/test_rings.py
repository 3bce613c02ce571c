"""Rings that touch each other: the U-Net learns inside and outline, and keeps every ring with its hole."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.agreement import overlaps
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

SIZE = 128
SETTINGS = UNetConfig(channels=8, depth=3, tile=64, batch=4, learning_rate=5e-3)


def rings(seed: int, wall: float) -> SamplePair:
    """Three rows of rings that touch, with walls of this width, px; in each second one lies a disc of its own."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((SIZE, SIZE), np.int32)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    number = 0
    for row in range(3):
        y, x = 24 + 40 * row + rng.uniform(-2, 2), rng.uniform(4, 8)
        while x + 2 * (radius := rng.uniform(14, 18)) < SIZE - 2:
            away = np.hypot(rows - y, columns - x - radius)
            number += 1
            labels[(away <= radius) & (away > radius - wall) & (labels == 0)] = number
            if number % 2:
                number += 1
                labels[away < 4] = number
            x += 2 * radius
    image = 60 + 110 * (labels > 0) + rng.normal(0, 6, labels.shape)
    return SamplePair(f"r{seed}", image[None].clip(0, 255).astype(np.uint8), labels, "instances", ("ring",))


@pytest.mark.parametrize("wall", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_touching_rings_are_found_each_with_its_hole(wall: int) -> None:
    unet = UNet(SETTINGS, SegmentSpec(1, "instances", ("ring",)), "cpu", 0)
    list(unet.fit(CropPool([rings(seed, wall) for seed in range(3)]), 150, Control()))
    test = rings(10, wall)
    found = unet.predict(test.image).labels
    rows, _, iou, (n_true, n_found) = overlaps(test.labels, found)
    best = np.zeros(n_true)
    np.maximum.at(best, rows, iou)
    assert n_found == n_true > 12
    assert best.min() > 0.95
