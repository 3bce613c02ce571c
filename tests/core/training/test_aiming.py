"""Tiles around a pixel of a class: how many, where, and always the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import Tile, cut_pair
from napari_organoid_synth.core.training.aiming import Aim
from napari_organoid_synth.core.training.dataset import PairDataset


def field(name: str, size: tuple[int, int] = (256, 256), **squares: tuple[int, int, int]) -> SamplePair:
    """A dark field with squares of class 1 and 2: side, row and column."""
    labels = np.zeros(size, np.int32)
    for key, (side, y, x) in squares.items():
        labels[y : y + side, x : x + side] = int(key[-1])
    image = labels[None].astype(np.uint8) * 100
    return SamplePair(name, image, labels, mask_kind="classes", class_names=("large", "small"))


PAIRS = [field("a", c1=(100, 0, 0)), field("b", c1=(50, 200, 200), c2=(4, 20, 30))]
TILE = Tile(0, "a", 192, 192, 64, turns=3, flip=True)


def test_half_of_the_tiles_are_moved_to_a_pixel_of_an_evenly_drawn_class() -> None:
    tiles = [Aim(PAIRS, 0.5, 0)(TILE, place) for place in range(400)]
    moved = [tile for tile in tiles if tile != TILE]
    assert len(moved) / len(tiles) == pytest.approx(0.5, abs=0.08)
    rare = [tile for tile in moved if (cut_pair(PAIRS[tile.pair], tile).labels == 2).any()]
    assert len(rare) / len(moved) == pytest.approx(0.5, abs=0.1)  # though only 16 of 12,516 pixels are of that class
    large = [tile.pair for tile in moved if tile not in rare]
    assert np.mean(np.array(large) == 0) == pytest.approx(0.8, abs=0.08)  # 10,000 of its 12,500 pixels
    assert {(tile.turns, tile.flip, tile.size) for tile in moved} == {(3, True, 64)}
    for tile in moved:
        assert tile.name == PAIRS[tile.pair].name
        assert 0 <= tile.y <= 192
        assert 0 <= tile.x <= 192


def test_the_pixel_lies_in_the_middle_unless_the_image_ends() -> None:
    pair = field("a", c1=(1, 100, 7))
    tile = Aim([pair], 1.0, 0)(Tile(0, "a", 0, 0, 32), 5)
    assert (tile.y, tile.x) == (84, 0)
    assert cut_pair(pair, tile).labels[16, 7] == 1


def test_an_image_that_is_smaller_than_a_tile_is_taken_whole() -> None:
    pair = field("a", (40, 100), c1=(3, 20, 90))
    tile = Aim([pair], 1.0, 0)(Tile(0, "a", 0, 0, 64), 0)
    assert (tile.y, tile.x) == (0, 36)
    assert (cut_pair(pair, tile).labels == 1).any()


def test_the_same_number_gives_the_same_tile_and_another_seed_others() -> None:
    first, again, other = Aim(PAIRS, 1.0, 0), Aim(PAIRS, 1.0, 0), Aim(PAIRS, 1.0, 1)
    later = [first(TILE, place) for place in range(20)][10:]
    assert [again(TILE, place) for place in range(10, 20)] == later
    assert [other(TILE, place) for place in range(10, 20)] != later


def test_nothing_is_moved_without_objects_or_where_none_is_wanted() -> None:
    assert Aim([field("a")], 1.0, 0)(TILE, 0) == TILE
    assert Aim(PAIRS, 0.0, 0)(TILE, 0) == TILE


def test_instances_and_binary_masks_count_as_one_class() -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[:30, :30], labels[60:, 60:] = 1, 2
    pair = SamplePair("a", labels[None].astype(np.uint8), labels, mask_kind="instances")
    corner = [Aim([pair], 1.0, 0)(Tile(0, "a", 0, 0, 32), place).y == 32 for place in range(400)]
    assert np.mean(corner) < 0.1  # 16 of 916 pixels


def test_moved_tiles_are_read_and_not_kept() -> None:
    data = PairDataset(PAIRS, [Tile(0, "a", 0, 0, 64)], Codec.fit(PAIRS), "painter")
    moved = Tile(1, "b", 4, 12, 64, turns=1)
    batch = data.batch_of([moved, data.tiles[0]])
    expected = data.codec.encode_condition(cut_pair(PAIRS[1], moved).labels)
    np.testing.assert_array_equal(batch.mask[0].numpy(), expected)
    assert len(data._kept) == 1
