"""Images as input of a segmentation network: normalised, continued by reflection, or whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW, HIGH = 1.0, 99.8
"""Percentiles of intensity that become 0 and 1 (Schmidt 2018)."""
CLIP = -1.0, 4.0
"""Limits of normalised intensity: a hot pixel must not dominate a whole neighbourhood."""
NORMALISED = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)
"""Range of an image that is normalised already, as `intensity_range` gives it."""


def intensity_range(image: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure for each channel the value that becomes 0, and the distance from there to 1.

    Parameters
    ----------
    image : NDArray (C, Y, X), native dtype
        Finite values.

    Returns
    -------
    low, span : NDArray (C, 1, 1) float32
        A constant channel has span 1.
    """
    low, high = ends(image)
    span = np.where(high > low, high - low, 1.0)
    return low[:, None, None].astype(np.float32), span[:, None, None].astype(np.float32)


def ends(image: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low and the high percentile (C,) of an image (C, Y, X)."""
    low, high = np.percentile(sampled(image).reshape(len(image), -1), [LOW, HIGH], axis=1)
    return low, high


def sampled(array: NDArray[Any]) -> NDArray[Any]:
    """Return every n-th row and column of (..., Y, X): a million pixels suffice for percentiles."""
    step = max(1, max(array.shape[-2:]) // 1024)
    return array[..., ::step, ::step]


def normalise(image: NDArray[Any], low: NDArray[np.float32], span: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale an image (C, Y, X) of any dtype to float32, background near 0 and peaks near 1."""
    scaled: NDArray[np.float32] = np.clip((image.astype(np.float32) - low) / span, *CLIP)
    return scaled


def reflect_to(array: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Continue (..., Y, X) by reflection below and to the right until it has at least this size."""
    missing = [max(0, want - have) for want, have in zip((height, width), array.shape[-2:], strict=True)]
    if not any(missing):
        return array
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + [(0, more) for more in missing], mode="reflect")


def whole_size(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return height and width when the longer one becomes ``side`` and their ratio stays."""
    height, width = (max(1, round(length * side / max(size))) for length in size)
    return height, width


def whole_image(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Fit a whole image into a square: resized with antialiasing, never stretched, continued by reflection.

    Parameters
    ----------
    image : NDArray (C, Y, X) float32
        Of any size.
    side : int
        Of the square and of the longer side of the image, px.

    Returns
    -------
    NDArray (C, side, side) float32
        The image in its upper left corner.
    """
    return reflect_to(_resize(image, whole_size(image.shape[1:], side)), side, side)


def whole_labels(labels: NDArray[np.int32], side: int) -> NDArray[np.int32]:
    """Resize a label image (Y, X) as `whole_image` does; a pixel takes the label at its centre."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(whole_size(labels.shape, side), labels.shape, strict=True)
    )
    small: NDArray[np.int32] = reflect_to(labels[np.ix_(rows, columns)], side, side)
    return small


def unfit(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize maps (K, side, side) of a `whole_image` to (K, Y, X), the size of the original image."""
    height, width = whole_size(size, maps.shape[-1])
    return _resize(maps[:, :height, :width], size)


def _resize(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolate (C, Y, X) linearly, smoothed first where it shrinks."""
    from skimage.transform import resize

    if maps.shape[1:] == size:
        return maps
    planes = [
        resize(plane, size, order=1, mode="edge", anti_aliasing=min(size) < min(plane.shape), preserve_range=True)
        for plane in maps
    ]
    resized: NDArray[np.float32] = np.stack(planes).astype(np.float32)
    return resized
