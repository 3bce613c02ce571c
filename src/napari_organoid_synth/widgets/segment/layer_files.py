"""Image layers as files for a child process, and its predictions as layers again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.ome_tiff import LABELS_ENDING, MAP_ENDINGS, read_image, read_labels
from napari_organoid_synth.core.pairs.pictures import flow_colours
from napari_organoid_synth.widgets.shared.layer_grid import place_of, with_axis

NOTE = "layers.json"
IMAGES, PREDICTED = "images", "predicted"


class LayerNote(FrozenModel):
    """Properties of an image layer other than its pixels; a record of ``layers.json``.

    Parameters
    ----------
    name : str
    rgb : bool
    scale, translate : tuple of float
        One for each axis, in ``units``.
    units : tuple of str
    rotate, shear, affine : tuple
        As napari takes them; empty: none.
    stem : str
        Of its file.
    lead : tuple of int
        Shape of the axes before Y and X.
    """

    name: str
    rgb: bool
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    rotate: tuple[tuple[float, ...], ...] = ()
    shear: tuple[float, ...] = ()
    affine: tuple[tuple[float, ...], ...] = ()
    stem: str = ""
    lead: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class LayerPrediction:
    """The prediction for one layer.

    Parameters
    ----------
    note : LayerNote
    labels : NDArray (..., Y, X) int32
    maps : dict
        Where they were wanted ``probability`` (K, ..., Y, X) float32 and ``flow`` (..., Y, X, 3) uint8, in colour.
    """

    note: LayerNote
    labels: NDArray[np.int32]
    maps: dict[str, NDArray[Any]]


def describe_layer(layer: Any) -> LayerNote:
    """Return the properties of an image layer other than its pixels."""
    place = place_of(layer)
    return LayerNote.parse({"name": layer.name, "rgb": bool(layer.rgb)} | place | {"units": place["units"] or ()})


def as_planes(data: Any, rgb: bool, channels: int) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Return the pixels of a layer as images, and the shape of the axes before them.

    Parameters
    ----------
    data : array (..., Y, X) or, with ``rgb``, (..., Y, X, 3 or 4)
        If ``channels`` is more than 1, they are the axis before Y.
    rgb : bool
        Whether the last axis is that of colours.
    channels : int
        That a segmenter knows.

    Returns
    -------
    planes : NDArray (N, C, Y, X)
    lead : tuple of int
        Whose product is N; empty for a single image.

    Examples
    --------
    >>> planes, lead = as_planes(np.zeros((5, 7, 9)), False, 1)
    >>> planes.shape, lead
    ((5, 1, 7, 9), (5,))
    """
    pixels = np.asarray(data)
    if rgb:
        pixels = np.moveaxis(pixels[..., :3], -1, -3)
    elif channels == 1 or pixels.ndim == 2:
        pixels = pixels[..., None, :, :]
    lead = tuple(int(size) for size in pixels.shape[:-3])
    return pixels.reshape(-1, *pixels.shape[-3:]), lead


def storable(pixels: NDArray[Any]) -> NDArray[Any]:
    """Convert to a type that OME-TIFF knows, without a change of values."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8)
    if pixels.dtype == np.float16:
        return pixels.astype(np.float32)
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize == 8:
        return pixels.astype(np.int32 if np.abs(pixels).max(initial=0) < 2**31 else np.float64)
    return pixels


def write_layers(folder: Path, layers: Sequence[tuple[LayerNote, Any]], channels: int) -> None:
    """Write pixels below ``folder/images`` and ``layers.json``; in a worker thread.

    Parameters
    ----------
    folder : Path
        Below ``jobs`` of the project.
    layers : sequence of (LayerNote, array)
        Of `describe_layer`, and the pixels.
    channels : int
        That the segmenter knows.
    """
    import tifffile

    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    notes = []
    for number, (note, data) in enumerate(layers):
        planes, lead = as_planes(data, note.rgb, channels)
        stem = f"{number:03d}"
        one = len(planes) == 1
        tifffile.imwrite(
            folder / IMAGES / f"{stem}.ome.tif",
            np.ascontiguousarray(storable(planes[0] if one else planes)),
            ome=True,
            photometric="minisblack",
            metadata={"axes": "CYX" if one else "ZCYX"},
        )
        notes.append(note.replace(stem=stem, lead=lead).model_dump(mode="json"))
    write_text(folder / NOTE, json.dumps(notes, indent=1))


def read_notes(folder: Path) -> list[LayerNote]:
    """Read the ``layers.json`` of a folder."""
    return [LayerNote.parse(values) for values in json.loads((folder / NOTE).read_text(encoding="utf-8"))]


def with_layer_names(text: str, folder: Path) -> str:
    """Return a message about files of `write_layers` with the names of their layers instead."""
    for note in read_notes(folder):
        file = rf"(?:\b{IMAGES}/)?\b{note.stem}(?:\.ome\.tif\b|\b|(?=_z\d))"
        text = re.sub(file, note.name.replace("\\", r"\\"), text)
    return text


def read_predictions(folder: Path) -> list[LayerPrediction]:
    """Read the predictions for the layers that `write_layers` wrote; in a worker thread.

    Layers that could not be marked are left out.
    """
    predictions = []
    for note in read_notes(folder):
        lead, stem = note.lead, note.stem
        count = int(np.prod(lead)) if lead else 1
        names = [stem] if count == 1 else [f"{stem}_z{number + 1:03d}" for number in range(count)]
        paths = [folder / PREDICTED / f"{name}{LABELS_ENDING}" for name in names]
        if not all(path.exists() for path in paths):
            continue
        labels = np.stack([read_labels(path) for path in paths])
        labels = labels.reshape(*lead, *labels.shape[1:])
        maps: dict[str, NDArray[Any]] = {}
        for what, ending in MAP_ENDINGS.items():
            files = [folder / PREDICTED / f"{name}{ending}" for name in names]
            if all(path.exists() for path in files):
                planes = np.stack([np.asarray(read_image(path)[0]) for path in files], axis=1)  # (K, N, Y, X)
                planes = planes.reshape(len(planes), *lead, *labels.shape[-2:])
                maps[what] = flow_colours(planes) if what == "flow" else planes
        predictions.append(LayerPrediction(note, labels, maps))
    return predictions


def show_predictions(viewer: Any, predictions: Sequence[LayerPrediction], by: str) -> list[Any]:
    """Add a labels layer, and an image layer for each map that there is, with the place of the marked layer."""
    added = []
    for prediction in predictions:
        note, maps = prediction.note, prediction.maps
        kept = range(len(note.scale))
        place = _place(note, [*kept[: len(note.lead)], *kept[-2:]])
        if "flow" in maps:
            added.append(viewer.add_image(maps["flow"], name=f"{note.name} flow", rgb=True, visible=False, **place))
        if "probability" in maps:
            added.append(_add_probability(viewer, maps["probability"], note.name, place))
        added.append(viewer.add_labels(prediction.labels, name=f"{note.name} {by}".strip(), **place))
    return added


def _place(note: LayerNote, axes: Sequence[int]) -> dict[str, Any]:
    """Return the place of the marked layer, for a layer with these of its axes."""
    from napari.layers import Image

    number = len(note.scale)
    turned = {key: np.array(getattr(note, key)) for key in ("rotate", "shear", "affine") if getattr(note, key)}
    units = note.units if len(note.units) == number else None
    marked = Image(np.zeros((1,) * number), scale=note.scale, translate=note.translate, units=units, **turned)
    return place_of(marked, axes)


def _add_probability(viewer: Any, probability: NDArray[Any], name: str, place: dict[str, Any]) -> Any:
    """Add probabilities (K, ..., Y, X); several classes get an axis of their own."""
    several = len(probability) > 1
    if several:
        place = with_axis(place)
    return viewer.add_image(
        probability if several else probability[0],
        name=f"{name} probability",
        contrast_limits=(0, 1),
        rgb=False,
        visible=False,
        **place,
    )
