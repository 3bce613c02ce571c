import numpy as np
import pytest

from adapting import RATIO, here, there
from napari_organoid_synth.core.adapt.sizes import diameters, find_ratio, resized
from napari_organoid_synth.core.adapt.tones import Matching, find_polarity
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair

HERE, THERE = [here(seed) for seed in range(4)], [there(seed) for seed in range(10, 14)]


def images(pairs: list[SamplePair]) -> list[np.ndarray]:
    return [pair.image for pair in pairs]


def test_inverted_tones_are_found_in_the_images_alone_both_ways():
    found = find_polarity(images(HERE), images(THERE))
    assert found.inverted
    assert found.is_clear
    assert find_polarity(images(THERE), images(HERE)).inverted
    same = find_polarity(images(HERE[:2]), images(HERE[2:]))
    assert not same.inverted
    assert same.is_clear
    assert "inverted" in found.sentence
    assert "stay" in same.sentence


def test_tones_that_say_nothing_are_left_as_they_are():
    rng = np.random.default_rng(0)
    noise = [rng.normal(100, 10, (1, 64, 64)).astype(np.uint8) for _ in range(2)]
    found = find_polarity(noise[:1], noise[1:])
    assert not found.inverted
    assert not found.is_clear
    assert "set tones" in found.sentence


def test_matched_images_have_the_histogram_of_the_target():
    matching = Matching.of(images(HERE), images(THERE), True)
    made = np.concatenate([matching.apply(pair.image).ravel() for pair in HERE])
    wanted = np.concatenate([pair.image.ravel() for pair in THERE])
    assert made.dtype == wanted.dtype
    ranks = np.linspace(0.02, 0.98, 25)
    off = np.abs(np.quantile(made, ranks) - np.quantile(wanted, ranks)).mean()
    before = np.abs(
        np.quantile(255 - np.concatenate([p.image.ravel() for p in HERE]), ranks) - np.quantile(wanted, ranks)
    )
    assert off < 3 < 10 < before.mean()
    pair = HERE[0]
    matched, inside = matching.apply(pair.image)[0], pair.labels > 0
    assert matched[inside].mean() < matched[~inside].mean() - 30


def test_grey_images_get_the_colours_that_the_target_has_at_each_brightness():
    bright = THERE[0].image[0].astype(float) / 255
    stained = np.stack([60 + 190 * bright, 20 + 220 * bright, 110 + 130 * bright]).astype(np.uint8)
    made = Matching.of(images(HERE), [stained], True).apply(HERE[0].image)
    assert made.shape == (3, 96, 96)
    assert made.dtype == np.uint8
    inside = HERE[0].labels > 0
    nuclei, ground = made[:, inside].mean(axis=1), made[:, ~inside].mean(axis=1)
    assert nuclei[2] > nuclei[0] > nuclei[1]  # purple
    assert (ground > nuclei).all()


def test_other_channels_than_grey_and_rgb_are_refused():
    with pytest.raises(UserError, match="2 channels"):
        Matching.of([np.zeros((2, 8, 8))], images(THERE), False)


def test_the_ratio_of_sizes_is_found_in_the_images():
    found = find_ratio(HERE, THERE, True)
    assert found.value == pytest.approx(RATIO, rel=0.12)
    assert find_ratio(HERE[:2], HERE[2:], False).value == 1
    assert find_ratio(HERE, THERE, True, 2.0).value == 2


def test_no_ratio_is_made_up_where_sizes_are_mixed():
    mixed = [resized(pair, ratio) for pair, ratio in zip(HERE, (0.5, 0.5, 1.5, 1.5), strict=True)]
    found = find_ratio(mixed, THERE, True)
    assert found.value == 1
    assert "from image to image" in found.reason


def test_pixel_sizes_come_before_the_images():
    fine = [pair.replace(pixel_size=(0.5, 0.5)) for pair in HERE]
    coarse = [pair.replace(pixel_size=(0.25, 0.25)) for pair in HERE]
    assert find_ratio(fine, coarse, False).value == 2
    far = [pair.replace(pixel_size=(0.01, 0.01)) for pair in HERE]
    assert find_ratio(fine, far, False).value == 1


def test_resized_pairs_have_objects_of_the_wanted_size():
    large = resized(HERE[0], 1.5)
    assert large.size == (144, 144)
    assert large.image.dtype == np.uint8
    before, after = (np.median(diameters(pair.labels, "binary")) for pair in (HERE[0], large))
    assert after / before == pytest.approx(1.5, rel=0.05)
    assert resized(HERE[0], 1.0) is HERE[0]
