"""Pairs as layers and back."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.widgets.shared.layers import look_at, pair_from_layers, show_pair

rng = np.random.default_rng(0)
LABELS = np.zeros((20, 30), np.int32)
LABELS[3:9, 4:12] = 1
LABELS[12:18, 15:25] = 2
PAIRS = {
    "grey": SamplePair("cell", rng.integers(0, 9000, (1, 20, 30)).astype(np.uint16), LABELS, "instances", ("cell",)),
    "named": SamplePair("gfp", rng.random((1, 20, 30)), LABELS, "instances", channel_names=("gfp",)),
    "scaled": SamplePair(
        "em", rng.random((1, 20, 30)).astype(np.float32), LABELS, "classes", ("membrane", "vesicle"), (0.0046, 0.005)
    ),
    "rgb": SamplePair(
        "he", rng.integers(0, 255, (3, 20, 30)).astype(np.uint8), LABELS, "instances", ("cell",), None, RGB, "healthy"
    ),
    "channels": SamplePair(
        "two",
        rng.integers(0, 255, (2, 20, 30)).astype(np.uint8),
        (LABELS > 0).astype(np.int32),
        "binary",
        ("cell",),
        (0.5, 0.5),
        ("bright", "gfp"),
        source=Source("synthetic", (), {"seed": 7}),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_layers_give_the_pair_back(name):
    pair, viewer = PAIRS[name], ViewerModel()
    back = pair_from_layers(*show_pair(viewer, pair))
    assert back.image.dtype == pair.image.dtype
    np.testing.assert_array_equal(back.image, pair.image)
    np.testing.assert_array_equal(back.labels, pair.labels)
    for field in ("name", "mask_kind", "class_names", "channel_names", "image_class", "source"):
        assert getattr(back, field) == getattr(pair, field), field
    assert back.pixel_size == pytest.approx(pair.pixel_size) if pair.pixel_size else back.pixel_size is None


def test_units_become_micrometres():
    viewer = ViewerModel()
    image = viewer.add_image(PAIRS["grey"].image[0], scale=(4.6, 5.0), units=("nm", "nm"))
    back = pair_from_layers(image, viewer.add_labels(LABELS))
    assert back.pixel_size == pytest.approx((0.0046, 0.005))
    assert back.mask_kind == "instances"
    assert back.source.kind == "drawn"


def test_a_mask_drawn_by_hand_is_binary_whatever_its_value():
    viewer = ViewerModel()
    image = viewer.add_image(PAIRS["grey"].image[0])
    back = pair_from_layers(image, viewer.add_labels((LABELS > 0) * 5))
    assert back.mask_kind == "binary"
    assert set(np.unique(back.labels)) == {0, 1}


def test_a_stack_is_refused_in_words():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((2, 3, 20, 30)))
    with pytest.raises(UserError, match=r"shape \(2, 3, 20, 30\)"):
        pair_from_layers(image, viewer.add_labels(LABELS))
    with pytest.raises(UserError, match="30 × 20 px, the mask 5 × 5 px"):
        pair_from_layers(viewer.add_image(np.zeros((20, 30))), viewer.add_labels(np.zeros((5, 5), int)))


def test_an_opened_pair_is_brought_to_the_middle():
    viewer, pair = ViewerModel(), PAIRS["grey"]
    viewer.add_image(np.zeros((200, 200)))
    look_at(viewer, show_pair(viewer, pair))
    camera = getattr(viewer, "scene", viewer).camera  # moved there in napari 0.9
    assert camera.center[-2:] == pytest.approx((9.5, 14.5), abs=0.6)
