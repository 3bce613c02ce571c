"""Live samples are updated in place and stand beside what is open."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.widgets.shared.layers import show_pair
from napari_organoid_synth.widgets.train.preview_layers import GAP, PreviewLayers, montage

LABELS = np.zeros((20, 30), np.int32)
LABELS[3:9, 4:12] = 1
LABELS[12:18, 15:25] = 2
PIXELS = np.random.default_rng(0).integers(0, 9000, (1, 20, 30)).astype(np.uint16)
PAIR = SamplePair("cell", PIXELS, LABELS, "instances", ("cell",))


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
    viewer, pair = ViewerModel(), PAIR.replace(pixel_size=(0.5, 0.25))
    show_pair(viewer, pair)
    PreviewLayers(viewer).show(*montage(pair.image[None], pair.labels[None]), pair.pixel_size)
    PreviewLayers(viewer, "many").show(np.zeros((5, 20, 30)), np.zeros((20, 30), np.uint8), pair.pixel_size)
    assert {str(unit) for layer in viewer.layers for unit in layer.units[-2:]} == {"micrometer"}
    assert all(tuple(layer.scale[-2:]) == (0.5, 0.25) for layer in viewer.layers)


def test_a_pair_opened_on_live_samples_hides_them_until_they_are_asked_for():
    viewer, pair = ViewerModel(), PAIR
    preview = PreviewLayers(viewer)
    preview.show(*montage(pair.image[None], pair.labels[None]))
    show_pair(viewer, pair)
    assert [layer.visible for layer in viewer.layers] == [False, False, True, True]
    preview.reveal()
    assert all(layer.visible for layer in viewer.layers)


def test_live_samples_beside_a_pair_stay():
    viewer, pair = ViewerModel(), PAIR
    show_pair(viewer, pair)
    PreviewLayers(viewer).show(*montage(pair.image[None], pair.labels[None]))
    show_pair(viewer, pair)
    assert all(layer.visible for layer in viewer.layers)


def test_a_layer_of_a_person_with_that_name_is_left_alone():
    viewer, pair = ViewerModel(), PAIR
    sheet, lines = montage(pair.image[None], pair.labels[None])
    own = viewer.add_image(np.zeros(sheet.shape, sheet.dtype), name="samples")
    PreviewLayers(viewer).show(sheet, lines)
    assert not own.data.any()
    assert len(viewer.layers) == 3
    show_pair(viewer, pair)
    assert own.visible
