"""Light and noise: neutral settings change nothing, a part is as the whole, and looks are matched exactly."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skimage.exposure import match_histograms

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.live.light import LightSettings, apply_light
from napari_organoid_synth.core.live.look import Look

DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "float32", "float64")
ALL = LightSettings(brightness=0.1, contrast=1.3, gamma=0.8, blur=1.5, gradient=0.5, angle=40, noise=0.05)
EACH = [{"brightness": 0.2}, {"contrast": 0.5}, {"gamma": 2.0}, {"blur": 3.0}, {"gradient": 1.0}, {"noise": 0.1}]


def image_of(dtype: str, shape: tuple[int, ...] = (2, 300, 280)) -> np.ndarray[Any, Any]:
    numbers = np.random.default_rng(0).gamma(2.0, 0.1, shape).clip(0, 1)
    return (numbers if dtype.startswith("float") else numbers * 120).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_neutral_settings_change_no_bit(dtype: str) -> None:
    image = image_of(dtype)
    found = apply_light(image, LightSettings())
    assert found.dtype == image.dtype
    assert np.array_equal(found, image)
    assert not np.shares_memory(found, image)
    assert LightSettings(angle=90).is_neutral


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("settings", [ALL, *(LightSettings(**one) for one in EACH)])
def test_a_part_alone_is_that_part_of_the_whole(dtype: str, settings: LightSettings) -> None:
    image, look = image_of(dtype), image_of(dtype, (2, 50, 60))[:, ::-1] // 2
    before = image.copy()
    whole = apply_light(image, settings, 5, look=Look.between(image, look), span=(0, 100))
    assert whole.dtype == image.dtype
    assert not np.array_equal(whole, image)
    assert np.array_equal(image, before)
    for box in ((0, 0, 20, 30), (100, 240, 290, 280), (299, 0, 300, 280)):
        part = apply_light(image, settings, 5, box, Look.between(image, look), (0, 100))
        assert np.array_equal(part, whole[:, box[0] : box[2], box[1] : box[3]])


def test_a_change_spreads_as_far_as_the_reach() -> None:
    image = image_of("float64")
    changed = image.copy()
    changed[:, 150, 140] += 0.5
    settings = LightSettings(blur=2)
    differ = np.argwhere(apply_light(image, settings, span=(0, 2)) != apply_light(changed, settings, span=(0, 2)))[
        :, 1:
    ]
    assert settings.reach == 6
    assert np.array_equal(differ.min(0), [144, 134])
    assert np.array_equal(differ.max(0), [156, 146])


def test_tones_are_shares_of_the_span() -> None:
    image = np.array([[[0, 1000, 2000, 4000]]], np.uint16)
    span = (0.0, 4000.0)
    for settings, expected in (
        (LightSettings(brightness=0.25), [1000, 2000, 3000, 5000]),
        (LightSettings(brightness=-0.5), [0, 0, 0, 2000]),
        (LightSettings(contrast=0.5), [1000, 1500, 2000, 3000]),
        (LightSettings(gamma=2), [0, 250, 1000, 4000]),
    ):
        assert apply_light(image, settings, span=span)[0, 0].tolist() == expected
    floats = apply_light(image.astype(np.float32), LightSettings(brightness=0.25), span=span)
    assert floats[0, 0].tolist() == [1000, 2000, 3000, 4000]  # floats stay in their span
    bright = apply_light(np.full((1, 1, 1), 250, np.uint8), LightSettings(brightness=0.5))
    assert bright[0, 0, 0] == 255
    assert apply_light(image, LightSettings(brightness=0.25))[0, 0].tolist() == [
        1000,
        2000,
        3000,
        5000,
    ]  # its own range


def test_blur_is_that_of_scipy() -> None:
    image = image_of("float64")
    expected = ndimage.gaussian_filter(image, (0, 2, 2), truncate=3, mode="nearest")
    np.testing.assert_allclose(apply_light(image, LightSettings(blur=2)), expected, atol=1e-12)


@pytest.mark.parametrize(("angle", "brighter"), [(0, (20, 40)), (180, (20, 0)), (90, (40, 20)), (-90, (0, 20))])
def test_illumination_rises_towards_its_angle(angle: float, brighter: tuple[int, int]) -> None:
    found = apply_light(np.full((1, 41, 41), 0.4), LightSettings(gradient=0.5, angle=angle), span=(0, 1))[0]
    assert found[brighter] == pytest.approx(0.5)
    assert found[20, 20] == pytest.approx(0.4)
    assert found.min() == pytest.approx(0.3)


def test_noise_has_its_spread_and_belongs_to_seed_channel_and_place() -> None:
    image = np.full((2, 600, 600), 0.5, np.float32)
    found = apply_light(image, LightSettings(noise=0.1), 3, span=(0, 1)) - 0.5
    assert found.std() == pytest.approx(0.1, rel=0.01)
    assert abs(found.mean()) < 1e-3
    other = apply_light(image, LightSettings(noise=0.1), 4, span=(0, 1)) - 0.5
    blocks = [found[0, :256, :256], found[1, :256, :256], found[0, :256, 256:512], other[0, :256, :256]]
    correlations = np.corrcoef([block.ravel() for block in blocks])
    assert np.abs(correlations - np.eye(4)).max() < 0.02
    assert np.array_equal(apply_light(image, LightSettings(noise=0.1), 3, span=(0, 1)) - 0.5, found)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_the_look_of_integers_is_that_of_match_histograms(dtype: str) -> None:
    image, other = image_of(dtype), np.sqrt(image_of("float64", (2, 90, 80)) * 9000).astype(dtype)
    found = apply_light(image, LightSettings(), look=other)
    for channel in range(2):
        assert np.array_equal(found[channel], np.rint(match_histograms(image[channel], other[channel])))


def test_the_look_of_floats_has_the_quantiles_of_the_other() -> None:
    image, other = image_of("float32"), image_of("float32", (2, 90, 80)) ** 0.5
    found = apply_light(image, LightSettings(), look=other, span=(0, 1))
    levels = np.linspace(0.01, 0.99, 30)
    np.testing.assert_allclose(np.quantile(found, levels), np.quantile(other, levels), atol=5e-3)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="2 channels, the one whose look it should get 1"):
        apply_light(image_of("uint8"), LightSettings(), look=image_of("uint8", (1, 5, 5)))
    with pytest.raises(UserError, match="look has 1 channels, the image 2"):
        apply_light(image_of("uint8"), ALL, look=Look(Look.between(image_of("uint8"), image_of("uint8")).tones[:1]))
    with pytest.raises(UserError, match="range of the tones is 5 to 5"):
        apply_light(image_of("uint8"), ALL, span=(5, 5))
    with pytest.raises(UserError, match="contrast"):
        LightSettings.parse({"contrast": 5})


@pytest.mark.parametrize(
    ("settings", "limit"),
    [(LightSettings(brightness=0.1, contrast=1.2, gradient=0.4), 15), (LightSettings(blur=2, noise=0.05), 40)],
)
def test_a_slider_is_followed(settings: LightSettings, limit: float) -> None:
    image = image_of("uint8", (1, 1024, 1024))
    spent = []
    for _ in range(7):
        before = time.thread_time()
        apply_light(image, settings)
        spent.append(1000 * (time.thread_time() - before))
    assert min(spent) < limit
