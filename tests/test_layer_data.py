"""Pairs as layer data: what a viewer takes, without Qt."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_organoid_synth.core.pairs.pair import RGB, SamplePair
from napari_organoid_synth.layer_data import pair_layers, stack_layers


def make_pair(channels: int, pixel_size: tuple[float, float] | None = (0.5, 0.25)) -> SamplePair:
    image = np.arange(channels * 20 * 24).reshape(channels, 20, 24).astype(np.uint8)
    names = RGB if channels == 3 else ()
    return SamplePair("a", image, np.eye(20, 24, dtype=np.int32), pixel_size=pixel_size, channel_names=names)


@pytest.mark.parametrize(("channels", "shape"), [(1, (20, 24)), (2, (2, 20, 24)), (3, (20, 24, 3))])
def test_a_viewer_takes_the_layers_of_a_pair(channels: int, shape: tuple[int, ...]) -> None:
    components = pytest.importorskip("napari.components")
    viewer = components.ViewerModel()
    for data, options, kind in pair_layers(make_pair(channels)):
        viewer._add_layer_from_data(data, options, kind)
    image, labels = viewer.layers
    assert [image.name, labels.name] == ["a", "a mask"]
    assert (image.data.shape, image.rgb) == (shape, channels == 3)
    assert tuple(image.scale[-2:]) == tuple(labels.scale) == (0.5, 0.25)
    assert {str(unit) for unit in image.units[-2:]} == {"micrometer"}
    assert image.metadata["organoid_synth"]["pair"].name == "a"


@pytest.mark.parametrize(("channels", "shape"), [(1, (3, 20, 24)), (2, (3, 2, 20, 24)), (3, (3, 20, 24, 3))])
def test_pairs_of_one_shape_are_two_stacks(channels: int, shape: tuple[int, ...]) -> None:
    (images, options, kind), (labels, mask, mask_kind) = stack_layers([make_pair(channels, None)] * 3, "set")
    assert (images.shape, labels.shape) == (shape, (3, 20, 24))
    assert (kind, mask_kind, options["name"], mask["name"]) == ("image", "labels", "set", "set mask")
    assert options["scale"] == (1.0,) * (len(shape) - (channels == 3))
    assert set(options["units"]) == {"pixel"}


def test_importing_it_and_the_sample_data_needs_no_window() -> None:
    code = (
        "import sys, napari_organoid_synth.layer_data, napari_organoid_synth.sample_data;"
        "print({'napari', 'qtpy', 'torch', 'pooch', 'napari_organoid_synth.widgets'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"
