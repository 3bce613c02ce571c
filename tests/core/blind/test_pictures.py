"""How the pictures of a blind test look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blind_project import SIDE, of, sample, scene
from napari_organoid_synth.core.blind.pictures import OUTLINE, Pictures
from napari_organoid_synth.core.blind.session import Picture
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.blind.setup import make_session
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.base import intensity_limits
from napari_organoid_synth.core.metrics.real_tiles import real_tiles
from napari_organoid_synth.core.pairs.loading import add_pair, load_pairs
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair
from napari_organoid_synth.core.pairs.pictures import outline
from napari_organoid_synth.core.pairs.tiling import clean_instances
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore


def test_real_and_synthetic_look_alike_to_the_last_pixel(project: Project) -> None:
    """Real tiles among the samples are drawn exactly as they are drawn as real ones."""
    tiles = real_tiles(project, SIDE).pairs
    with SampleStore(project.samples_path) as store:
        ids = store.add_many([sample(tile.name, tile.image, tile.labels) for tile in tiles], "stolen")
    for settings in (BlindSettings(), BlindSettings(masks=True)):
        session = make_session(project, settings)
        shown = Pictures(project, session)
        for tile, id in list(zip(tiles, ids, strict=True))[::5]:
            name, y, x, _ = tile.name.split("_")
            real, made = Picture("real", name, int(y[1:]), int(x[1:]), 3, True), Picture("synthetic", id, 0, 0, 3, True)
            np.testing.assert_array_equal(shown.draw(real), shown.draw(made))


def test_contrast_is_that_of_the_real_images_for_all(project: Project) -> None:
    tiles = real_tiles(project, SIDE).pairs
    low, high = intensity_limits(tiles)[0]
    image, labels = scene(7, SIDE)
    with SampleStore(project.samples_path) as store:
        (dim,) = store.add_many([sample("dim", (image // 2).astype(np.uint16), labels)], "dim")
    session = make_session(project, BlindSettings())
    assert session.limits == ((low, high),)
    shown = Pictures(project, session).draw(Picture("synthetic", dim))
    expected = np.rint(255 * np.clip((image[0] // 2 - low) / (high - low), 0, 1))
    assert np.abs(shown[..., 0] - expected).max() <= 1
    assert (shown == shown[..., :1]).all()
    whole = load_pairs(project)[1].image[0, SIDE:, :SIDE]
    real = Pictures(project, session).draw(Picture("real", "real1", SIDE, 0))
    assert np.abs(real[..., 0] - np.rint(255 * np.clip((whole - low) / (high - low), 0, 1))).max() <= 1


def test_larger_samples_are_cut_to_the_side_and_smaller_ones_left_out(project: Project) -> None:
    image, labels = scene(50, SIDE + 20)
    with SampleStore(project.samples_path) as store:
        store.add_many([sample("large", image, labels), sample("small", *scene(51, SIDE - 16))], "sizes")
    found = {}
    for seed in range(20):
        session = make_session(project, BlindSettings(seed=seed, number=24))
        found |= {picture.name: (session, picture) for picture in of(session, "synthetic")}
        if "large" in found:
            break
    session, picture = found["large"]
    assert "small" not in found
    assert 0 < picture.y + picture.x <= 40
    pair = Pictures(project, session).pair(picture)
    box = slice(picture.y, picture.y + SIDE), slice(picture.x, picture.x + SIDE)
    np.testing.assert_array_equal(pair.image[0], image[0][box])
    np.testing.assert_array_equal(pair.labels, clean_instances(labels[box]))


def test_outlines_have_one_colour_and_pictures_turn_with_them(project: Project) -> None:
    session = make_session(project, BlindSettings(masks=True, number=4))
    shown = Pictures(project, session)
    picture = of(session, "real")[0]
    lines = outline(shown.pair(picture).labels)
    drawn = shown.draw(picture)
    assert lines.any()
    np.testing.assert_array_equal((drawn == OUTLINE).all(axis=-1), lines)
    turned = shown.draw(Picture("real", picture.name, picture.y, picture.x, 1, True))
    np.testing.assert_array_equal(turned, np.rot90(drawn[:, ::-1], 1))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_and_more_channels(tmp_path: Path, channels: int) -> None:
    project = Project(tmp_path / "colour")
    names = RGB if channels == 3 else ()
    for seed in range(2):
        image, labels = scene(seed, 2 * SIDE, channels)
        image[0] = 2 * (image[0] // 3)
        add_pair(
            project, SamplePair(f"real{seed}", image, labels, class_names=("cell",), channel_names=names), "instances"
        )
    with SampleStore(project.samples_path) as store:
        store.add(sample("made", *scene(9, SIDE, channels)).replace(channel_names=names))
    session = make_session(project, BlindSettings(number=2))
    assert len(session.limits) == channels
    assert len(set(session.limits)) == (1 if channels == 3 else channels)
    drawn = Pictures(project, session).draw(of(session, "real")[0])
    assert (drawn.shape, drawn.dtype) == ((SIDE, SIDE, 3), np.uint8)
    if channels == 3:
        assert drawn[..., 0].mean() < drawn[..., 1].mean()  # the same stretch for all: red stays darker


def test_what_is_gone_is_said(project: Project) -> None:
    session = make_session(project, BlindSettings(number=4))
    shown = Pictures(project, session)
    with pytest.raises(UserError, match="'gone' of this test is not in the table"):
        shown.draw(Picture("real", "gone"))
    with pytest.raises(UserError, match="no sample 'gone'"):
        shown.draw(Picture("synthetic", "gone"))
