"""Images and masks find each other, and what is wrong with them is said before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.checking import CheckedEntry
from napari_organoid_synth.core.pairs.loading import (
    PairEntry,
    PairTable,
    add_pair,
    check_pairs,
    conclude,
    find_pairs,
    load_pairs,
    split_table,
)
from napari_organoid_synth.core.pairs.ome_tiff import read_pair, write_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.core.project import Project


def picture(seed: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, size).astype(np.uint8)


def disc(value: int = 255, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[4:12, 4:12] = value
    return mask


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array, photometric="minisblack", metadata=None)
    return path


def fill(folder: Path, images: str, masks: str, number: int = 3) -> Path:
    for index in range(1, number + 1):
        save(folder / images.format(index), picture(index))
        save(folder / masks.format(index), disc())
    return folder


def rows(table: PairTable) -> list[tuple[str, str]]:
    return [(entry.name, entry.status) for entry in table.entries]


# --- by name


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/a{}.png", "masks/a{}.png"),
        ("Images/a{}.tif", "Labels/a{}.png"),
        ("images/a{}_img.tif", "masks/a{}_masks.tif"),
        ("raw/a{}.ome.tif", "gt/a{}_seg.png"),
        ("a{}.png", "a{}_mask.png"),
        ("a{}_img.tif", "a{}_cp_masks.tif"),
        ("images/img_{}.png", "masks/mask_{}.png"),
        ("images/img{}.png", "masks/mask{}.png"),
    ],
)
def test_one_folder(tmp_path: Path, images: str, masks: str) -> None:
    table = find_pairs(fill(tmp_path, images, masks))
    assert [entry.status for entry in table.entries] == ["matched"] * 3
    for index, entry in enumerate(table.entries, 1):
        assert entry.image == str(tmp_path / images.format(index))
        assert entry.masks == {"object": str(tmp_path / masks.format(index))}


def test_two_folders_lists_and_globs(tmp_path: Path) -> None:
    fill(tmp_path, "x/a{}.png", "y/a{}.png", 11)
    names = [f"a{index}" for index in range(1, 12)]  # a2 comes before a10
    for images, masks in (
        (tmp_path / "x", tmp_path / "y"),
        (str(tmp_path / "x"), {"object": tmp_path / "y"}),
        (sorted((tmp_path / "x").iterdir(), key=lambda p: int(p.stem[1:])), list((tmp_path / "y").iterdir())),
        (tmp_path / "x" / "*.png", str(tmp_path / "y" / "a*.png")),
    ):
        table = find_pairs(images, masks)
        assert [entry.name for entry in table.matched] == names


def test_two_single_files_belong_together(tmp_path: Path) -> None:
    table = find_pairs(save(tmp_path / "one.png", picture(0)), save(tmp_path / "two.png", disc()))
    assert rows(table) == [("one", "matched")]
    assert table.entries[0].reason == "the only image and the only mask"
    for checked in (check_pairs(table), check_pairs(check_pairs(table))):  # it stays in the table, once
        assert checked.entries[0].reason == "the only image and the only mask"
    same = find_pairs(save(tmp_path / "two.tif", picture(0)), tmp_path / "two.png")
    assert [(e.status, e.reason) for e in same.entries] == [("matched", "")]
    three = find_pairs(tmp_path / "one.png", [tmp_path / "two.png", save(tmp_path / "three.png", disc())])
    assert sorted(rows(three)) == [("one", "orphan"), ("three", "orphan"), ("two", "orphan")]


def test_patterns_with_group_and_class(tmp_path: Path) -> None:
    for well in "ab":
        for day in (1, 2):
            save(tmp_path / "images" / "healthy" / f"{well}_d{day}_raw.png", picture(day + ord(well)))
            save(tmp_path / "masks" / "x" / f"{well}_d{day}_m.png", disc())
    table = find_pairs(
        tmp_path / "images", tmp_path / "masks", "{class}/{group}_d{name}_raw.png", "*/{group}_d{name}_m.png"
    )
    assert [(e.name, e.status, e.group, e.image_class) for e in table.entries] == [
        (f"{well}_{day}", "matched", well, "healthy") for well in "ab" for day in (1, 2)
    ]
    with pytest.raises(UserError) as caught:
        find_pairs(tmp_path / "images", tmp_path / "masks", "{class}/{name}.jpg")
    assert str(caught.value) == (
        "None of 4 files is named like '{class}/{name}.jpg'. Expected at least one. The first is a_d1_raw.png. "
        "Correct the pattern."
    )
    with pytest.raises(UserError, match=r"The name pattern is '{class}/{file}\.png'\. Expected {name} once"):
        find_pairs(tmp_path / "images", tmp_path / "masks", "{class}/{file}.png")


def test_orphans_and_ambiguous_rows_say_why(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        save(tmp_path / "images" / f"{name}.png", picture(ord(name)))
    save(tmp_path / "images" / "d.tif", picture(9))
    for name in ("a", "c_mask", "c_label", "e", "d"):
        save(tmp_path / "masks" / f"{name}.png", disc())
    table = find_pairs(tmp_path)
    assert [(e.name, e.status, e.reason) for e in table.entries] == [
        ("a", "matched", ""),
        ("b", "orphan", "no mask is named like images/b.png"),
        ("c", "ambiguous", "2 files fit as mask: masks/c_label.png, masks/c_mask.png"),
        ("d", "ambiguous", "images of one name: images/d.png, images/d.tif"),
        ("d (2)", "ambiguous", "images of one name: images/d.png, images/d.tif"),
        ("e", "orphan", "no image is named like masks/e.png"),
    ]
    assert table.summary() == "1 matched, 2 orphans, 3 ambiguous."


def test_subfolders_of_binary_masks_are_classes(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/cell/a{}.png")
    lumen = np.zeros((24, 32), np.uint8)
    lumen[8:10, 8:20] = 1
    ids = (disc(1) + 2 * lumen).astype(np.uint8)
    for index in (1, 2):
        save(tmp_path / f"masks/lumen/a{index}.png", lumen)
        save(tmp_path / f"masks/numbers/a{index}.png", ids)
    table = find_pairs(tmp_path)
    assert table.notes == ("masks/numbers (instances) is left out; choose it as the mask folder to use it.",)
    assert [(e.status, e.reason) for e in table.entries] == [
        ("matched", ""),
        ("matched", ""),
        ("orphan", "no mask of 'lumen' is named like images/a3.png"),
    ]
    table = check_pairs(table)
    assert (table.mask_kind, table.class_names) == ("classes", ("cell", "lumen"))
    assert table.kind_reason == "several masks per image: cell, lumen"
    assert table.entries[0].reason == "8 px are in several masks, the later class wins"
    pair = load_pairs(table)[0]
    np.testing.assert_array_equal(pair.labels, np.where(lumen > 0, 2, disc(1)))
    swapped = check_pairs(find_pairs(tmp_path / "images", {k: tmp_path / "masks" / k for k in ("lumen", "cell")}))
    np.testing.assert_array_equal(load_pairs(swapped)[0].labels, np.where(disc() > 0, 2, lumen))
    together = load_pairs(check_pairs(table, kind="binary"))[0]
    np.testing.assert_array_equal(together.labels, (lumen > 0) | (disc() > 0))
    assert together.class_names == ("object",)


def test_stacks_are_matched_slice_by_slice(tmp_path: Path) -> None:
    stack = np.stack([picture(k) for k in range(3)])
    masks = np.stack([disc(k + 1) for k in range(3)])
    save(tmp_path / "images/s.tif", stack)
    save(tmp_path / "masks/s.tif", masks)
    save(tmp_path / "images/t.tif", stack)
    save(tmp_path / "masks/t.tif", masks[:2])
    table = find_pairs(tmp_path)
    assert rows(table) == [("s_000", "matched"), ("s_001", "matched"), ("s_002", "matched"), ("t", "broken")]
    assert table.entries[3].reason == "images/t.tif has 3 slices, masks/t.tif has 2."
    assert {entry.group for entry in table.matched} == {"s"}
    for page, pair in enumerate(load_pairs(table)):
        np.testing.assert_array_equal(pair.image[0], stack[page])
        np.testing.assert_array_equal(pair.labels, masks[page] > 0)
        assert pair.source == Source(
            "real", (str(tmp_path / "images/s.tif"), str(tmp_path / "masks/s.tif")), {"page": page}
        )


def test_nothing_to_find(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    filled, empty, other = (tmp_path_factory.mktemp(name) for name in ("filled", "empty", "other"))
    save(filled / "one.png", picture(0))
    (other / "deeper").mkdir()
    for name in ("a.czi", "b.czi", "z.txt"):
        (other / name).touch()
    for call, text in (
        (lambda: find_pairs(tmp_path / "no", tmp_path), f"There is no folder {tmp_path / 'no'}."),
        (lambda: find_pairs(tmp_path), f"There is no image file in {tmp_path}: it is empty."),
        (lambda: find_pairs(tmp_path, tmp_path), f"There is no image file in {tmp_path}: it is empty."),
        (lambda: find_pairs(tmp_path / "a.tif", tmp_path), f"There is no file {tmp_path / 'a.tif'}."),
        (lambda: find_pairs(tmp_path / "*.tif", tmp_path), f"There is no image file in {tmp_path / '*.tif'}."),
        (lambda: find_pairs(filled, empty), f"There is no mask file in {empty}: it is empty."),
        (lambda: find_pairs(filled, {"a": filled, "b": empty}), f"There is no mask file in {empty}: it is empty."),
        (
            lambda: find_pairs(other, filled),
            f"There is no image file in {other}: it contains a.czi, b.czi, deeper/, ….",
        ),
        (lambda: find_pairs(filled), f"There is 1 image in {filled} and no mask."),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert caught.value.found == text


# --- by pixels


def broken(tmp_path: Path, image: Any, mask: Any) -> str:
    for folder, content in (("images", image), ("masks", mask)):
        if isinstance(content, bytes):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "a.tif").write_bytes(content)
        else:
            save(tmp_path / folder / "a.tif", content)
    (entry,) = check_pairs(find_pairs(tmp_path)).entries
    assert entry.status == "broken"
    return entry.reason


def test_bad_rows_say_what_is_wrong(tmp_path: Path) -> None:
    nan = picture(0).astype(np.float32)
    nan[0, :5] = np.nan
    flat = np.full((24, 32), 17, np.uint8)
    cases = [
        (
            picture(0),
            disc(size=(25, 32)),
            "'a': the image is 32 × 24 px, the mask 32 × 25 px. Expected the same height and width. "
            "Export the mask again at the size of the image.",
        ),
        (
            nan,
            disc(),
            "The image images/a.tif has 5 px that are not a number (NaN or infinite). Expected numbers everywhere. "
            "Fill them, or leave the image out.",
        ),
        (
            flat,
            disc(),
            "The image images/a.tif is constant: all 32 × 24 px are 17. Expected different values. Check the file, "
            "or leave it out.",
        ),
        (
            b"",
            disc(),
            "images/a.tif is empty (0 bytes). Expected an image. Copy the file again from its source.",
        ),
        (
            picture(0),
            b"no image",
            "masks/a.tif has an unknown format (8 bytes). Expected TIFF, OME-TIFF, PNG, JPEG, BMP or OME-Zarr. "
            "Save it as TIFF, for example with Fiji.",
        ),
        (
            picture(0),
            disc(0),
            "The mask masks/a.tif is empty: all 32 × 24 px are 0. Expected at least one object. "
            "Draw the object, or leave the image out.",
        ),
        (
            picture(0),
            disc().astype(np.float32) / 510,
            "The mask masks/a.tif is float32 with fractions such as 0.5 in 64 px. Expected whole numbers, 0 for "
            "background. If these are probabilities, threshold them, then save an integer label image.",
        ),
    ]
    for image, mask, text in cases:
        assert broken(tmp_path, image, mask) == text


def test_a_broken_row_leaves_the_others_usable(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/a{}.png")
    (tmp_path / "masks" / "a2.png").write_bytes(b"")
    table = check_pairs(find_pairs(tmp_path))
    assert rows(table) == [("a1", "matched"), ("a2", "broken"), ("a3", "matched")]
    assert [pair.name for pair in load_pairs(table)] == ["a1", "a3"]


def test_check_fills_the_row(tmp_path: Path) -> None:
    mask = disc(3).astype(np.uint16)
    mask[16:20, 16:21] = 900
    path = save(tmp_path / "images/a.tif", picture(1).astype(np.uint16))
    tifffile.imwrite(path, tifffile.imread(path), resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    save(tmp_path / "masks/a.tif", mask)
    table = check_pairs(find_pairs(tmp_path))
    entry = table.entry("a")
    assert entry.shape == (1, 24, 32)
    assert (entry.dtype, entry.pixel_size) == ("uint16", pytest.approx((0.5, 0.5)))
    assert (entry.mask_kind, entry.n_objects, entry.object_size) == ("instances", 2, (20, 64))
    assert table.summary() == "1 matched; instances (2 values from 3 to 900, 2 pieces in the first mask)."
    pair = load_pairs(table)[0]
    np.testing.assert_array_equal(pair.labels, mask)
    assert pair.pixel_size == pytest.approx((0.5, 0.5))
    with pytest.raises(UserError, match="There is no pair 'b'"):
        table.entry("b")


@pytest.mark.parametrize("value", [1, 255])
def test_binary_becomes_zero_and_one(tmp_path: Path, value: int) -> None:
    save(tmp_path / "images/a.png", picture(1))
    save(tmp_path / "masks/a.png", disc(value))
    pair = load_pairs(check_pairs(find_pairs(tmp_path)))[0]
    assert pair.mask_kind == "binary"
    assert pair.labels.dtype == np.int32
    np.testing.assert_array_equal(pair.labels, disc(1))


def test_codes_become_classes_over_the_whole_set_and_a_person_may_disagree(tmp_path: Path) -> None:
    for name, codes in (("a", (50, 150)), ("b", (100, 150))):
        mask = disc(codes[0])
        mask[16:20, 16:20] = codes[1]
        save(tmp_path / "images" / f"{name}.png", picture(ord(name)))
        save(tmp_path / "masks" / f"{name}.png", mask)
    found = find_pairs(tmp_path)
    table = check_pairs(found)
    assert (table.mask_kind, table.class_values) == ("classes", (50, 100, 150))
    assert table.class_names == ("class 50", "class 100", "class 150")
    assert [np.unique(pair.labels).tolist() for pair in load_pairs(table)] == [[0, 1, 3], [0, 2, 3]]
    named = check_pairs(table.replace(class_names=("x", "y", "z")))
    assert load_pairs(named)[0].class_names == ("x", "y", "z")
    for kind, expected in (("binary", [0, 1]), ("instances", [0, 50, 150])):
        other = check_pairs(found, kind=kind)  # type: ignore[arg-type]
        assert other.kind_reason == "chosen by hand"
        assert np.unique(load_pairs(other)[0].labels).tolist() == expected


def test_copies_are_reported_on_both_rows_and_only_one_is_used(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/a{}.png", 4)
    save(tmp_path / "images/a3.png", picture(1))
    table = check_pairs(find_pairs(tmp_path))
    assert [(e.status, e.reason, e.duplicate_of) for e in table.entries] == [
        ("matched", "same pixels as 'a3', left out", ""),
        ("matched", "", ""),
        ("ambiguous", "same pixels as 'a1', which is kept", "a1"),
        ("matched", "", ""),
    ]
    assert table.notes == ("1 image left out with the same pixels as another.",)
    assert check_pairs(table) == table
    assert [e.name for e in split_table(table, test=2).test] == ["a2", "a4"]
    save(tmp_path / "images/a3.png", picture(33))
    assert [e.status for e in check_pairs(table).entries] == ["matched"] * 4


def test_mixtures_are_told(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/a{}.png")
    save(tmp_path / "images/a2.png", np.stack([picture(k) for k in (5, 6, 7)], -1))
    save(tmp_path / "images/a3.png", picture(8).astype(np.uint16))
    table = check_pairs(find_pairs(tmp_path))
    assert table.notes == (
        "Images differ in channels: 2 with 1 channel, 1 with 3 channels; a generator needs the same number in all.",
        "Images differ in pixel type: 1 uint16, 2 uint8.",
    )
    assert load_pairs(table)[1].channel_names == RGB


# --- split, file, project


def table_of(*groups: str) -> PairTable:
    return PairTable(entries=tuple(PairEntry(name=f"p{i}", group=group) for i, group in enumerate(groups)))


def named_tests(table: PairTable) -> list[str]:
    assert not {entry.name for entry in table.test} & {entry.name for entry in table.train}
    return [entry.name for entry in table.test]


def test_split() -> None:
    single = table_of("", "", "", "", "")
    assert len(single.train) == 5
    assert named_tests(split_table(single, test=2)) == ["p3", "p4"]
    assert named_tests(split_table(single, test=0.2)) == ["p4"]
    assert named_tests(split_table(single, test=["p1"])) == ["p1"]
    assert named_tests(split_table(single, test=0)) == []
    grouped = table_of("a", "a", "b", "c", "c")
    assert named_tests(split_table(grouped, test=1)) == ["p3", "p4"]
    assert named_tests(split_table(grouped, test=["p0"])) == ["p0", "p1"]
    assert named_tests(split_table(table_of("s", "s", "s", "s"), test=0.25)) == ["p3"]
    assert named_tests(split_table(split_table(single, test=2), test=["p0"])) == ["p0"]


def test_impossible_splits() -> None:
    with pytest.raises(UserError) as caught:
        split_table(table_of("", ""), test=2)
    assert str(caught.value) == (
        "All 2 pairs would be test pairs. Expected at least one to train on. "
        "Choose fewer for testing, or use smaller groups."
    )
    with pytest.raises(UserError, match=r"There is no usable pair 'x'\. Expected one of 2 names, such as p0, p1\."):
        split_table(table_of("", ""), test=["x"])


def test_table_survives_its_file_and_moves_with_the_project(tmp_path: Path) -> None:
    data = fill(tmp_path / "data", "images/a{}.png", "masks/a{}.png")
    inside = fill(tmp_path / "old", "pairs/b{}.png", "pairs/b{}_mask.png")
    table = check_pairs(find_pairs(data))
    table = split_table(table.replace(entries=(*table.entries, *find_pairs(inside / "pairs").entries)), test=1)
    table.to_file(inside / "pairs.json")
    assert PairTable.from_file(inside / "pairs.json") == table
    moved = inside.rename(tmp_path / "new")
    read = PairTable.from_file(moved / "pairs.json")
    assert read.entries[0].image == str(data / "images/a1.png")
    assert read.entries[3].image == str(moved / "pairs/b1.png")
    assert read.entries[3].masks == {"object": str(moved / "pairs/b1_mask.png")}


def test_a_table_of_format_1_is_read_with_what_it_says_in_sentences(tmp_path: Path) -> None:
    rows = [
        {"name": "a", "status": "matched"},
        {"name": "b", "status": "ambiguous", "reason": "skipped by hand"},
        {"name": "c", "status": "ambiguous", "reason": "2 files fit as mask: x, y"},
    ]
    folder = "masks/numbers (instances) is left out; choose it as the mask folder to use it."
    values = {
        "entries": rows,
        "mask_kind": "binary",
        "kind_reason": "chosen by hand",
        "notes": [folder, "Sizes differ."],
    }
    (tmp_path / "pairs.json").write_text(json.dumps(values))
    table = PairTable.from_file(tmp_path / "pairs.json")
    assert [(entry.status, entry.reason) for entry in table.entries] == [
        ("matched", ""), ("skipped", ""), ("ambiguous", "2 files fit as mask: x, y")
    ]  # fmt: skip
    assert (table.kind_by_hand, table.folder_notes, table.check_notes) == (True, (folder,), ("Sizes differ.",))
    table.to_file(tmp_path / "pairs.json")
    assert PairTable.from_file(tmp_path / "pairs.json") == table


def test_a_missing_or_foreign_table(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    with pytest.raises(UserError, match=r"has no pairs\. Expected a table of images and masks\. Add pairs first\."):
        PairTable.from_file(path)
    for text, found in (
        ("{", "Cannot read"),
        ("[]", "is not a table of pairs"),
        ('{"x": 1}', "There is no setting 'x'"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=found):
            PairTable.from_file(path)


def test_load_pairs_of_a_project(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    table = check_pairs(find_pairs(fill(tmp_path, "images/a{}.png", "masks/a{}.png")))
    split_table(table, test=1).to_file(project.pairs_path)
    assert [pair.name for pair in load_pairs(project)] == ["a1", "a2", "a3"]
    assert [pair.name for pair in load_pairs(project, "train")] == ["a1", "a2"]
    assert [pair.name for pair in load_pairs(project, "test")] == ["a3"]
    table.to_file(project.pairs_path)
    with pytest.raises(UserError) as caught:
        load_pairs(project, "test")
    assert str(caught.value) == (
        "The table has no usable pair to test (3 matched; binary (one value, 255, beside 0 in the first mask)). "
        "Expected at least one image with its mask. Choose some pairs for testing."
    )


def test_a_table_at_half_size_gives_small_pairs_wherever_they_are_read(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    table = check_pairs(find_pairs(fill(tmp_path, "images/a{}.png", "masks/a{}.png"))).scaled(0.5)
    table.to_file(project.pairs_path)
    assert PairTable.from_file(project.pairs_path).scale == 0.5
    assert table.summary().endswith("Used at 50 % of their size.")
    assert [entry.size for entry in table.entries] == 3 * [(12, 16)]
    pairs = load_pairs(project)
    assert [pair.size for pair in pairs] == 3 * [(12, 16)]
    assert [int(pair.labels.sum()) for pair in pairs] == 3 * [16]  # 8 × 8 px before
    # a pair from the screen is as it is used; a new one is shrunk like the others
    for name, expected in (("a1", 1.0), ("new", 0.5)):
        entry = add_pair(project, SamplePair(name, picture(5)[None], disc()))
        assert (entry.scale, entry.size) == (expected, (24, 32) if expected == 1 else (12, 16))
    assert check_pairs(PairTable.from_file(project.pairs_path)).scale == 0.5


def test_own_pairs_are_taken_with_their_notes(tmp_path: Path) -> None:
    labels = np.zeros((24, 32), np.int32)
    labels[2:8, 2:8], labels[12:18, 12:18] = 1, 2
    pair = SamplePair(
        "s",
        picture(0)[None],
        labels,
        "classes",
        ("bud", "core", "rim"),
        (0.5, 0.5),
        ("phase",),
        "ill",
        Source("synthetic"),
    )
    write_pair(tmp_path, pair)
    table = check_pairs(find_pairs(tmp_path))
    assert (table.mask_kind, table.class_names) == ("classes", ("bud", "core", "rim"))
    assert table.entries[0].reason == "synthetic, not a real image"
    read = load_pairs(table)[0]
    np.testing.assert_array_equal(read.labels, labels)
    assert (read.image_class, read.pixel_size, read.channel_names) == ("ill", (0.5, 0.5), ("phase",))


def test_layers_become_a_row_and_saving_again_renews_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    entry = add_pair(
        project, SamplePair("one", picture(0)[None].astype(np.uint16), disc().astype(np.int64), pixel_size=(0.5, 0.25))
    )
    assert (entry.status, entry.mask_kind, entry.pixel_size, entry.dtype) == (
        "matched",
        "binary",
        (0.5, 0.25),
        "uint16",
    )
    assert Path(entry.image) == project.path / "pairs" / "one.ome.tif"
    np.testing.assert_array_equal(read_pair(entry.image).labels, disc(1))
    numbers = disc(1).astype(np.int32)
    numbers[16:20, 16:20] = 2
    add_pair(project, SamplePair("two", np.stack([picture(1)] * 3), numbers, channel_names=RGB))
    table = PairTable.from_file(project.pairs_path)
    assert [(e.name, e.mask_kind, e.n_objects) for e in table.entries] == [
        ("one", "instances", 1),
        ("two", "instances", 2),
    ]
    np.testing.assert_array_equal(load_pairs(project)[1].labels, numbers)
    split_table(table, ["one"]).to_file(project.pairs_path)
    assert table.kind_reason == "1 of 2 masks look like it; as noted before"
    again = add_pair(project, SamplePair("one", picture(5)[None], numbers), "instances")
    assert (again.split, again.n_objects) == ("test", 2)
    assert [e.name for e in PairTable.from_file(project.pairs_path).entries] == ["two", "one"]


def test_a_kind_chosen_by_hand_stays(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    add_pair(project, SamplePair("one", picture(0)[None], disc()))
    numbers = disc(1).astype(np.int32)
    numbers[16:20, 16:20] = 2
    check_pairs(PairTable.from_file(project.pairs_path), kind="binary").to_file(project.pairs_path)
    add_pair(project, SamplePair("two", picture(1)[None], numbers))
    assert PairTable.from_file(project.pairs_path).mask_kind == "binary"
    np.testing.assert_array_equal(load_pairs(project)[1].labels, numbers > 0)
    np.testing.assert_array_equal(read_pair(project.path / "pairs" / "two.ome.tif").labels, numbers)  # nothing is lost


def test_a_jpeg_mask_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(0, (200, 200)))
    mask = np.zeros((200, 200), np.uint8)
    mask[50:150, 60:160] = 255
    mask[20:60, 20:70] = 255
    Image.fromarray(mask).save(tmp_path / "a_mask.jpg", quality=80)
    (entry,) = check_pairs(find_pairs(tmp_path)).entries
    assert entry.status == "broken"
    assert "has blurred edges" in entry.reason


def test_importing_is_light() -> None:
    heavy = "{'torch', 'skimage', 'scipy', 'tifffile', 'zarr', 'PIL', 'ome_types', 'monai', 'qtpy', 'napari'}"
    code = (
        f"import sys; from napari_organoid_synth.core.pairs import loading, tiling; print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_unusable_layers_change_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    with pytest.raises(UserError, match=r"The mask 'x' is empty: all 32 × 24 px are 0\."):
        add_pair(project, SamplePair("x", picture(0)[None], disc(0)))
    with pytest.raises(UserError, match=r"'x': the image is 32 × 24 px, the mask 32 × 20 px\."):
        add_pair(project, SamplePair("x", picture(0)[None], disc(size=(20, 32))))
    assert not project.pairs_path.exists()
    assert not (project.path / "pairs").exists()


# --- sets of images, in the repository and real ones

ImageSet = Callable[[str], Path]


@pytest.mark.parametrize(("name", "number", "overlap"), [("miniature/em", 4, 111), ("drosophila_vnc_em", 14, 44)])
def test_two_folders_of_masks_are_two_classes(image_set: ImageSet, name: str, number: int, overlap: int) -> None:
    folder = image_set(name)
    masks = {name: folder / "masks" / name for name in ("mitochondria", "membranes")}
    table = check_pairs(find_pairs(folder / "images", masks))
    assert len(table.matched) == len(table.entries) == number
    assert (table.mask_kind, table.class_names) == ("classes", ("mitochondria", "membranes"))
    assert table.entries[0].reason == f"{overlap} px are in several masks, the later class wins"
    alone = find_pairs(folder)
    assert alone.notes == ("masks/classes (classes) is left out; choose it as the mask folder to use it.",)


@pytest.mark.parametrize(("name", "grey", "rgb"), [("miniature/nuclei", 8, 4), ("nuclei_dsb2018", 31, 34)])
def test_nuclei_are_instances_grey_and_rgb(image_set: ImageSet, name: str, grey: int, rgb: int) -> None:
    table = check_pairs(find_pairs(image_set(name)))
    assert (len(table.matched), table.mask_kind) == (grey + rgb, "instances")
    assert table.notes[0] == (
        f"Images differ in channels: {grey} with 1 channel, {rgb} with 3 channels; a generator needs the same number "
        "in all."
    )


@pytest.mark.parametrize(
    ("name", "number"),
    [("miniature/organoids", 6), ("cerebral_organoids_brightfield", 9), ("spheroids_microwell_phase", 20)],
)
def test_organoids_are_binary(image_set: ImageSet, name: str, number: int) -> None:
    table = check_pairs(find_pairs(image_set(name)))
    assert (len(table.matched), table.mask_kind) == (number, "binary")
    assert {entry.n_objects for entry in table.matched} == {1}


def test_images_without_masks_are_for_generators_of_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for grade, count in (("good", 2), ("poor", 1)):
        (tmp_path / "images" / grade).mkdir(parents=True)
        for number in range(count):
            tifffile.imwrite(tmp_path / "images" / grade / f"e{number}.tif", rng.integers(0, 255, (40, 50), np.uint8))
    with pytest.raises(UserError, match=r"no mask.*set no_masks"):
        find_pairs(tmp_path / "images/good")
    table = check_pairs(find_pairs(tmp_path / "images", image_pattern="{class}/{name}.tif", no_masks=True))
    assert [(entry.image_class, entry.masks, entry.n_objects) for entry in table.matched] == [
        ("good", {}, 0), ("poor", {}, 0), ("good", {}, 0),
    ]  # fmt: skip
    assert table.summary() == "3 matched (all without masks, for generators of images); binary (no masks)."
    table.to_file(tmp_path / "pairs.json")
    table = PairTable.from_file(tmp_path / "pairs.json")
    assert conclude(table, [CheckedEntry(entry) for entry in table.entries]) == table
    with pytest.raises(UserError, match="None of 3 images has a mask"):
        load_pairs(table)
    pairs = load_pairs(table, images_alone=True)
    assert [(pair.image.shape, pair.labels.any(), pair.image_class) for pair in pairs] == [
        ((1, 40, 50), False, "good"), ((1, 40, 50), False, "poor"), ((1, 40, 50), False, "good"),
    ]  # fmt: skip
    with pytest.raises(UserError, match="Both masks and 'no masks' are given"):
        find_pairs(tmp_path / "images", tmp_path / "images", no_masks=True)
