from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash


def test_sizes_must_agree() -> None:
    with pytest.raises(UserError) as caught:
        SamplePair("a", np.zeros((1, 4, 5), np.uint8), np.zeros((4, 6), np.int32))
    assert str(caught.value) == (
        "'a': the image is 5 × 4 px, the mask 6 × 4 px. Expected the same height and width. "
        "Export the mask again at the size of the image."
    )
    with pytest.raises(UserError, match="has 2 axes"):
        SamplePair("a", np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.int32))


def test_objects_are_counted_without_background() -> None:
    labels = np.zeros((4, 5), np.int32)
    labels[0], labels[2] = 3, 7
    pair = SamplePair("a", np.zeros((1, 4, 5), np.uint8), labels, "instances")
    assert pair.n_objects == 2
    assert pair.size == (4, 5)


def test_the_hash_sees_values_shape_and_dtype_not_layout() -> None:
    a = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert content_hash(a) == content_hash(np.asfortranarray(a))
    others = [a + 1, a.reshape(3, 2), a.astype(np.uint16)]
    assert len({content_hash(x) for x in [a, *others]}) == 4


def test_a_shrunk_pair_keeps_means_and_every_label_of_its_middle() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 65536, (3, 60, 90)).astype(np.uint16)
    image[1] = 500
    labels = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((30, 30), int)).astype(np.int32)
    pair = SamplePair("a", image, labels, "instances", pixel_size=(0.5, 0.25))
    small = pair.shrunk(1 / 3)
    assert (small.image.shape, small.image.dtype) == ((3, 20, 30), np.uint16)
    np.testing.assert_array_equal(small.labels, np.kron(np.arange(1, 7).reshape(2, 3), np.ones((10, 10), int)))
    assert small.pixel_size == pytest.approx((1.5, 0.75))
    assert np.all(small.image[1] == 500)  # no border grows dark
    assert small.image[0].mean() == pytest.approx(image[0].mean(), rel=0.02)
    assert small.image[0].std() < 0.5 * image[0].std()  # averaged, not picked
    assert pair.shrunk(1) is pair
    floats = pair.replace(image=image.astype(np.float32) / 7).shrunk(0.34)
    assert (floats.image.shape, floats.image.dtype) == ((3, 20, 31), np.float32)


def test_a_whole_pair_is_the_middle_square_at_one_size() -> None:
    labels = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((30, 30), int)).astype(np.int32)
    pair = SamplePair("a", 100 * labels[None].astype(np.uint16), labels, "instances", pixel_size=(0.5, 0.5))
    whole = pair.whole(20)
    assert (whole.image.shape, whole.image.dtype, whole.size) == ((1, 20, 20), np.uint16, (20, 20))
    columns = np.repeat([1, 2, 3], (5, 10, 5))  # of 90 columns the 60 in the middle, at a third
    np.testing.assert_array_equal(whole.labels[0], columns)
    np.testing.assert_array_equal(whole.labels[-1], columns + 3)
    assert (whole.image[0, 0, 0], whole.image[0, 0, 10], whole.image[0, -1, -1]) == (100, 200, 600)
    assert whole.pixel_size == pytest.approx((1.5, 1.5))
    assert pair.whole(120).size == (120, 120)  # a small one is enlarged
    assert whole.whole(20).image.base is not None
    np.testing.assert_array_equal(whole.whole(20).image, whole.image)
