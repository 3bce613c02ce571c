"""Pairs as napari layers and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB, MaskKind, SamplePair, Source
from napari_organoid_synth.core.pairs.record import REMARK
from napari_organoid_synth.core.pairs.stacks import USE_TEXTS, combine
from napari_organoid_synth.core.pairs.table import PairEntry
from napari_organoid_synth.layer_data import pair_layers
from napari_organoid_synth.widgets.shared.layer_grid import full_data, grid_of, lay_over, place_of, with_axis

SAMPLES = "samples"
DRAWN_MASK = "organoid_synth_masks"
"""Key of the metadata of a labels layer: the files in which it was kept as a mask to paint on."""
PREVIEW = "organoid_synth_preview"
"""Key of the metadata of a layer that only shows what is in files, such as live samples: its name at first, for a
person may have a layer of that name."""
OPENED = "organoid_synth_opened"
"""Key of the metadata of the layers of a pair: checksum of its labels, so that edits are noticed."""


def show_pair(viewer: Any, pair: SamplePair, outline: int = 0) -> tuple[Any, Any]:
    """Add a pair to a viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the layers go.
    pair : SamplePair
        Kept in the layers' metadata, so that class and channel names survive editing.
    outline : int
        Thickness of label outlines in px; 0 fills them.

    Returns
    -------
    (Image, Labels)
        Named ``<name>`` and ``<name> mask``, scaled by the pixel size; a sample that was painted on a labels layer of
        this viewer lies on that layer. `pair_from_layers` is the inverse.
    """
    (pixels, image_options, _), (numbers, labels_options, _) = pair_layers(pair)
    if place := _place_of_mask(viewer, pair):
        labels_options |= place
        image_options |= place if len(image_options["scale"]) == 2 else with_axis(place)
    image, labels = viewer.add_image(pixels, **image_options), viewer.add_labels(numbers, **labels_options)
    labels.contour = outline
    image.metadata[OPENED] = labels.metadata[OPENED] = _checksum(pair.labels)
    for layer in viewer.layers:  # a pair among live samples looks like one of them
        if layer.metadata.get(PREVIEW) and _overlap(layer, labels):
            layer.visible = False
    return image, labels


def unedited_layers(viewer: Any) -> list[Any]:
    """Return the layers of pairs that `show_pair` added and whose mask nobody edited."""
    layers = [layer for layer in viewer.layers if OPENED in layer.metadata]
    edited = {
        id(_origin(layer))
        for layer in layers
        if isinstance(layer, Labels) and _checksum(layer.data) != layer.metadata[OPENED]
    }
    return [layer for layer in layers if id(_origin(layer)) not in edited]


def _checksum(labels: Any) -> int:
    return crc32(np.ascontiguousarray(labels).data)


def show_alone(viewer: Any, layers: Sequence[Any]) -> int:
    """Bring layers into view and hide those that lie under them; return how many were hidden."""
    under = [
        layer
        for layer in viewer.layers
        if layer not in layers and layer.visible and any(_overlap(layer, one) for one in layers)
    ]
    for layer in under:
        layer.visible = False
    look_at(viewer, layers)
    return len(under)


def close_shown(viewer: Any) -> None:
    """Remove the layers that only show what is in files, as another project is opened; what a person edited stays."""
    for layer in [*unedited_layers(viewer), *(layer for layer in viewer.layers if PREVIEW in layer.metadata)]:
        viewer.layers.remove(layer)


def _place_of_mask(viewer: Any, pair: SamplePair) -> dict[str, Any]:
    """Return the place of the labels layer that a sample was painted on; empty if it is not there."""
    mask = pair.source.provenance.get("mask")
    name = mask.get("name") if isinstance(mask, dict) and mask.get("kind") == "file" else None
    for layer in viewer.layers:
        if name and name in layer.metadata.get(DRAWN_MASK, ()) and full_data(layer).shape == pair.size:
            return place_of(layer)
    return {}


def look_at(viewer: Any, layers: Sequence[Any]) -> None:
    """Fit these layers to the canvas; all layers where napari is too old to choose."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if "layers" in signature(viewer.reset_view).parameters:
        viewer.reset_view(layers=layers)
    else:
        viewer.reset_view()


def _overlap(one: Any, other: Any) -> bool:
    (low, high), (below, above) = one.extent.world[:, -2:], other.extent.world[:, -2:]
    return bool((low < above).all() and (below < high).all())


def pair_from_layers(
    image_layer: Any,
    labels_layer: Any,
    mask_kind: MaskKind | None = None,
    name: str | None = None,
    planes: str = "",
    step: Sequence[int] = (),
) -> SamplePair:
    """Read a pair from an image layer and a labels layer, at the highest level of a pyramid.

    Parameters
    ----------
    image_layer : napari.layers.Image
        Of shape (Y, X), (C, Y, X), (Z, Y, X) or RGB; its pixels stay as they are.
    labels_layer : napari.layers.Labels
        Of shape (Y, X), or as many slices as the image. Where its scale or translate differ from those of the image,
        its labels are taken where they lie: the nearest label of each pixel.
    mask_kind : {"binary", "classes", "instances"}, optional
        Default: the kind that the layers were made from, otherwise binary for one label and instances for more.
    name : str, optional
        Default: name of the image layer.
    planes : str
        How the slices of an image are used: ``slice`` (that of ``step``), ``channels``, ``max``, ``mean``.
    step : sequence of int
        Index of the slice in view for each axis before Y and X.

    Returns
    -------
    SamplePair
        Its source names the file of the image layer; ``remark`` in the provenance says what was done.

    Raises
    ------
    UserError
        If the image has slices and nobody chose, or the two layers do not fit together.
    """
    before, drawn = _origin(image_layer), _origin(labels_layer)
    image, channels, place, remarks = _read_image(image_layer, planes, step)
    labels = _read_labels(labels_layer, image_layer, place)
    labels, moved = lay_over(image_layer, (image.shape[1], image.shape[2]), labels_layer, labels)
    values = np.unique(labels)
    kind: MaskKind = mask_kind or (
        drawn.mask_kind if drawn is not None else "binary" if np.count_nonzero(values) <= 1 else "instances"
    )
    class_names = drawn.class_names if drawn is not None and drawn.mask_kind == kind else ("object",)
    if kind == "classes" and len(class_names) < (highest := int(values.max(initial=0))):
        class_names = tuple(f"class {number}" for number in range(1, highest + 1))
    suffix = "".join(f"_{index:03d}" for index in place)
    source = before.source if before is not None else _source(image_layer)
    if remark := "; ".join(filter(None, [*remarks, moved])):
        source = replace(source, provenance={**source.provenance, REMARK: remark})
    return SamplePair(
        name=name or f"{image_layer.name}{suffix}",
        image=np.ascontiguousarray(image),
        labels=np.ascontiguousarray(labels > 0 if kind == "binary" else labels, dtype=np.int32),
        mask_kind=kind,
        class_names=class_names,
        pixel_size=grid_of(image_layer).pixel_size,
        channel_names=channels,
        image_class=before.image_class if before is not None else None,
        source=source,
    )


def has_slices(image_layer: Any) -> bool:
    """Return whether an image layer is a stack whose use is to be chosen; its channels are not slices."""
    lead = _long_axes(image_layer)
    return bool(lead) and not (len(lead) == 1 and _is_channels(image_layer, lead[0]))


def _long_axes(layer: Any) -> list[int]:
    """Return the axes before Y and X that have more than one plane."""
    shape = full_data(layer).shape
    return [axis for axis in range(layer.ndim - 2) if shape[axis] != 1]


def _planes(layer: Any) -> Any:
    """Return the array of a layer without the axes of a single plane."""
    data, kept = full_data(layer), _long_axes(layer)
    return data[tuple(slice(None) if axis in kept else 0 for axis in range(layer.ndim - 2))]


def _is_channels(layer: Any, axis: int) -> bool:
    """Return whether the axis before Y is known to be that of channels: by its label, or by the pair it shows."""
    pair = _origin(layer)
    label = str(getattr(layer, "axis_labels", [""] * layer.ndim)[axis]).lower()
    count = full_data(layer).shape[axis]
    return label in ("c", "ch", "channel", "channels") or (pair is not None and len(pair.image) == count)


def _read_image(
    layer: Any, planes: str, step: Sequence[int]
) -> tuple[NDArray[Any], tuple[str, ...], tuple[int, ...], list[str]]:
    """Return the pixels (C, Y, X) of an image layer, the names of its channels, its slice, and what was done."""
    data, kept = _planes(layer), _long_axes(layer)
    lead = len(kept)
    place: tuple[int, ...] = ()
    remarks: list[str] = []
    pair = _origin(layer)
    names: tuple[str, ...] = RGB if layer.rgb else pair.channel_names if pair is not None else ()
    if has_slices(layer):
        if planes == "slice" and len(step) >= layer.ndim - 2:
            place = tuple(int(step[axis - layer.ndim + 2]) for axis in kept)
            data = data[place]
            remarks.append(f"slice {', '.join(map(str, place))} of the layer")
        elif lead == 1 and planes in (("max", "mean") if layer.rgb else ("channels", "max", "mean")):
            remarks.append(USE_TEXTS[planes])
            images = (_channels_first(np.asarray(plane), layer.rgb) for plane in data)
            return combine(images, planes), names if layer.rgb else (), place, remarks  # type: ignore[arg-type]
        elif planes not in ("", "slice"):
            raise UserError(
                f"Layer '{layer.name}' has shape {data.shape}{', in colour' if layer.rgb else ''}.",
                "Expected one axis of slices" + (" to project." if planes in ("max", "mean") else " of one colour."),
                "Choose under 'Slices': the one in view.",
            )
        else:
            raise UserError(
                f"Layer '{layer.name}' has shape {data.shape}: {data.shape[0]} slices of one image each.",
                "Expected (y, x) or an RGB image, or a choice of what its slices are.",
                "Choose under 'Slices': the one in view, channels, maximum or mean.",
            )
    return _channels_first(np.asarray(data), layer.rgb), names, place, remarks


def _channels_first(pixels: NDArray[Any], rgb: bool) -> NDArray[Any]:
    """Return pixels (Y, X), (C, Y, X) or in colour (Y, X, 3 or 4) as (C, Y, X), without opacity."""
    if rgb:
        return np.moveaxis(pixels[..., :3], -1, 0)
    return pixels[None] if pixels.ndim == 2 else pixels


def _read_labels(layer: Any, image_layer: Any, place: tuple[int, ...]) -> NDArray[Any]:
    """Return the labels (Y, X) of a labels layer; of a stack those of the slice of the image."""
    data = _planes(layer)
    lead = _planes(image_layer).shape[: len(place)]
    if place and data.ndim == 2 + len(place) and data.shape[:-2] == lead:
        data = data[place]
    labels = np.asarray(data)
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise UserError(
            f"Layer '{layer.name}' has shape {labels.shape} and holds {labels.dtype}.",
            "Expected whole numbers (y, x).",
            "Choose the labels layer of one 2-D image, or the slice in view of both.",
        )
    if labels.size and int(labels.max()) > np.iinfo(np.int32).max:
        raise UserError(
            f"Layer '{layer.name}' holds label {labels.max()}.", "Expected labels below 2³¹.", "Relabel it first."
        )
    return labels


def _origin(layer: Any) -> SamplePair | None:
    """Return the pair that a layer was made from by `show_pair`."""
    pair: SamplePair | None = (layer.metadata or {}).get("organoid_synth", {}).get("pair")
    return pair


def _source(layer: Any) -> Source:
    """Return the source of a layer that was not made from a pair: its file, where it has one."""
    path = getattr(getattr(layer, "source", None), "path", None)
    return Source("drawn", (str(Path(path).absolute()),) if path else ())


def shows_pair(layer: Any, name: str) -> bool:
    """Return whether `show_pair` made this layer from a pair of that name."""
    pair = _origin(layer)
    return pair is not None and pair.name == name


def shows(layer: Any, entry: PairEntry) -> bool:
    """Return whether a layer shows the image of a row as the row reads it: as its pair, or opened from its file."""
    pair = _origin(layer)
    if pair is not None:
        values = pair.source.provenance
        reading = values.get("page"), values.get("stack_use", ""), values.get("channels", "as-stored")
        is_same = not pair.source.files or pair.source.files[0] == entry.image
        return pair.name == entry.name and is_same and reading == (entry.page, entry.stack_use, entry.channels)
    path = getattr(getattr(layer, "source", None), "path", None)
    is_plain = entry.page is None and not entry.stack_use and entry.channels == "as-stored"
    return path is not None and is_plain and layer.name == entry.name and Path(path).absolute() == Path(entry.image)
