"""Organoids in bright field: dark bodies with a lighter rim and lobes, debris, uneven light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.simulated import simulated_pair
from napari_organoid_synth.core.simulators.texture import expose, illumination, noise

FIELD_WIDTH = 1100  # µm, for any number of pixels
PLACE_TRIES = 100  # places tried for all bodies together

Field = NDArray[np.float32]


def organoid_brightfield(seed: int, size: int = 256) -> SamplePair:
    """Simulate organoids in bright field.

    Parameters
    ----------
    seed : int
        Any number from 0.
    size : int
        Side, px; the field is always 1.1 mm wide.

    Returns
    -------
    SamplePair
        Image (1, size, size) uint16, binary mask.
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    shape, unit = (size, size), size / 256
    bodies = _draw_bodies(rng, size)
    light = _transmit(rng, bodies, unit)
    light *= 1 + 0.012 * noise(rng, shape, 60 * unit, 4, 0.7)  # gel
    _scatter_debris(rng, light, bodies.labels, unit)
    light = gaussian_filter(light, rng.uniform(0.5, 1.0) * unit)
    light *= illumination(rng, shape, rng.uniform(0.1, 0.45)) * rng.uniform(0.62, 0.82)
    image = expose(rng, light, np.uint16, photons=6000, read_noise=0.004)
    return simulated_pair(
        "organoid_brightfield", seed, image, bodies.labels, "binary", ("organoid",), FIELD_WIDTH / size
    )


@dataclass(frozen=True)
class _Bodies:
    """Organoids in a field of (Y, X) pixels.

    Parameters
    ----------
    labels : NDArray (Y, X) bool
        Pixels of all bodies.
    opacity : NDArray (Y, X) float32
        Optical density where a body is thickest.
    lumen : NDArray (Y, X) float32
        Depth of the cavity as a share of the thickness; 0 without one.
    slope : NDArray (Y, X) float32
        Distance from the edge over which a body thickens, in 1/256 of the side.
    """

    labels: NDArray[np.bool_]
    opacity: Field
    lumen: Field
    slope: Field


def _draw_bodies(rng: np.random.Generator, size: int) -> _Bodies:
    """Draw one to three bodies that do not touch, some with buds and some with a cavity."""
    shape, unit = (size, size), size / 256
    count = int(rng.choice([1, 1, 1, 2, 3]))
    reach = (0.2, 0.3) if count == 1 else (0.1, 0.18)
    y, x = np.indices(shape, np.float32)
    labels = np.zeros(shape, bool)
    opacity, lumen = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    slope = np.full(shape, 9, np.float32)
    ripple = 0.9 * unit * noise(rng, shape, 9 * unit, 2)  # single cells at the outline
    centres: list[tuple[float, float, float]] = []
    for _ in range(PLACE_TRIES):
        radius = size * rng.uniform(*reach)
        cy, cx = rng.uniform(0.75 * radius, size - 0.75 * radius, 2)
        if any(np.hypot(cy - oy, cx - ox) < 1.25 * (radius + other) for oy, ox, other in centres):
            continue
        centres.append((cy, cx, radius))
        body = _blob(rng, y - cy, x - cx, radius, 0.1, ripple)
        for _ in range(int(rng.choice([0, 0, 1, 2, 4]))):  # neuroepithelial buds
            angle, bud = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.25, 0.45)
            out = radius * rng.uniform(0.75, 0.95)
            body |= _blob(rng, y - cy - out * np.sin(angle), x - cx - out * np.cos(angle), bud, 0.08, ripple)
        labels |= body
        opacity[body], slope[body] = rng.uniform(1.2, 3.2), rng.uniform(5, 20)
        lumen[body] = rng.uniform(0.4, 0.75) if rng.random() < 0.35 else 0
        if len(centres) == count:
            break
    return _Bodies(labels, opacity, lumen, slope)


def _blob(
    rng: np.random.Generator, y: NDArray[Any], x: NDArray[Any], radius: float, uneven: float, ripple: NDArray[Any]
) -> NDArray[np.bool_]:
    """Draw a round body about the origin whose outline wavers in waves 2 to 7, and finely by ``ripple`` (px)."""
    angle = np.arctan2(y, x)
    outline = np.ones_like(angle)
    for wave in (2, 3, 4, 5, 7):
        height = np.float32(uneven / (wave - 1) * rng.normal())
        outline += height * np.cos(wave * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    return np.asarray(np.hypot(y, x) + ripple < radius * outline)


def _transmit(rng: np.random.Generator, bodies: _Bodies, unit: float) -> Field:
    """Return the light (Y, X) that passes the bodies, with a bright fringe and a dark line along their edges."""
    from scipy.ndimage import distance_transform_edt

    labels, lumen = bodies.labels, bodies.lumen
    shape = labels.shape[0], labels.shape[1]
    inside = distance_transform_edt(labels).astype(np.float32) / unit
    outside = distance_transform_edt(~labels).astype(np.float32) / unit
    thick = 1 - np.exp(-inside / bodies.slope)  # a body thickens behind its edge
    thick *= 1 - lumen / (1 + np.exp(-(inside - 22) / 4))  # and is thin again over a cavity
    grain = noise(rng, shape, 5 * unit, 2, 0.8)
    folds = noise(rng, shape, 26 * unit, 3, 0.6)
    absorbed = bodies.opacity * thick * (1 + 0.16 * folds)
    absorbed += (0.10 + 0.12 * lumen) * labels * grain * np.exp(-inside / 40)
    light = np.exp(-np.clip(absorbed, 0, None))
    light += 0.13 * np.exp(-(((outside - 2.2) / 1.5) ** 2)) * ~labels  # bright fringe
    light -= 0.22 * np.exp(-(((inside - 1.0) / 1.3) ** 2)) * labels  # dark line
    return np.asarray(light, np.float32)


def _scatter_debris(rng: np.random.Generator, light: NDArray[Any], labels: NDArray[np.bool_], unit: float) -> None:
    """Draw dead cells outside the bodies, in place: small dark rings with a bright middle, single and in clumps."""
    size = len(light)
    single = rng.uniform(0, size, (int(rng.integers(5, 70)), 2))
    clump = rng.uniform(0, size, 2) + rng.normal(0, 14 * unit, (int(rng.integers(0, 30)), 2))
    for cy, cx in np.concatenate([single, clump]):
        radius = unit * float(rng.gamma(6, 0.25))
        top, left = int(cy - 4 * radius), int(cx - 4 * radius)
        window = tuple(slice(max(0, start), max(0, int(start + 8 * radius + 2))) for start in (top, left))
        y, x = np.mgrid[window]
        if not y.size or y.max() >= size or x.max() >= size:
            continue
        distance = np.hypot(y - cy, x - cx)
        speck = 0.12 * np.exp(-((distance / radius) ** 2)) - 0.3 * np.exp(-((distance / radius - 1.3) ** 2) / 0.3)
        light[window] += speck * rng.uniform(0.3, 1) * ~labels[window]
