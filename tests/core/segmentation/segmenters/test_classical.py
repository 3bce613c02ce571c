import numpy as np
import pytest

from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.core.segmentation.segmenters.classical import (
    Strength,
    _blurred,
    _sample,
    classical_crop,
)
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool

SAME_LIGHT = {"gamma": 1.0, "gain": 1.0, "offset": 0.0, "blur": 0.0, "noise": 0.0}
SHAPE_ALONE = Strength(**SAME_LIGHT)
LIMITS = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)


def squares(height: int = 200, width: int = 200, channels: int = 1) -> SamplePair:
    """Squares of 20 px in every second place; the image is the mask."""
    y, x = np.mgrid[:height, :width] // 20
    labels = ((y + x) % 2).astype(np.int32)
    return SamplePair("p", np.repeat(labels[None], channels, 0).astype(np.float32), labels)


def crop(pair, size=64, seed=0, strength=SHAPE_ALONE, foreground=False):
    return classical_crop(pair, size, np.random.default_rng(seed), *LIMITS, foreground, strength)


@pytest.mark.parametrize("shape", [(200, 200), (40, 40), (30, 270), (1, 50), (50, 1), (2, 2)])
def test_labels_move_with_the_image(shape):
    for seed in range(5):
        image, labels = crop(squares(*shape), seed=seed)
        assert (image.shape, labels.shape, labels.dtype) == ((1, 64, 64), (64, 64), np.int32)
        assert np.array_equal(image[0] > 0.5, labels == 1) or np.mean((image[0] > 0.5) != (labels == 1)) < 0.002


def test_places_between_pixels_are_linear_and_those_beyond_the_image_mirrored():
    image = np.random.default_rng(0).random((2, 5, 7)).astype(np.float32)
    labels = np.arange(35, dtype=np.int32).reshape(5, 7)
    y, x = np.meshgrid(np.arange(-6, 12), np.arange(-9, 15), indexing="ij")
    padded = np.pad(image, [(0, 0), (6, 7), (9, 8)], mode="reflect")
    numbered = np.pad(labels, [(6, 7), (9, 8)], mode="reflect")
    found, names = _sample(SamplePair("p", image, labels), np.stack([y, x]).astype(np.float32))
    assert found == pytest.approx(padded, abs=1e-6)
    assert np.array_equal(names, numbered)
    found, _ = _sample(SamplePair("p", image, labels), np.stack([y[:-1] + 0.25, x[:-1]]).astype(np.float32))
    assert found == pytest.approx(0.75 * padded[:, :-1] + 0.25 * padded[:, 1:], abs=1e-6)


def test_sizes_change_by_the_factors_of_zoom_and_no_further():
    """The area of a square in a crop is 400 px times a factor squared."""
    pair = squares(400, 400)
    labels = np.zeros((400, 400), np.int32)
    labels[190:210, 190:210] = 1
    pair = pair.replace(labels=labels)
    areas = []
    for seed in range(300):
        _, found = crop(pair, 300, seed, Strength(zoom=1.3, bend=0.0, **SAME_LIGHT))
        if found[1:-1, 1:-1].sum() == found.sum() > 0:
            areas.append(found.sum() / 400)
    sides = np.sqrt(areas)
    assert 1 / 1.33 < sides.min() < 0.82
    assert 1.22 < sides.max() < 1.33
    assert np.mean(np.log(sides)) == pytest.approx(0, abs=0.04)


def test_an_image_no_larger_than_the_crop_is_shown_at_many_places():
    """Its centre is found up to an eighth of the crop away from the middle, in all directions."""
    labels = np.zeros((64, 64), np.int32)
    labels[30:34, 30:34] = 1
    pair = SamplePair("p", labels[None].astype(np.float32), labels)
    none = Strength(zoom=1.0, bend=0.0, **SAME_LIGHT)
    centres = np.array([np.argwhere(crop(pair, 64, seed, none)[1]).mean(axis=0) - 31.5 for seed in range(200)])
    distance = np.hypot(*centres.T)
    assert 8 < distance.max() < 8 * np.sqrt(2) + 1
    assert abs(centres.mean(axis=0)).max() < 1
    assert len(np.unique(centres.round(), axis=0)) > 60


def test_synthetic_crops_as_large_as_their_tile_are_augmented_too():
    real, tile = squares(), squares(64, 64).replace(source=Source("synthetic"))
    pool = CropPool([real], [tile], augment="classical", ratio=float("inf"))
    images = pool.draw(0, 6, 64)[0]
    assert all(not np.array_equal(images[0], other) for other in images[1:])
    plain = CropPool([real], [tile], ratio=float("inf")).draw(0, 6, 64)[0]
    assert all(np.array_equal(plain[0], other) for other in plain[1:])


@pytest.mark.parametrize("size", [32, 64])
def test_crops_that_must_hold_an_object_do(size):
    labels = np.zeros((300, 300), np.int32)
    labels[5:9, 280:284] = 1  # in a corner
    pair = SamplePair("p", labels[None].astype(np.float32), labels)
    assert all(crop(pair, size, seed, foreground=True)[1].any() for seed in range(60))
    assert np.mean([crop(pair, size, seed)[1].any() for seed in range(60)]) < 0.3
    empty = pair.replace(labels=np.zeros_like(labels))
    assert not crop(empty, size, foreground=True)[1].any()


def test_light_follows_the_limits():
    """Of a constant image of 0.5 the crop is 0.5 ** gamma * gain + offset, with noise."""
    pair = SamplePair("p", np.full((1, 80, 80), 0.5, np.float32), np.ones((80, 80), np.int32))
    strength = Strength(zoom=1.0, bend=0.0, gamma=1.5, gain=1.2, offset=0.1, blur=0.0, noise=0.03)
    images = np.stack([crop(pair, 64, seed, strength)[0] for seed in range(200)])
    means, noise = images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3))
    assert 0.5**1.5 / 1.2 - 0.11 < means.min() < 0.5
    assert 0.6 < means.max() < 0.5 ** (1 / 1.5) * 1.2 + 0.11
    assert noise.max() < 0.0315
    assert noise.min() < 0.002
    still = crop(pair, 64, 0, SHAPE_ALONE)[0]
    assert still == pytest.approx(np.full((1, 64, 64), 0.5), abs=1e-6)


def test_channels_of_rgb_change_alike_and_others_each_on_its_own():
    pair = SamplePair("p", np.full((3, 80, 80), 0.5, np.float32), np.ones((80, 80), np.int32))
    strength = Strength(zoom=1.0, bend=0.0, noise=0.0, blur=0.0)
    for names, alike in ((RGB, True), ((), False)):
        image = crop(pair.replace(channel_names=names), 64, 3, strength)[0]
        levels = image.mean(axis=(1, 2))
        assert np.allclose(levels, levels[0], atol=1e-5) == alike


def test_blur_is_a_gaussian():
    point = np.zeros((1, 15, 15), np.float32)
    point[0, 7, 7] = 1
    found = _blurred(point, 1.0)[0]
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found[7, 7] == pytest.approx(0.1621, abs=2e-4)  # (1 / (1 + 2 e^-0.5 + 2 e^-2)) squared
    assert found[7, 8] / found[7, 7] == pytest.approx(np.exp(-0.5), abs=1e-4)


def test_the_same_step_gives_the_same_bits_and_the_identity_holds_the_strength():
    pair = squares(100, 150, 2)
    first, again, other = (CropPool([pair], augment="classical", seed=seed) for seed in (3, 3, 4))
    for whole in (False, True):
        draws = [pool.draw(7, 3, 48, whole=whole) for pool in (first, again, other)]
        assert np.array_equal(draws[0][0], draws[1][0])
        assert np.array_equal(draws[0][1], draws[1][1])
        assert not np.array_equal(draws[0][0], draws[2][0])
    again.strength = SHAPE_ALONE
    assert first.identity != again.identity
