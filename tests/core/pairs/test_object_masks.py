"""One mask file per object: the folders of an image are found and read as instances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs
from napari_organoid_synth.core.pairs.object_masks import read_objects
from pair_files import picture, rows, save

SIZE = (24, 32)


def square(row: int, column: int, value: int = 255) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[row : row + 5, column : column + 5] = value
    return mask


def three_objects() -> np.ndarray:
    return np.max([k * (square(2 + 7 * (k - 1), 3) > 0) for k in (1, 2, 3)], axis=0)


def fill(root: Path, image: str, masks: str, number: int = 3) -> Path:
    for index in range(number):
        save(root / image.format(index), picture(index, SIZE))
        for k in range(3):
            save(root / masks.format(index) / f"obj{k}.png", square(2 + 7 * k, 3))
    return root


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        ("id{0}/images/id{0}.png", "id{0}/masks"),
        ("id{0}/image/raw.png", "id{0}/labels"),
        ("images/a{0}.png", "masks/a{0}"),
        ("images/a{0}_img.png", "masks/a{0}_masks"),
    ],
)
def test_a_folder_of_masks_is_the_mask_of_one_image(tmp_path: Path, image: str, masks: str) -> None:
    table = check_pairs(find_pairs(fill(tmp_path, image, masks)))
    assert [entry.status for entry in table.entries] == ["matched"] * 3
    assert len({entry.name for entry in table.entries}) == 3
    assert table.mask_kind == "instances"
    assert {entry.reason for entry in table.entries} == {"3 mask files, an object each"}
    for pair in load_pairs(table):
        np.testing.assert_array_equal(pair.labels, three_objects())


def test_one_image_alone(tmp_path: Path) -> None:
    fill(tmp_path, "images/id{0}.png", "masks", 1)
    table = check_pairs(find_pairs(tmp_path))
    assert (rows(table), table.mask_kind, table.entries[0].n_objects) == ([("id0", "matched")], "instances", 3)


def test_an_image_without_masks_is_an_orphan(tmp_path: Path) -> None:
    fill(tmp_path, "id{0}/images/id{0}.png", "id{0}/masks", 2)
    save(tmp_path / "id9/images/id9.png", picture(9, SIZE))
    assert rows(find_pairs(tmp_path)) == [("id0", "matched"), ("id1", "matched"), ("id9", "orphan")]


def test_a_label_image_beside_its_image_is_not_an_object(tmp_path: Path) -> None:
    fill(tmp_path, "id{0}/images/id{0}.png", "id{0}/masks", 1)
    save(tmp_path / "id5/images/id5.png", picture(5, SIZE))
    save(tmp_path / "id5/masks/id5.png", three_objects().astype(np.uint8))
    table = check_pairs(find_pairs(tmp_path))
    assert [entry.n_objects for entry in table.matched] == [3, 3]
    save(tmp_path / "plain/images/x.png", picture(5, SIZE))
    save(tmp_path / "plain/masks/x.png", square(2, 3))
    assert check_pairs(find_pairs(tmp_path / "plain")).mask_kind == "binary"


def test_folders_of_classes_stay_classes(tmp_path: Path) -> None:
    for index in range(2):
        save(tmp_path / f"images/a{index}.png", picture(index, SIZE))
        save(tmp_path / f"masks/cells/a{index}.png", square(2, 3))
        save(tmp_path / f"masks/nuclei/a{index}.png", square(12, 3))
    table = check_pairs(find_pairs(tmp_path))
    assert (table.mask_kind, table.class_names) == ("classes", ("cells", "nuclei"))


def test_overlaps_and_empty_files_are_said_and_mixtures_refused(tmp_path: Path) -> None:
    save(tmp_path / "a/1.png", square(2, 3))
    save(tmp_path / "a/2.png", square(4, 3))
    save(tmp_path / "a/3.png", square(2, 3, 0))
    drawn = read_objects(tmp_path / "a", SIZE)
    assert drawn.remarks == (
        "3 mask files, an object each",
        "15 px are in several objects, the later one wins",
        "1 mask file without object",
    )
    assert [int((drawn.labels == k).sum()) for k in (1, 2)] == [10, 25]
    save(tmp_path / "b/1.png", square(2, 3))
    save(tmp_path / "b/2.png", three_objects().astype(np.uint8))
    with pytest.raises(UserError, match=r"b/2\.png has 3 values beside 0 and is one of 2 masks of one image"):
        read_objects(tmp_path / "b", SIZE)
    save(tmp_path / "c/1.png", square(2, 3))
    save(tmp_path / "c/2.png", square(2, 3)[:9])
    with pytest.raises(UserError, match=r"c/2\.png has 32 × 9 px, the other masks in its folder have 32 × 24 px"):
        read_objects(tmp_path / "c", SIZE)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/img{0}.png", "masks/img{0}_mask_{1}.png"),
        ("images/img{0}.png", "masks/IMG{0}-cell-{1:03d}.png"),
        ("images/a b{0}_img.png", "masks/a b{0}_obj{1}.png"),
        ("img{0}.png", "img{0}_mask_{1}.png"),
        ("images/x_cell_{0}.png", "masks/x_cell_{0}_{1}.png"),
    ],
)
def test_numbered_files_of_one_image_are_its_objects(tmp_path: Path, image: str, mask: str) -> None:
    for index in range(3):
        save(tmp_path / image.format(index), picture(index, SIZE))
        for k in range(3):
            save(tmp_path / mask.format(index, 9 + k), square(2 + 7 * k, 3))
    table = check_pairs(find_pairs(tmp_path))
    assert ([entry.status for entry in table.entries], table.mask_kind) == (["matched"] * 3, "instances")
    assert {entry.reason for entry in table.entries} == {"3 mask files, an object each"}
    table.to_file(tmp_path / "pairs.json")
    for pair in load_pairs(table.from_file(tmp_path / "pairs.json")):
        np.testing.assert_array_equal(pair.labels, three_objects())


def test_numbers_of_classes_slices_and_other_images_are_not_of_objects(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(1, SIZE))
    save(tmp_path / "images/b.png", picture(2, SIZE))
    save(tmp_path / "images/b_1.png", picture(3, SIZE))
    for name in ("a_class1", "a_z1", "a_z2", "b_1", "b_2", "b_3"):
        save(tmp_path / f"masks/{name}.png", square(2, 3))
    found = {entry.name: entry.status for entry in find_pairs(tmp_path).entries if entry.image}
    assert found == {"a": "orphan", "b": "orphan", "b_1": "matched"}
    save(tmp_path / "images/b_3.png", picture(4, SIZE))
    for number in (1, 2):
        save(tmp_path / f"masks/b_mask_{number}.png", square(2, 3))
    found = {entry.name: entry.status for entry in find_pairs(tmp_path).entries if entry.image}
    assert found == {"a": "orphan", "b": "matched", "b_1": "matched", "b_3": "matched"}


def test_an_empty_folder_of_masks_is_an_image_without_objects(tmp_path: Path) -> None:
    fill(tmp_path / "dsb", "id{0}/images/id{0}.png", "id{0}/masks", 2)
    save(tmp_path / "dsb/id5/images/id5.png", picture(5, SIZE))
    (tmp_path / "dsb/id5/masks").mkdir()
    fill(tmp_path / "named", "images/a{0}.png", "masks/a{0}", 2)
    save(tmp_path / "named/images/a5.png", picture(5, SIZE))
    (tmp_path / "named/masks/a5").mkdir()
    for folder in ("dsb", "named"):
        table = check_pairs(find_pairs(tmp_path / folder))
        assert [(entry.status, entry.n_objects) for entry in table.entries] == [("matched", n) for n in (3, 3, 0)]
        assert table.entries[2].reason == "no objects: an empty field; no mask file in its folder"
    save(tmp_path / "none/images/a.png", picture(5, SIZE))
    (tmp_path / "none/masks").mkdir()
    with pytest.raises(UserError, match="There is no mask file"):
        find_pairs(tmp_path / "none")
