"""Uneven bright-field background for any image: a gradient, a smooth surface, slow clouds, dust out of focus."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.simulators.texture import noise

DUST_GRAINS = 6  # grains of dust and debris in 256 × 256 px, on average
Field = NDArray[np.float32]


def bright_field(
    rng: np.random.Generator, shape: tuple[int, int], direction: float | None = None, dust: float = DUST_GRAINS
) -> Field:
    """Draw a background of mean 0 whose smooth part spans a range of 1.

    A plane, a second-degree surface and octave noise with blobs of half the image; the latter two hold neither a mean
    nor a slope, so the plane alone says where it is bright. Dust is darker by up to a half, with a bright rim.

    Parameters
    ----------
    rng : numpy.random.Generator
        All randomness.
    shape : (int, int)
        Height and width, px.
    direction : float, optional
        Direction in which it becomes brighter, radians from the x axis towards larger y; any if not given.
    dust : float
        Grains in 256 × 256 px, on average.

    Returns
    -------
    NDArray (Y, X) float32
    """
    angle = rng.uniform(0, 2 * np.pi) if direction is None else direction
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    y, x = y[:, None], x[None, :]
    plane = np.float32(np.sin(angle)) * y + np.float32(np.cos(angle)) * x
    a, b, c = (np.float32(value) for value in rng.uniform(-1, 1, 3))
    smooth = plane + 0.5 * _level(a * y * y + b * x * x + c * y * x)
    smooth += 0.15 * _level(noise(rng, shape, max(shape) / 2, 2))
    smooth /= np.ptp(smooth) + 1e-6
    background = smooth + _dust(rng, shape, dust)
    return np.asarray(background - background.mean(), np.float32)


def _level(surface: NDArray[Any]) -> Field:
    """Return a surface (Y, X) without its mean and its slopes along both axes."""
    flat = np.asarray(surface - surface.mean(), np.float32)
    for axis, n in enumerate(flat.shape):
        ramp = np.linspace(-1, 1, n, dtype=np.float32)
        ramp = ramp[:, None] if axis == 0 else ramp[None, :]
        flat = flat - ramp * ((flat * ramp).mean() / ((ramp**2).mean() + 1e-12))
    return flat


def _dust(rng: np.random.Generator, shape: tuple[int, int], number: float) -> Field:
    """Draw grains (Y, X): dark spots of 1 to 8 px with a brighter rim, the larger ones fainter."""
    field = np.zeros(shape, np.float32)
    for _ in range(int(rng.poisson(number * shape[0] * shape[1] / 256**2))):
        (cy, cx), radius = rng.uniform(0, 1, 2) * shape, rng.uniform(1, 8)
        depth = rng.uniform(0.1, 0.5) / radius**0.5
        window = tuple(slice(max(0, int(c - 4 * radius)), int(c + 4 * radius) + 1) for c in (cy, cx))
        y, x = (np.arange(n, dtype=np.float32)[part] - c for n, part, c in zip(shape, window, (cy, cx), strict=True))
        far = np.hypot(y[:, None], x[None, :]) / np.float32(radius)
        field[window] += np.float32(depth) * (0.4 * np.exp(-(((far - 1.6) / 0.4) ** 2)) - np.exp(-(far**2)))
    return field


def add_background(
    image: NDArray[Any],
    rng: np.random.Generator,
    strength: float,
    direction: float | None = None,
    dust: float = DUST_GRAINS,
) -> NDArray[Any]:
    """Add an uneven bright-field background to an image, the same in all channels.

    Parameters
    ----------
    image : NDArray (C, Y, X), any dtype
        Not changed.
    rng : numpy.random.Generator
        All randomness.
    strength : float
        From the darkest to the brightest place, as a share of the range of each channel (its percentiles 1 to 99);
        with 0 the image is returned unchanged, as is a black-and-white image (bool).
    direction, dust
        As in `bright_field`.

    Returns
    -------
    NDArray (C, Y, X)
        Of the same dtype, integers rounded and clipped to its limits; the mean stays where nothing is clipped.
    """
    if strength == 0 or image.dtype.kind == "b":
        return image
    field = bright_field(rng, (image.shape[1], image.shape[2]), direction, dust)
    values = image.astype(np.float64)
    low, high = np.nanpercentile(values, (1, 99), axis=(1, 2), keepdims=True)
    changed = values + strength * (high - low) * field
    if image.dtype.kind == "f":
        return np.asarray(changed, image.dtype)
    limits = np.iinfo(image.dtype)
    return np.asarray(np.clip(np.rint(changed), limits.min, limits.max).astype(image.dtype))
