"""Simulators: the same seed, the same pixels; labels that fit their image."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from napari_organoid_synth.core.pairs.pair import content_hash
from napari_organoid_synth.core.simulators.simulate import SIMULATORS, em, organoid_brightfield, tissue


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
