"""Neuropil in electron microscopy: membranes around profiles of all sizes, mitochondria with cristae, vesicles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.simulated import simulated_pair
from napari_organoid_synth.core.simulators.texture import expose, illumination, noise

PIXEL_SIZE = 0.008  # µm


def em(seed: int, size: int = 256) -> SamplePair:
    """Simulate neuropil in electron microscopy.

    Parameters
    ----------
    seed : int
        Any number from 0.
    size : int
        Side, px of 8 nm.

    Returns
    -------
    SamplePair
        Image (1, size, size) uint8; classes mitochondria (1) and membranes (2).
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    rng = np.random.default_rng(seed)
    shape = (size, size)
    profile = _profiles(rng, size)
    border = np.zeros(shape, bool)
    border[:, 1:] = profile[:, 1:] != profile[:, :-1]
    border[1:] |= profile[1:] != profile[:-1]
    depth = distance_transform_edt(~border).astype(np.float32)

    tone = rng.normal(0.70, 0.05, profile.max() + 1).astype(np.float32)[profile]
    grain = noise(rng, shape, 4, 2, 0.9)
    image = tone + 0.035 * noise(rng, shape, 24, 3) + 0.075 * np.minimum(grain, 0.8)  # ribosomes are dark specks
    _scatter_vesicles(rng, image, profile, depth)
    mitochondria = np.zeros(shape, bool)
    room = depth.copy()
    for _ in range(1 + rng.poisson(4 * (size / 256) ** 2)):
        _place_mitochondrion(rng, image, mitochondria, room, profile)

    slant = np.clip(1.5 + 0.55 * noise(rng, shape, 50, 2), 0.9, 3.2)  # obliquely cut membranes are wide and pale
    image -= np.where(mitochondria, 0, 0.62 / slant**0.5 * np.exp(-((depth / (1.25 * slant)) ** 2)))
    image = gaussian_filter(image, 0.8)
    image *= illumination(rng, shape, 0.08)
    image += rng.uniform(-0.05, 0.05)
    labels = np.where(mitochondria, 1, np.where(depth <= 1.5, 2, 0))
    exposed = expose(rng, image, np.uint8, photons=rng.uniform(120, 500), read_noise=0.03)
    return simulated_pair("em", seed, exposed, labels, "classes", ("mitochondria", "membranes"), PIXEL_SIZE)


def _profiles(rng: np.random.Generator, size: int) -> NDArray[np.intp]:
    """Number the cell that each pixel belongs to: the nearest seed under a warp, fine where seeds are bundled."""
    scale = (size / 256) ** 2
    wide = rng.uniform(-20, size + 20, (int(rng.integers(7, 12) * scale) + 3, 2))
    bundles = [
        rng.uniform(0, size, 2) + rng.normal(0, 24, (int(rng.integers(6, 14)), 2))
        for _ in range(max(1, round(2 * scale)))
    ]
    seeds = np.concatenate([wide, *bundles])
    bonus = np.concatenate([rng.uniform(0, 18, len(wide)), rng.uniform(-4, 4, len(seeds) - len(wide))])
    y, x = np.indices((size, size), np.float32)
    y += 7 * noise(rng, (size, size), 70, 2) + 1.2 * noise(rng, (size, size), 14, 1)
    x += 7 * noise(rng, (size, size), 70, 2) + 1.2 * noise(rng, (size, size), 14, 1)
    nearest = np.full((size, size), np.inf, np.float32)
    profile = np.zeros((size, size), np.intp)
    for number, ((sy, sx), near) in enumerate(zip(seeds, bonus, strict=True)):
        distance = np.hypot(y - np.float32(sy), x - np.float32(sx)) - np.float32(near)
        closer = distance < nearest
        nearest[closer], profile[closer] = distance[closer], number
    return profile


def _scatter_vesicles(
    rng: np.random.Generator, image: NDArray[Any], profile: NDArray[np.intp], depth: NDArray[Any]
) -> None:
    """Draw vesicles as rings of 40 nm, crowded in a few profiles, and microtubules as dots, in place."""
    size = len(image)
    y, x = np.mgrid[-4:5, -4:5]
    ring = -0.24 * np.exp(-(((np.hypot(y, x) - 2.4) / 0.9) ** 2)) + 0.05 * np.exp(-(np.hypot(y, x) ** 2) / 2)
    dot = -0.3 * np.exp(-(np.hypot(y, x) ** 2) / 1.5)
    crowded = rng.random(profile.max() + 1) < 0.25
    for cy, cx in rng.integers(5, size - 5, (int(size * size / 220), 2)):
        if depth[cy, cx] < 5:
            continue
        if crowded[profile[cy, cx]]:
            image[cy - 4 : cy + 5, cx - 4 : cx + 5] += ring * rng.uniform(0.6, 1.1)
        elif rng.random() < 0.15:
            image[cy - 4 : cy + 5, cx - 4 : cx + 5] += dot * rng.uniform(0.5, 1.1)


def _place_mitochondrion(
    rng: np.random.Generator,
    image: NDArray[Any],
    mitochondria: NDArray[np.bool_],
    room: NDArray[Any],
    profile: NDArray[np.intp],
) -> None:
    """Draw a dark outline, grey matrix and wavy cristae where ``room`` (px to the next membrane) allows, in place."""
    open_ = np.flatnonzero(room > 13)
    if not open_.size:
        return
    spots = rng.choice(open_, 12)
    cy, cx = divmod(int(spots[np.argmax(room.ravel()[spots])]), len(image))
    across = min(float(room[cy, cx]) * rng.uniform(0.6, 0.9), 26.0)
    along = across * rng.uniform(1.0, 2.2)
    half = int(along * 1.4) + 3
    window = tuple(slice(max(0, c - half), min(len(image), c + half)) for c in (cy, cx))
    local = image[window]
    wide = local.shape[0], local.shape[1]
    y, x = (part.astype(np.float32) for part in np.mgrid[window])
    y, x = y - cy, x - cx
    angle = rng.uniform(0, np.pi)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    v = v + across * 0.3 * np.sin(u / along + rng.uniform(0, 6))
    uneven = 1 + 0.06 * noise(rng, wide, 18, 1)
    rim = (1 - np.hypot(u / along, v / across) / uneven) * across  # about the distance from the outline, px
    body = (rim > 0) & (room[window] > 3) & (profile[window] == profile[cy, cx])
    if body.sum() < 250:
        return
    phase = u + 0.35 * v + 2.2 * noise(rng, wide, 16, 2)
    cristae = np.clip(np.cos(2 * np.pi * phase / rng.uniform(6.0, 8.5)), 0, 1) ** 1.5
    cristae *= np.clip(0.75 + 0.6 * noise(rng, wide, 12, 1), 0, 1.2)
    matrix = rng.uniform(0.40, 0.50) + 0.035 * noise(rng, wide, 5, 2, 0.8) - 0.20 * cristae * (rim > 3)
    outline = np.exp(-(((rim - 1.0) / 1.1) ** 2))
    local[body] = (matrix - 0.30 * outline)[body]
    mitochondria[window] |= body
    room[window] = np.minimum(room[window], np.maximum(-rim - 3, 0))
