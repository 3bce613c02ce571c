"""Layers to mark: written at their highest level, and marked where they lie whatever their transform."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.ome_tiff import read_image
from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.stacks import recolour
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.predict import predict
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.widgets.segment.apply_panel import ApplyPanel
from napari_organoid_synth.widgets.segment.layer_files import (
    IMAGES,
    PREDICTED,
    LayerNote,
    LayerPrediction,
    describe_layer,
    read_predictions,
    show_predictions,
    with_layer_names,
    write_layers,
)
from napari_organoid_synth.widgets.shared.layer_grid import full_data
from napari_organoid_synth.widgets.shared.workspace import Workspace

PIXELS = np.random.default_rng(0).integers(0, 255, (5, 20, 30)).astype(np.uint8)
WORLD = [[1, 0, 0, 2], [0, 1.5, 0.1, 3], [0, 0, 2, 4], [0, 0, 0, 1]]
TURNED = {
    "scale": (3, 0.5, 0.7), "translate": (1, 3, 4), "rotate": 30, "shear": (0, 0, 0.2), "affine": WORLD,
    "units": ("um", "um", "um"),
}  # fmt: skip


@pytest.mark.parametrize("lead", [(5,), ()])
def test_predictions_lie_on_their_image(lead):
    """Slices keep their axis; channels (lead is empty) lose theirs, and the rest stays where it was."""
    viewer = ViewerModel()
    layer = viewer.add_image(PIXELS, name="cells", **TURNED)
    note = LayerNote.parse(json.loads(describe_layer(layer).replace(lead=lead).model_dump_json()))
    shape = (*lead, 20, 30)
    maps = {"flow": np.zeros((*shape, 3), np.uint8), "probability": np.zeros((2, *shape), np.float32)}
    shown = show_predictions(viewer, [LayerPrediction(note, np.ones(shape, np.int32), maps)], "unet")
    assert [one.name for one in shown] == ["cells flow", "cells probability", "cells unet"]
    for one in shown:
        place = (4, 7, 9) if one.ndim >= 3 else (7, 9)
        place = (1, *place[-one.ndim + 1 :]) if "probability" in one.name else place
        expected = layer.data_to_world((4, 7, 9))
        assert one.data_to_world(place)[-len(shape) :] == pytest.approx(expected[-len(shape) :]), one.name
        assert str(one.units[-1]) == "micrometer"


def test_an_image_without_a_place_gives_labels_without_one():
    viewer = ViewerModel()
    layer = viewer.add_image(PIXELS[0])
    (labels,) = show_predictions(viewer, [LayerPrediction(describe_layer(layer), np.ones((20, 30), np.int32), {})], "")
    assert tuple(labels.scale) == (1, 1)
    np.testing.assert_array_equal(labels.affine.affine_matrix, np.eye(3))


def test_a_pyramid_is_marked_at_its_highest_level(tmp_path):
    layer = ViewerModel().add_image([PIXELS[0], PIXELS[0, ::2, ::2]], multiscale=True, scale=(0.5, 0.5))
    write_layers(tmp_path, [(describe_layer(layer), full_data(layer))], 1)
    np.testing.assert_array_equal(read_image(tmp_path / IMAGES / "000.ome.tif")[0][0], PIXELS[0])


def test_notes_of_the_last_version_are_read():
    note = LayerNote.parse({"name": "a", "rgb": False, "scale": [1, 2], "translate": [3, 4], "units": [], "stem": "0"})
    viewer = ViewerModel()
    (labels,) = show_predictions(viewer, [LayerPrediction(note, np.ones((4, 5), np.int32), {})], "x")
    assert (tuple(labels.scale), tuple(labels.translate)) == ((1, 2), (3, 4))


def test_a_colour_layer_is_marked_as_grey_where_a_person_chose_it(make_napari_viewer, tmp_path):
    viewer, project = make_napari_viewer(), Project(tmp_path / "p")
    colours = np.random.default_rng(1).integers(0, 255, (40, 52, 3)).astype(np.uint8)
    layer = viewer.add_image(colours, rgb=True, name="stained", scale=(0.5, 0.5), rotate=10)
    folder = project.path / "segment" / "20260101-000000-gain" / "segmenters" / "raw" / "fold1"
    spec = SegmentSpec(1, "instances", ("cell",))
    unet = UNet(UNetConfig(channels=8, depth=2, tile=64, batch=1), spec, "cpu")
    unet.save(folder)
    errors = []
    panel = ApplyPanel(viewer, Workspace.of(viewer), errors.append)
    panel.colours.setCurrentIndex(panel.colours.findData("grey"))
    write_layers(tmp_path, [(describe_layer(layer), full_data(layer))], 1)
    settings = panel.settings((str(tmp_path / IMAGES),), str(tmp_path / PREDICTED))
    assert (settings.channels, settings.planes) == ("grey", "slices")
    list(predict(project, settings.replace(segmenter=str(folder), device="cpu", threads=1), Control()))
    (labels,) = show_predictions(viewer, read_predictions(tmp_path), "raw")
    grey, _ = recolour(np.moveaxis(colours, -1, 0), RGB, "grey", "x")
    np.testing.assert_array_equal(labels.data, unet.predict(grey)[0])
    assert labels.data_to_world((3, 4)) == pytest.approx(layer.data_to_world((3, 4)))
    assert panel.settings(("x",), "", panel.stacks.itemData(1)).planes == "max"
    panel.background.close()
    Workspace.of(viewer).close()


def test_messages_about_files_name_the_layers(tmp_path):
    viewer = ViewerModel()
    layers = [viewer.add_image(PIXELS[0], name=name) for name in ("my cells", r"a\1 b")]
    write_layers(tmp_path, [(describe_layer(layer), layer.data) for layer in layers], 1)
    text = "2 of 2 images were trained on (000, 001_z002); images/000.ome.tif has 1000 px."
    named = "2 of 2 images were trained on (my cells, a\\1 b_z002); my cells has 1000 px."
    assert with_layer_names(text, tmp_path) == named
