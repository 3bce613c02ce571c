"""Pairs from arrays in memory."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.arrays import as_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.simulate import em, tissue

IMAGE = np.arange(48, dtype=np.uint16).reshape(6, 8)
LABELS = np.zeros((6, 8), int)
LABELS[1:3, 1:4] = 255
LABELS[4:6, 5:8] = 255


def test_tuples_become_pairs_and_pairs_stay_as_they_are() -> None:
    pair = tissue(0, size=64)
    kept, made = as_pairs([pair, (pair.image[0], pair.labels.astype(np.uint8))], source="synthetic")
    assert kept is pair
    assert (made.name, made.mask_kind, made.class_names) == ("pair_001", "instances", ("nucleus",))
    assert made.image.shape == (1, 64, 64)
    assert made.image.dtype == np.uint8
    assert made.labels.dtype == np.int32
    assert np.array_equal(made.labels, pair.labels)
    assert (kept.source.kind, made.source.kind) == ("simulated", "synthetic")


def test_the_kind_of_a_mask_is_found_as_for_files() -> None:
    [binary] = as_pairs([(IMAGE, LABELS)])
    assert (binary.mask_kind, binary.class_names) == ("binary", ("object",))
    assert set(np.unique(binary.labels)) == {0, 1}
    classes = [em(seed, 64) for seed in range(5)]
    made = as_pairs([(pair.image, pair.labels) for pair in classes], name="cell")
    assert {pair.mask_kind for pair in made} == {"classes"}
    assert made[0].class_names == ("class 1", "class 2")
    assert [pair.name for pair in made] == [f"cell_{index:03d}" for index in range(5)]
    assert np.array_equal(made[4].labels, classes[4].labels)


def test_the_kind_can_be_that_of_another_pair() -> None:
    like = SamplePair("other", IMAGE[None], (LABELS > 0).astype(np.int32), "instances", ("cell",))
    [made] = as_pairs([(IMAGE, LABELS)], like=like)
    assert (made.mask_kind, made.class_names, made.n_objects) == ("instances", ("cell",), 2)
    [empty] = as_pairs([(IMAGE, 0 * LABELS)], like=like)
    assert empty.n_objects == 0


@pytest.mark.parametrize(
    ("image", "labels", "message"),
    [
        (IMAGE, LABELS[:4], "'pair_000': the image is 8 × 6 px, the mask 8 × 4 px"),
        (np.stack(3 * [IMAGE], axis=-1), LABELS, r"shape \(6, 8, 3\), with its 3 channels last.*moveaxis"),
        (IMAGE[0], LABELS[0], r"shape \(8,\)\. Expected \(channel, y, x\) or \(y, x\)"),
        (IMAGE, LABELS + 0.5, "'pair_000' is float64 with fractions such as 0.5"),
        (IMAGE, -LABELS, "contains the label -255"),
    ],
)
def test_arrays_that_are_not_a_pair_are_refused(image: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        as_pairs([(image, labels)])


def test_no_pair_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="There are no synthetic pairs"):
        as_pairs([], source="synthetic")
