"""Predictions of a comparison as layers: image, truth, prediction and where the prediction is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.ome_tiff import pair_paths, read_pair
from napari_organoid_synth.core.overlay import error_overlay
from napari_organoid_synth.core.pair import SamplePair
from napari_organoid_synth.core.project import Project

if TYPE_CHECKING:
    from napari_organoid_synth.core.pair_table import PairTable

ERRORS = "errors"


@dataclass(frozen=True)
class Prediction:
    """A test pair, what an arm predicted for it, and the errors as (Y, X, 4) uint8."""

    pair: SamplePair
    labels: NDArray[np.int32]
    errors: NDArray[np.uint8]
    arm: str


def newest_results(project: Project) -> Path | None:
    """Folder of the newest comparison that has results."""
    found = sorted(project.path.glob("segment/*/results.json"), key=lambda path: path.stat().st_mtime)
    return found[-1].parent if found else None


def read_prediction(folder: Path, arm: str, name: str, table: PairTable) -> Prediction:
    """What an arm of a comparison predicted for a test image; in a worker thread.

    Raises
    ------
    UserError
        If the prediction or the pair is not there any more.
    """
    from napari_organoid_synth.core.pairing import read_entry

    path, _ = pair_paths(folder / "predictions" / arm, name)
    if not path.exists():
        raise UserError(f"There is no prediction of '{arm}' for '{name}'.", "", "Measure the gain again.")
    predicted = read_pair(path)
    truth = read_entry(table.entry(name), predicted.mask_kind, predicted.class_names)
    if truth.labels.shape != predicted.labels.shape:
        raise UserError(f"The mask of '{name}' has another size than when it was tested.", "", "Measure again.")
    errors = errors_only(predicted.labels, truth.labels, predicted.mask_kind == "classes")
    return Prediction(truth, predicted.labels, errors, arm)


def errors_only(predicted: NDArray[Any], truth: NDArray[Any], classes: bool) -> NDArray[np.uint8]:
    """The error overlay with everything that is right transparent; (Y, X, 4) uint8."""
    black = np.zeros((*np.shape(truth), 3), np.uint8)
    picture = error_overlay(predicted, truth, black, classes)
    opaque = picture.any(axis=-1, keepdims=True).astype(np.uint8) * 255
    return np.concatenate([picture, opaque], axis=-1)


def show_prediction(viewer: Any, found: Prediction) -> None:
    """Show four layers, called "test image", "truth", "prediction" and "errors"; replaced the next time."""
    pair = found.pair
    scale = pair.pixel_size or (1.0, 1.0)
    units = ("um", "um") if pair.pixel_size else None
    names = ("test image", "truth", "prediction", ERRORS)
    shown = {name: viewer.layers[name].visible for name in names if name in viewer.layers}
    for name in shown:
        viewer.layers.remove(name)
    if pair.is_rgb:
        viewer.add_image(np.moveaxis(pair.image, 0, -1), rgb=True, name=names[0], scale=scale, units=units)
    elif len(pair.image) == 1:
        viewer.add_image(pair.image[0], name=names[0], scale=scale, units=units)
    else:
        many = ("pixel", *units) if units else None
        viewer.add_image(pair.image, name=names[0], rgb=False, scale=(1.0, *scale), units=many)
    for name, labels in ((names[1], pair.labels), (names[2], found.labels)):
        layer = viewer.add_labels(
            labels, name=name, scale=scale, units=units, visible=shown.get(name, name == names[2])
        )
        layer.contour = 1
        layer.editable = False
    viewer.add_image(
        found.errors, rgb=True, name=ERRORS, scale=scale, units=units, opacity=0.6, visible=shown.get(ERRORS, True)
    )
    viewer.status = f"{pair.name}, trained on {found.arm}"
    if not shown:
        viewer.reset_view()
