"""Predictions of a comparison as layers: image, truth, prediction and where the prediction is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.storage import predictions_folder
from napari_organoid_synth.core.pairs.ome_tiff import pair_paths, read_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import error_overlay
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.segment.arms import arm_name
from napari_organoid_synth.widgets.shared.layers import PREVIEW

if TYPE_CHECKING:
    from napari_organoid_synth.core.pairs.table import PairTable

ERRORS, TITLES = "errors", "trained on"
SHOWN = "organoid-synth prediction"  # in the metadata of a layer


@dataclass(frozen=True)
class Prediction:
    """A test pair, what an arm predicted for it, the errors as (Y, X, 4) uint8, and that of another arm beside it."""

    pair: SamplePair
    labels: NDArray[np.int32]
    errors: NDArray[np.uint8]
    arm: str
    beside: Prediction | None = None


def read_prediction(folder: Path, arm: str, name: str, table: PairTable, beside: str = "") -> Prediction:
    """Read the prediction of an arm for a test image; in a worker thread.

    Parameters
    ----------
    folder : Path
        Of the comparison.
    arm, name : str
        What it was trained on, and the test image.
    table : PairTable
        The real pairs.
    beside : str
        Another arm to show beside it; left out where it has not predicted this image.

    Raises
    ------
    UserError
        If the prediction or the pair is not there any more.
    """
    from napari_organoid_synth.core.pairs.loading import read_entry
    from napari_organoid_synth.core.segmentation.agreement import only_classes

    path, _ = pair_paths(predictions_folder(folder, arm), name)
    if not path.exists():
        raise UserError(f"There is no prediction of '{arm}' for '{name}'.", "", "Measure the gain again.")
    predicted = read_pair(path)
    truth = read_entry(table.entry(name), predicted.mask_kind, predicted.class_names)
    if truth.labels.shape != predicted.labels.shape:
        raise UserError(f"The mask of '{name}' has another size than when it was tested.", "", "Measure again.")
    scored = predicted.source.provenance.get("scored")
    found, drawn = (only_classes(labels, truth, scored) for labels in (predicted.labels, truth.labels))
    errors = errors_only(found, drawn, predicted.mask_kind == "classes")
    other = None
    if beside and beside != arm and pair_paths(predictions_folder(folder, beside), name)[0].exists():
        other = read_prediction(folder, beside, name, table)
    return Prediction(truth, predicted.labels, errors, arm, other)


def errors_only(predicted: NDArray[Any], truth: NDArray[Any], classes: bool) -> NDArray[np.uint8]:
    """Return the error overlay, transparent where the prediction is right; (Y, X, 4) uint8."""
    black = np.zeros((*np.shape(truth), 3), np.uint8)
    picture = error_overlay(predicted, truth, black, classes)
    opaque = picture.any(axis=-1, keepdims=True).astype(np.uint8) * 255
    return np.concatenate([picture, opaque], axis=-1)


def show_prediction(viewer: Any, prediction: Prediction) -> None:
    """Show the layers "test image", "truth", "prediction" and "errors" in place of those shown before.

    Those of the arm beside it stand to their left, with the name of that arm; the layer "trained on" names both.
    """
    sides = [(prediction, "", 0.0)]
    if prediction.beside is not None:
        sides.append((prediction.beside, f", {arm_name(prediction.beside.arm)}", -1.04 * prediction.labels.shape[-1]))
    open_before = {layer.name: layer.visible for layer in viewer.layers if layer.metadata.get(SHOWN)}
    for name in open_before:
        viewer.layers.remove(name)
    for one, ending, shift in sides:
        _show_side(viewer, one, ending, shift, open_before)
    if prediction.beside is not None:
        _show_titles(viewer, sides)
    viewer.status = plain(f"{prediction.pair.name}, trained on {arm_name(prediction.arm)}")
    if set(open_before) != {layer.name for layer in viewer.layers if layer.metadata.get(SHOWN)}:
        viewer.reset_view()


def _show_titles(viewer: Any, sides: list[tuple[Prediction, str, float]]) -> None:
    """Write above each side what its segmenter was trained on."""
    pixel = sides[0][0].pair.pixel_size
    places = [(-0.02 * one.labels.shape[0], shift) for one, _, shift in sides]
    viewer.add_points(
        np.array(places),
        name=TITLES,
        text={"string": [arm_name(one.arm) for one, _, _ in sides], "anchor": "upper_left", "color": "white"},
        face_color="transparent",
        border_color="transparent",
        scale=pixel or (1.0, 1.0),
        units=("um", "um") if pixel else None,
        metadata={SHOWN: True, PREVIEW: SHOWN},
    )
    viewer.layers.selection.active = viewer.layers[ERRORS]


def _show_side(viewer: Any, prediction: Prediction, ending: str, shift: float, visible: dict[str, bool]) -> None:
    """Add the layers of one arm, moved by ``shift`` pixels to the right."""
    pair = prediction.pair
    scale = pair.pixel_size or (1.0, 1.0)
    place = (0.0, shift * scale[1])
    common: dict[str, Any] = {"scale": scale, "translate": place, "metadata": {SHOWN: True, PREVIEW: SHOWN}}
    common["units"] = ("um", "um") if pair.pixel_size else None
    names = [f"{name}{ending}" for name in ("test image", "truth", "prediction", ERRORS)]
    if pair.is_rgb:
        viewer.add_image(np.moveaxis(pair.image, 0, -1), rgb=True, name=names[0], **common)
    elif len(pair.image) == 1:
        viewer.add_image(pair.image[0], name=names[0], **common)
    else:
        units = ("pixel", *common["units"]) if common["units"] else None
        many = common | {"scale": (1.0, *scale), "translate": (0.0, *place), "units": units}
        viewer.add_image(pair.image, name=names[0], rgb=False, **many)
    for name, labels in ((names[1], pair.labels), (names[2], prediction.labels)):
        layer = viewer.add_labels(labels, name=name, visible=visible.get(name, name == names[2]), **common)
        layer.contour = 1
        layer.editable = False
    viewer.add_image(
        prediction.errors, rgb=True, name=names[3], opacity=0.6, visible=visible.get(names[3], True), **common
    )
