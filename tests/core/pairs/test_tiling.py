"""Tiles cover every pixel, overlap enough, and go together again without a seam."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.tiling import Tile, TileGrid, clean_instances, cut_pair, list_tiles, orient

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("size", "number"), [((1388, 1088), 42), ((250, 250), 1), ((1024, 1024), 25), ((1, 700), 4)])
def test_cut_then_blend_is_identity(size: tuple[int, int], number: int) -> None:
    grid = TileGrid(size, 256, 0.2)
    field = RNG.standard_normal((2, *size)).astype(np.float32)
    tiles = grid.cut(field)
    assert len(tiles) == len(grid.boxes) == number
    assert all(tile.shape == (2, 256, 256) for tile in tiles)
    np.testing.assert_allclose(grid.blend(iter(tiles)), field, rtol=0, atol=2e-6)


@given(st.integers(1, 2000), st.integers(32, 300), st.floats(0, 0.89))
@settings(max_examples=200, deadline=None)
def test_starts_cover_and_overlap(length: int, tile: int, overlap: float) -> None:
    starts = np.array(TileGrid((length, length), tile, overlap).starts_y)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - tile)  # flush with the edge
    steps = np.diff(starts)
    assert (steps > 0).all()
    assert (steps <= np.ceil(tile * (1 - overlap))).all()
    assert steps.size == 0 or np.ptp(steps) <= 1  # evenly spread


def test_no_overlap_needs_no_more_tiles_than_fit() -> None:
    assert TileGrid((512, 768), 256, 0.0).boxes == [(y, x) for y in (0, 256) for x in (0, 256, 512)]


def test_tiles_are_views_of_one_array() -> None:
    image = np.zeros((2, 600, 700), np.uint16)
    assert all(np.shares_memory(tile, image) for tile in TileGrid((600, 700), 256).cut(image))


def test_small_images_are_mirrored_and_cropped_back() -> None:
    grid = TileGrid((3, 5), 5)
    field = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    (tile,) = grid.cut(field)
    assert grid.pad == ((1, 1), (0, 0))
    np.testing.assert_array_equal(tile[0, :, 0], [5, 0, 5, 10, 5])
    np.testing.assert_array_equal(grid.blend([tile]), field)


def test_blend_weighs_by_distance_to_the_edge() -> None:
    grid = TileGrid((4, 6), 4, 0.5)
    blended = grid.blend([np.zeros((1, 4, 4), np.float32), np.ones((1, 4, 4), np.float32)])
    np.testing.assert_allclose(blended[0, 0], [0, 0, 1 / 3, 2 / 3, 1, 1], rtol=1e-6)


def test_labels_are_never_averaged() -> None:
    grid = TileGrid((8, 8), 8)
    with pytest.raises(ValueError, match="tiles of int32 cannot be averaged"):
        grid.blend([np.zeros((1, 8, 8), np.int32)])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="shorter"):
        TileGrid((8, 20), 8).blend([np.zeros((1, 8, 8), np.float32)])


def squares(size: tuple[int, int] = (100, 150), step: int = 20, side: int = 8) -> np.ndarray:
    labels = np.zeros(size, np.int32)
    corners = [(y, x) for y in range(4, size[0] - side, step) for x in range(4, size[1] - side, step)]
    for number, (y, x) in enumerate(corners, 1):
        labels[y : y + side, x : x + side] = number
    return labels


def make(labels: np.ndarray, kind: MaskKind = "instances", name: str = "a") -> SamplePair:
    image = np.stack([labels, np.arange(labels.size).reshape(labels.shape)]).astype(np.uint16)
    return SamplePair(name, image, labels, kind)


def test_remnants_go_pieces_become_objects_and_numbers_run_from_one() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[0:2, 0:7] = 900  # 14 px
    labels[5:8, 0:5] = 70_000  # 15 px
    labels[12:16, 0:4] = 3
    labels[12:16, 10:14] = 3  # the other half of an object that the cut took apart
    labels[12:16, 4:8] = 8  # touches object 3
    cleaned = clean_instances(labels)
    assert cleaned.dtype == np.int32
    assert [int(cleaned[y, x]) for y, x in ((0, 0), (5, 0), (12, 0), (12, 4), (12, 10))] == [0, 1, 2, 3, 4]


def test_list_tiles_is_ordered_and_in_eight_orientations() -> None:
    pairs = [make(squares()), make(squares(), name="b")]
    tiles = list_tiles(pairs, TileSettings(size=64))
    assert tiles == list_tiles(pairs, TileSettings(size=64))
    keys = [(t.pair, t.y, t.x, t.turns, t.flip) for t in tiles]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys) == 2 * len(TileGrid((100, 150), 64).boxes) * 8
    assert {t.name for t in tiles} == {"a", "b"}
    assert len(list_tiles(pairs, TileSettings(size=64, turn=False, flip=False))) * 8 == len(tiles)


@pytest.mark.parametrize(("kind", "fewest"), [("instances", 3), ("binary", 1), ("classes", 0)])
def test_fewest_objects_by_kind(kind: MaskKind, fewest: int) -> None:
    labels = np.zeros((64, 128), np.int32)
    labels[4:12, 70:78], labels[20:28, 70:78] = 1, 1 if kind == "binary" else 2
    settings = TileSettings(size=64, overlap=0, turn=False, flip=False, min_objects=None)
    if kind == "instances":
        labels[40:48, 70:78] = 3
        labels[40:48, 4:12] = 4
        labels[0:2, 4:11], labels[10:12, 4:11] = 5, 6  # remnants do not count
    left, right = list_tiles([make(labels, kind)], settings)
    assert right.kept
    assert left.kept == (fewest == 0)
    assert (
        left.reason
        == {
            "instances": "1 object, fewer than 3",
            "binary": "0 objects, fewer than 1",
            "classes": "",
        }[kind]
    )


def test_too_much_cover_is_left_out_but_not_of_classes() -> None:
    labels = np.ones((64, 128), np.int32)
    labels[:, 64:96] = 0
    settings = TileSettings(size=64, overlap=0, turn=False, flip=False, max_cover=0.9)
    tiles = list_tiles([make(labels, "binary")], settings)
    assert [(t.kept, t.reason) for t in tiles] == [(False, "100 % covered, more than 90 %"), (True, "")]
    assert all(t.kept for t in list_tiles([make(labels, "classes")], settings))


def test_no_usable_tile_is_an_error() -> None:
    with pytest.raises(UserError) as caught:
        list_tiles([make(squares((70, 70), 60))], TileSettings(size=64))
    assert str(caught.value) == (
        "None of 4 tiles of 64 px can be used; the first has 1 object, fewer than 3. Expected at least one. "
        "Lower 'tiles.min_objects', raise 'tiles.max_cover', or change 'tiles.size'."
    )


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_cut_pair_turns_image_and_labels_alike(turns: int, flip: bool) -> None:
    pair = make(squares((90, 130)), "binary")
    tile = Tile(0, "a", 10, 30, 64, turns, flip)
    cut = cut_pair(pair, tile)
    upright = pair.image[:, 10:74, 30:94]
    np.testing.assert_array_equal(cut.image, np.rot90(upright[..., ::-1] if flip else upright, turns, (1, 2)))
    np.testing.assert_array_equal(cut.image[0], cut.labels)
    assert np.shares_memory(cut.image, pair.image)
    assert cut.name == f"a_y10_x30_r{turns}{'m' if flip else ''}"


def test_the_eight_orientations_differ() -> None:
    field = np.arange(9).reshape(3, 3)
    assert len({orient(field, turns, flip).tobytes() for turns in range(4) for flip in (False, True)}) == 8


def test_cut_pair_of_a_small_image_is_mirrored() -> None:
    pair = make(squares((50, 64)))
    cut = cut_pair(pair, Tile(0, "a", 0, 0, 64))
    assert cut.size == (64, 64)
    np.testing.assert_array_equal(cut.image[:, 7:57], pair.image)
    np.testing.assert_array_equal(cut.image[:, 6], pair.image[:, 1])
    assert set(np.unique(cut.labels)) == set(range(cut.n_objects + 1))
