"""Rows of a project stay when more folders are added."""

from __future__ import annotations

from pathlib import Path

from napari_organoid_synth.core.pairs.loading import find_pairs
from napari_organoid_synth.core.pairs.pairing_again import add_earlier
from pair_files import disc, picture, save


def pair(folder: Path, name: str) -> None:
    save(folder / "images" / f"{name}.png", picture(1))
    save(folder / "masks" / f"{name}.png", disc())


def test_pairs_below_a_folder_that_is_added_stay(tmp_path: Path) -> None:
    pair(tmp_path / "old", "a")
    save(tmp_path / "b.png", picture(2))
    save(tmp_path / "b_masks.png", disc())
    before = find_pairs(tmp_path / "old")
    now = find_pairs([tmp_path / "b.png", tmp_path / "b_masks.png"])
    assert [entry.name for entry in add_earlier(now, before, [tmp_path]).entries] == ["a", "b"]


def test_what_is_gone_from_a_folder_that_is_searched_again_goes(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b")
    before = find_pairs(tmp_path)
    (tmp_path / "images" / "a.png").unlink()
    (tmp_path / "masks" / "a.png").unlink()
    after = add_earlier(find_pairs(tmp_path), before, [tmp_path / "images", tmp_path / "masks"])
    assert [entry.name for entry in after.entries] == ["b"]
