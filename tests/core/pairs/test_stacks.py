"""Stacks beside one mask, and colours beside grey: asked for, told, and read back the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_organoid_synth.cli.options import app
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import PairTable, check_pairs, find_pairs, load_pairs
from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.settings import PairSettings
from napari_organoid_synth.core.pairs.stack_rows import choose_channels, choose_planes
from napari_organoid_synth.core.pairs.stacks import combine, recolour
from napari_organoid_synth.core.project import Project
from pair_files import disc, picture, rows, save

STACK = np.stack([picture(k) for k in range(5)])  # (Z, Y, X) uint8


def stack_beside_mask(folder: Path) -> Path:
    save(folder / "images/s.tif", STACK)
    save(folder / "masks/s.tif", disc())
    return folder


def test_a_stack_beside_one_mask_asks(tmp_path: Path) -> None:
    table = check_pairs(find_pairs(stack_beside_mask(tmp_path)))
    assert rows(table) == [("s", "ambiguous")]
    assert table.entries[0].reason == (
        "5 slices in images/s.tif beside a single mask; choose what they are (planes): slices, channels, max, mean, "
        "or the number of one"
    )


@pytest.mark.parametrize(
    ("planes", "expected", "remark"),
    [
        ("max", STACK.max(axis=0)[None], "brightest of the slices of a stack (maximum)"),
        ("mean", np.rint(STACK.astype(float).mean(axis=0)).astype(np.uint8)[None], "mean of the slices of a stack"),
        ("channels", STACK, "slices of a stack taken as channels"),
        ("3", STACK[3:4], "slice 3 of the image"),
    ],
)
def test_the_choice_is_read_back_from_the_table(tmp_path: Path, planes: str, expected: np.ndarray, remark: str) -> None:
    check_pairs(find_pairs(stack_beside_mask(tmp_path), planes=planes)).to_file(tmp_path / "pairs.json")
    table = PairTable.from_file(tmp_path / "pairs.json")
    (pair,) = load_pairs(table)
    assert pair.name == "s"
    assert pair.image.dtype == np.uint8
    np.testing.assert_array_equal(pair.image, expected)
    np.testing.assert_array_equal(pair.labels, disc(1))
    assert table.entries[0].reason == remark
    assert table.entries[0].shape == expected.shape


def test_every_slice_may_take_the_one_mask(tmp_path: Path) -> None:
    table = check_pairs(find_pairs(stack_beside_mask(tmp_path), planes="slices"))
    pairs = load_pairs(table)
    assert [pair.name for pair in pairs] == [f"s_{k:03d}" for k in range(5)]
    assert {entry.group for entry in table.entries} == {"s"}
    for plane, pair in zip(STACK, pairs, strict=True):
        np.testing.assert_array_equal(pair.image[0], plane)
        np.testing.assert_array_equal(pair.labels, disc(1))


def test_a_stack_of_masks_becomes_slices_with_a_word(tmp_path: Path) -> None:
    save(tmp_path / "images/s.tif", STACK)
    save(tmp_path / "masks/s.tif", np.stack([disc()] * 5))
    table = check_pairs(find_pairs(tmp_path))
    assert [entry.reason for entry in table.entries][:2] == ["slice 0 of image and mask", "slice 1 of image and mask"]
    one = check_pairs(choose_planes(table, "2"))
    assert rows(one) == [("s", "matched")]
    np.testing.assert_array_equal(load_pairs(one)[0].image[0], STACK[2])
    assert rows(choose_planes(one, "slices")) == rows(table)


def test_another_choice_replaces_the_first(tmp_path: Path) -> None:
    table = check_pairs(find_pairs(stack_beside_mask(tmp_path), planes="slices"))
    table = check_pairs(choose_planes(table, "max"))
    assert rows(table) == [("s", "matched")]
    np.testing.assert_array_equal(load_pairs(table)[0].image[0], STACK.max(axis=0))
    table = check_pairs(choose_planes(table, "9"))
    assert table.entries[0].reason == "images/s.tif has no slice 9: expected 0 to 4."
    assert rows(check_pairs(choose_planes(table, "mean"))) == [("s", "matched")]


def test_axes_that_say_channel_are_not_asked_about(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.tif", disc())
    save(tmp_path / "masks/b.tif", disc())
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images/a.ome.tif", STACK, metadata={"axes": "CYX"}, photometric="minisblack")
    tifffile.imwrite(tmp_path / "images/b.tif", STACK, imagej=True, metadata={"axes": "CYX"})
    for pair in load_pairs(find_pairs(tmp_path)):
        np.testing.assert_array_equal(pair.image, STACK)


def test_pair_takes_the_choice_in_the_terminal(tmp_path: Path) -> None:
    data, project = stack_beside_mask(tmp_path / "data"), tmp_path / "p"
    result = CliRunner().invoke(app, ["pair", str(project), "--images", str(data), "--planes", "1", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["table"]["entries"][0]["reason"] == "slice 1 of the image"
    result = CliRunner().invoke(app, ["pair", str(project), "--planes", "mean"])  # the pairs that are there
    assert "mean of the slices of a stack" in result.stdout
    np.testing.assert_array_equal(
        load_pairs(Project(project))[0].image[0], np.rint(STACK.mean(axis=0)).astype(np.uint8)
    )
    assert PairSettings(planes=3).planes == "3"
    with pytest.raises(
        UserError, match=r"'planes' is 'brightest'\. Expected slices, channels, max, mean, or the number"
    ):
        PairSettings.parse({"planes": "brightest"})


def test_a_mixed_set_becomes_grey_or_rgb_on_request(tmp_path: Path) -> None:
    colours = np.stack([picture(k) for k in (5, 6, 7)], -1)
    save(tmp_path / "data/images/a.png", picture(1))
    save(tmp_path / "data/images/b.png", colours)
    for name in "ab":
        save(tmp_path / f"data/masks/{name}.png", disc())
    project = tmp_path / "p"
    result = CliRunner().invoke(app, ["pair", str(project), "--images", str(tmp_path / "data")])
    assert "set channels to grey or rgb" in result.stdout
    result = CliRunner().invoke(app, ["pair", str(project), "--channels", "grey"])
    assert "used as grey" in result.stdout
    grey, luminance = load_pairs(Project(project))
    np.testing.assert_array_equal(grey.image[0], picture(1))
    expected = np.rint(colours @ [299.0, 587.0, 114.0] / 1000)  # ITU-R BT.601
    np.testing.assert_array_equal(luminance.image, expected[None].astype(np.uint8))
    table = check_pairs(choose_channels(PairTable.from_file(project / "pairs.json"), "rgb"))
    first, second = load_pairs(table)
    np.testing.assert_array_equal(first.image, np.stack([picture(1)] * 3))
    np.testing.assert_array_equal(second.image, np.moveaxis(colours, -1, 0))
    assert first.channel_names == second.channel_names == RGB
    assert not any("differ in channels" in note for note in table.notes)


def test_other_channel_counts_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images/a.ome.tif", STACK, metadata={"axes": "CYX"}, photometric="minisblack")
    save(tmp_path / "masks/a.tif", disc())
    table = check_pairs(choose_channels(find_pairs(tmp_path), "grey"))
    assert rows(table) == [("a", "broken")]
    assert table.entries[0].reason.startswith("images/a.ome.tif has 5 channels. Expected one channel, or red, green")
    assert rows(check_pairs(choose_channels(table, "as-stored"))) == [("a", "matched")]
    with pytest.raises(UserError, match=r"3 channels \(DAPI, GFP, RFP\)"):
        recolour(STACK[:3], ("DAPI", "GFP", "RFP"), "grey", "x")


def test_projections_keep_the_type() -> None:
    planes = [np.full((1, 2, 2), value, np.uint16) for value in (65535, 65534)]
    assert combine(planes, "mean").dtype == np.uint16
    assert combine(planes, "mean")[0, 0, 0] == 65534  # 65534.5, rounded to even, without overflow
    assert combine([plane.astype(np.float32) for plane in planes], "mean")[0, 0, 0] == 65534.5
    with pytest.raises(UserError, match="have the shapes"):
        combine([np.zeros((1, 2, 2)), np.zeros((1, 2, 3))], "max")
