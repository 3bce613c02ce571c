import numpy as np
import pytest

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts


def textured(name: str, height: int, width: int, labels=None, kind="binary", channels: int = 1) -> SamplePair:
    """An image of noise; by default with an object of 8 px in each square of 16 px."""
    seed = sum(map(ord, name)) * 1009 + height * 31 + width
    image = np.random.default_rng(seed).integers(0, 255, (channels, height, width)).astype(np.uint8)
    if labels is None:
        labels = np.kron(np.ones((height // 16 + 1, width // 16 + 1)), np.pad(np.ones((8, 8)), 4))[:height, :width]
    return SamplePair(name, image, labels.astype(np.int32), kind, ("a", "b", "c") if kind == "classes" else ("object",))


@pytest.mark.parametrize(
    ("size", "band"),
    [((256, 256), (48, 256)), ((300, 1000), (300, 150)), ((1024, 1024), (154, 1024)), ((100, 900), (100, 135))],
)
def test_a_band_at_one_end_of_the_longer_side_is_kept_back(size, band):
    pair = textured("p", *size)
    (rest,), (held,) = hold_parts([pair])
    assert held.size == band
    assert rest.name == held.name == "p"
    axis = int(band[0] == size[0])
    joined = [np.concatenate(order, axis=axis + 1) for order in ((held.image, rest.image), (rest.image, held.image))]
    assert sum(np.array_equal(image, pair.image) for image in joined) == 1  # no pixel twice, none lost
    at_start = np.array_equal(joined[0], pair.image)
    parts = (held.labels, rest.labels) if at_start else (rest.labels, held.labels)
    assert np.array_equal(np.concatenate(parts, axis=axis), pair.labels)


def test_the_same_pairs_in_any_order_are_split_alike():
    pairs = [textured(name, 256, 300) for name in "abcde"]
    train, held = hold_parts(pairs)
    again, held_again = hold_parts(pairs[::-1])
    for part, other in ((train, again), (held, held_again)):
        assert [pair.name for pair in part] == [pair.name for pair in other[::-1]] == list("abcde")
        assert all(np.array_equal(one.image, two.image) for one, two in zip(part, other[::-1], strict=True))


def test_images_too_small_for_a_band_are_learned_from_as_a_whole():
    train, held = hold_parts([textured("small", 100, 191), textured("large", 100, 192)])
    assert [pair.size for pair in train] == [(100, 191), (100, 144)]
    assert [pair.size for pair in held] == [(100, 48)]


def test_a_band_grows_until_it_holds_a_part_of_an_object_in_the_middle():
    y, x = np.mgrid[:384, :384]
    disc = (y - 192) ** 2 + (x - 192) ** 2 < 110**2
    (rest,), (held,) = hold_parts([textured("p", 384, 384, disc)])
    assert 0.13 < held.labels.sum() / disc.sum() < 0.18
    assert held.labels.sum() + rest.labels.sum() == disc.sum()
    assert max(held.size) == 384
    assert min(held.size) <= 0.4 * 384


def test_an_object_out_of_reach_of_any_band_is_not_cut():
    """One object in the middle tenth: of few images none can be spared, of eight three whole ones."""
    labels = np.zeros((400, 400))
    labels[180:220, 180:220] = 1
    for number, aside in ((7, 0), (8, 3), (20, 4)):
        pairs = [textured(chr(97 + index), 400, 400, labels) for index in range(number)]
        train, held = hold_parts(pairs)
        assert (len(train), len(held)) == (number - aside, aside)
        assert all(pair.size == (400, 400) for pair in (*train, *held))


@pytest.mark.parametrize(("number", "aside"), [(1, 0), (3, 0), (7, 0), (8, 3), (15, 3), (20, 4)])
def test_of_whole_images_a_fifth_is_put_aside(number, aside):
    pairs = [textured(chr(97 + index), 256, 256) for index in range(number)]
    train, held = hold_parts(pairs, whole=True)
    assert sorted(pair.name for pair in (*train, *held)) == [pair.name for pair in pairs]
    assert len(held) == aside


def test_the_only_objects_of_a_class_are_learned_from():
    labels = np.zeros((256, 256))
    labels[:, ::4] = 1
    rare = labels.copy()
    rare[:, 0:20] = 2  # within the bands of 48 px at the left end
    rare[:, -20:] = 2
    only = labels.copy()
    only[:, :3] = only[:3] = only[:, -3:] = only[-3:] = 3
    pairs = [textured("a", 256, 256, labels, "classes"), textured("b", 256, 256, only, "classes")]
    train, held = hold_parts(pairs)
    assert {value for pair in train for value in np.unique(pair.labels)} == {0, 1, 3}
    train, held = hold_parts([textured("a", 256, 256, rare, "classes")])
    assert {value for pair in train for value in np.unique(pair.labels)} == {0, 1, 2}
    assert len(held) == 1


def test_images_without_objects_give_a_band_too():
    _, held = hold_parts([textured("empty", 256, 256, np.zeros((256, 256))), textured("full", 256, 256)])
    assert [pair.name for pair in held] == ["empty", "full"]
    nothing = [textured(name, 256, 256, np.zeros((256, 256))) for name in "ab"]
    assert len(hold_parts(nothing)[1]) == 2


def test_held_crops_cover_the_held_pairs_once_and_do_not_depend_on_the_arm():
    pairs = [textured(name, 300, 400, channels=2) for name in "abc"]
    train, held = hold_parts(pairs)
    pool = CropPool(train, held=held)
    images, labels = pool.held_crops(100, 32)
    assert images.shape == (3 * 10 * 2, 2, 32, 32)  # bands of 300 × 60 px
    assert labels.shape == (60, 32, 32)
    other = CropPool(train, pairs[:1], augment="classical", seed=7, ratio=3, held=held)
    for steps in range(2):
        other.draw(steps, 2, 32)
    assert all(np.array_equal(one, two) for one, two in zip(other.held_crops(100, 32), (images, labels), strict=True))
    few, _ = pool.held_crops(7, 32)
    assert len(few) == 7
    assert all(any(np.array_equal(crop, one) for one in images) for crop in few)


def test_held_pairs_are_never_drawn_and_are_part_of_the_identity():
    real, held = textured("a", 64, 64), textured("b", 64, 64, np.full((64, 64), 1))
    pool = CropPool([real.replace(labels=np.zeros((64, 64), np.int32))], held=[held])
    assert not any(pool.draw(step, 4, 32)[1].any() for step in range(20))
    assert pool.identity != CropPool(pool.real).identity
    assert CropPool(pool.real).held_crops(5, 32)[0].shape == (0, 1, 32, 32)


def test_a_band_is_normalised_like_the_rest_of_its_image():
    """The band is darker than the rest; by its own range it would be as bright."""
    image = np.full((1, 256, 256), 100, np.uint16)
    image[:, :, ::2] = 1000
    image[:, :, :64] //= 4
    pair = SamplePair("p", image, np.ones((256, 256), np.int32))
    _, held = hold_parts([pair])
    assert held[0].size == (48, 256)
    pool = CropPool([pair], held=[held[0]])
    crops, _ = pool.held_crops(10, 48)
    whole = CropPool([pair]).draw(0, 1, 256)[0][0]
    assert any(np.array_equal(crops[0], whole[:, rows, :48]) for rows in (slice(0, 48), slice(208, 256)))
