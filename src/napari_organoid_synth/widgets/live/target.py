"""What the sliders of light and walks act on, and layers of what the renderer drew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.layer_data import stack_layers
from napari_organoid_synth.widgets.shared.layers import show_pair

GAP = 1.06
"""Distance of pictures side by side, as a share of their side."""


@dataclass(frozen=True, eq=False)
class LiveTarget:
    """A canvas that is looked at.

    Parameters
    ----------
    canvas : str
        Its name at the renderer.
    model : mapping
        What the renderer said of the model: ``walks``, ``image_classes``, ``style_layers``, ``image_channels`` …
    walk_to : callable
        Paints it at a place of a walk; returns whether a picture follows.
    mask : callable
        Returns the mask (Y, X) of a painter; None where the generator draws masks.
    exclude : tuple of str
        Real images that a painter without training may not use.
    pixel_size : (float, float), optional
        Height and width of a pixel of the picture that is looked at, µm.
    """

    canvas: str
    model: Mapping[str, Any]
    walk_to: Callable[[WalkSettings], bool]
    mask: Callable[[], NDArray[Any] | None] = field(default=lambda: None)
    exclude: tuple[str, ...] = ()
    pixel_size: tuple[float, float] | None = None

    @property
    def about(self) -> dict[str, Any]:
        """What layers of further pictures need to know: the model, with the pixel size of this picture."""
        return {**self.model, "pixel_size": self.pixel_size}


def show_drawn(viewer: Any, message: Any, model: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """Add layers of what the renderer drew: image and mask, or the one of both that there is.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the layers.
    message : PaintedMessage
        A whole picture.
    model : mapping
        What the renderer said of the model.
    name : str
        Of the image; the mask is ``<name> mask``.
    """
    labels = message.labels
    if not len(message.pixels):
        return (viewer.add_labels(np.array(labels), name=name),)
    drawn = np.zeros(message.pixels.shape[1:], np.int32) if labels is None else np.array(labels, np.int32)
    pixels = np.array(message.pixels)
    image, mask = show_pair(viewer, pair_of(name, pixels, drawn, model), outline=1)
    if labels is None:
        viewer.layers.remove(mask)
        return (image,)
    return image, mask


def show_film(viewer: Any, messages: Sequence[Any], model: Mapping[str, Any], name: str) -> None:
    """Add whole pictures as layers with a slider for the time, left of where a picture lies.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the layers.
    messages : sequence of PaintedMessage
        Of equal size.
    model : mapping
        What the renderer said of the model.
    name : str
        Of the image; the mask is ``<name> mask``.
    """
    empty = np.zeros(messages[0].pixels.shape[1:], np.int32)
    drawn = messages[0].labels is not None
    masks = [np.array(message.labels, np.int32) if drawn else empty for message in messages]
    if not len(messages[0].pixels):
        viewer.add_labels(np.stack(masks), name=name)
        return
    pairs = [pair_of(name, np.array(one.pixels), mask, model) for one, mask in zip(messages, masks, strict=True)]
    for data, options, kind in stack_layers(pairs, name)[: 1 + drawn]:
        scale = options["scale"]
        left = -GAP * scale[-1] * empty.shape[-1]
        add = viewer.add_image if kind == "image" else viewer.add_labels
        layer = add(data, **options, translate=[0.0] * (len(scale) - 1) + [left])
        if kind == "labels":
            layer.contour = 1


def pair_of(name: str, pixels: NDArray[Any], labels: NDArray[np.int32], model: Mapping[str, Any]) -> SamplePair:
    """Return what was drawn as a pair, which layers are made from."""
    channels, size = tuple(model.get("channel_names") or ()), model.get("pixel_size")
    return SamplePair(
        name,
        pixels,
        labels,
        model.get("mask_kind") or "instances",
        tuple(model.get("class_names") or ("object",)),
        pixel_size=None if size is None else (float(size[0]), float(size[1])),
        channel_names=channels or (RGB if _is_rgb(pixels) else ()),
        source=Source("synthetic"),
    )


def _is_rgb(pixels: NDArray[Any]) -> bool:
    return len(pixels) == 3 and pixels.dtype == np.uint8


def shown(pixels: NDArray[Any], model: Mapping[str, Any]) -> NDArray[Any] | None:
    """Return pixels (C, Y, X) as a layer holds them; None where there are none."""
    if not len(pixels):
        return None
    channels = tuple(model.get("channel_names") or ())
    if channels == RGB or (not channels and _is_rgb(pixels)):
        return np.moveaxis(pixels, 0, -1)
    return np.array(pixels[0] if len(pixels) == 1 else pixels)
