"""Instances become core and border, and come back."""

from __future__ import annotations

import numpy as np
import pytest

import napari_organoid_synth as synth
from napari_organoid_synth.core.export.border_core import from_border_core, to_border_core
from napari_organoid_synth.core.simulators.simulate import tissue


def test_a_border_is_two_pixels_wide_and_keeps_touching_objects_apart() -> None:
    labels = np.zeros((12, 20), np.int32)
    labels[1:11, 1:10], labels[1:11, 10:19] = 4, 9
    classes = to_border_core(labels)
    assert classes.dtype == np.uint8
    assert "".join(map(str, classes[5])) == "02211111222211111220"
    np.testing.assert_array_equal(classes > 0, labels > 0)
    back = from_border_core(classes)
    assert len(np.unique(back)) == 3
    for number in (4, 9):
        assert len(np.unique(back[labels == number])) == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_cells_of_a_tissue_come_back(seed: int) -> None:
    labels = tissue(seed, 192).labels
    back = from_border_core(to_border_core(labels))
    numbers = np.unique(labels[labels > 0])
    assert back.max() == len(numbers)
    overlaps = []
    for number in numbers:
        own = labels == number
        other = back == np.bincount(back[own]).argmax()
        overlaps.append((own & other).sum() / (own | other).sum())
    assert np.mean(overlaps) > 0.98
    assert min(overlaps) > 0.9


def test_every_object_has_one_core() -> None:
    labels = np.zeros((30, 30), np.int32)
    labels[2, 2] = 1  # a single pixel
    labels[5:7, 2:20] = 2  # a line
    labels[10:20, 2:8], labels[14:16, 8:16], labels[10:20, 16:22] = 3, 3, 3  # a dumbbell
    labels[22:29, 22:30] = 4  # cut by the edge of the image
    classes = to_border_core(labels)
    back = from_border_core(classes)
    assert back.max() == 4
    for number in (1, 2, 4):
        np.testing.assert_array_equal(back == back[labels == number][0], labels == number)
    assert (classes[23:28, 29] == 1).sum() == 3  # the edge of the image is not an edge of the object
    assert from_border_core(np.zeros((4, 4), np.uint8)).max() == 0
    assert to_border_core(np.zeros((4, 4), np.int32)).max() == 0
    assert (to_border_core(np.ones((4, 4), np.int32)) == 1).all()


def test_it_is_offered_to_scripts() -> None:
    assert synth.instances_from_border_core is from_border_core
