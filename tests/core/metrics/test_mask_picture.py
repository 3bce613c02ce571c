"""Masks as pictures: flows of objects, maps of classes, and what their features tell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.codec.heatflow import encode
from napari_organoid_synth.core.distances import frechet_distance, kernel_distance
from napari_organoid_synth.core.metrics.extractors.random import Random
from napari_organoid_synth.core.metrics.mask_picture import mask_picture
from napari_organoid_synth.core.metrics.set_measures import FLOW_SCORES, flow_measure
from napari_organoid_synth.core.pairs.pair import SamplePair
from simulated import sample, scene


def test_objects_are_the_flow_that_generators_draw() -> None:
    image, labels = scene(0, 64)
    picture = mask_picture(sample("a", image, labels), labels, 64)
    assert (picture.shape, picture.dtype) == ((3, 64, 64), np.float16)
    np.testing.assert_allclose(2 * picture.astype(np.float32) - 1, encode(labels), atol=2e-3)
    half = mask_picture(sample("a", image, labels), labels, 32).astype(np.float32)
    assert half.shape == (3, 32, 32)
    assert set(np.unique(half[0])) == {0, 1}  # labels are never averaged
    assert (half[1:, half[0] == 0] == 0.5).all()
    assert half[0].mean() == pytest.approx((labels > 0).mean(), rel=0.1)


def test_classes_are_one_map_each() -> None:
    labels = np.zeros((8, 8), np.int32)
    labels[:4], labels[4:, :2] = 1, 2
    pair = SamplePair("a", np.zeros((1, 8, 8), np.uint8), labels, "classes", ("cell", "gap", "none"))
    picture = mask_picture(pair, labels, 4)
    assert picture.shape == (3, 4, 4)
    np.testing.assert_array_equal(picture[0], [[1] * 4] * 2 + [[0] * 4] * 2)
    np.testing.assert_array_equal(picture[1], [[0] * 4] * 2 + [[1, 0, 0, 0]] * 2)
    assert not picture[2].any()


def test_distances_of_masks_see_masks_alone() -> None:
    torch.manual_seed(0)
    network = Random(3)

    def vectors(first: int, width: int = 1) -> np.ndarray:
        masks = [scene(first + seed, 64)[1] for seed in range(40)]
        masks = [np.repeat(mask[:, : 64 // width], width, 1) for mask in masks]
        return network([mask_picture(sample("a", np.zeros((1, 64, 64), np.uint16), m), m, 64) for m in masks])

    real, same, wide = vectors(0), vectors(100), vectors(100, 4)
    a, b = np.arange(40), np.arange(40, 80)
    good, bad = (flow_measure(real, other)(a, b) for other in (same, wide))
    assert good.keys() == {score.name for score in FLOW_SCORES}
    assert good["flow_kid"] == pytest.approx(kernel_distance(real, same), abs=1e-9)
    assert good["flow_fid"] == pytest.approx(frechet_distance(real, same), abs=1e-6)
    assert bad["flow_kid"] > 5 * abs(good["flow_kid"])
    assert bad["flow_fid"] > 2 * good["flow_fid"]
