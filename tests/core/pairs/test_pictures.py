"""Pictures: contrast, colours and size; errors, arrows and outlines."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.pairs.pair import RGB, SamplePair
from napari_organoid_synth.core.pairs.pictures import (
    decode_png,
    encode_png,
    error_overlay,
    flow_colours,
    make_thumbnail,
    outline,
    picture,
)


def test_pictures_of_any_channels() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float64).reshape(1, 16, 16)
    dark = np.concatenate([ramp, ramp / 2, np.zeros_like(ramp)])
    together = picture(dark, rgb=True)
    assert together[..., 0].max() == 255
    assert together[..., 1].max() == pytest.approx(128, abs=2)  # RGB keeps its colour
    assert picture(dark)[..., 1].max() == 255  # others get their own contrast
    two = picture(np.concatenate([ramp, ramp[:, ::-1, ::-1]]))
    np.testing.assert_array_equal(two[..., 0], two[..., 2])
    assert two[0, 0].tolist() == [0, 255, 0]
    assert (picture(np.full((1, 4, 4), 7, np.uint16)) == 128).all()
    holes = ramp.copy()
    holes[0, 3, 3] = np.nan
    assert picture(holes)[3, 3].tolist() == [0, 0, 0]
    assert picture(np.concatenate([dark, dark])).shape == (16, 16, 3)


def test_several_pictures_share_a_contrast() -> None:
    image = np.array([[[0, 50, 100, 150, 200]], [[0, 1, 2, 3, 4]]], np.uint16)
    shown = picture(image, between=[(50, 150), (0, 4)])
    np.testing.assert_array_equal(shown[0, :, 0], [0, 0, 128, 255, 255])  # magenta
    np.testing.assert_array_equal(shown[0, :, 2], shown[0, :, 0])
    np.testing.assert_array_equal(shown[0, :, 1], [0, 64, 128, 191, 255])  # green


def test_png_gives_back_what_went_in() -> None:
    ids = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(decode_png(encode_png(ids)), ids)
    colours = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    np.testing.assert_array_equal(decode_png(encode_png(colours)), colours)
    grey = decode_png(encode_png(colours[..., 0]))
    np.testing.assert_array_equal(grey, np.repeat(colours[..., :1], 3, axis=-1))


def test_grey_costs_less_than_colour() -> None:
    image = np.random.default_rng(0).integers(0, 255, (3, 64, 64)).astype(np.uint8)
    colour = SamplePair("a", image, np.zeros((64, 64), np.int32), channel_names=RGB)
    grey = colour.replace(image=image[:1], channel_names=())
    assert len(make_thumbnail(colour)[0]) > 2.5 * len(make_thumbnail(grey)[0])
    assert decode_png(make_thumbnail(grey)[0]).shape == (64, 64, 3)


def test_errors_have_their_colours() -> None:
    predicted, truth = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 1, 0]])
    assert error_overlay(predicted, truth).tolist() == [[[255] * 3, [255, 0, 255], [0, 255, 255], [0] * 3]]


def test_correct_pixels_show_the_image_and_the_image_is_kept() -> None:
    background = np.full((1, 4, 3), 77, np.uint8)
    picture = error_overlay(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 1, 0]]), background)
    assert picture[0, 0].tolist() == picture[0, 3].tolist() == [77, 77, 77]
    assert (background == 77).all()


def test_wrong_class_is_yellow_only_for_classes() -> None:
    predicted, truth = np.array([[2]]), np.array([[1]])
    assert error_overlay(predicted, truth, classes=True).tolist() == [[[255, 255, 0]]]
    assert error_overlay(predicted, truth).tolist() == [[[255, 255, 255]]]


def test_arrows_have_the_hue_of_their_way_and_the_brightness_of_their_length() -> None:
    up, down, right, none, short, long = (-5, 0), (5, 0), (0, 5), (0, 0), (-2.5, 0), (-50, 0)
    flow = np.array([[up, down, right, none, short, long]], np.float32).transpose(2, 0, 1)
    picture = flow_colours(flow)
    assert picture.dtype == np.uint8
    green = [127, int(127.5 * (1 + np.sqrt(0.75))), int(127.5 * (1 - np.sqrt(0.75)))]
    wanted = [[255, 63, 63], [0, 191, 191], green, [0, 0, 0], [127, 31, 31], [255, 63, 63]]
    np.testing.assert_allclose(picture[0], wanted, atol=1)
    np.testing.assert_array_equal(flow_colours(np.stack([flow, -flow], 1))[0], picture)  # a stack


def test_outline_separates_touching_objects_but_not_the_rim() -> None:
    labels = np.array([[1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 2], [1, 1, 1, 0, 2, 2]])
    expected = [[0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 0]]
    expected[1][3] = 1  # above the background pixel
    assert outline(labels).astype(int).tolist() == expected


def test_outline_of_a_stack_keeps_images_apart() -> None:
    stack = np.stack([np.ones((3, 3), int), np.zeros((3, 3), int)])
    assert not outline(stack).any()
