"""The guide of a mask: distances, sizes and contacts, in pixels."""

from __future__ import annotations

import numpy as np
import pytest

from analogy_pairs import discs
from napari_organoid_synth.core.analogy.guide import Guide


def test_distances_inside_and_outside_of_an_object() -> None:
    mask = np.zeros((1, 12), np.int32)
    mask[0, 4:] = 1
    near, far, depth, _ = Guide("binary", 0, 2.0, 4.0).of(mask)
    distance = np.array([-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5])
    assert near[0] == pytest.approx(np.tanh(distance / 2), abs=1e-6)
    assert far[0] == pytest.approx(0.7 * np.tanh(distance / 4), abs=1e-6)
    assert depth[0] == pytest.approx(np.where(distance > 0, 0.5 * distance / 7.5, 0), abs=1e-6)


def test_touching_objects_have_a_border_between_them_and_a_contact() -> None:
    mask = np.ones((9, 20), np.int32)
    mask[:, 10:] = 2
    near, *_, contact = Guide("instances", 0, 2.0, 4.0).of(mask)
    assert near[4, 9] == pytest.approx(np.tanh(0.25), abs=1e-6)
    assert near[4, 2] == pytest.approx(np.tanh(7.5 / 2), abs=1e-6)
    assert contact[4, 9] == 1
    assert contact[4, 2] < 0.1
    joined = Guide("binary", 0, 2.0, 4.0).of(mask > 0)
    assert joined[0].min() > 0.99  # a binary mask knows of no border there


def test_twice_the_size_is_half_a_step_up() -> None:
    rows, columns = np.mgrid[:64, :64]
    small = (np.hypot(rows - 32, columns - 32) < 8).astype(np.int32)
    large = (np.hypot(rows - 32, columns - 32) < 16).astype(np.int32)
    guide = Guide.measured([small], "binary", 0)
    assert guide.of(large)[3].max() - guide.of(small)[3].max() == pytest.approx(0.5, abs=0.05)


def test_lengths_follow_the_objects_and_have_bounds() -> None:
    dots = np.zeros((32, 32), np.int32)
    dots[::8, ::8] = np.arange(1, 17).reshape(4, 4)
    tiny, large = Guide.measured([dots], "instances", 0), Guide.measured([discs(1, 256, 5, (40, 60))], "instances", 0)
    assert (tiny.near, tiny.far) == (pytest.approx(1.2), 4.0)
    assert large.near == 3
    assert large.far > 15


def test_each_class_has_its_channels() -> None:
    mask = np.zeros((16, 16), np.int32)
    mask[:, :8], mask[:, 12:] = 1, 2
    guide = Guide.measured([mask], "classes", 3)
    channels = guide.of(mask)
    assert channels.shape == (7, 16, 16)
    assert guide.about_border.tolist() == [True, False, True, False, True, False, False]
    assert channels[0, 8, 7] == pytest.approx(np.tanh(0.5 / 3), abs=1e-6)
    assert channels[0, 8, 8] == pytest.approx(-np.tanh(0.5 / 3), abs=1e-6)
    assert channels[4].max() == -1  # the third class is nowhere
