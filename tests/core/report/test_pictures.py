"""Pictures of tiles: pixel by pixel where they are small, bounded where they are not."""

from __future__ import annotations

import numpy as np

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import picture
from napari_organoid_synth.core.report.pictures import MAX_TILE, SHRUNK, Album, Picture
from napari_organoid_synth.core.report.rendering import environment
from report_project import Page, pair


def tile(image, labels=None):
    image = np.asarray(image)
    return SamplePair("t", image, np.zeros(image.shape[1:], np.int32) if labels is None else labels)


def draw(picture: Picture) -> str:
    return str(environment().get_template("parts.html.j2").module.picture(picture))


def page(picture: Picture) -> Page:
    return Page(f"<body>{draw(picture)}</body>")


def test_a_tile_is_shown_at_its_own_pixels_with_its_outline_above():
    shown = pair("a")
    found = page(Album().tile(shown, "caption <b>"))
    ((name, pixels),) = found.pictures
    assert name == "a"
    np.testing.assert_array_equal(pixels, picture(shown.image)[..., 0])
    expected = np.zeros((48, 64), bool)
    expected[10:30, 20:40] = True
    expected[11:29, 21:39] = False
    np.testing.assert_array_equal(found.masks[0] > 0, expected)
    assert "caption <b>" in found.words
    assert 'width="128" height="96"' in draw(Album().tile(shown))  # magnified twice


def test_objects_next_to_each_other_differ_in_colour():
    labels = np.zeros((20, 20), np.int32)
    labels[5:10, 5:10], labels[5:10, 10:15] = 1, 2
    (mask,) = page(Album().tile(tile(np.zeros((1, 20, 20), np.uint8), labels))).masks
    assert set(np.unique(mask)) == {0, 1, 2}
    assert page(Album().tile(tile(np.zeros((1, 20, 20), np.uint8)))).masks == []


def test_a_large_tile_is_cropped_to_its_centre():
    image = np.zeros((1, 300, 400), np.uint8)
    image[0, 22, 72] = 255  # the first pixel of the middle 256
    ((_, pixels),) = page(Album().tile(tile(image))).pictures
    assert pixels.shape == (MAX_TILE, MAX_TILE)
    assert pixels[0, 0] == 255
    assert pixels.sum() == 255


def test_all_tiles_share_the_contrast_of_the_real_ones():
    ramps = [np.linspace(0, top, 4096).reshape(1, 64, 64).astype(np.float32) for top in (100, 200, 200, 400)]
    album = Album([tile(ramp) for ramp in ramps])
    high = np.percentile([np.percentile(ramp, 99.8) for ramp in ramps], 75)
    low = np.median([np.percentile(ramp, 0.2) for ramp in ramps])
    ((_, pixels),) = page(album.tile(tile(np.full((1, 32, 32), 100, np.float32)))).pictures
    assert np.unique(pixels).tolist() == [round((100 - low) / (high - low) * 255)]


def test_pictures_beyond_the_limit_of_bytes_are_shrunk():
    noise = np.random.default_rng(0).integers(0, 256, (3, 256, 256), dtype=np.uint8)
    album = Album(max_bytes=1)
    first, second = (page(album.tile(tile(noise))).pictures[0][1] for _ in range(2))
    assert first.shape == (256, 256, 3)
    assert second.shape == (SHRUNK, SHRUNK, 3)
    assert album.shrunk == 1


def test_a_noisy_picture_is_a_jpeg_that_looks_the_same():
    noise = np.random.default_rng(0).integers(0, 256, (3, 256, 256), dtype=np.uint8)
    picture_of_noise = Album().tile(tile(noise))
    assert picture_of_noise.source.startswith("data:image/jpeg;base64,")
    ((_, pixels),) = page(picture_of_noise).pictures
    shown = picture(noise)
    assert np.abs(pixels.astype(int) - shown.astype(int)).mean() < 10
    assert len(picture_of_noise.source) < 200_000
