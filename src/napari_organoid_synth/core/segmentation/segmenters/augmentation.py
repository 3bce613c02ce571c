"""Classical augmentation of crops: the protocols for tissue and for organoids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.network_input import normalise

MIN_CROP = 0.7
"""Smallest square that is enlarged to a crop, as a share of its side, in the protocol for organoids."""


def brightened(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return I · U(0.6, 2) + U(-0.2, 0.2) with noise of σ 0.02, of an image I whose intensities span 0 to 1."""
    image = image * np.float32(rng.uniform(0.6, 2.0)) + np.float32(rng.uniform(-0.2, 0.2))
    return image + rng.normal(0, 0.02, image.shape).astype(np.float32)


def turned(
    image: NDArray[np.float32], labels: NDArray[np.int32], turns: int, mirror: bool
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Turn a crop by right angles, then mirror it left to right; no pixel is interpolated."""
    image, labels = np.rot90(image, turns, (1, 2)), np.rot90(labels, turns)
    return (image[..., ::-1], labels[:, ::-1]) if mirror else (image, labels)


def warped(
    pair: SamplePair, corner: list[int], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Cut a crop, mirrored, turned and bent about its centre in one interpolation; reflected beyond the image."""
    from scipy.ndimage import map_coordinates

    turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.integers(4) * np.pi / 2
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin * mirror], [sin, cos * mirror]], dtype=np.float32)
    middle = (size - 1) / 2
    grid = np.mgrid[:size, :size].astype(np.float32) - np.float32(middle)  # (2, size, size)
    if rng.random() < 0.5:
        grid += bend(size, rng)
    where = np.tensordot(matrix, grid, axes=1) + np.array(corner, np.float32)[:, None, None] + np.float32(middle)
    image = np.stack([map_coordinates(plane, where, np.float32, order=1, mode="mirror") for plane in pair.image])
    labels: NDArray[np.int32] = map_coordinates(pair.labels, where, np.int32, order=0, mode="mirror")
    return image, labels


def organoid_crop(
    pair: SamplePair,
    corner: Sequence[int],
    size: int,
    rng: np.random.Generator,
    low: NDArray[np.float32],
    span: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Cut a crop by the protocol for organoids: flips, rotations, whitening, crops (Brémond Martin 2022).

    The paper names these four but gives no numbers; those here are ours. Mirrored up-down and left-right with
    probability 0.5 each, turned by U(0, 2π) with probability 0.5, a square of U(0.7, 1) of the side enlarged to the
    whole side (in one interpolation, linear; labels nearest), and whitened with probability 0.5 (`whiten`).

    Parameters
    ----------
    pair : SamplePair
        Source of the crop.
    corner : (int, int)
        First row and column of the crop, px.
    size : int
        Its side, px.
    rng : numpy.random.Generator
        Source of all random numbers.
    low, span : NDArray (C, 1, 1) float32
        Range of the image, from `intensity_range`.

    Returns
    -------
    image : NDArray (C, size, size) float32
    labels : NDArray (size, size) int32
    """
    from scipy.ndimage import map_coordinates

    flips = np.where(rng.random(2) < 0.5, -1.0, 1.0)
    turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else 0.0
    zoom = rng.uniform(MIN_CROP, 1.0)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = (zoom * np.array([[cos, -sin], [sin, cos]]) * flips).astype(np.float32)
    middle, free = (size - 1) / 2, (1 - zoom) * size / 2  # the smaller square may lie anywhere in the larger
    shift = rng.uniform(-free, free, 2).astype(np.float32)
    grid = np.mgrid[:size, :size].astype(np.float32) - np.float32(middle)
    centre = np.array(corner, np.float32) + np.float32(middle) + shift
    where = np.tensordot(matrix, grid, axes=1) + centre[:, None, None]
    native = np.stack([map_coordinates(plane, where, np.float32, order=1, mode="mirror") for plane in pair.image])
    labels: NDArray[np.int32] = map_coordinates(pair.labels, where, np.int32, order=0, mode="mirror")
    image = normalise(native, low, span)
    if rng.random() < 0.5:
        step = max(1, max(pair.size) // 1024)
        image = whiten(image, normalise(pair.image[:, ::step, ::step], low, span))
    return image, labels


def whiten(crop: NDArray[np.float32], image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each channel of a crop the mean and the spread of the whole image.

    x' = μ + σ (x - m) / max(s, 1 / √n), with m and s of the n pixels of the crop and μ and σ of the image: the usual
    whitening, (x - m) / max(s, 1 / √n), on the scale of the images that the network predicts.

    Parameters
    ----------
    crop : NDArray (C, size, size) float32
        Of the image.
    image : NDArray (C, Y, X) float32
        Whole, normalised alike.

    Returns
    -------
    NDArray (C, size, size) float32
    """
    axes, n = (1, 2), crop[0].size
    spread = np.maximum(crop.std(axes, keepdims=True), n**-0.5)
    white = (crop - crop.mean(axes, keepdims=True)) / spread
    whitened: NDArray[np.float32] = white * image.std(axes, keepdims=True) + image.mean(axes, keepdims=True)
    return whitened


def bend(size: int, rng: np.random.Generator, most: float = 4.0, spacing: int = 32) -> NDArray[np.float32]:
    """Draw a smooth displacement (2, size, size) in px: splines through a grid of shifts of σ U(0, most).

    Up to an eighth of the spacing nothing folds.
    """
    n = size // spacing + 3
    shifts = rng.normal(0, rng.uniform(0, most), (2, n, n)).astype(np.float32)
    spline = _spline(n, spacing)
    start = int(rng.integers(0, len(spline) - size + 1))
    spline = spline[start : start + size]
    return np.asarray(spline @ shifts @ spline.T, np.float32)


@cache
def _spline(n: int, spacing: int) -> NDArray[np.float32]:
    """Return the matrix (n * spacing, n) from values on a grid to the cubic spline through them."""
    from scipy.ndimage import zoom

    values: NDArray[np.float32] = zoom(np.eye(n, dtype=np.float32), (spacing, 1), order=3)
    return values
