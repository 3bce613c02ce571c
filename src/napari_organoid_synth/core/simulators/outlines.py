"""Closed outlines of objects: drawn at random, filled with pixels, taken from a mask, described by five numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

KNOTS = 8
HARMONICS = 8  # of a contour; finer details are the steps between pixels

DESCRIPTORS = ("area", "elongation", "circularity", "eccentricity", "solidity")


@lru_cache(maxsize=8)
def _spline(points: int) -> NDArray[np.float64]:
    """Return weights (points, knots) of the closed cubic spline through knots at equal steps."""
    from scipy.interpolate import CubicSpline

    turns = np.arange(KNOTS + 1)
    closed = np.eye(KNOTS)[turns % KNOTS]
    return np.asarray(CubicSpline(turns, closed, bc_type="periodic")(KNOTS * np.arange(points) / points))


def draw_knots(
    rng: np.random.Generator,
    radii: NDArray[np.float64],
    elongations: NDArray[np.float64],
    roughness: float = 0.1,
    jitter: float = 0.1,
) -> NDArray[np.float64]:
    """Draw the corners of perturbed octagons (SIMCEP: Lehmussola 2007, eq. 1).

    Corner i of 8 lies at α·U(-1, 1) + cos(θ_i + β·U(-1, 1)) and the same with sin, θ_i = 2πi/8, times the radius.

    Parameters
    ----------
    rng : numpy.random.Generator
        All randomness.
    radii : NDArray (n,)
        Of the circle with about the same area, px.
    elongations : NDArray (n,)
        Length to width; the area stays. 1 as published.
    roughness, jitter : float
        α and β.

    Returns
    -------
    NDArray (n, 8, 2) float64
        y and x about the origin, px.
    """
    n = len(radii)
    angle = 2 * np.pi * np.arange(KNOTS) / KNOTS + jitter * rng.uniform(-1, 1, (n, KNOTS))
    knots = np.stack([np.sin(angle), np.cos(angle)], -1) + roughness * rng.uniform(-1, 1, (n, KNOTS, 2))
    knots *= np.stack([radii / np.sqrt(elongations), radii * np.sqrt(elongations)], -1)[:, None]
    tilt = rng.uniform(0, np.pi, n)
    turn = np.stack([np.cos(tilt), np.sin(tilt), -np.sin(tilt), np.cos(tilt)], -1).reshape(n, 2, 2)
    return np.asarray(knots @ turn)


def through(knots: NDArray[np.float64], points: int = 1000) -> NDArray[np.float64]:
    """Return closed cubic splines (n, points, 2) through knots (n, 8, 2)."""
    return np.asarray(_spline(points) @ knots)


def fill(outline: NDArray[np.float64]) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Return the pixels whose centres lie inside a closed outline (points, 2), and their first row and column.

    A row is inside between every other crossing with the outline.
    """
    y, x = np.ascontiguousarray(outline.T)
    top, left = int(np.floor(y.min())), int(np.floor(x.min()))
    height, width = int(np.ceil(y.max())) - top + 2, int(np.ceil(x.max())) - left + 2
    y, x = y - top, x - left
    y1, x1 = np.roll(y, -1), np.roll(x, -1)
    rows = np.ceil(np.minimum(y, y1)).astype(int)
    number = np.ceil(np.maximum(y, y1)).astype(int) - rows  # of rows that each side of the polygon crosses
    side = np.repeat(np.arange(len(y)), number)
    row = rows[side] + np.arange(len(side)) - np.repeat(np.cumsum(number) - number, number)
    column = x[side] + (row - y[side]) * (x1[side] - x[side]) / (y1[side] - y[side])
    crossed = np.bincount(row * width + np.ceil(column).astype(int), minlength=height * width)
    return np.cumsum(crossed.reshape(height, width), axis=1) % 2 == 1, (top, left)


def contour(mask: NDArray[np.bool_], points: int = 128) -> NDArray[np.float64]:
    """Trace the outline (points, 2) of the largest piece of a mask (Y, X), without the steps between pixels."""
    from skimage.measure import find_contours

    path = max(find_contours(np.pad(mask, 1).astype(np.float32), 0.5), key=len)[:-1] - 1
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0, append=path[:1]), axis=1))])
    place = length[-1] * np.arange(points) / points
    y, x = (np.interp(place, length, np.append(axis, axis[0])) for axis in path.T)
    waves = np.fft.fft(y + 1j * x)
    waves[HARMONICS + 1 : -HARMONICS] = 0
    smooth = np.fft.ifft(waves)
    return np.stack([smooth.real, smooth.imag], -1)


def measure(outlines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute area (px²), elongation, circularity and eccentricity (n, 4) of polygons (n, points, 2).

    Elongation is the extent along the long principal axis over that along the short one, circularity 4π·area over the
    squared length of the outline, eccentricity that of the ellipse with the same second moments. Moments are exact for
    the polygon (Green's theorem).
    """
    centred = outlines - outlines.mean(axis=1, keepdims=True)
    after = np.concatenate([centred[:, 1:], centred[:, :1]], axis=1)
    cross = centred[..., 1] * after[..., 0] - after[..., 1] * centred[..., 0]
    area = cross.sum(axis=1) / 2
    centre = ((centred + after) * cross[..., None]).sum(axis=1) / (6 * area[:, None])
    both = centred + after
    # Σ (aᵢaⱼ + bᵢbⱼ + (a + b)ᵢ(a + b)ⱼ) / 24: the second moments of the triangles with the origin
    products = sum(np.einsum("np,npi,npj->nij", cross, part, part) for part in (centred, after, both))
    second = products / (24 * area[:, None, None]) - centre[:, :, None] * centre[:, None, :]
    moments, axes = np.linalg.eigh(second)
    narrow, wide = np.ptp(centred @ axes, axis=1).T
    around = np.hypot(*np.moveaxis(after - centred, -1, 0)).sum(axis=1)
    eccentricity = np.sqrt(np.maximum(0.0, 1 - moments[:, 0] / moments[:, 1]))
    return np.stack([np.abs(area), wide / narrow, 4 * np.pi * np.abs(area) / around**2, eccentricity], -1)


def solidity(outline: NDArray[np.float64]) -> float:
    """Compute the area of a polygon (points, 2) over that of its convex hull."""
    from scipy.spatial import ConvexHull

    y, x = outline.T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    return float(area / ConvexHull(outline).volume)  # in the plane its volume is the area


def describe(outline: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """Compute the five `DESCRIPTORS` of a polygon (points, 2)."""
    return *(float(value) for value in measure(outline[None])[0]), solidity(outline)  # type: ignore[return-value]
