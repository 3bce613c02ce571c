"""Rings, lines and objects in objects through heat flow, star-convex rays and outlines."""

import time

import numpy as np
import pytest

from napari_organoid_synth.core.segmentation.survival import Survival, survival_of, survival_sentences


def distance(size, y, x):
    rows, columns = np.mgrid[:size, :size]
    return np.hypot(rows - y, columns - x)


def draw_ring(labels, number, y, x, radius, width):
    away = distance(len(labels), y, x)
    labels[(away <= radius) & (away > radius - width)] = number


def scene(*numbers):
    """Rings 1 and 2 that touch, disc 3 in ring 1, disc 4 alone, line 5 of 2 px, C-shape 6."""
    labels = np.zeros((128, 128), np.int32)
    draw_ring(labels, 1, 30, 30, 22, 5)
    draw_ring(labels, 2, 30, 75, 22, 5)
    draw_ring(labels, 3, 30, 30, 10, 99)
    draw_ring(labels, 4, 85, 20, 14, 99)
    labels[100:102, 50:120] = 5
    draw_ring(labels, 6, 80, 85, 16, 5)
    labels[60:100, 88:102][labels[60:100, 88:102] == 6] = 0
    return np.where(np.isin(labels, numbers), labels, 0).astype(np.int32)


def test_discs_survive_everything():
    survival = survival_of(scene(4), "instances")
    assert (survival.thin, survival.rings) == (0, 0)
    assert survival.flow == (1.0,)
    assert survival.outlines == (1.0,)
    assert survival.rays[0] > 0.9
    assert survival_sentences([survival]) == [
        "The object that was measured keeps its shape in every generator and segmenter."
    ]


def test_touching_rings_are_kept_by_flow_and_outlines_but_not_by_rays():
    survival = survival_of(scene(1, 2), "instances")
    assert survival.rings == 2
    assert min(survival.flow) > 0.99
    assert min(survival.outlines) > 0.95
    assert max(survival.rays) < 0.5
    assert survival_sentences([survival]) == [
        "2 of 2 measured objects have a hole (rings, objects around others): StarDist and Cellpose fill it; "
        "the U-Net and all generators keep it."
    ]


def test_an_object_around_another_is_a_ring():
    survival = survival_of(scene(1, 3), "instances")
    assert survival.rings == 1
    assert survival.flow == (1.0, 1.0)
    assert survival.rays[0] < 0.5 < 0.9 < survival.rays[1]


def test_rings_of_a_binary_mask_are_filled_by_heat_flow_too():
    """Of binary masks only Cellpose makes heat flow, and it fills holes."""
    survival = survival_of(scene(2) > 0, "binary")
    assert survival.rings == 1
    assert survival.flow[0] < 0.6
    assert "use the U-Net, which keeps it" in survival_sentences([survival])[0]


def test_thin_and_bent_objects_are_said():
    survival = survival_of(scene(4, 5, 6), "instances")
    assert (survival.thin, survival.rings) == (1, 0)
    text = " ".join(survival_sentences([survival]))
    assert "2 of 3 measured objects are not star-convex (bent, branched or thin)" in text
    assert "1 of 3 measured objects is at most 2 px wide" in text


def test_small_pieces_are_lost_and_it_is_said():
    labels = np.zeros((32, 32), np.int32)
    labels[4:7, 4:7] = 1  # 9 px: below the 15 px that decoding keeps
    survival = survival_of(labels, "instances")
    assert survival.flow == survival.outlines == (0.0,)
    assert "lost or broken by heat flow" in " ".join(survival_sentences([survival]))


def two_rings(width):
    labels = np.zeros((96, 96), np.int32)
    draw_ring(labels, 1, 40, 30, 18, width)
    draw_ring(labels, 2, 40, 65, 18, width)
    return survival_of(labels, "instances")


def test_touching_rings_of_three_pixels_are_kept_by_outlines():
    assert min(two_rings(3).outlines) > 0.9


def test_touching_rings_of_two_pixels_are_lost_in_outlines():
    survival = two_rings(2)
    assert min(survival.flow) > 0.9
    assert max(survival.outlines) < 0.8
    assert "too thin for the inside and outline" in " ".join(survival_sentences([survival]))


@pytest.mark.parametrize("kind", ["binary", "classes", "instances"])
def test_an_empty_mask_has_nothing_to_measure(kind):
    survival = survival_of(np.zeros((64, 64), np.int32), kind)
    assert survival == Survival(kind, (), (), (), 0, 0)
    assert survival_sentences([survival]) == survival_sentences([]) == []


def test_many_and_large_objects_take_bounded_time():
    labels = np.arange(1, 1025, dtype=np.int32).reshape(32, 32).repeat(32, 0).repeat(32, 1)  # no background
    begun = time.process_time()
    survival = survival_of(labels, "instances")
    assert len(survival.flow) == 20
    assert min(survival.flow) > 0.95
    survival = survival_of(np.ones((2048, 2048), np.int32), "instances")
    assert time.process_time() - begun < 5
    assert survival.flow[0] > 0.95
    assert survival.rings == 0
