"""The table of pairs: its file, earlier formats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import (
    PairTable,
    check_pairs,
    find_pairs,
    split_table,
)
from pair_files import fill


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
