"""Thumbnails keep pixel values, so that two of them can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_organoid_synth.core.pairs.contrast import real_contrast
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.pairs.thumbnail import Thumbnail, common_contrast


def pair(image: np.ndarray[Any, Any], **changes: Any) -> SamplePair:
    return SamplePair("a", image, np.zeros(image.shape[1:], np.int32)).replace(**changes)


def test_a_dark_and_a_bright_image_stay_dark_and_bright() -> None:
    rng = np.random.default_rng(0)
    dark, bright = (Thumbnail.of(pair(rng.integers(low, low + 20, (1, 64, 64)).astype(np.uint8))) for low in (30, 200))
    contrast = ((0.0, 255.0),)
    assert dark.picture(contrast).mean() == pytest.approx(39.5, abs=1)
    assert bright.picture(contrast).mean() == pytest.approx(209.5, abs=1)
    assert dark.picture().std() > 60  # alone it is stretched


def test_a_tiny_bright_spot_is_not_lost() -> None:
    image = np.full((1, 128, 128), 100, np.uint16)
    image[0, 0, 0] = 4000  # less than the 0.2 % that a stretch cuts off
    shown = Thumbnail.of(pair(image)).picture(((100.0, 4000.0),))
    assert shown[0, 0].tolist() == [255] * 3
    assert shown[5, 5].tolist() == [0] * 3


def test_colours_of_8_bits_are_those_of_the_file() -> None:
    image = np.random.default_rng(1).integers(0, 255, (3, 40, 40)).astype(np.uint8)
    shown = Thumbnail.of(pair(image, channel_names=RGB)).picture(((0.0, 255.0),) * 3)
    np.testing.assert_array_equal(np.moveaxis(shown, -1, 0), image)


@pytest.mark.parametrize(
    ("count", "dtype", "names"), [(1, "uint8", ()), (2, "uint16", ()), (3, "float32", RGB), (5, "uint8", ())]
)
def test_what_is_stored_comes_back(count: int, dtype: str, names: tuple[str, ...]) -> None:
    image = (np.random.default_rng(2).random((count, 30, 50)) * 250).astype(dtype)
    thumbnail = Thumbnail.of(pair(image, channel_names=names))
    back = Thumbnail.decode(*thumbnail.encode())
    np.testing.assert_array_equal(back.levels, thumbnail.levels)
    assert (back.ends, back.is_rgb) == (thumbnail.ends, bool(names))
    assert np.abs(back.values() - image[:3]).max() < 0.01
    assert back.picture(((0.0, 250.0),) * min(count, 3)).shape == (30, 50, 3)


def test_two_channels_are_magenta_and_green() -> None:
    image = np.zeros((2, 8, 8), np.uint8)
    image[0], image[1] = 200, 100
    assert Thumbnail.of(pair(image)).picture(((0.0, 200.0), (0.0, 200.0)))[0, 0].tolist() == [255, 128, 255]


def test_pixels_without_a_value_are_dark() -> None:
    image = np.full((1, 8, 8), np.nan, np.float32)
    image[0, 0] = 2.0
    shown = Thumbnail.of(pair(image)).picture(((0.0, 2.0),))
    assert shown[0, 0, 0] == 255
    assert np.isfinite(shown).all()


def test_the_contrast_of_the_real_images_comes_from_their_check() -> None:
    def table(**fields: Any) -> PairTable:
        ranges = [(10.0, 900.0), (20.0, 1000.0), (15.0, 950.0)]
        rows = [
            PairEntry(name=str(number), image=f"{number}.tif", value_range=one, **fields)
            for number, one in enumerate(ranges)
        ]
        return PairTable(entries=tuple(rows))

    ((low, high),) = real_contrast(table(shape=(1, 9, 9), dtype="uint16"))
    assert (low, high) == (pytest.approx(11), pytest.approx(990))
    colours = real_contrast(table(shape=(3, 9, 9), dtype="uint8", channel_names=RGB))
    assert colours == ((0.0, 255.0),) * 3
    assert real_contrast(PairTable()) == ()


def test_channels_have_a_contrast_each(tmp_path: Path) -> None:
    import tifffile

    image = np.zeros((2, 60, 60), np.uint16)
    image[0, :30], image[1, :, :30] = 500, 3000
    tifffile.imwrite(tmp_path / "a.tif", image, metadata={"axes": "CYX"}, ome=True)
    entry = PairEntry(name="a", image=str(tmp_path / "a.tif"), shape=(2, 60, 60), dtype="uint16")
    assert real_contrast(PairTable(entries=(entry,))) == ((0.0, 500.0), (0.0, 3000.0))


def test_samples_without_real_images_have_one_contrast_too() -> None:
    few = [Thumbnail.of(pair(np.full((1, 8, 8), value, np.uint8))) for value in (10, 200)]
    assert common_contrast(few) == ((0.0, 255.0),)
    deep = [Thumbnail.of(pair(np.full((1, 8, 8), value, np.uint16))) for value in (100, 900)]
    assert common_contrast(deep) == ((100.0, 900.0),)
    assert common_contrast([]) == ()
