"""Parts that simulators share: smooth random fields, uneven light, a camera.

All fields are (Y, X) float32; each comes from the generator that is passed, so a seed repeats its pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@lru_cache(maxsize=64)
def _weights(size: int, knots: int) -> Field:
    """Return cubic B-spline weights (size, knots) of ``size`` pixels between the inner of ``knots`` >= 4 knots."""
    place = np.linspace(0, knots - 3, size, endpoint=False, dtype=np.float64)
    first = place.astype(int)
    t = place - first
    weights = np.zeros((size, knots), np.float32)
    rows = np.arange(size)
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    for offset, part in enumerate(parts):
        weights[rows, first + offset] = part / 6
    weights.setflags(write=False)
    return weights


def enlarge(grid: NDArray[Any], shape: tuple[int, int]) -> Field:
    """Interpolate smooth surface(s) (..., Y, X) over a coarse grid (..., rows, columns) of at least 4 by 4 knots."""
    rows, columns = _weights(shape[0], grid.shape[-2]), _weights(shape[1], grid.shape[-1])
    return np.asarray(rows @ grid.astype(np.float32) @ columns.T, np.float32)


def noise(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, octaves: int = 3, persistence: float = 0.5
) -> Field:
    """Draw octave noise of mean 0 and standard deviation 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws a fixed number of values for a given shape and scale.
    shape : (int, int)
        Height and width, px.
    scale : float
        Size of the largest blobs, px; each further octave halves it.
    octaves : int
        Number of sizes of blobs.
    persistence : float
        Amplitude of an octave relative to the one before.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        pitch = scale / 2 ** (octave + 1)
        if pitch < 1:
            total += persistence**octave * rng.standard_normal(shape, np.float32)
            continue
        grid = rng.standard_normal(tuple(int(np.ceil(n / pitch)) + 3 for n in shape), np.float32)
        total += persistence**octave * enlarge(grid, shape)
    total -= total.mean()
    total /= total.std() + 1e-6
    return total


def illumination(rng: np.random.Generator, shape: tuple[int, int], depth: float) -> Field:
    """Draw uneven light: a second-degree surface with an off-centre peak of 1, lower by ``depth`` at the far corner."""
    centre = rng.uniform(0.25, 0.75, 2)
    y, x = (np.linspace(0, 1, n, dtype=np.float32) - c for n, c in zip(shape, centre, strict=True))
    fall = (y**2)[:, None] + (x**2)[None, :] + np.float32(rng.uniform(-0.5, 0.5)) * y[:, None] * x[None, :]
    return np.asarray(1 - depth * fall / fall.max(), np.float32)


def expose(
    rng: np.random.Generator,
    image: NDArray[np.floating[Any]],
    dtype: type[np.unsignedinteger[Any]],
    photons: float,
    read_noise: float,
) -> NDArray[Any]:
    """Convert light in [0, 1] to camera counts (1, Y, X).

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws one value per pixel.
    image : NDArray (Y, X) float
        Clipped to [0, 1].
    dtype : type
        Unsigned integer; full light becomes its largest value.
    photons : float
        At full light; shot noise is Gaussian with the variance of a Poisson count.
    read_noise : float
        Standard deviation as a share of full light.
    """
    spread = np.sqrt(np.clip(image, 0, 1) / photons + read_noise**2)
    noisy = image + spread * rng.standard_normal(image.shape, np.float32)
    top = np.iinfo(dtype).max
    return np.asarray(np.rint(np.clip(noisy, 0, 1) * top).astype(dtype)[None])
