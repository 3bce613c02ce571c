"""Pairs as napari layers and back."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB, MaskKind, SamplePair, Source
from napari_organoid_synth.layer_data import pair_layers

SAMPLES = "samples"


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
        Named ``<name>`` and ``<name> mask``, scaled by the pixel size; `pair_from_layers` is the inverse.
    """
    (pixels, image_options, _), (numbers, labels_options, _) = pair_layers(pair)
    image, labels = viewer.add_image(pixels, **image_options), viewer.add_labels(numbers, **labels_options)
    labels.contour = outline
    for name in (SAMPLES, f"{SAMPLES} outlines"):  # a pair among live samples looks like one of them
        if name in viewer.layers and _overlap(viewer.layers[name], labels):
            viewer.layers[name].visible = False
    return image, labels


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
    image_layer: Any, labels_layer: Any, mask_kind: MaskKind | None = None, name: str | None = None
) -> SamplePair:
    """Read a pair from an image layer and a labels layer.

    Parameters
    ----------
    image_layer : napari.layers.Image
        Of shape (Y, X), (C, Y, X) or RGB.
    labels_layer : napari.layers.Labels
        Of shape (Y, X).
    mask_kind : {"binary", "classes", "instances"}, optional
        Default: the kind that the layers were made from, otherwise binary for one label and instances for more.
    name : str, optional
        Default: name of the image layer.

    Raises
    ------
    UserError
        If the axes are not those of one 2-D image with its mask.
    """
    image, channels = _read_image(image_layer)
    labels = _read_labels(labels_layer)
    before, drawn = _origin(image_layer), _origin(labels_layer)
    values = np.unique(labels)
    kind: MaskKind = mask_kind or (
        drawn.mask_kind if drawn is not None else "binary" if np.count_nonzero(values) <= 1 else "instances"
    )
    class_names = drawn.class_names if drawn is not None and drawn.mask_kind == kind else ("object",)
    if kind == "classes" and len(class_names) < (highest := int(values.max(initial=0))):
        class_names = tuple(f"class {number}" for number in range(1, highest + 1))
    return SamplePair(
        name=name or image_layer.name,
        image=np.ascontiguousarray(image),
        labels=np.ascontiguousarray(labels > 0 if kind == "binary" else labels, dtype=np.int32),
        mask_kind=kind,
        class_names=class_names,
        pixel_size=_pixel_size(image_layer),
        channel_names=before.channel_names if before is not None else channels,
        image_class=before.image_class if before is not None else None,
        source=before.source if before is not None else Source("drawn"),
    )


def _read_image(layer: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the pixels (C, Y, X) of an image layer and the names of its channels."""
    data = np.asarray(layer.data)
    if data.ndim - bool(layer.rgb) > 3 or data.ndim < 2:
        raise UserError(
            f"Layer '{layer.name}' has shape {data.shape}.",
            "Expected (y, x), (channel, y, x) or an RGB image.",
            "Extract one plane of the stack first.",
        )
    if layer.rgb:
        return np.moveaxis(data[..., :3], -1, 0), RGB
    return data[None] if data.ndim == 2 else data, ()


def _read_labels(layer: Any) -> NDArray[Any]:
    """Return the labels (Y, X) of a labels layer."""
    labels = np.asarray(layer.data)
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise UserError(
            f"Layer '{layer.name}' has shape {labels.shape} and holds {labels.dtype}.",
            "Expected whole numbers (y, x).",
            "Choose the labels layer of one 2-D image.",
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


def _pixel_size(layer: Any) -> tuple[float, float] | None:
    """Return height and width of a pixel in µm; None when the layer's unit is not a length."""
    try:
        import pint

        factors = [float((1 * unit).to("micrometer").magnitude) for unit in layer.units[-2:]]
    except (pint.PintError, AttributeError, IndexError):
        return None
    height, width = (float(scale) * factor for scale, factor in zip(layer.scale[-2:], factors, strict=True))
    return height, width
