"""Pairs as napari layers and back, and the preview that is updated in place."""

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
GAP = 4
"""Pixels between the samples of a montage."""


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
    """A pair from an image layer and a labels layer.

    Parameters
    ----------
    image_layer : napari.layers.Image
        Of shape (Y, X), (C, Y, X) or RGB.
    labels_layer : napari.layers.Labels
        Of shape (Y, X).
    mask_kind : {"binary", "classes", "instances"}, optional
        Default: what the layers were made from, else binary for one label and instances for more.
    name : str, optional
        Default: name of the image layer.

    Raises
    ------
    UserError
        If the axes are not those of one 2-D image with its mask.
    """
    data = np.asarray(image_layer.data)
    if data.ndim - bool(image_layer.rgb) > 3 or data.ndim < 2:
        raise UserError(
            f"Layer '{image_layer.name}' has shape {data.shape}.",
            "Expected (y, x), (channel, y, x) or an RGB image.",
            "Extract one plane of the stack first.",
        )
    labels = np.asarray(labels_layer.data)
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise UserError(
            f"Layer '{labels_layer.name}' has shape {labels.shape} and holds {labels.dtype}.",
            "Expected whole numbers (y, x).",
            "Choose the labels layer of one 2-D image.",
        )
    if labels.size and int(labels.max()) > np.iinfo(np.int32).max:
        raise UserError(
            f"Layer '{labels_layer.name}' holds label {labels.max()}.",
            "Expected labels below 2³¹.",
            "Relabel it first.",
        )
    channels: tuple[str, ...]
    if image_layer.rgb:
        image, channels = np.moveaxis(data[..., :3], -1, 0), RGB
    else:
        image, channels = data[None] if data.ndim == 2 else data, ()
    before = image_layer.metadata.get("organoid_synth", {}).get("pair") if image_layer.metadata else None
    drawn = labels_layer.metadata.get("organoid_synth", {}).get("pair") if labels_layer.metadata else None
    values = np.unique(labels)
    kind: MaskKind = mask_kind or (
        drawn.mask_kind if drawn is not None else "binary" if np.count_nonzero(values) <= 1 else "instances"
    )
    if kind == "binary":
        labels = labels > 0
    pair = SamplePair(
        name=name or image_layer.name,
        image=np.ascontiguousarray(image),
        labels=np.ascontiguousarray(labels, dtype=np.int32),
        mask_kind=kind,
        class_names=drawn.class_names if drawn is not None and drawn.mask_kind == kind else ("object",),
        pixel_size=_pixel_size(image_layer),
        channel_names=before.channel_names if before is not None else channels,
        image_class=before.image_class if before is not None else None,
        source=before.source if before is not None else Source("drawn"),
    )
    if kind == "classes" and len(pair.class_names) < int(values.max()):
        pair = pair.replace(class_names=tuple(f"class {k}" for k in range(1, int(values.max()) + 1)))
    return pair


def _pixel_size(layer: Any) -> tuple[float, float] | None:
    """Height and width of a pixel in µm; None when the layer's unit is no length."""
    try:
        import pint

        factors = [float((1 * unit).to("micrometer").magnitude) for unit in layer.units[-2:]]
    except (pint.PintError, AttributeError, IndexError):
        return None
    height, width = (float(scale) * factor for scale, factor in zip(layer.scale[-2:], factors, strict=True))
    return height, width


def montage(image: NDArray[Any], labels: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Samples beside each other with gaps, and the 1 px outlines of their labels.

    Parameters
    ----------
    image : NDArray (N, C, Y, X), native dtype
        The samples.
    labels : NDArray (N, Y, X) int32
        Their masks.

    Returns
    -------
    NDArray (Y', X') for one channel, (Y', X', 3) uint8 for three 8-bit channels, else (C, Y', X')
    NDArray (Y', X') uint8
        Labels (modulo 255, never 0) on outlines, 0 elsewhere. Runs in a worker thread so that the window only draws.
    """
    from napari_organoid_synth.core.pairs.pictures import outline

    count, channels, height, width = image.shape
    columns = min(count, max(2, int(np.ceil(np.sqrt(count)))))
    rows = -(-count // columns)
    size = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP)
    sheet = np.full((channels, *size), image.min(), dtype=image.dtype)
    lines = np.zeros(size, dtype=np.uint8)  # napari shows these without converting them
    for number in range(count):
        y, x = (number // columns) * (height + GAP), (number % columns) * (width + GAP)
        sheet[:, y : y + height, x : x + width] = image[number]
        lines[y : y + height, x : x + width] = np.where(outline(labels[number]), (labels[number] - 1) % 255 + 1, 0)
    if channels == 1:
        return sheet[0], lines
    if channels == 3 and image.dtype == np.uint8:
        return np.ascontiguousarray(np.moveaxis(sheet, 0, -1)), lines
    return sheet, lines


class PreviewLayers:
    """The live samples: one image layer and one outline layer, made once and then updated in place.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    name : str
        Of the image layer; the outlines are called ``<name> outlines``.
    """

    def __init__(self, viewer: Any, name: str = SAMPLES) -> None:
        self._viewer, self.name = viewer, name

    def show(
        self, sheet: NDArray[Any], lines: NDArray[np.uint8], pixel_size: tuple[float, float] | None = None
    ) -> None:
        """Show a `montage`, ``pixel_size`` in µm; beside what is open, and brought into view, the first time.

        When size and dtype are those of before only the pixels are replaced: no new texture, no new contrast.
        """
        image, outlines = self._find(self.name), self._find(f"{self.name} outlines")
        if image is not None and outlines is not None and same_form(image, sheet) and same_form(outlines, lines):
            image.data[...] = sheet
            outlines.data[...] = lines
            for layer in (image, outlines):
                layer.refresh(extent=False, thumbnail=False)
            return
        corner = self._free_corner() if image is None else tuple(image.translate[-2:])
        for layer in (image, outlines):
            if layer is not None:
                self._viewer.layers.remove(layer)
        scale = pixel_size or (1.0, 1.0)
        units = ("um", "um") if pixel_size else None
        rgb = sheet.ndim == 3 and sheet.shape[-1] == 3
        extra = sheet.ndim == 3 and not rgb
        shown = self._viewer.add_image(
            sheet.copy(),
            name=self.name,
            rgb=rgb,
            scale=(1.0, *scale) if extra else scale,
            translate=(0.0, *corner) if extra else corner,
            units=("pixel", *units) if extra and units else units,
        )
        layer = self._viewer.add_labels(
            lines.copy(), name=f"{self.name} outlines", scale=scale, translate=corner, units=units, opacity=0.9
        )
        layer.editable = False
        self._viewer.layers.selection.active = shown  # the controls of an image are of use here, those of labels not
        if image is None:
            self._viewer.reset_view()

    def reveal(self) -> None:
        """Show the layers again that a pair opened on top of them had hidden."""
        for layer in (self._find(self.name), self._find(f"{self.name} outlines")):
            if layer is not None:
                layer.visible = True

    def _find(self, name: str) -> Any | None:
        return next((layer for layer in self._viewer.layers if layer.name == name), None)

    def _free_corner(self) -> tuple[float, float]:
        """Right of everything that is open."""
        if not len(self._viewer.layers):
            return 0.0, 0.0
        low, high = (corner[-2:] for corner in self._viewer.layers.extent.world)
        return float(low[0]), float(high[1] + 0.03 * (high[1] - low[1]))


def same_form(layer: Any, data: NDArray[Any]) -> bool:
    """Whether pixels can be replaced without making the layer anew."""
    return isinstance(layer.data, np.ndarray) and layer.data.shape == data.shape and layer.data.dtype == data.dtype
