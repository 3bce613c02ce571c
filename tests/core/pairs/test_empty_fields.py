"""Images whose mask is empty on purpose are data; so are masks that one object or many cells fill."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.pair_files import disc, fill, picture, rows, save

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.arrays import as_pairs
from napari_organoid_synth.core.pairs.checking import CheckedEntry
from napari_organoid_synth.core.pairs.loading import (
    PairTable,
    add_pair,
    check_pairs,
    conclude,
    find_pairs,
    load_pairs,
    split_table,
)
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.tiling import list_tiles
from napari_organoid_synth.core.project import Project

UPRIGHT = TileSettings(size=32, overlap=0, turn=False, flip=False)


def with_empty(folder: Path, *numbers: int) -> PairTable:
    """Four pairs of which some are empty fields."""
    fill(folder, "images/a{}.png", "masks/a{}.png", 4)
    for number in numbers:
        save(folder / "masks" / f"a{number}.png", disc(0))
    return check_pairs(find_pairs(folder / "images", folder / "masks"))


def test_an_empty_mask_is_matched_with_a_word(tmp_path: Path) -> None:
    table = with_empty(tmp_path, 3)
    assert rows(table) == [(f"a{k}", "matched") for k in range(1, 5)]
    entry = table.entry("a3")
    assert (entry.reason, entry.n_objects, entry.object_size) == ("no objects: an empty field", 0, None)
    assert entry.is_empty_field
    assert (table.entry("a1").reason, table.entry("a1").is_empty_field) == ("", False)
    assert table.check_notes == ("1 image without objects: empty fields, learned from and tested on.",)
    assert [pair.n_objects for pair in load_pairs(table)] == [1, 1, 0, 1]


def test_an_image_without_mask_is_another_thing(tmp_path: Path) -> None:
    table = with_empty(tmp_path, 3)
    (tmp_path / "masks" / "a4.png").unlink()
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "masks"))
    assert (table.entry("a3").status, table.entry("a4").status) == ("matched", "orphan")


def test_the_kind_comes_from_the_others_also_when_checked_again(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/a{}.png", 3)
    cells = np.zeros((24, 32), np.uint8)
    for number in range(6):
        cells[2 + 10 * (number // 3) : 8 + 10 * (number // 3), 2 + 10 * (number % 3) : 9 + 10 * (number % 3)] = (
            number + 1
        )
    save(tmp_path / "masks" / "a1.png", disc(0))
    save(tmp_path / "masks" / "a2.png", disc(0))
    save(tmp_path / "masks" / "a3.png", cells)
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "masks"))
    again = conclude(table, [CheckedEntry(entry) for entry in table.entries])
    for one in (table, again):
        assert one.mask_kind == "instances"
        assert [pair.mask_kind for pair in load_pairs(one)] == ["instances"] * 3
    assert "6 values from 1 to 6" in table.kind_reason


def test_only_empty_masks_are_said_and_cannot_be_trained_on(tmp_path: Path) -> None:
    table = with_empty(tmp_path, 1, 2, 3, 4)
    assert table.check_notes == ("All 4 masks are empty: there is nothing to learn.",)
    with pytest.raises(UserError, match=r"All 4 masks are empty\. Expected at least one object"):
        load_pairs(table, "train")


def test_empty_fields_can_be_the_test(tmp_path: Path) -> None:
    table = split_table(with_empty(tmp_path, 3), ["a3"])
    assert [pair.n_objects for pair in load_pairs(table, "test")] == [0]
    assert [pair.n_objects for pair in load_pairs(table, "train")] == [1, 1, 1]


def test_an_empty_layer_is_an_empty_field(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    cells = np.zeros((24, 32), np.int32)
    cells[2:10, 2:10], cells[2:10, 12:20], cells[12:20, 2:10] = 1, 2, 3
    add_pair(project, SamplePair("cells", picture(0)[None], cells), "instances")
    entry = add_pair(project, SamplePair("nothing", picture(1)[None], np.zeros((24, 32), np.int32)))
    assert (entry.status, entry.reason, entry.mask_kind) == ("matched", "no objects: an empty field", "instances")
    assert [pair.n_objects for pair in load_pairs(project)] == [3, 0]


def test_arrays_without_objects_are_pairs() -> None:
    pairs = as_pairs([(picture(0), disc()), (picture(1), disc(0))])
    assert [(pair.mask_kind, pair.n_objects) for pair in pairs] == [("binary", 1), ("binary", 0)]


# --- tiles ---


def grid_of_cells(size: int) -> np.ndarray:
    """Cells of 8 px without background."""
    return np.arange(1, (size // 8) ** 2 + 1, dtype=np.int32).reshape(size // 8, -1).repeat(8, 0).repeat(8, 1)


def pair(name: str, labels: np.ndarray, kind: str = "instances") -> SamplePair:
    return SamplePair(name, np.zeros((1, *labels.shape), np.uint8), labels, kind)


def kept(pairs: list[SamplePair], settings: TileSettings = UPRIGHT) -> Counter[str]:
    return Counter(tile.name for tile in list_tiles(pairs, settings) if tile.kept)


def separate_cells(size: int) -> np.ndarray:
    labels = grid_of_cells(size)
    rows, columns = np.mgrid[:size, :size]
    return np.where((rows % 8 < 6) & (columns % 8 < 6), labels, 0).astype(np.int32)


def test_a_tenth_of_the_tiles_may_be_empty_fields() -> None:
    pairs = [pair(f"cells{k}", separate_cells(160)) for k in range(2)]  # 25 tiles each
    nothing = [pair(f"empty{k}", np.zeros((160, 160), np.int32)) for k in range(2)]
    numbers = kept([*pairs, *nothing])
    assert (numbers["cells0"], numbers["cells1"]) == (25, 25)
    assert numbers["empty0"] + numbers["empty1"] == 5
    assert min(numbers["empty0"], numbers["empty1"]) == 2  # spread over both
    left = [tile for tile in list_tiles([*pairs, *nothing], UPRIGHT) if not tile.kept]
    assert {tile.reason for tile in left} == {"no objects: an empty field"}
    assert len(left) == 45
    assert kept([pair("cells", separate_cells(32)), nothing[0]])["empty0"] == 1  # at least one


def test_empty_fields_are_left_out_where_objects_are_asked_for() -> None:
    pairs = [pair("cells", separate_cells(160)), pair("empty", np.zeros((160, 160), np.int32))]
    assert kept(pairs, UPRIGHT.replace(min_objects=1))["empty"] == 0
    with pytest.raises(UserError, match="no objects: an empty field"):
        list_tiles(pairs[1:], UPRIGHT)


def test_background_beside_objects_is_left_out_as_before() -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[:32, :32] = separate_cells(32)
    assert kept([pair("half", labels)])["half"] == 1


def test_tissue_without_background_fills_its_tiles() -> None:
    assert kept([pair("tissue", grid_of_cells(64))])["tissue"] == 4


def test_one_object_may_fill_an_image() -> None:
    full, half = np.ones((64, 64), np.int32), np.zeros((128, 128), np.int32)
    half[:, 16::32] = 1
    assert kept([pair("full", full, "binary")])["full"] == 4
    numbers = kept([pair("full", full, "binary"), pair("half", half, "binary")])
    assert (numbers["half"], numbers["full"]) == (16, 2)
    assert Codec.fit([pair("full", full, "binary")]).filled
    assert not Codec.fit([pair("half", half, "binary")]).filled


def test_full_masks_are_matched_with_a_word(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/a{}.png", 2)
    save(tmp_path / "masks" / "a1.png", np.full((24, 32), 255, np.uint8))
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "masks"))
    assert (table.entry("a1").status, table.entry("a1").reason) == ("matched", "one object fills the image")
    assert table.check_notes == ()
    save(tmp_path / "masks" / "a2.png", np.full((24, 32), 255, np.uint8))
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "masks"))
    assert table.check_notes == (
        "All 2 masks have one value in every pixel: there is nothing to tell apart. Check the files.",
    )


def test_numbers_that_become_a_class_beside_other_masks_are_said(tmp_path: Path) -> None:
    cells = np.zeros((24, 32), np.uint8)
    for number in range(4):
        cells[2:8, 2 + 7 * number : 8 + 7 * number] = number + 1
    for k in range(2):
        save(tmp_path / "images" / f"a{k}.tif", picture(k))
        save(tmp_path / "nuclei" / f"a{k}.tif", cells if k else 0 * cells)
        save(tmp_path / "tissue" / f"a{k}.tif", disc())
    folders = {"nuclei": tmp_path / "nuclei", "tissue": tmp_path / "tissue"}
    table = check_pairs(find_pairs(tmp_path / "images", folders))
    assert (table.mask_kind, table.class_names) == ("classes", ("nuclei", "tissue"))
    assert table.entry("a0").reason == ""
    assert "the 4 numbered objects of 'nuclei' become one class beside other masks" in table.entry("a1").reason
    assert table.check_notes == (
        "In 1 image numbered objects become one class beside other masks: several masks per image are classes. "
        "To tell the objects apart, use their masks alone.",
    )
    alone = check_pairs(find_pairs(tmp_path / "images", tmp_path / "nuclei"))
    assert (alone.mask_kind, alone.entry("a1").reason) == ("instances", "")
