"""Real tiles by their place: names, and pixels read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.tile_reading import TilePlace, read_tile, tile_side
from napari_organoid_synth.core.pairs.tiling import cut_pair, list_tiles
from simulated import em_project


def test_every_upright_tile_is_read_again_by_its_name(tmp_path: Path) -> None:
    project = em_project(tmp_path / "project", 2)
    pairs = load_pairs(project)
    tiles = list_tiles(pairs, TileSettings(size=64, turn=False, flip=False))
    assert len(tiles) >= 8
    for tile in tiles:
        cut = cut_pair(pairs[tile.pair], tile)
        place = TilePlace.from_name(cut.name)
        assert place == TilePlace(tile.name, tile.y, tile.x)
        assert place.name == cut.name
        again = read_tile(project, place, 64)
        np.testing.assert_array_equal(again.image, cut.image)
        np.testing.assert_array_equal(again.labels, cut.labels)
    with pytest.raises(UserError, match="'gone' is not among the training pairs"):
        read_tile(project, TilePlace("gone", 0, 0), 64)


def test_names_of_pairs_may_look_like_names_of_tiles() -> None:
    assert TilePlace.from_name("a_y1_x2_b_y30_x400_r0") == TilePlace("a_y1_x2_b", 30, 400)
    for name in ("a_y3_x4", "a_y3_x4_r1", "a_y3_x4_r0m", "None"):
        with pytest.raises(UserError, match="is not the name of a real tile"):
            TilePlace.from_name(name)


def test_tiles_overlap_in_one_pair_alone() -> None:
    tile = TilePlace("a", 0, 64)
    assert tile.overlaps(TilePlace("a", 63, 127), 64)
    assert not tile.overlaps(TilePlace("a", 64, 64), 64)
    assert not tile.overlaps(TilePlace("a", 0, 0), 64)
    assert not tile.overlaps(TilePlace("b", 0, 64), 64)


def test_the_side_is_the_most_frequent_shorter_edge() -> None:
    assert tile_side([(128, 200), (300, 128), (64, 64)]) == 128
    assert tile_side([(8, 8)]) == 32
    assert tile_side([(5000, 4000)]) == 1024
