"""The preflight tells what suits miniature sets of pairs, what does not, and what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from typer.testing import CliRunner

from napari_organoid_synth.cli import app
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, split_table
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.suggestion import fitting_scale
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.preflight import measures, rules
from napari_organoid_synth.core.preflight.findings import Preflight
from napari_organoid_synth.core.preflight.preflight import preflight

TILES = TileSettings(size=64)
Make = Callable[[int], tuple[NDArray[np.generic], NDArray[np.uint16]]]


def discs(radius: int, number: int = 4, side: int = 128, kind: str = "instances") -> NDArray[np.uint16]:
    """Discs on a grid."""
    labels = np.zeros((side, side), np.uint16)
    y, x = np.mgrid[:side, :side]
    step = side // int(np.ceil(np.sqrt(number)))
    places = [(a + step // 2, b + step // 2) for a in range(0, side, step) for b in range(0, side, step)]
    for index, (cy, cx) in enumerate(places[:number], 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = 1 if kind == "binary" else index
    return labels


def grey(labels: NDArray[np.uint16], seed: int, top: float = 200, dtype: str = "uint8") -> NDArray[np.generic]:
    rng = np.random.default_rng(seed)
    return (np.where(labels > 0, top, top / 4) * rng.uniform(0.8, 1, labels.shape)).astype(dtype)


def small(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
    labels = discs(8, 16)
    return grey(labels, seed), labels


def write(folder: Path, number: int, make: Make, names: str = "img{:02d}") -> PairTable:
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for index in range(number):
        image, labels = make(index)
        photometric = "rgb" if image.ndim == 3 else "minisblack"
        tifffile.imwrite(folder / "images" / f"{names.format(index)}.tif", image, photometric=photometric)
        tifffile.imwrite(folder / "masks" / f"{names.format(index)}.tif", labels)
    return check_pairs(find_pairs(folder))


def found(table: PairTable, topic: str, tiles: TileSettings = TILES) -> tuple[str, str, str]:
    finding = preflight(table, tiles).find(topic)
    assert finding is not None
    return finding.level, finding.sentence, finding.todo


def test_a_good_set_has_no_problem_and_leads_to_new_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "MAX_SECONDS", 100)  # a busy computer measures less
    monkeypatch.setattr(measures, "MAX_SHAPE_SECONDS", 100)
    table = split_table(write(tmp_path, 26, small), 0.2)
    result = preflight(table, TILES)
    assert {finding.level for finding in result.findings} == {"good"}
    assert (result.images, result.measured) == (26, 10)
    assert result.next_command == "generate"
    assert found(table, "images") == ("good", "21 images to learn from.", "")
    assert found(table, "tiles")[1] == "About 189 of 189 tiles of 64 px can be used (10 of 21 images measured)."
    assert found(table, "objects")[1] == "Objects are about 17 px across, most below 17 px: whole ones fit a tile."
    assert found(table, "groups")[1].startswith("26 images, none of which belong together. The test holds 5 images:")
    assert found(table, "shapes")[1] == "All 30 measured objects keep their shape in every generator and segmenter."
    assert Preflight.parse(result.model_dump(mode="json")) == result


def large(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
    labels = discs(50, 1, kind="binary")
    return grey(labels, seed), labels


def without_background(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
    labels = np.repeat(np.repeat(np.arange(1, 17, dtype=np.uint16).reshape(4, 4), 32, 0), 32, 1)
    return grey(labels % 2, seed), labels


def thin(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
    labels = np.zeros((128, 128), np.uint16)
    for number in range(12):
        labels[10 * number + 4, 10:60] = number + 1
    return grey(labels, seed), labels


def tiny(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
    labels = discs(2, 64)
    return grey(labels, seed), labels


@pytest.mark.parametrize(
    ("make", "topic", "level", "sentence", "todo"),
    [
        (large, "objects", "warning", "Objects are up to 101 px across: a tile of 64 px holds only a part.",
         "Use the images at 57 % of their size (--scale 0.57): whole ones then fit."),
        (without_background, "background", "warning",
         "No background: in 6 of 6 images every pixel belongs to an object.", "Let a generator learn such masks"),
        (thin, "shapes", "warning", "at most 2 px wide; do not shrink the images further.", ""),
        (tiny, "objects", "warning", "across, too small for a painter that is trained: 8 px are the least.",
         "Use images of higher resolution."),
    ],
)  # fmt: skip
def test_objects_that_need_care(tmp_path: Path, make: Make, topic: str, level: str, sentence: str, todo: str) -> None:
    findings = [one for one in preflight(write(tmp_path, 6, make), TILES).findings if one.topic == topic]
    assert {one.level for one in findings} == {level}
    assert any(sentence in one.sentence and todo in one.todo for one in findings)


def test_the_scale_that_is_advised_makes_whole_objects_fit(tmp_path: Path) -> None:
    table = write(tmp_path, 6, large)
    assert preflight(table, TILES).next_command == "pair --scale 0.57 --test 0.2"
    assert found(table.scaled(0.57), "objects")[0] == "good"
    for side, tile in ((101, 64), (700, 256), (257, 256), (9000, 64)):
        scale = fitting_scale(side, tile)
        assert 0.8 * tile < side * scale <= 0.9 * tile
    assert fitting_scale(10, 64) == 1


def test_tiles_without_enough_objects(tmp_path: Path) -> None:
    def corner(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
        labels = np.zeros((256, 256), np.uint16)
        labels[:64, :64] = discs(8, 4, 64)
        return grey(labels, seed), labels

    def one(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
        labels = discs(8, 4, 64)
        labels[labels > 2] = 0
        return grey(labels, seed), labels

    level, sentence, todo = found(write(tmp_path / "corner", 3, corner), "tiles")
    assert (level, sentence) == ("warning", "3 of 75 tiles of 64 px can be used.")
    assert todo.startswith("Most of the others hold too few objects: lower tiles.min_objects")
    level, sentence, todo = found(write(tmp_path / "one", 3, one), "tiles")
    assert (level, sentence) == ("problem", "0 of 3 tiles of 64 px can be used.")
    assert "lower tiles.min_objects" in todo


def test_few_and_small_images(tmp_path: Path) -> None:
    table = write(tmp_path, 3, small)
    assert found(table, "images") == (
        "warning", "3 images to learn from.", "Add more: 5 are a start, 20 are good."
    )  # fmt: skip
    assert found(table, "small images", TileSettings(size=256))[1].startswith(
        "All 3 images are smaller than a tile of 256 px (128 × 128 px)"
    )
    assert found(table.replace(entries=table.entries[:1]), "images")[0] == "problem"
    assert found(write(tmp_path / "six", 6, small), "images")[1] == "6 images to learn from. 20 are better."


def test_ranges_and_channels(tmp_path: Path) -> None:
    def bits12(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
        labels = discs(8, 16)
        return grey(labels, seed, 4000, "uint16"), labels

    def mixed_range(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
        labels = discs(8, 16)
        return grey(labels, seed, 60_000 if seed else 3000, "uint16"), labels

    def mixed_channels(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
        image, labels = small(seed)
        return (np.stack([image] * 3, -1) if seed < 2 else image), labels

    def mixed_types(seed: int) -> tuple[NDArray[np.generic], NDArray[np.uint16]]:
        image, labels = small(seed)
        return (image.astype(np.uint16) if seed < 2 else image), labels

    level, sentence, _ = found(write(tmp_path / "a", 6, bits12), "range")
    assert level == "good"
    assert sentence.endswith(" of 65,535: 12-bit data in 16-bit files; the range is measured.")
    level, sentence, todo = found(write(tmp_path / "b", 6, mixed_range), "range")
    assert level == "warning"
    assert sentence.startswith("Brightest values differ much: 2,997 in 'img00', 59,9")
    assert "different cameras or bit depths" in todo
    table = write(tmp_path / "c", 6, mixed_channels)
    assert found(table, "channels") == (
        "problem",
        "Images differ in channels: 4 with 1 channel, 2 with 3 channels. A generator needs the same number in all.",
        "Convert all to grey or to RGB (--channels grey, --channels rgb).",
    )
    assert preflight(table, TILES).next_command == "pair --channels grey --test 0.2"
    assert found(write(tmp_path / "d", 6, mixed_types), "pixels") == (
        "problem",
        "Images differ in pixel type: 2 uint16, 4 uint8. A generator needs one type.",
        "Convert some, or make two projects.",
    )


def test_groups_and_how_the_test_cuts_them(tmp_path: Path) -> None:
    table = write(tmp_path / "a", 8, small, "well_z{:02d}")
    level, sentence, _ = found(table, "groups")
    assert level == "warning"
    assert sentence.startswith("All 8 images seem to belong together ('well'")
    assert found(table, "test") == (
        "warning", "No test images: nothing is kept aside to measure the gain.", "Choose test pairs (--test 0.2)."
    )  # fmt: skip
    names = [f"{well}_d{day}" for well in "abcd" for day in (1, 7)]
    rows = [
        entry.replace(name=name, image_class="drug" if name[0] == "d" else "control")
        for entry, name in zip(write(tmp_path / "b", 8, small).entries, names, strict=True)
    ]
    whole = split_table(PairTable(entries=tuple(rows), mask_kind="instances"), ["a_d1"])
    assert found(whole, "groups") == (
        "good",
        "4 groups of 8 images, by the names (planes, times or crops of one name): a (2), b (2), c (2), d (2). "
        "The test holds 1 group: a.",
        "",
    )
    assert found(whole, "classes") == ("warning", "The test holds no image of drug.", "Test a larger share.")
    cut = whole.replace(entries=(rows[0].replace(split="test"), *rows[1:]))
    level, sentence, todo = found(cut, "groups")
    assert (level, todo) == ("warning", "Choose the test again (--test 0.2), in whole groups.")
    assert sentence.endswith("The test holds 1 group: a. 1 group of them also to train: a.")


def test_images_without_masks_and_unchecked_tables(tmp_path: Path) -> None:
    write(tmp_path, 6, small)
    alone = check_pairs(find_pairs(tmp_path / "images", no_masks=True))
    result = preflight(alone, TILES)
    assert result.next_command == (
        "train --gan flow_joint --set draws=images --set tiles.size=64 --set train.steps=7000"
    )
    assert result.find("test") is None
    assert found(alone, "tiles")[1] == "54 of 54 tiles of 64 px can be used."
    assert preflight(PairTable(entries=(PairEntry(name="a"),))).findings == ()
    assert preflight(PairTable()).next_command == ""


def test_the_next_command_names_a_tile_that_the_images_fill(tmp_path: Path) -> None:
    write(tmp_path, 6, small)
    table = check_pairs(find_pairs(tmp_path / "images", no_masks=True))
    side = min(min(entry.size) for entry in table.matched if entry.size)
    assert 128 <= side < 256
    expected = "train --gan flow_joint --set draws=images --set tiles.size=64 --set train.steps=7000"
    assert preflight(table, TileSettings()).next_command == expected


def test_the_command_pair_prints_it_and_json_holds_it(tmp_path: Path) -> None:
    write(tmp_path / "data", 6, small)
    given = ["pair", str(tmp_path / "my project"), "--images", str(tmp_path / "data")]
    lines = CliRunner().invoke(app, given).stdout.splitlines()
    assert any(line.startswith("✓ 6 images to learn from.") for line in lines)
    assert lines[-1] == f"Next: organoid-synth pair '{tmp_path / 'my project'}' --test 0.2"
    values = json.loads(CliRunner().invoke(app, [*given, "--json"]).stdout)
    result = Preflight.parse(values["preflight"])
    assert (result.images, result.tile, result.next_command) == (6, 256, "pair --test 0.2")


def test_a_thousand_images_take_no_longer_than_ten(tmp_path: Path) -> None:
    table = write(tmp_path, 1, small)
    rows = tuple(table.entries[0].replace(name=f"embryo{n // 5:03d}_z{n % 5}") for n in range(1000))
    began = time.monotonic()
    result = preflight(table.replace(entries=rows), TILES)
    assert time.monotonic() - began < 10
    assert (result.images, result.measured) == (1000, 10)
    assert found(table.replace(entries=rows), "groups")[1].startswith("200 groups of 1000 images, by the names")


def test_images_without_grade_among_graded_ones(tmp_path: Path) -> None:
    rows = tuple(PairEntry(name=name, image_class=grade) for name, grade in (("a", "A"), ("b", None), ("c", "B")))
    found = next(rules.grades(PairTable(entries=rows)))
    assert (found.topic, found.level, found.values) == ("grades", "warning", {"ungraded": 1})
    assert found.sentence == (
        "1 of 3 images has no class (grade). In a training they are a class of their own, 'ungraded'."
    )
    assert not list(rules.grades(PairTable(entries=rows[1:2])))
