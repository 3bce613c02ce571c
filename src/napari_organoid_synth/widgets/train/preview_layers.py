"""Samples of a running training as layers that are updated in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.widgets.shared.layers import PREVIEW, SAMPLES

GAP = 4
"""Pixels between the samples of a montage."""


def montage(image: NDArray[Any], labels: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Arrange samples beside each other with gaps; return them with the 1 px outlines of their labels.

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
            metadata={PREVIEW: self.name},
        )
        layer = self._viewer.add_labels(
            lines.copy(),
            name=f"{self.name} outlines",
            scale=scale,
            translate=corner,
            units=units,
            opacity=0.9,
            metadata={PREVIEW: f"{self.name} outlines"},
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
        return next((layer for layer in self._viewer.layers if layer.metadata.get(PREVIEW) == name), None)

    def _free_corner(self) -> tuple[float, float]:
        """Return a position right of all open layers."""
        if not len(self._viewer.layers):
            return 0.0, 0.0
        low, high = (corner[-2:] for corner in self._viewer.layers.extent.world)
        return float(low[0]), float(high[1] + 0.03 * (high[1] - low[1]))


def same_form(layer: Any, data: NDArray[Any]) -> bool:
    """Return whether pixels can be replaced without a new layer."""
    return isinstance(layer.data, np.ndarray) and layer.data.shape == data.shape and layer.data.dtype == data.dtype
