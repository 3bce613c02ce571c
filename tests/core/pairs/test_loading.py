"""Pairs of a project or table as arrays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_organoid_synth.core.errors import UserError
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
from napari_organoid_synth.core.project import Project
from pair_files import disc, fill, picture, save


@pytest.mark.parametrize("value", [1, 255])
def test_binary_becomes_zero_and_one(tmp_path: Path, value: int) -> None:
    save(tmp_path / "images/a.png", picture(1))
    save(tmp_path / "masks/a.png", disc(value))
    pair = load_pairs(check_pairs(find_pairs(tmp_path)))[0]
    assert pair.mask_kind == "binary"
    assert pair.labels.dtype == np.int32
    np.testing.assert_array_equal(pair.labels, disc(1))


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
    for pair, expected in ((pairs[0], 1.0), (SamplePair("new", picture(5)[None], disc()), 0.5)):
        entry = add_pair(project, pair)
        assert (entry.name, entry.scale, entry.size) == (pair.name, expected, (12, 16))
    assert check_pairs(PairTable.from_file(project.pairs_path)).scale == 0.5


def test_a_table_of_whole_images_gives_squares_of_one_size_wherever_they_are_read(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    table = check_pairs(find_pairs(fill(tmp_path, "images/a{}.png", "masks/a{}.png"))).as_whole(18)
    table.to_file(project.pairs_path)
    assert (table.whole, table.scale) == (18, 0.75)  # of 32 × 24 px
    assert table.summary().endswith("Used whole: the middle square at 18 × 18 px.")
    assert [entry.size for entry in table.entries] == 3 * [(18, 18)]
    pairs = load_pairs(project)
    assert [pair.size for pair in pairs] == 3 * [(18, 18)]
    # a pair from the screen is as it is used; a new one is made whole like the others
    for pair, expected in ((pairs[0], 0), (SamplePair("new", picture(5)[None], disc()), 18)):
        entry = add_pair(project, pair)
        assert (entry.name, entry.whole, entry.scale, entry.size) == (pair.name, expected, 1.0, (18, 18))
    assert table.scaled(0.5).entries[0].size == (12, 16)  # a scale takes its place


def test_importing_is_light() -> None:
    heavy = "{'torch', 'skimage', 'scipy', 'tifffile', 'zarr', 'PIL', 'ome_types', 'monai', 'qtpy', 'napari'}"
    code = (
        f"import sys; from napari_organoid_synth.core.pairs import loading, tiling; print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


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
