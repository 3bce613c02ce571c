"""Pairs as layer data of napari, ``(data, options, type)``; made without napari and Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_organoid_synth.core.pairs.pair import SamplePair

LayerData = tuple[Any, dict[str, Any], str]


def pair_layers(pair: SamplePair) -> list[LayerData]:
    """Return image and labels of a pair as layer data.

    Parameters
    ----------
    pair : SamplePair
        Kept in the metadata of both layers, so that class and channel names survive editing.

    Returns
    -------
    list of (data, options, type)
        An image ``<name>``, (Y, X), (C, Y, X) or (Y, X, 3) for RGB, and labels ``<name> mask``, (Y, X), scaled by the
        pixel size in µm.
    """
    metadata = {"organoid_synth": {"pair": pair}}
    plane = _plane(pair)
    if pair.is_rgb:
        data, leading = np.ascontiguousarray(np.moveaxis(pair.image, 0, -1)), 0
    elif len(pair.image) == 1:
        data, leading = pair.image[0], 0
    else:
        data, leading = pair.image, 1
    image = {"name": pair.name, "rgb": pair.is_rgb, "metadata": metadata} | _with_leading_axes(plane, leading)
    return [
        (data, image, "image"),
        (pair.labels, {"name": f"{pair.name} mask", "metadata": metadata} | plane, "labels"),
    ]


def stack_layers(pairs: Sequence[SamplePair], name: str) -> list[LayerData]:
    """Return pairs of one shape as two layers with a slider.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Of equal shape, dtype and channels.
    name : str
        Of the image layer; the other is called ``<name> mask``.

    Returns
    -------
    list of (data, options, type)
        Images (N, [C,] Y, X[, 3]) and labels (N, Y, X).
    """
    first = pairs[0]
    plane = _plane(first)
    images = np.stack([pair.image for pair in pairs])  # (N, C, Y, X)
    if first.is_rgb:
        images = np.moveaxis(images, 1, -1)
    elif images.shape[1] == 1:
        images = images[:, 0]
    leading = images.ndim - 2 - first.is_rgb
    image = {"name": name, "rgb": first.is_rgb, "metadata": {"names": [pair.name for pair in pairs]}}
    labels = {"name": f"{name} mask"} | _with_leading_axes(plane, 1)
    return [
        (images, image | _with_leading_axes(plane, leading), "image"),
        (np.stack([pair.labels for pair in pairs]), labels, "labels"),
    ]


def _plane(pair: SamplePair) -> dict[str, Any]:
    """Return scale and units of (Y, X)."""
    unit = "um" if pair.pixel_size else "pixel"
    return {"scale": pair.pixel_size or (1.0, 1.0), "units": (unit, unit)}


def _with_leading_axes(plane: dict[str, Any], number: int) -> dict[str, Any]:
    """Return scale and units with axes of 1 pixel in front."""
    return {"scale": (1.0,) * number + plane["scale"], "units": ("pixel",) * number + plane["units"]}
