"""Masks that warp without damage."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.simulators.tissue import tissue
from napari_organoid_synth.core.simulators.warp import warp_labels


def test_warp_at_strength_0_is_one_of_the_eight_orientations():
    labels = tissue(0, 64).labels
    views = [np.rot90(m, k) for k in range(4) for m in (labels, labels[:, ::-1])]
    seen = set()
    for seed in range(40):
        warped = warp_labels(labels, np.random.default_rng(seed), 0)
        matches = [k for k, view in enumerate(views) if np.array_equal(view, warped)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) == 8


def test_warp_keeps_shape_values_and_most_objects():
    labels = tissue(1, 128).labels[:, :100]
    rng = np.random.default_rng(5)
    for _ in range(10):
        warped = warp_labels(labels, rng)
        assert warped.shape == labels.shape
        assert warped.dtype == np.int32
        assert set(np.unique(warped)) <= set(np.unique(labels))
        assert len(np.unique(warped)) > 0.8 * len(np.unique(labels))
        assert (warped > 0).mean() == pytest.approx((labels > 0).mean(), abs=0.12)
        assert not np.array_equal(warped, labels)
    same = (warp_labels(labels, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(*same)


def test_warp_reflects_at_the_border():
    stripes = np.ones((64, 64), np.int32)
    assert (warp_labels(stripes, np.random.default_rng(0), 2) == 1).all()
