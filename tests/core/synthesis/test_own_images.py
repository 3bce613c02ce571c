"""A mask is not painted from its own image, whatever way it takes to the painter."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.simulators.simulate import em, tissue
from napari_organoid_synth.core.simulators.warp import warp_labels
from napari_organoid_synth.core.synthesis.own_images import is_new_layout, pairs_with_mask

PAIRS = [tissue(seed, 128).replace(name=f"image {seed}") for seed in range(3)]


def test_only_new_layouts_may_be_painted_with_their_own_image() -> None:
    for origin in ({"kind": "real"}, {"kind": "file"}, {"kind": "given"}, {"kind": "warped", "warp": 0.99}):
        assert not is_new_layout(origin), origin
    for origin in ({"kind": "moved"}, {"kind": "arranged"}, {"kind": "fitted"}, {"kind": "warped", "warp": 1.0}):
        assert is_new_layout(origin), origin


@pytest.mark.parametrize("make", [lambda labels: labels, np.fliplr, lambda labels: np.rot90(labels[:, ::-1], 3)])
def test_a_real_mask_is_found_turned_cut_or_with_other_numbers(make) -> None:  # type: ignore[no-untyped-def]
    labels = make(PAIRS[1].labels)
    assert pairs_with_mask(labels, PAIRS) == {"image 1"}
    assert pairs_with_mask(labels[20:90, 30:110], PAIRS) == {"image 1"}
    assert pairs_with_mask(labels * 7, PAIRS) == {"image 1"}


def test_a_mask_with_a_real_one_inside_is_found() -> None:
    assert pairs_with_mask(
        PAIRS[2].labels, [PAIRS[2].replace(labels=PAIRS[2].labels[10:90, 5:100], image=PAIRS[2].image[:, 10:90, 5:100])]
    ) == {"image 2"}


def test_new_masks_are_nobodys() -> None:
    rng = np.random.default_rng(0)
    assert pairs_with_mask(tissue(9, 128).labels, PAIRS) == frozenset()
    assert pairs_with_mask(warp_labels(PAIRS[0].labels, rng, 1.0), PAIRS) == frozenset()
    full = em(0, 128).replace(name="em")
    assert pairs_with_mask(em(1, 128).labels, [full]) == frozenset()
    assert pairs_with_mask(np.ones((64, 64), np.int32), PAIRS) == frozenset()
