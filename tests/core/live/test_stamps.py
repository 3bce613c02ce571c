"""Shapes for new objects: where they come from, how they turn, which pixels they take."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.live.stamps import (
    Stamp,
    border_of,
    fitted_stamps,
    free_label,
    generated_stamps,
    object_at,
    real_stamps,
    stamp_pixels,
)
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.real_outlines import signed_distance
from napari_organoid_synth.core.simulators.simulate import SIMULATORS


def pair(labels, kind="instances", names=("object",), name="a"):
    labels = np.asarray(labels, np.int32)
    return SamplePair(name, np.zeros((1, *labels.shape), np.uint8), labels, kind, names)


def disc(side=60, radius=12, value=3):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.where(y**2 + x**2 <= radius**2, value, 0)


def bar(height=10, width=30):
    return Stamp(signed_distance(np.ones((height, width), bool)))


def test_whole_objects_of_real_masks_become_shapes_with_their_size():
    labels = disc()
    labels[0:8, 0:8] = 9  # the border cuts it
    (stamp,) = real_stamps([pair(labels)])
    assert (stamp.value, stamp.source) == (1, "a")
    assert np.count_nonzero(stamp.turned()) == pytest.approx(np.count_nonzero(labels == 3), rel=0.03)


def test_objects_that_a_generator_drew_become_shapes_that_name_its_run():
    stamps = generated_stamps(np.stack([disc(), disc(radius=8)]), "instances", ("cell",), "run-1", "run 1")
    assert [(stamp.source, stamp.run) for stamp in stamps] == [("", "run-1")] * 2
    assert [np.count_nonzero(stamp.turned()) for stamp in stamps] == pytest.approx([441, 197], rel=0.06)
    with pytest.raises(UserError, match="newest samples of run 1 hold no whole object"):
        generated_stamps(np.zeros((2, 60, 60), int), "instances", (), "run-1", "run 1")


def test_each_class_gives_its_own_shapes_and_nets_give_none():
    labels = disc(value=2)
    labels[:, 5] = labels[5, :] = labels[40:41, :] = 1  # membranes
    stamps = real_stamps([pair(labels, "classes", ("membrane", "mitochondrion"))])
    assert {stamp.value for stamp in stamps} == {2}


def test_a_shape_turns_and_grows():
    stamp = bar()
    assert stamp.turned().shape == (10, 30)
    assert stamp.turned(90).shape == (30, 10)
    height, width = stamp.turned(0, 2).shape
    assert (height, width) == (pytest.approx(20, abs=1), pytest.approx(60, abs=1))
    assert np.count_nonzero(stamp.turned(37)) == pytest.approx(300, rel=0.05)


def test_a_turn_goes_counter_clockwise_on_the_screen():
    y, x = np.nonzero(bar(5, 41).turned(20))
    assert np.polyfit(x, y, 1)[0] == pytest.approx(-np.tan(np.deg2rad(20)), abs=0.05)  # rows count downwards


def test_a_stamp_spares_other_objects_unless_told_and_is_cut_at_the_border():
    labels = np.zeros((20, 20), np.int32)
    labels[:, :5] = 7
    shape = np.ones((4, 10), bool)
    rows, columns = stamp_pixels(labels, shape, (10, 5))
    assert set(columns.tolist()) == {5, 6, 7, 8, 9}
    assert len(stamp_pixels(labels, shape, (10, 5), overwrite=True)[0]) == 40
    rows, columns = stamp_pixels(labels, shape, (0, 18))
    assert rows.min() == 0
    assert columns.max() == 19
    assert len(stamp_pixels(labels, shape, (100, 100))[0]) == 0


def test_the_object_under_the_mouse():
    labels = np.zeros((20, 20), np.int32)
    labels[2:5, 2:5] = labels[10:12, 10:12] = 1
    assert object_at(labels, (0, 0), "instances") is None
    assert object_at(labels, (-1, 30), "instances") is None
    assert len(object_at(labels, (3, 3), "instances")[0]) == 13  # one number, two parts
    assert len(object_at(labels, (3, 3), "binary")[0]) == 9
    assert free_label(labels) == 2
    assert free_label(np.zeros((3, 3), np.int32)) == 1


def test_the_border_of_a_shape_is_one_pixel_wide():
    border = border_of(np.ones((5, 6), bool))
    assert np.count_nonzero(border) == 18
    assert not border[1:-1, 1:-1].any()


def test_shapes_of_a_fitted_population_have_measured_sizes_and_a_seed():
    pairs = [SIMULATORS["tissue"](seed, 160) for seed in range(2)]
    real = [np.count_nonzero(stamp.turned()) for stamp in real_stamps(pairs)]
    first, again, other = (fitted_stamps(pairs, seed, 12) for seed in (1, 1, 2))
    sizes = [np.count_nonzero(stamp.turned()) for stamp in first]
    assert min(real) * 0.7 < np.median(sizes) < max(real) * 1.3
    assert all(np.array_equal(one.depth, same.depth) for one, same in zip(first, again, strict=True))
    assert not np.array_equal(first[0].depth, other[0].depth)
    assert {stamp.source for stamp in first} == {""}


def test_without_shapes_it_says_what_to_do():
    with pytest.raises(UserError, match="no whole object"):
        real_stamps([pair(np.ones((9, 9)))])
    with pytest.raises(UserError, match="no real masks"):
        real_stamps([])
    with pytest.raises(UserError, match="named classes"):
        fitted_stamps([pair(disc(), "classes")])
