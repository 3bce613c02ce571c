"""Pools of images of any size, and the parts that are kept back of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts

SIDES = st.sampled_from([1, 17, 40, 64, 100, 200, 260])
IMAGES = st.lists(st.tuples(SIDES, SIDES, st.booleans()), min_size=1, max_size=5)


def pairs_of(images, channels: int) -> list[SamplePair]:
    """Noise with a grid of objects, or without any; every pixel of an image has a different value."""
    found = []
    for number, (height, width, has_objects) in enumerate(images):
        values = np.random.default_rng(number).permutation(channels * height * width).astype(np.float32)
        labels = np.zeros((height, width), np.int32)
        labels[::2, ::3] = has_objects
        found.append(SamplePair(f"p{number}", values.reshape(channels, height, width), labels))
    return found


@settings(max_examples=60, deadline=None)
@given(images=IMAGES, channels=st.sampled_from([1, 3]), whole=st.booleans())
def test_no_pixel_is_both_learned_and_held_and_none_is_lost(images, channels, whole):
    pairs = pairs_of(images, channels)
    train, held = hold_parts(pairs, whole)
    for pair in pairs:
        parts = [one.image for one in (*train, *held) if one.name == pair.name]
        assert np.array_equal(np.sort(np.concatenate([part.ravel() for part in parts])), np.sort(pair.image.ravel()))
        marked = sum(int(one.labels.sum()) for one in (*train, *held) if one.name == pair.name)
        assert marked == pair.labels.sum()
    assert len(train) == len(pairs)  # of five images none is kept back whole
    for part in held:
        area = next(pair for pair in pairs if pair.name == part.name).labels.size
        assert max(part.size) >= 48
        assert part.labels.size <= 0.4 * area


@settings(max_examples=40, deadline=None)
@given(
    images=IMAGES,
    channels=st.sampled_from([1, 3]),
    augment=st.sampled_from(["", "classical", "tissue", "organoid"]),
    whole=st.booleans(),
    foreground=st.sampled_from([0.0, 0.9]),
)
def test_crops_have_their_size_and_only_pixels_of_the_pairs(images, channels, augment, whole, foreground):
    pairs = pairs_of(images, channels)
    train, held = hold_parts(pairs)
    extra = [pairs[0].replace(name="s", source=Source("synthetic"))]
    pool = CropPool(train, extra, augment=augment, held=held)
    for step in range(2):
        drawn, labels = pool.draw(step, 3, 48, whole=whole, foreground=foreground)
        assert (drawn.shape, labels.shape) == ((3, channels, 48, 48), (3, 48, 48))
        assert np.isfinite(drawn).all()
        assert set(np.unique(labels)) <= {0, 1}
    crops, marks = pool.held_crops(6, 48)
    assert crops.shape == (len(marks), channels, 48, 48)
    assert min(len(held), 6) <= len(marks) <= 6
    assert np.isfinite(crops).all()


@pytest.mark.parametrize(("number", "aside"), [(3, 0), (8, 3), (20, 4)])
@pytest.mark.parametrize("augment", ["", "classical"])
def test_whole_images_of_a_single_object(number, aside, augment):
    pairs = pairs_of([(40 + 7 * index, 120, True) for index in range(number)], 1)
    train, held = hold_parts(pairs, whole=True)
    assert (len(train), len(held)) == (number - aside, aside)
    drawn, _ = CropPool(train, augment=augment, held=held).draw(0, 4, 64, whole=True)
    assert drawn.shape == (4, 1, 64, 64)
    again = hold_parts(pairs[::-1], whole=True)[1]
    assert {pair.name for pair in again} == {pair.name for pair in held}


def test_held_crops_take_from_every_pair_as_long_as_there_are_enough():
    pairs = pairs_of([(260, 260, True)] * 5, 1)
    _, held = hold_parts(pairs)
    for number in (5, 9, 12):
        crops, _ = CropPool(pairs, held=held).held_crops(number, 32)
        assert len(crops) == number
        normalised = [CropPool([pair], usual=CropPool(pairs).usual) for pair in pairs]
        values = [set(np.unique(pool.draw(0, 1, 260)[0])) for pool in normalised]
        of_each = [sum(set(np.unique(crop)) <= known for crop in crops) for known in values]
        assert min(of_each) >= number // 5
