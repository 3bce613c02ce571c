"""Nuclei of a tissue in fluorescence, after SIMCEP (Lehmussola 2007, doi 10.1109/TMI.2007.896925)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.simulated import simulated_pair
from napari_organoid_synth.core.simulators.texture import expose, illumination, noise

PLACE_ROUNDS, PLACE_TRIES = 8, 64  # a cell that finds no room in 8 × 64 places is left out
PIXEL_SIZE = 0.5  # µm


def tissue(seed: int, size: int = 256, n_cells: int | None = None, touching: bool = True) -> SamplePair:
    """Simulate nuclei of a tissue in fluorescence.

    Parameters
    ----------
    seed : int
        Any number from 0.
    size : int
        Side, px of 0.5 µm.
    n_cells : int, optional
        Cells to place; those that find no room after many tries are left out. Default 25 to 90 per 256 × 256 px.
    touching : bool
        Whether cells lean on one another, overlapping by up to a tenth, or keep a gap.

    Returns
    -------
    SamplePair
        Image (1, size, size) uint8, instances.
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    shape = (size, size)
    if n_cells is None:
        n_cells = max(1, int(rng.integers(25, 90) * (size / 256) ** 2))
    fill = 0.65 if touching else 0.3
    radius = min((fill * size * size / (np.pi * max(n_cells, 1))) ** 0.5, rng.uniform(8, 14))
    labels = _place_cells(rng, size, n_cells, radius, touching)
    count = int(labels.max())

    layer = rng.choice(3, count + 1, p=(0.6, 0.3, 0.1))  # 0 in focus
    bright = rng.lognormal(-0.7, 0.35, count + 1).astype(np.float32)
    bright[0] = 0
    chromatin = np.clip(0.7 + 0.32 * noise(rng, shape, 1.1 * radius, 3), 0.25, 1.4)
    glow = bright[labels] * chromatin
    image = np.full(shape, 0.05, np.float32) * (1 + 0.3 * noise(rng, shape, size / 3, 3))  # autofluorescence
    for number, blur in enumerate((0.08, 0.16, 0.3)):
        part = np.where(layer[labels] == number, glow, 0)
        image += gaussian_filter(part, max(0.7, blur * radius), truncate=3)
    image += 0.08 * gaussian_filter(image, 2 * radius, truncate=2)  # light scattered in the tissue
    image *= illumination(rng, shape, rng.uniform(0.1, 0.4)) * rng.uniform(0.7, 1.0)
    exposed = expose(rng, image, np.uint8, photons=rng.uniform(150, 1500), read_noise=0.01)
    provenance = {"n_cells": n_cells, "touching": touching}
    return simulated_pair("tissue", seed, exposed, labels, "instances", ("nucleus",), PIXEL_SIZE, **provenance)


def _outlines(rng: np.random.Generator, count: int, radius: float) -> NDArray[np.float64]:
    """Draw closed outlines (100, count, 2) about the origin: a cubic spline through a perturbed octagon."""
    from scipy.interpolate import CubicSpline

    angle = np.linspace(0, 2 * np.pi, 9)[:, None]
    turn_, shift = rng.uniform(-0.1, 0.1, (9, count)), rng.uniform(-0.1, 0.1, (2, 9, count))
    knots = shift + np.stack([np.sin(angle + turn_), np.cos(angle + turn_)])
    knots[:, -1] = knots[:, 0]
    stretch, tilt = rng.uniform(1.0, 1.7, count) ** 0.5, rng.uniform(0, np.pi, count)
    long, short = knots[0] * stretch, knots[1] / stretch
    size = radius * np.sort(rng.uniform(0.75, 1.2, count))[::-1]  # the large ones find room first
    y, x = size * (np.cos(tilt) * long - np.sin(tilt) * short), size * (np.sin(tilt) * long + np.cos(tilt) * short)
    spline = CubicSpline(angle[:, 0], np.stack([y, x], -1), bc_type="periodic")
    return np.asarray(spline(np.linspace(0, 2 * np.pi, 100, endpoint=False)))


def _place_cells(rng: np.random.Generator, size: int, n_cells: int, radius: float, touching: bool) -> NDArray[np.int32]:
    """Place cells in and between clusters; most lean on another when ``touching``. Earlier cells stay on top."""
    labels = np.zeros((size, size), np.int32)
    outlines = _outlines(rng, n_cells, radius)
    reach = np.linalg.norm(outlines, axis=-1)
    reach = reach.mean(axis=0) if touching else reach.max(axis=0)
    clusters = rng.uniform(0, size, (max(1, n_cells // 20), 2))
    discs = np.empty((0, 3))  # y, x, radius of the placed cells: sorts most tries out before any pixel is looked at
    areas = np.zeros(1, np.int64)
    for cell in range(n_cells):
        lean = touching and rng.random() < 0.8
        for _ in range(PLACE_ROUNDS):
            tries = rng.uniform(0, size, (PLACE_TRIES, 2))
            near = rng.random(PLACE_TRIES) < 0.3
            tries[near] = clusters[rng.integers(len(clusters), size=near.sum())]
            tries[near] += rng.normal(0, 0.05 * size, (near.sum(), 2))
            slack = np.full(PLACE_TRIES, np.inf)
            if len(discs):
                distance = np.linalg.norm(tries[:, None] - discs[:, :2], axis=-1)
                slack = (distance - discs[:, 2]).min(axis=1) - reach[cell]
            order = np.argsort(np.abs(slack), kind="stable") if lean else np.arange(PLACE_TRIES)
            order = order[slack[order] > (-0.3 * reach[cell] if touching else 2)]
            spot = next((k for k in order[:6] if _add_cell(labels, outlines[:, cell] + tries[k], areas)), None)
            if spot is not None:
                discs = np.vstack([discs, [*tries[spot], reach[cell]]])
                areas = np.append(areas, np.count_nonzero(labels == len(areas)))
                break
    return labels


def _add_cell(labels: NDArray[np.int32], outline: NDArray[Any], areas: NDArray[np.int64]) -> bool:
    """Paint the next cell under the others, unless it would share more than a tenth with one of them."""
    from skimage.draw import polygon

    y, x = polygon(outline[:, 0], outline[:, 1], shape=labels.shape)
    under = labels[y, x]
    shared = np.bincount(under, minlength=len(areas))
    if shared[0] < 15 or (shared[1:] > 0.1 * np.minimum(y.size, areas[1:])).any():
        return False
    free = under == 0
    labels[y[free], x[free]] = len(areas)
    return True
