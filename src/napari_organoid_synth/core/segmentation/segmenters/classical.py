"""Classical augmentation as a rival: tuned, in one interpolation, for crops and whole images, real and synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.augmentation import bend
from napari_organoid_synth.core.segmentation.segmenters.network_input import normalise

BEYOND = 0.125
"""How far a crop may reach beyond the image before turning, as share of its side; it continues by reflection. So an
image no larger than a crop is not shown at the same place each time."""
TRIES = 20
"""Random places tried for a crop with an object in it, before one is aimed at an object."""


@dataclass(frozen=True)
class Strength:
    """Limits of what is drawn for each crop; flips and free turns are always drawn.

    Parameters
    ----------
    zoom : float
        Sizes of objects change by a factor from 1 / zoom to zoom, as likely smaller as larger; at least 1.
    bend : float
        Greatest standard deviation of the shifts of a grid of 32 px, px; every second crop is bent.
    gamma, gain : float
        Greatest exponent and factor of the normalised intensity, as likely below 1 as above.
    offset : float
        Greatest value that is added or taken, where an image spans 0 to 1.
    blur : float
        Greatest σ of a Gaussian, px; every third crop is blurred.
    noise : float
        Greatest σ of Gaussian noise.
    """

    zoom: float = 1.3
    bend: float = 4.0
    gamma: float = 1.4
    gain: float = 1.4
    offset: float = 0.1
    blur: float = 1.0
    noise: float = 0.05


CLASSICAL = Strength()
"""The default; docs/benchmarks.md has the trainings that it was chosen by."""


def classical_crop(
    pair: SamplePair,
    size: int,
    rng: np.random.Generator,
    low: NDArray[np.float32],
    span: NDArray[np.float32],
    foreground: bool = False,
    strength: Strength = CLASSICAL,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Cut a crop at any place: mirrored, turned, zoomed and bent at once, then gamma, gain, offset, blur and noise.

    Parameters
    ----------
    pair : SamplePair
        Source of the crop, of any size; beyond its edges it continues by reflection.
    size : int
        Side of the crop, px.
    rng : numpy.random.Generator
        Source of all random numbers.
    low, span : NDArray (C, 1, 1) float32
        Range of the image, from `intensity_range`.
    foreground : bool
        The crop must hold part of an object, if the image has one.
    strength : Strength
        Limits of all changes.

    Returns
    -------
    image : NDArray (C, size, size) float32
        Interpolated linearly. The channels of RGB images change alike, others each on its own.
    labels : NDArray (size, size) int32
        Nearest.
    """
    turn, mirror = rng.uniform(0, 2 * np.pi), 1.0 - 2.0 * rng.integers(2)
    scale = _factor(rng, strength.zoom)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[cos, -sin * mirror], [sin, cos * mirror]], np.float32)
    centre = _centre(pair, size, rng, matrix, scale, foreground)
    grid = _grid(size)
    if rng.random() < 0.5 and strength.bend:
        grid = grid + bend(size, rng, strength.bend)
    where = np.tensordot(matrix, grid, axes=1) + centre.astype(np.float32)[:, None, None]
    native, labels = _sample(pair, where)
    image = normalise(native, low, span)
    return _changed(image, rng, strength, 1 if pair.is_rgb else len(image)), labels


@cache
def _grid(size: int) -> NDArray[np.float32]:
    """Return the places (2, size, size) of the pixels of a crop from its middle, px."""
    return np.mgrid[:size, :size].astype(np.float32) - np.float32((size - 1) / 2)


def _factor(rng: np.random.Generator, most: float) -> float:
    """Draw a factor from 1 / most to most, uniform in its logarithm."""
    return float(np.exp(rng.uniform(-1, 1) * np.log(most)))


def _centre(
    pair: SamplePair,
    size: int,
    rng: np.random.Generator,
    matrix: NDArray[np.float32],
    scale: float,
    foreground: bool,
) -> NDArray[np.float64]:
    """Draw the middle of a crop (2,) in px of the image; with ``foreground`` so that the crop holds an object."""
    half, lengths = scale * size / 2, np.array(pair.size)
    least = np.minimum(half, lengths / 2) - BEYOND * size
    most = lengths - 1 - least
    inside = half / np.sqrt(2)  # within the crop whatever its turn
    for _ in range(TRIES if foreground else 1):
        centre = rng.uniform(least, most)
        start, stop = np.maximum(centre - inside, 0).astype(int), np.maximum(centre + inside, 0).astype(int) + 1
        if not foreground or pair.labels[start[0] : stop[0], start[1] : stop[1]].any():
            return centre
    objects = np.flatnonzero(pair.labels)
    if objects.size:
        pixel = np.array(np.unravel_index(rng.choice(objects), pair.labels.shape))
        centre = pixel - matrix @ rng.uniform(-0.4 * size, 0.4 * size, 2)
    return centre


def _sample(pair: SamplePair, where: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Interpolate image and labels at the places (2, size, size), reflected at the edges."""
    height, width = pair.size
    y, x = (_reflected(axis, length) for axis, length in zip(where, pair.size, strict=True))
    top, left = (
        np.minimum(axis.astype(np.intp), max(length - 2, 0)) for axis, length in zip((y, x), pair.size, strict=True)
    )
    down, right = y - top.astype(np.float32), x - left.astype(np.float32)  # shares of the next row and column
    first, row, column = top * width + left, width * (height > 1), int(width > 1)
    image = np.empty((len(pair.image), *first.shape), np.float32)
    for channel, plane in enumerate(pair.image):
        flat = plane.reshape(-1)
        a, b, c, d = (flat.take(first + step).astype(np.float32) for step in (0, column, row, row + column))
        above, below = a + (b - a) * right, c + (d - c) * right
        image[channel] = above + (below - above) * down
    nearest = (y + np.float32(0.5)).astype(np.intp) * width + (x + np.float32(0.5)).astype(np.intp)
    return image, pair.labels.reshape(-1).take(nearest).astype(np.int32, copy=False)


def _reflected(places: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Fold places into 0 to length - 1, as a mirror at the middle of the first and of the last pixel does."""
    last = np.float32(length - 1)
    if length == 1:
        return np.zeros_like(places)
    if places.min() >= 0 and places.max() <= last:
        return places
    folded: NDArray[np.float32] = last - np.abs(np.mod(places, 2 * last) - last)
    return folded


def _changed(
    image: NDArray[np.float32], rng: np.random.Generator, strength: Strength, draws: int
) -> NDArray[np.float32]:
    """Change the intensity of a crop (C, size, size); ``draws`` is C, or 1 where all channels change alike."""
    gamma, gain = (
        np.array([_factor(rng, most) for _ in range(draws)], np.float32)[:, None, None]
        for most in (strength.gamma, strength.gain)
    )
    offset = rng.uniform(-strength.offset, strength.offset, (draws, 1, 1)).astype(np.float32)
    image = np.where(image > 0, np.abs(image) ** gamma, image) * gain + offset
    blur = rng.uniform(0, strength.blur) if rng.random() < 1 / 3 else 0.0
    if blur:
        image = _blurred(image, blur)
    sigma = np.float32(rng.uniform(0, strength.noise))
    return image + sigma * rng.standard_normal(image.shape, np.float32)


def _blurred(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Convolve (C, Y, X) with a Gaussian up to 2 σ, at least 1 px."""
    reach = max(1, round(2 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 2):
        length = image.shape[axis]
        padding = [(0, 0)] * 3
        padding[axis] = (reach, reach)
        padded = np.pad(image, padding, mode="symmetric")
        image = np.zeros_like(image)
        for start, weight in enumerate(weights):
            lines = slice(start, start + length)
            image += weight * (padded[:, lines] if axis == 1 else padded[:, :, lines])
    return image
