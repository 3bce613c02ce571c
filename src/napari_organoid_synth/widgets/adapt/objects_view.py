"""Objects drawn by rule over one of the images, so that sizes and numbers can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.adapt.sketch_settings import ObjectSettings
from napari_organoid_synth.core.adapt.sketches import draw_objects
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.discovery import paths_of
from napari_organoid_synth.core.pairs.entry_reading import read_plane
from napari_organoid_synth.core.pairs.filenames import list_files
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.reading.formats import READABLE, is_folder

IMAGE, OBJECTS = "Image to compare with", "Objects drawn by rule"
"""Names of the layers."""
LARGEST = 512
"""Side, px, of the middle of the image that is shown."""


def first_image(files: Sequence[str], scale: float = 1.0) -> NDArray[Any]:
    """Read the middle (C, Y, X) of the first image in folders or files, at a share of its size.

    Raises
    ------
    UserError
        If there is no image.
    """
    paths: list[Path] = []
    for path in paths_of(files):
        paths += list_files(path) if is_folder(path) else [path]
    if not paths:
        raise UserError(f"There is no image in {', '.join(files)}.", f"Expected {READABLE}.", "Choose another folder.")
    image, _ = read_plane(paths[0], 0)
    pair = SamplePair(paths[0].stem, image, np.zeros(image.shape[1:], np.int32)).shrunk(scale)
    y, x = (max(0, (length - LARGEST) // 2) for length in pair.size)
    return pair.image[:, y : y + LARGEST, x : x + LARGEST]


def show_objects(viewer: Any, image: NDArray[Any], objects: ObjectSettings, seed: int) -> NDArray[np.int32]:
    """Show an image and, over it, the outlines of objects drawn by rule; return their labels."""
    height, width = image.shape[1:]
    labels = draw_objects(objects, max(height, width), seed)[:height, :width]
    rgb = len(image) == 3
    pixels = np.moveaxis(image, 0, -1) if rgb else image[0]
    for name in (IMAGE, OBJECTS):
        if name in viewer.layers and viewer.layers[name].data.shape[:2] != (height, width):
            viewer.layers.remove(name)
    if IMAGE in viewer.layers:
        viewer.layers[IMAGE].data = pixels
    else:
        viewer.add_image(pixels, name=IMAGE, rgb=rgb)
    if OBJECTS in viewer.layers:
        viewer.layers[OBJECTS].data = labels
    else:
        viewer.add_labels(labels, name=OBJECTS).contour = 2
    return labels
