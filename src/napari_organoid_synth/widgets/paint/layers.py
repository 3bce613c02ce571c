"""The two layers of a painting: the image, which only follows, below the labels, which are painted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.boxes import Box
from napari_organoid_synth.core.pairs.pair import RGB, MaskKind, SamplePair, Source
from napari_organoid_synth.layer_data import pair_layers
from napari_organoid_synth.widgets.paint.start import Start, limits_of
from napari_organoid_synth.widgets.paint.texture import draw_part
from napari_organoid_synth.widgets.shared.layer_grid import place_of, with_axis
from napari_organoid_synth.widgets.shared.layers import look_at

EMPTY_NAME = "painting"
LABELS_OPACITY = 0.3
"""So that the image shows through the mask."""


class PaintLayers:
    """Image and labels of one painting.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the layers.
    start : Start
        Mask, picture and place.
    pixels : NDArray (C, Y, X)
        The picture at first, native dtype; it is changed in place and shown as it is.
    mask_kind : {"binary", "classes", "instances"}
    class_names : tuple of str
        Of the generator.
    own : napari.layers.Labels, optional
        The labels layer that is there already; default: a new one.
    """

    def __init__(
        self,
        viewer: Any,
        start: Start,
        pixels: NDArray[Any],
        mask_kind: MaskKind,
        class_names: Sequence[str],
        own: Any = None,
    ) -> None:
        self.viewer, self.pixels, self.mask_kind = viewer, pixels, mask_kind
        self.class_names, self.limits = tuple(class_names), start.limits
        self.name = f"{start.choice.name} painted" if start.choice.name else EMPTY_NAME
        channels = start.channel_names if len(start.channel_names) == len(pixels) else ()
        self.pair = SamplePair(
            self.name,
            pixels,
            start.labels.copy(),  # napari paints into the array that it is given
            mask_kind,
            self.class_names or ("object",),
            start.pixel_size,
            channels or (RGB if len(pixels) == 3 and pixels.dtype == np.uint8 else ()),
            source=Source("synthetic"),
        )
        (data, image_options, _), (numbers, labels_options, _) = pair_layers(self.pair)
        if own is not None:
            place = place_of(own)
            image_options |= place if len(image_options["scale"]) == 2 else with_axis(place)
        if not self.pair.is_rgb and self.limits:
            image_options["contrast_limits"] = _joint(self.limits)
        self.image = viewer.add_image(self._planes_of(data), **image_options)
        if own is None:
            self.labels = viewer.add_labels(numbers, opacity=LABELS_OPACITY, **labels_options)
        else:
            self.labels = own
            viewer.layers.move(viewer.layers.index(self.image), viewer.layers.index(own))
        self._prepare_labels(start.brush)
        if own is None:
            look_at(viewer, [self.image, self.labels])

    def _planes_of(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return the array that napari shows: a view of the pixels, so that what is written there is on the layer."""
        if self.pair.is_rgb:
            return np.moveaxis(self.pixels, 0, -1)
        return self.pixels[0] if data.ndim == 2 else self.pixels

    def _prepare_labels(self, brush: int) -> None:
        """Choose brush and label, and name the classes in napari's status bar."""
        labels = self.labels
        if self.mask_kind == "classes":
            names = ["background", *self.class_names]
            labels.features = {"index": list(range(len(names))), "class": names}
        labels.brush_size = brush
        if self.mask_kind != "instances":
            labels.selected_label = 1
        self.viewer.layers.selection = {labels}
        labels.mode = "paint"

    # --- state ---

    @property
    def missing(self) -> str:
        """Name of the layer that is gone; empty while both are there."""
        for layer in (self.labels, self.image):
            if layer not in self.viewer.layers:
                return str(layer.name)
        return ""

    @property
    def mask(self) -> NDArray[np.int32]:
        """A copy of the mask (Y, X) as it is now; a binary one as 0 and 1."""
        values = np.asarray(self.labels.data)
        return (values > 0).astype(np.int32) if self.mask_kind == "binary" else values.astype(np.int32)

    # --- pictures ---

    def show(self, box: Box, pixels: NDArray[Any]) -> None:
        """Write pixels (C, h, w) into the image at a box, and draw only the picture again: no thumbnail, no extent."""
        top, left, bottom, right = box
        self.pixels[:, top:bottom, left:right] = pixels
        if not self.limits:
            self.limits = limits_of(self.pixels, self.pair.is_rgb)
            if not self.pair.is_rgb:
                self.image.contrast_limits = _joint(self.limits)
        bound = self._bind()
        if not bound or not draw_part(self.viewer, self.image, box):
            self.image.refresh(thumbnail=False, highlight=False, extent=False)

    def replace(self, pixels: NDArray[Any]) -> None:
        """Show another picture (C, Y, X) of another size."""
        self.pixels = pixels
        self.pair = self.pair.replace(image=pixels, labels=np.zeros(pixels.shape[1:], np.int32))
        self._bind()

    def rest(self) -> None:
        """Bring the thumbnail up to date; called when the brush rests."""
        self.image.refresh(highlight=False, extent=False)

    def _bind(self) -> bool:
        """Show our pixels also where a person or another program gave the layer other ones; whether it had ours."""
        data = self.image.data
        if isinstance(data, np.ndarray) and np.shares_memory(data, self.pixels):
            return True
        self.image.data = self._planes_of(pair_layers(self.pair)[0][0])
        return False

    def colour(self, value: int) -> tuple[float, float, float]:
        """Return red, green and blue, 0 to 1, in which napari shows a label."""
        colour = self.labels.get_color(value)
        return (0.0, 0.0, 0.0) if colour is None else (float(colour[0]), float(colour[1]), float(colour[2]))


def _joint(limits: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the limits that hold those of all channels, for a layer has one pair of them; at least a little apart."""
    low, high = min(one[0] for one in limits), max(one[1] for one in limits)
    return (low, high) if high > low else (low, low + 1)
