"""Counts, areas and cover of drawn masks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.metrics.objects import Objects
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair


def pair(labels: np.ndarray, kind: MaskKind) -> SamplePair:
    return SamplePair("a", np.zeros((1, *labels.shape), np.uint8), labels.astype(np.int32), kind)


def squares(number: int, side: int = 8) -> np.ndarray:
    labels = np.zeros((100, 100), np.int32)
    for index in range(number):
        y, x = divmod(index, 8)
        labels[12 * y + 1 : 12 * y + 1 + side, 12 * x + 1 : 12 * x + 1 + side] = index + 1
    return labels


def test_instances_are_counted_by_number_even_when_they_touch() -> None:
    labels = np.zeros((10, 10), np.int32)
    labels[:5], labels[5:, :5] = 3, 70_000
    assert Objects()(pair(labels, "instances")) == {"objects": 2, "mean_area": 37.5, "covered": 0.75, "valid": 1}


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_other_masks_are_counted_by_piece(kind: MaskKind) -> None:
    labels = (squares(9) > 0).astype(np.int32)
    assert Objects()(pair(labels, kind)) == {"objects": 9, "mean_area": 64, "covered": 0.0576, "valid": 1}
    diagonal = np.zeros((6, 6), np.int32)
    diagonal[1, 1] = diagonal[2, 2] = 1
    assert Objects()(pair(diagonal, kind))["objects"] == 1  # eight neighbours


def test_neighbouring_classes_are_two_pieces() -> None:
    labels = np.ones((8, 8), np.int32)
    labels[4:] = 2
    found = Objects()(pair(labels, "classes"))
    assert (found["objects"], found["mean_area"], found["valid"]) == (2, 32, 1)  # classes may fill the image


def test_useless_masks_are_flagged() -> None:
    metric = Objects().fit([pair(squares(5), "instances")])
    empty = metric.judge(pair(np.zeros((100, 100)), "instances"))
    assert (empty.values["valid"], empty.flag, empty.message) == (0, "mask", "empty mask")
    full = np.ones((100, 100), np.int32)
    full[:1] = 0
    found = metric.judge(pair(full, "binary"))
    assert (found.values["valid"], found.flag, found.message) == (0, "mask", "mask covers 99 %")
    full[:2] = 0
    assert metric.judge(pair(full, "binary")).flag == ""  # 98 % is the limit


def test_images_without_masks_have_no_empty_masks() -> None:
    nothing = pair(np.zeros((100, 100)), "binary")
    metric = Objects().fit([nothing, nothing])
    found = metric.judge(nothing)
    assert (found.values, found.flag, found.message) == (
        {"objects": 0, "mean_area": 0, "covered": 0, "valid": 1}, "", "",
    )  # fmt: skip
    assert metric.ranges == {}  # so that what all share raises no realism
    assert metric.judge(pair(squares(3), "instances")).message == "3 objects"
    assert metric.judge(pair(np.ones((100, 100)), "binary")).flag == "mask"


def test_words_say_what_is_unusual() -> None:
    metric = Objects().fit([pair(squares(number), "instances") for number in (8, 10, 12)])
    assert metric.judge(pair(squares(11), "instances")).message == "11 objects"
    assert metric.judge(pair(squares(40), "instances")).message == "40 objects (more than real)"
    assert metric.judge(pair(squares(1, side=3), "instances")).message == "1 object (fewer and smaller than real)"
