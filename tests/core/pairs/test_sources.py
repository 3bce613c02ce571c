"""Sources of a table: what is listed, what goes with a source, and folders that moved."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.grades import with_grades
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, split_table
from napari_organoid_synth.core.pairs.sources import PairSource, find_again, list_sources, remove_source
from napari_organoid_synth.core.pairs.table import PairTable
from pair_files import disc, picture, rows, save


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for number in range(4):
        save(folder / "images" / f"{number}.png", picture(number))
        for name in ("cell", "wall"):
            save(folder / "masks" / name / f"{number}.png", disc())
    (folder / "grades.csv").write_text("name,grade\n" + "".join(f"{n},{'AB'[n % 2]}\n" for n in range(4)))
    return folder


def table_of(data: Path) -> PairTable:
    return with_grades(check_pairs(find_pairs(data)), data / "grades.csv")


def test_folders_and_the_table_of_classes_are_listed_with_their_files(data: Path) -> None:
    table = table_of(data)
    assert list_sources(table) == [
        PairSource("images", data / "images", "", 4),
        PairSource("masks", data / "masks/cell", "cell", 4),
        PairSource("masks", data / "masks/wall", "wall", 4),
        PairSource("classes", data / "grades.csv"),
    ]
    (data / "images/2.png").unlink()
    (data / "grades.csv").unlink()
    assert [source.missing for source in list_sources(table)] == [1, 0, 0, 1]


def test_a_folder_for_each_image_is_listed_as_the_folder_of_all(tmp_path: Path) -> None:
    for number in range(5):
        save(tmp_path / f"s{number}" / "images" / "a.png", picture(number))
        for part in range(2):
            save(tmp_path / f"s{number}" / "masks" / f"{part}.png", disc(size=(24, 32)))
    table = find_pairs(tmp_path)
    assert len(table.entries) == 5
    kinds = [(source.kind, source.files) for source in list_sources(table)]
    assert kinds == [("images", 5), ("masks", 5)]
    assert {source.path for source in list_sources(table)} == {tmp_path}


def test_a_table_of_classes_moves_with_its_project(data: Path) -> None:
    table = table_of(data)
    table.to_file(data / "pairs.json")
    assert '"grades_file": "grades.csv"' in (data / "pairs.json").read_text()
    moved = data.rename(data.with_name("elsewhere"))
    assert PairTable.from_file(moved / "pairs.json").grades_file == str(moved / "grades.csv")


def test_masks_are_removed_class_by_class_and_images_become_orphans(data: Path) -> None:
    table = table_of(data)
    _, cell, wall, classes = list_sources(table)
    without = check_pairs(remove_source(table, cell))
    assert without.class_names == ("wall",)
    assert without.mask_kind == "binary"
    assert [source.class_name for source in list_sources(without)] == ["", "wall", ""]
    alone = check_pairs(remove_source(without, wall))
    assert rows(alone) == [(str(n), "orphan") for n in range(4)]
    ungraded = remove_source(table, classes)
    assert {entry.image_class for entry in ungraded.entries} == {None}
    assert ungraded.grade_notes == ()


def test_images_go_with_the_rows_of_their_masks(data: Path, tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "more" / "images" / f"m{number}.png", picture(20 + number))
        save(tmp_path / "more" / "masks" / f"m{number}.png", disc())
    one, other = table_of(data), check_pairs(find_pairs(tmp_path / "more"))
    table = one.replace(entries=(*one.entries, *other.entries))
    left = remove_source(table, list_sources(table)[0])
    assert rows(left) == [("m0", "matched"), ("m1", "matched")]
    assert [source.path for source in list_sources(left)][:2] == [tmp_path / "more/images", tmp_path / "more/masks"]


def test_a_folder_that_moved_is_found_again_with_all_that_was_chosen(data: Path) -> None:
    table = split_table(table_of(data), ["1"])
    table = table.replace(entries=(table.entries[0].replace(scale=0.5, group="g"), *table.entries[1:]))
    moved = data.rename(data.with_name("archive"))
    broken = check_pairs(table)
    assert rows(broken) == [(str(n), "broken") for n in range(4)]
    images = find_again(broken, data / "images", moved / "images")  # masks and table moved with it
    assert [source.missing for source in list_sources(images)] == [0, 0, 0, 0]
    found = check_pairs(images)
    assert rows(found) == [(str(n), "matched") for n in range(4)]
    assert [entry.name for entry in found.test] == ["1"]
    assert (found.entries[0].scale, found.entries[0].group) == (0.5, "g")
    assert [entry.image_class for entry in found.entries] == ["A", "B", "A", "B"]
    assert found.class_names == ("cell", "wall")


def test_other_files_are_refused_by_name_and_by_size(data: Path) -> None:
    table = table_of(data)
    other = data.with_name("other")
    shutil.copytree(data / "images", other)
    (other / "3.png").rename(other / "x.png")
    with pytest.raises(UserError, match=r"1 of 4 files is not in .*other: 3\.png\."):
        find_again(table, data / "images", other)
    save(other / "3.png", picture(3, (24, 30)))
    with pytest.raises(UserError, match=r"other/3\.png is 30 × 24 px, '3' was 32 × 24 px\."):
        find_again(table, data / "images", other)
    save(other / "3.png", picture(3))
    seen: list[tuple[int, int]] = []
    again = find_again(table, data / "images", other, lambda *done: seen.append(done))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert again.entries[3].image == str(other / "3.png")
    assert again.entries[3].masks == table.entries[3].masks


def test_folders_with_a_stack_each_go_as_they_are_listed(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"s{number}" / "images" / "a.tif", np.stack([picture(number + z) for z in range(3)]))
        save(tmp_path / f"s{number}" / "masks" / "a.tif", np.stack([disc() for _ in range(3)]))
    entries = [entry for number in range(4) for entry in find_pairs(tmp_path / f"s{number}").entries]
    table = PairTable(entries=tuple(entries))
    (source,) = (one for one in list_sources(table) if one.kind == "images")
    assert (len(table.entries), source.files) == (12, 4)
    assert remove_source(table, source).entries == ()
