"""Simulators: the same seed, the same pixels; labels that fit their image; masks that warp without damage."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from napari_organoid_synth.core.pairs.pair import content_hash
from napari_organoid_synth.core.simulators.simulate import SIMULATORS, em, organoid_brightfield, tissue, warp_labels
from napari_organoid_synth.core.simulators.texture import enlarge, expose, illumination, noise


@pytest.mark.parametrize("name", SIMULATORS)
def test_a_seed_repeats_its_pixels(name: str):
    one, same, other = (SIMULATORS[name](seed, 96) for seed in (3, 3, 4))
    assert content_hash(one.image, one.labels) == content_hash(same.image, same.labels)
    assert content_hash(one.image) != content_hash(other.image)
    assert json.loads(json.dumps(one.source.provenance))["simulator"] == name
    assert one.source.kind == "simulated"


@pytest.mark.parametrize("name", SIMULATORS)
@pytest.mark.parametrize("size", [32, 64, 200])
def test_any_size(name: str, size: int):
    pair = SIMULATORS[name](2**63 + 5, size)
    assert pair.image.shape == (1, size, size)
    assert pair.labels.dtype == np.int32
    assert pair.labels.max() >= 1
    assert pair.pixel_size is not None
    assert pair.image.std() > 0


def test_kinds_types_and_classes():
    organoid, neuropil, nuclei = organoid_brightfield(0), em(0), tissue(0)
    assert (organoid.mask_kind, organoid.image.dtype) == ("binary", np.uint16)
    assert organoid.image.max() > 255
    assert (neuropil.mask_kind, neuropil.image.dtype) == ("classes", np.uint8)
    assert neuropil.class_names == ("mitochondria", "membranes")
    assert (nuclei.mask_kind, nuclei.image.dtype) == ("instances", np.uint8)


def test_labels_mark_what_they_name():
    for seed in range(6):
        for pair, darker in ((organoid_brightfield(seed), True), (tissue(seed), False)):
            inside, outside = pair.image[0][pair.labels > 0].mean(), pair.image[0][pair.labels == 0].mean()
            assert (inside < 0.75 * outside) if darker else (inside > 2 * outside)
        pair = em(seed)
        plasma, mitochondria, membranes = (pair.image[0][pair.labels == k].mean() for k in range(3))
        assert mitochondria < 0.85 * plasma
        assert membranes < 0.75 * plasma
        assert 0.03 < (pair.labels == 2).mean() < 0.4


def test_cells_overlap_by_a_tenth_at_most_and_touch_on_request():
    labels = tissue(3, 256, n_cells=150).labels
    assert labels.max() >= 145
    assert (labels > 0).mean() > 0.4
    across = (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
    touching = np.unique(np.concatenate([labels[:, 1:][across], labels[:, :-1][across]]))
    assert len(touching) > 100
    pieces = [label(labels == number)[1] for number in range(1, labels.max() + 1)]
    assert np.mean(np.array(pieces) == 1) > 0.95
    apart = tissue(1, 256, n_cells=40, touching=False).labels
    for number in range(1, apart.max() + 1):
        assert not (binary_dilation(apart == number) & (apart > 0) & (apart != number)).any()


def test_tissue_without_room_leaves_cells_out():
    labels = tissue(0, 64, n_cells=1).labels
    assert labels.max() == 1
    assert tissue(0, 32, n_cells=200).labels.max() <= 200


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
