"""Which real masks a synthetic pair has, by its provenance."""

from __future__ import annotations

from typing import Any

import pytest

from napari_organoid_synth.core.gain.leakage import is_painted_on
from napari_organoid_synth.core.pairs.mask_origin import image_of, is_cut_from, mask_of, real_masks


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        ({"kind": "warped", "name": "a"}, {"a"}),
        ({"kind": "real", "name": "a_y0_x128_r0"}, {"a_y0_x128_r0"}),
        ({"kind": "moved", "name": "a", "names": ["a", "b"]}, {"a", "b"}),
        ({"kind": "arranged", "names": ["b", "c"], "like": "a"}, {"a", "b", "c"}),
        ({"kind": "fitted", "name": "a"}, set()),
        ({"kind": "generated", "run": "r"}, set()),
        ("damaged", set()),
    ],
)
def test_names(mask: Any, names: set[str]) -> None:
    assert real_masks({"mask": mask}) == names
    assert real_masks({}) == set()
    assert isinstance(mask_of({"mask": mask}), dict)


def test_one_object_of_a_test_image_is_enough() -> None:
    arranged = {"mask": {"kind": "arranged", "names": ["train_1", "test_1"], "like": "train_1"}}
    assert is_painted_on(arranged, ["test_1"])
    assert not is_painted_on(arranged, ["test_2"])
    assert not is_painted_on({"mask": {"kind": "arranged", "names": ["test_10"]}}, ["test_1"])


def test_tiles_are_of_their_image() -> None:
    assert [image_of(name) for name in ("a_y0_x64_r2m", "a_y0", "a")] == ["a", "a_y0", "a"]
    assert is_cut_from("a_y0_x64_r0", ["a"])
    assert not is_cut_from("ab", ["a"])
