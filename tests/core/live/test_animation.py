"""Walks as films: frames for layers, and files that other programs read."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.live.animation import frames_along, stacked
from napari_organoid_synth.core.live.film import pictures_of, there_and_back, write_film
from napari_organoid_synth.core.live.walk import sample_at
from napari_organoid_synth.core.live.walk_settings import WalkSettings, way
from small_models import SIDE, small_model

COLOURS = np.random.default_rng(0).integers(0, 255, (5, 40, 31, 3), dtype=np.uint8)
GREYS = np.repeat(COLOURS[..., :1], 3, axis=-1)


def test_frames_lie_on_the_way() -> None:
    model, places = small_model("stylegan2_ada"), list(way(WalkSettings(), WalkSettings(share=1), 4))
    images, labels = stacked(frames_along(model, places))
    assert images is not None
    assert labels is not None
    assert images.shape == (4, 1, SIDE, SIDE)
    assert labels.shape == (4, SIDE, SIDE)
    assert np.array_equal(images[-1], sample_at(model, WalkSettings(seed=1))[0])


def test_frames_of_a_painter_have_its_mask() -> None:
    mask = np.zeros((SIDE, SIDE), np.int32)
    mask[20:40, 20:40] = 1
    _, labels = stacked(frames_along(small_model("cyclegan"), way(WalkSettings(), WalkSettings(pad_x=1), 2), mask))
    assert np.array_equal(labels, [mask, mask])


def test_pictures_share_their_contrast() -> None:
    dark, bright = np.full((1, 20, 20), 100, np.uint16), np.full((1, 20, 20), 300, np.uint16)
    shown = pictures_of([dark, bright, (dark + bright) // 2])
    assert shown[:, 5, 5].tolist() == [[0] * 3, [255] * 3, [128] * 3]
    assert pictures_of([COLOURS[0].transpose(2, 0, 1)], rgb=True).shape == (1, 40, 31, 3)


def test_there_and_back_repeats_neither_end() -> None:
    assert there_and_back(np.arange(4)).tolist() == [0, 1, 2, 3, 2, 1]


def test_grey_films_keep_every_tone(tmp_path: Path) -> None:
    write_film(tmp_path / "walk.gif", GREYS, 10)
    read = imageio.imread(tmp_path / "walk.gif")
    assert np.array_equal(read if read.ndim == 4 else read[..., None].repeat(3, -1), GREYS)
    assert imageio.immeta(tmp_path / "walk.gif")["duration"] == 100
    assert imageio.immeta(tmp_path / "walk.gif")["loop"] == 0
    write_film(tmp_path / "walk.tif", GREYS)
    assert np.array_equal(tifffile.imread(tmp_path / "walk.tif"), GREYS[..., 0])


def test_films_have_colours(tmp_path: Path) -> None:
    write_film(tmp_path / "walk.GIF", COLOURS)
    assert imageio.imread(tmp_path / "walk.GIF").shape == COLOURS.shape
    write_film(tmp_path / "walk.tiff", COLOURS)
    assert np.array_equal(tifffile.imread(tmp_path / "walk.tiff"), COLOURS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk.GIF", "walk.tiff"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of imageio-ffmpeg
def test_mp4_needs_its_package(tmp_path: Path) -> None:
    if find_spec("imageio_ffmpeg") is None:
        with pytest.raises(UserError, match="need the package imageio-ffmpeg"):
            write_film(tmp_path / "walk.mp4", COLOURS)
        assert not list(tmp_path.iterdir())
    else:
        write_film(tmp_path / "walk.mp4", COLOURS)
        assert imageio.imread(tmp_path / "walk.mp4").shape == (5, 40, 32, 3)


def test_what_cannot_be_is_refused_and_leaves_the_old_file(tmp_path: Path) -> None:
    write_film(tmp_path / "walk.gif", GREYS)
    before = (tmp_path / "walk.gif").read_bytes()
    with pytest.raises(UserError, match="0 frames"):
        write_film(tmp_path / "walk.gif", GREYS[:0])
    assert (tmp_path / "walk.gif").read_bytes() == before
    with pytest.raises(UserError, match=r"ends with '.avi'"):
        write_film(tmp_path / "walk.avi", GREYS)
