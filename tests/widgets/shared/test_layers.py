"""Pairs as layers and back; the preview in place."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.widgets.shared.layers import (
    GAP,
    PreviewLayers,
    look_at,
    montage,
    pair_from_layers,
    show_pair,
)

rng = np.random.default_rng(0)
LABELS = np.zeros((20, 30), np.int32)
LABELS[3:9, 4:12] = 1
LABELS[12:18, 15:25] = 2
PAIRS = {
    "grey": SamplePair("cell", rng.integers(0, 9000, (1, 20, 30)).astype(np.uint16), LABELS, "instances", ("cell",)),
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


def test_a_montage_holds_every_sample_and_its_outline():
    image = np.stack([np.full((1, 20, 30), k, np.uint8) for k in (10, 20, 30)])
    sheet, lines = montage(image, np.stack([LABELS] * 3))
    assert sheet.shape == lines.shape == (2 * 20 + GAP, 2 * 30 + GAP)
    assert sheet[5, 5] == 10
    assert sheet[5, 30 + GAP + 5] == 20
    assert sheet[20 + GAP + 5, 5] == 30
    np.testing.assert_array_equal(lines[:20, 30 + GAP :], lines[:20, :30])
    assert lines[3, 4] == 1  # the corner of an object
    assert lines[6, 8] == 0  # its middle
    colour, _ = montage(np.repeat(image, 3, axis=1), np.stack([LABELS] * 3))
    assert colour.shape[-1] == 3


def test_the_preview_is_updated_in_place():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((100, 200)), name="open")
    preview = PreviewLayers(viewer)
    sheet, lines = montage(np.full((4, 1, 20, 30), 9, np.uint8), np.stack([LABELS] * 4))
    preview.show(sheet, lines)
    layers = [viewer.layers["samples"], viewer.layers["samples outlines"]]
    assert layers[0].translate[1] > 199  # beside what is open
    preview.show(sheet + 1, lines)
    assert [viewer.layers["samples"], viewer.layers["samples outlines"]] == layers
    assert layers[0].data[0, 0] == 10
    preview.show(sheet[:20], lines[:20])  # another number of samples
    assert viewer.layers["samples"].data.shape == (20, sheet.shape[1])
    assert len(viewer.layers) == 3
    viewer.layers.remove("samples")
    preview.show(sheet, lines)
    assert len(viewer.layers) == 3


def test_live_samples_have_the_units_of_the_pairs():
    viewer, pair = ViewerModel(), PAIRS["grey"].replace(pixel_size=(0.5, 0.25))
    show_pair(viewer, pair)
    PreviewLayers(viewer).show(*montage(pair.image[None], pair.labels[None]), pair.pixel_size)
    PreviewLayers(viewer, "many").show(np.zeros((5, 20, 30)), np.zeros((20, 30), np.uint8), pair.pixel_size)
    assert {str(unit) for layer in viewer.layers for unit in layer.units[-2:]} == {"micrometer"}
    assert all(tuple(layer.scale[-2:]) == (0.5, 0.25) for layer in viewer.layers)


def test_a_pair_opened_on_live_samples_hides_them_until_they_are_asked_for():
    viewer, pair = ViewerModel(), PAIRS["grey"]
    preview = PreviewLayers(viewer)
    preview.show(*montage(pair.image[None], pair.labels[None]))
    show_pair(viewer, pair)
    assert [layer.visible for layer in viewer.layers] == [False, False, True, True]
    preview.reveal()
    assert all(layer.visible for layer in viewer.layers)


def test_live_samples_beside_a_pair_stay():
    viewer, pair = ViewerModel(), PAIRS["grey"]
    show_pair(viewer, pair)
    PreviewLayers(viewer).show(*montage(pair.image[None], pair.labels[None]))
    show_pair(viewer, pair)
    assert all(layer.visible for layer in viewer.layers)


def test_an_opened_pair_is_brought_to_the_middle():
    viewer, pair = ViewerModel(), PAIRS["grey"]
    viewer.add_image(np.zeros((200, 200)))
    look_at(viewer, show_pair(viewer, pair))
    camera = getattr(viewer, "scene", viewer).camera  # moved there in napari 0.9
    assert camera.center[-2:] == pytest.approx((9.5, 14.5), abs=0.6)
