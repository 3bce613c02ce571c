"""Whether a generator, a mask or a pair fits the real pairs of a project, in words that name both sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pair_format import FormatOf, Misfit, Misfits, PairFormat, value_range
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable

REAL = PairFormat(frozenset({3}), frozenset({"uint16"}), (3000, 4000), "classes", ("mito", "membrane"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"channels": frozenset({1})}, "1 channel, the real pairs 3 channels"),
        ({"dtypes": frozenset({"uint8"})}, "uint8 pixels, the real pairs uint16 pixels"),
        ({"brightest": (65_000, 65_000)}, "values up to 65,000, the real pairs values up to 4,000"),
        ({"brightest": (300, 300)}, "values up to 300, the real pairs values up to 4,000"),
        ({"brightest": (900, 9000)}, ""),
        ({"mask_kind": "instances"}, "masks of instances, the real pairs masks of classes"),
        ({"class_names": ("mito",)}, "1 class (mito), the real pairs 2 classes (mito, membrane)"),
        (
            {"class_names": ("membrane", "mito")},
            "2 classes (membrane, mito), the real pairs 2 classes (mito, membrane)",
        ),
        ({"class_names": ("class 1", "class 2")}, ""),
        ({"mask_kind": None}, ""),
        ({"channels": None, "dtypes": None, "brightest": None}, ""),
        (
            {"channels": frozenset({1}), "mask_kind": "binary"},
            "1 channel, binary masks, the real pairs 3 channels, masks of classes",
        ),
    ],
)
def test_what_does_not_fit_is_said_on_both_sides(changes: dict[str, object], message: str) -> None:
    other = replace(REAL, **changes)  # type: ignore[arg-type]
    assert REAL.mismatch(other) == message
    if message:
        with pytest.raises(Misfit, match=r"^'x' has .*\. Expected .*, like the real pairs .*\. Convert it\.$"):
            REAL.refuse(other, "'x'", "Convert it.")


def test_a_set_of_mixed_images_takes_either() -> None:
    mixed = PairFormat(frozenset({1, 3}), frozenset({"uint8"}))
    assert not mixed.mismatch(PairFormat(frozenset({1}), frozenset({"uint8"})))
    assert mixed.mismatch(PairFormat(frozenset({2}))) == "2 channels, the real pairs 1 or 3 channels"


def test_formats_of_tables_and_pairs(tmp_path: Path) -> None:
    entry = PairEntry(name="a", masks={"object": "m"}, shape=(1, 8, 8), dtype="uint16", value_range=(10, 900))
    table = PairTable(entries=(entry, entry.replace(name="b", value_range=(10, 4000))), mask_kind="binary")
    real = PairFormat.of_table(table)
    assert real is not None
    assert real.brightest == (900, 4000)
    assert PairFormat.of_table(PairTable(entries=(PairEntry(name="a"),))) is None
    assert PairFormat.of_table(table.replace(entries=(entry.replace(masks={}),))).mask_kind is None  # type: ignore[union-attr]
    dark = SamplePair("s", np.full((1, 8, 8), 3, np.uint16), np.ones((8, 8), np.int32))
    assert not real.mismatch(PairFormat.of_pair(dark))  # a tile without objects
    bright = dark.replace(image=np.full((1, 8, 8), 40_000, np.uint16))
    assert real.mismatch(PairFormat.of_pair(bright)) == "values up to 40,000, the real pairs values up to 4,000"
    path = tmp_path / "pairs.json"
    assert FormatOf(path).get() is None
    table.to_file(path)
    known = FormatOf(path)
    assert known.get() == real
    table.replace(entries=(entry,)).to_file(path)
    assert known.get() != real  # read again
    path.write_text("{")
    assert known.get() is None


def test_left_out_pairs_are_named() -> None:
    misfits = Misfits(PairFormat(frozenset({3}), frozenset({"uint8"})))
    good = SamplePair("good", np.zeros((3, 8, 8), np.uint8), np.zeros((8, 8), np.int32))
    assert misfits.fits(good)
    assert misfits.warning() == ""
    assert not misfits.fits(good.replace(name="one", image=good.image[:1]))
    assert misfits.warning() == "'one' is left out: 1 channel, the real pairs 3 channels. It does not fit the project."
    assert not misfits.fits(good.replace(name="two", image=good.image[:1]))
    assert misfits.warning().startswith("2 pairs, such as 'one', are left out: 1 channel,")
    assert Misfits(None).fits(good)


def test_the_range_of_values_ignores_hot_pixels_and_nan() -> None:
    image = np.full((1, 100, 100), 7.0)
    image[0, 0, :5] = 1e6
    image[0, 1, 0] = np.nan
    assert value_range(image) == (7.0, 7.0)
    large = np.tile(np.arange(1000, dtype=np.uint16), (1, 1000, 1))
    assert value_range(large) == pytest.approx((1, 998), abs=2)
