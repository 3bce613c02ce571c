"""What a mask means, and why."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_kind import MaskFacts, convert, decide_kind, inspect_mask, merge_classes


def blocks(values: list[int], repeat: int = 1) -> np.ndarray:
    """Each value in ``repeat`` separate squares of 16 px."""
    labels = np.zeros((6 * repeat, 6 * len(values)), np.int32)
    for column, value in enumerate(values):
        for row in range(repeat):
            labels[6 * row : 6 * row + 4, 6 * column : 6 * column + 4] = value
    return labels


def test_one_value_is_binary() -> None:
    facts = inspect_mask(blocks([255], 3), "m")
    assert facts == MaskFacts("binary", "one value, 255, beside 0", (255,), 3, (16, 16))


def test_spaced_codes_are_classes() -> None:
    facts = inspect_mask(blocks([32, 64, 255], 2), "m")
    assert facts == MaskFacts("classes", "3 widely spaced values (32, 64, 255)", (32, 64, 255), 6, (16, 16))


def test_few_values_in_many_pieces_are_classes() -> None:
    assert inspect_mask(blocks([1, 2], 3), "m") == MaskFacts(
        "classes", "2 values (1, 2) in 6 pieces", (1, 2), 6, (16, 16)
    )


@pytest.mark.parametrize("number", [2, 19, 40, 300])
def test_an_id_per_piece_is_instances(number: int) -> None:
    facts = inspect_mask(blocks(list(range(1, number + 1))), "m")
    assert (facts.kind, facts.reason) == ("instances", f"{number} values from 1 to {number}, {number} pieces")
    assert (facts.n_objects, facts.sizes) == (number, (16, 16))


def test_known_kind_wins() -> None:
    assert inspect_mask(blocks([1, 2], 3), "m", "instances") == MaskFacts(
        "instances", "as noted before", (1, 2), 2, (48, 48)
    )


def refusal(labels: np.ndarray) -> str:
    with pytest.raises(UserError) as caught:
        inspect_mask(labels, "masks/a.png")
    return str(caught.value)


def test_an_empty_and_a_full_mask_are_data() -> None:
    assert inspect_mask(np.zeros((20, 30), np.int32), "m") == MaskFacts("binary", "no objects", (), 0, (0, 0))
    full = inspect_mask(np.full((20, 30), 255, np.int32), "m")
    assert full == MaskFacts("binary", "one value, 255, in every pixel", (255,), 1, (600, 600))


def test_empty_masks_do_not_decide_the_kind() -> None:
    empty, cells = (inspect_mask(blocks(values), "m") for values in ([0], [1, 2, 3, 4]))
    assert decide_kind([empty, cells, empty])[0] == "instances"
    assert decide_kind([empty, cells, empty])[1] == cells.reason + " in the first mask"
    assert decide_kind([empty, empty]) == ("binary", "no objects in the first mask")


def test_unusable_masks() -> None:
    photograph = np.arange(600, dtype=np.int32).reshape(20, 30)
    assert refusal(photograph) == (
        "The mask masks/a.png looks like an image: 100 % of neighbouring pixels differ, 599 values. "
        "Expected flat areas, one number per object or class. Check whether image and mask were swapped."
    )
    blurred = np.zeros((20, 30), np.int32)
    blurred[5:15, 5:15] = 255
    blurred[5:15, 5] = np.arange(40, 240, 20)
    assert refusal(blurred) == (
        "The mask masks/a.png has blurred edges: 10 px lie between 0 and 255. Expected only 0 and 255. "
        "Threshold it, and save it as PNG or TIFF; JPEG blurs edges."
    )


def facts(kind: str, *values: int) -> MaskFacts:
    return MaskFacts(kind, "so", values, len(values), (1, 1))  # type: ignore[arg-type]


def test_the_set_decides() -> None:
    one, many, codes = facts("binary", 1), facts("instances", 1, 2, 3), facts("classes", 1, 2)
    assert decide_kind([one, one]) == ("binary", "so in the first mask")
    assert decide_kind([one, many, many]) == ("instances", "2 of 3 masks look like it; so in the first mask")
    assert decide_kind([codes, codes, many])[0] == "classes"
    assert decide_kind([]) == ("binary", "no mask could be read")
    organoid_and_lumen = [facts("instances", 1, 2)] * 5
    assert decide_kind(organoid_and_lumen) == ("classes", "the same values (1, 2) in all 5 masks")
    assert decide_kind(organoid_and_lumen[:4])[0] == "instances"
    noted = MaskFacts("instances", "as noted before", (1, 2), 2, (1, 1))
    assert decide_kind([noted] * 5) == ("instances", "as noted before")


def test_later_class_wins_and_overlap_is_counted() -> None:
    first, second = np.zeros((2, 1, 5), np.int32)
    first[0, :3], second[0, 2:] = 255, 1
    labels, overlapped = merge_classes([first, second])
    np.testing.assert_array_equal(labels, [[1, 1, 2, 2, 2]])
    assert overlapped == 1
    np.testing.assert_array_equal(merge_classes([second, first])[0], [[2, 2, 2, 1, 1]])


def test_convert() -> None:
    codes = np.array([[0, 32, 255, 0, 32]], np.int32)
    np.testing.assert_array_equal(convert(codes, "binary", (), "m"), [[0, 1, 1, 0, 1]])
    np.testing.assert_array_equal(convert(codes, "classes", (32, 64, 255), "m"), [[0, 1, 3, 0, 1]])
    np.testing.assert_array_equal(convert(codes, "instances", (32, 64, 255), "m"), [[0, 1, 2, 0, 3]])
    np.testing.assert_array_equal(convert(codes, "instances", (), "m"), codes)
    one = np.array([[255, 0, 255]], np.int32)
    np.testing.assert_array_equal(convert(one, "instances", (), "m"), [[1, 0, 2]])
    with pytest.raises(UserError, match=r"The mask m has the value 255 in 1 px\. Expected the classes 32, 64\."):
        convert(codes, "classes", (32, 64), "m")
