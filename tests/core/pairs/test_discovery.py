"""Images and masks find each other by their names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import (
    check_pairs,
    find_pairs,
    load_pairs,
)
from napari_organoid_synth.core.pairs.pair import Source
from napari_organoid_synth.core.segmentation.predict import find_planes
from pair_files import disc, fill, picture, rows, save


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
    for name in ("a.doc", "b.doc", "z.txt"):
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
            f"There is no image file in {other}: it contains a.doc, b.doc, deeper/, ….",
        ),
        (lambda: find_pairs(filled), f"There is 1 image in {filled} and no mask."),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert caught.value.found == text


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("A1/img.tif B2/img.tif", "A1/img_masks.tif B2/img_masks.tif"),
        ("A1/images/img.tif B2/images/img.tif", "A1/masks/img.tif B2/masks/img.tif"),
        ("images/A1/img.tif images/B2/img.tif", "masks/A1/img.tif masks/B2/img.tif"),
        ("A1/img.tif B2/img.tif", "A1_masks/img.tif B2_masks/img.tif"),
    ],
)
def test_images_of_one_name_from_two_folders_are_two_pairs(tmp_path: Path, images: str, masks: str) -> None:
    files = [save(tmp_path / name, picture(k)) for k, name in enumerate(images.split())]
    drawn = [save(tmp_path / name, np.roll(disc(), 3 * k, axis=1)) for k, name in enumerate(masks.split())]
    table = check_pairs(find_pairs(files, drawn))
    assert rows(table) == [("A1_img", "matched"), ("B2_img", "matched")]
    for k, pair in enumerate(load_pairs(table)):
        np.testing.assert_array_equal(pair.image[0], picture(k))
        np.testing.assert_array_equal(pair.labels, np.roll(disc(1), 3 * k, axis=1))
    if "images/img" in images:  # the folders that hold both
        assert find_pairs([tmp_path / "A1", tmp_path / "B2"]) == find_pairs(files, drawn)
    alone = find_pairs(files, no_masks=True)
    assert rows(alone) == [("A1_img", "matched"), ("B2_img", "matched")]


def test_images_of_one_name_whose_masks_cannot_be_told_apart_are_ambiguous(tmp_path: Path) -> None:
    files = [save(tmp_path / f"{folder}/img.tif", picture(k)) for k, folder in enumerate(("A1", "B2"))]
    drawn = [save(tmp_path / f"m{k}/img.tif", disc()) for k in range(2)]
    assert {status for _, status in rows(find_pairs(files, drawn))} == {"ambiguous"}
    same = [save(tmp_path / f"A1/img.{ending}", picture(2)) for ending in ("tif", "png")]
    table = find_pairs(same, drawn[:1])
    assert table.entries[0].reason == "images of one name: A1/img.tif, A1/img.png"


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("b.TIF", "B.PNG"),
        ("Cell_C.tif", "cell_c_MASK.png"),
        ("Z\u00fcrich.tif", "Zu\u0308rich.png"),
        ("Z\u00fcrich_img.tif", "zu\u0308rich_Masks.png"),
    ],
)
def test_case_and_the_way_an_umlaut_is_stored_do_not_matter(tmp_path: Path, image: str, mask: str) -> None:
    for number, folder in enumerate(("one", "two")):
        save(tmp_path / folder / "images" / image, picture(number))
        save(tmp_path / folder / "images" / "other.tif", picture(7 + number))
        save(tmp_path / folder / "masks" / mask.lower().replace(".png", "") / "x.png", disc()).rename(
            tmp_path / folder / "masks" / mask
        )
        save(tmp_path / folder / "masks" / "other.png", disc())
    assert {entry.status for entry in find_pairs(tmp_path / "one").entries} == {"matched"}


def test_equal_case_comes_first(tmp_path: Path) -> None:
    for index, name in enumerate(("a", "A")):
        save(tmp_path / f"images/{name}.png", picture(index))
        save(tmp_path / f"masks/{name}_mask.png", disc())
    table = find_pairs(tmp_path)
    assert {Path(entry.image).stem: Path(entry.masks["object"]).stem for entry in table.entries} == {
        "a": "a_mask",
        "A": "A_mask",
    }


def test_a_pattern_finds_outlines_beside_images(tmp_path: Path) -> None:
    square = [[4, 4], [12, 4], [12, 12], [4, 12]]
    shapes = [{"label": "c", "points": square, "shape_type": "polygon"}]
    for index, folder in enumerate(("A", "B")):
        save(tmp_path / folder / "x.tif", picture(index))
        document = {"shapes": shapes, "imagePath": "x.tif", "imageHeight": 24, "imageWidth": 32}
        (tmp_path / folder / "x.json").write_text(json.dumps(document))
    table = check_pairs(find_pairs(tmp_path / "{group}/{name}.tif", tmp_path / "{group}/{name}.json"))
    assert [(entry.status, entry.group, entry.n_objects) for entry in table.entries] == [
        ("matched", "A", 1),
        ("matched", "B", 1),
    ]
    with pytest.raises(UserError, match=r"'.*/\*' stands for all these folders"):
        find_pairs(tmp_path)
    assert [entry.status for entry in find_pairs(tmp_path / "*").entries] == ["matched", "matched"]


def test_fields_of_a_plate(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    plate = zarr.open_group(str(tmp_path / "p.zarr"), mode="w", zarr_format=2)
    plate.attrs["plate"] = {"version": "0.4", "wells": [{"path": "A/1"}]}
    well = plate.create_group("A/1")
    well.attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
    for field in ("0", "1"):
        for name, array in ((field, picture(int(field))), (f"{field}/labels/cells", disc())):
            node = well.require_group(name)
            axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
            node.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
            node.create_array("0", data=array)
    inside = tmp_path / "p.zarr/A/1/{name}"
    table = check_pairs(find_pairs(inside, f"{inside}/labels/cells"))
    assert [(entry.name, entry.status, entry.n_objects) for entry in table.entries] == [
        ("0", "matched", 1),
        ("1", "matched", 1),
    ]
    alone = check_pairs(find_pairs(tmp_path, no_masks=True)).entries[0]
    assert alone.status == "broken"
    assert "Choose the images inside it: 'p.zarr/A/1/{name}'" in alone.reason


def test_folders_below_are_named_or_taken_with_a_star(tmp_path: Path) -> None:
    for index, place in enumerate(("a.png", "day1/a.png", "day2/a.png", "masks/a.png", "notes/a.txt")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        save(tmp_path / place, picture(index)) if place.endswith("png") else (tmp_path / place).write_text("")
    sentence = f"Images in 2 folders below {tmp_path.name} are left out: day1, day2. '{tmp_path}/*' stands for all."
    table = find_pairs(tmp_path, no_masks=True)
    assert (rows(table), table.folder_notes) == ([("a", "matched")], (sentence,))
    assert find_pairs(tmp_path / "day*", no_masks=True).folder_notes == ()
    assert [plane.name for plane in find_planes([f"{tmp_path}/day*"])] == ["day1_a", "day2_a"]
