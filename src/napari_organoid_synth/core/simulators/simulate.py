"""Parametric simulators: pairs for trying things out, masks to paint on, and the rival that a generator must beat.

A simulator takes a seed and a size and gives a `SamplePair`; the same seed gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source
from napari_organoid_synth.core.simulators.population import population
from napari_organoid_synth.core.simulators.texture import enlarge, expose, illumination, noise

PLACE_ROUNDS, PLACE_TRIES = 8, 64  # a cell that finds no room in 8 × 64 places is left out


class Simulator(Protocol):
    """What `SIMULATORS` holds."""

    def __call__(self, seed: int, size: int = 256) -> SamplePair:
        """A pair of ``size`` × ``size`` px."""


# ------------------------------------------------------------------------------------------------------ organoids


def organoid_brightfield(seed: int, size: int = 256) -> SamplePair:
    """Organoids in bright field: dark bodies with a lighter rim and lobes, debris, uneven light.

    Parameters
    ----------
    seed : int
        Any number from 0.
    size : int
        Side, px; the field is 1.1 mm wide whatever its size.

    Returns
    -------
    SamplePair
        Image (1, size, size) uint16, binary mask.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    rng = np.random.default_rng(seed)
    shape = (size, size)
    unit = size / 256
    count = int(rng.choice([1, 1, 1, 2, 3]))
    reach = (0.2, 0.3) if count == 1 else (0.1, 0.18)
    y, x = np.indices(shape, np.float32)
    labels = np.zeros(shape, bool)
    opacity, lumen = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    slope = np.full(shape, 9, np.float32)
    ripple = 0.9 * unit * noise(rng, shape, 9 * unit, 2)  # single cells at the outline
    centres: list[tuple[float, float, float]] = []
    for _ in range(100):
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

    inside = distance_transform_edt(labels).astype(np.float32) / unit
    outside = distance_transform_edt(~labels).astype(np.float32) / unit
    thick = 1 - np.exp(-inside / slope)  # a body thickens behind its edge
    thick *= 1 - lumen / (1 + np.exp(-(inside - 22) / 4))  # and is thin again over a cavity
    grain = noise(rng, shape, 5 * unit, 2, 0.8)
    folds = noise(rng, shape, 26 * unit, 3, 0.6)
    absorbed = opacity * thick * (1 + 0.16 * folds)
    absorbed += (0.10 + 0.12 * lumen) * labels * grain * np.exp(-inside / 40)
    light = np.exp(-np.clip(absorbed, 0, None))
    light += 0.13 * np.exp(-(((outside - 2.2) / 1.5) ** 2)) * ~labels  # bright fringe
    light -= 0.22 * np.exp(-(((inside - 1.0) / 1.3) ** 2)) * labels  # dark line

    light *= 1 + 0.012 * noise(rng, shape, 60 * unit, 4, 0.7)  # gel
    _scatter_debris(rng, light, labels, unit)
    light = gaussian_filter(light, rng.uniform(0.5, 1.0) * unit)
    light *= illumination(rng, shape, rng.uniform(0.1, 0.45)) * rng.uniform(0.62, 0.82)
    return _pair(
        "organoid_brightfield",
        seed,
        size,
        expose(rng, light, np.uint16, photons=6000, read_noise=0.004),
        labels,
        kind="binary",
        class_names=("organoid",),
        pixel=1100 / size,
    )


def _blob(
    rng: np.random.Generator, y: NDArray[Any], x: NDArray[Any], radius: float, uneven: float, ripple: NDArray[Any]
) -> NDArray[np.bool_]:
    """A round body about the origin whose outline wavers in waves 2 to 7, and finely by ``ripple`` (px)."""
    angle = np.arctan2(y, x)
    outline = np.ones_like(angle)
    for wave in (2, 3, 4, 5, 7):
        height = np.float32(uneven / (wave - 1) * rng.normal())
        outline += height * np.cos(wave * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    return np.asarray(np.hypot(y, x) + ripple < radius * outline)


def _scatter_debris(rng: np.random.Generator, light: NDArray[Any], labels: NDArray[np.bool_], unit: float) -> None:
    """Dead cells: small dark rings with a bright middle, single and in clumps, out of the bodies, in place."""
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


# ------------------------------------------------------------------------------------------------------------- EM


def em(seed: int, size: int = 256) -> SamplePair:
    """Neuropil in electron microscopy: membranes around profiles of all sizes, mitochondria with cristae, vesicles.

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
    return _pair(
        "em",
        seed,
        size,
        expose(rng, image, np.uint8, photons=rng.uniform(120, 500), read_noise=0.03),
        labels,
        kind="classes",
        class_names=("mitochondria", "membranes"),
        pixel=0.008,
    )


def _profiles(rng: np.random.Generator, size: int) -> NDArray[np.intp]:
    """Which cell each pixel belongs to: nearest of scattered seeds under a warp, fine where seeds are bundled."""
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
    """Rings of 40 nm, crowded in a few profiles, and microtubules as dots, in place."""
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
    """Draw one where there is room (px to the next membrane): dark outline, grey matrix, wavy cristae; in place."""
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


# --------------------------------------------------------------------------------------------------------- tissue


def tissue(seed: int, size: int = 256, n_cells: int | None = None, touching: bool = True) -> SamplePair:
    """Nuclei of a tissue in fluorescence, after SIMCEP (Lehmussola 2007, doi 10.1109/TMI.2007.896925).

    Parameters
    ----------
    seed : int
        Any number from 0.
    size : int
        Side, px of 0.5 µm.
    n_cells : int, optional
        How many to place; cells that find no room after many tries are left out. Default 25 to 90 per 256 × 256 px.
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
    return _pair(
        "tissue",
        seed,
        size,
        expose(rng, image, np.uint8, photons=rng.uniform(150, 1500), read_noise=0.01),
        labels,
        kind="instances",
        class_names=("nucleus",),
        pixel=0.5,
        n_cells=n_cells,
        touching=touching,
    )


def _outlines(rng: np.random.Generator, count: int, radius: float) -> NDArray[np.float64]:
    """Closed outlines (100, count, 2) about the origin: a perturbed octagon through which a cubic spline runs."""
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
    """Cells in clusters and between; most lean on another when ``touching``. Earlier cells stay on top."""
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


# ------------------------------------------------------------------------------------------------------- together


def _pair(
    name: str,
    seed: int,
    size: int,
    image: NDArray[Any],
    labels: NDArray[Any],
    kind: MaskKind,
    class_names: tuple[str, ...],
    pixel: float,
    **settings: Any,
) -> SamplePair:
    return SamplePair(
        name=f"{name}_{seed:05d}",
        image=image,
        labels=labels.astype(np.int32),
        mask_kind=kind,
        class_names=class_names,
        pixel_size=(pixel, pixel),
        source=Source("simulated", provenance={"simulator": name, "seed": seed, "size": size, **settings}),
    )


SIMULATORS: dict[str, Callable[..., SamplePair]] = {
    "organoid_brightfield": organoid_brightfield,
    "em": em,
    "tissue": tissue,
    "population": population,
}
"""All simulators by name."""


def warp_labels(labels: NDArray[np.integer[Any]], rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.int32]:
    """A new mask from a real one: right-angle turn, mirror, slight affine map and smooth elastic deformation.

    Parameters
    ----------
    labels : NDArray (Y, X) integer
        Any mask kind; values are kept (nearest neighbour), what enters from outside is a reflection.
    rng : numpy.random.Generator
        Fixes turn, mirror and deformation.
    strength : float
        0 only turns and mirrors; 1 moves pixels by about 4 % of the side; values above 2 may tear.

    Returns
    -------
    NDArray (Y, X) int32
        Of the same shape; an oblong mask is only turned by half turns.
    """
    height, width = labels.shape
    quarter = int(rng.integers(4))
    turned = np.rot90(labels, quarter if height == width else 2 * (quarter // 2))
    if rng.random() < 0.5:
        turned = turned[:, ::-1]
    affine = np.eye(2) + strength * rng.normal(0, 0.06, (2, 2))
    shift = strength * rng.normal(0, 0.02, 2) * labels.shape
    grid = strength * rng.standard_normal((2, 8, 8)) * 0.045 * min(height, width)
    push = enlarge(grid, (height, width))
    y, x = (np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in (height, width))
    rows = affine[0, 0] * y[:, None] + affine[0, 1] * x[None, :] + shift[0] + (height - 1) / 2 + push[0]
    columns = affine[1, 0] * y[:, None] + affine[1, 1] * x[None, :] + shift[1] + (width - 1) / 2 + push[1]
    return np.asarray(turned[_mirrored(rows, height), _mirrored(columns, width)], np.int32)


def _mirrored(place: NDArray[Any], length: int) -> NDArray[np.intp]:
    """Nearest index, reflected at both ends."""
    index = np.rint(place).astype(np.intp) % (2 * length)
    return np.asarray(np.minimum(index, 2 * length - 1 - index))
