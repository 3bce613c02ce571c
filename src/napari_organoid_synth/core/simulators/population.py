"""A parametric population of objects (SIMCEP; Lehmussola 2007, doi 10.1109/TMI.2007.896925): masks, and images of them.

Its settings are chosen, or measured on real masks by `population_fit`. Nothing is learned, so it is the baseline that a
generator of masks must beat.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.simulators.outlines import DESCRIPTORS, draw_knots, fill, measure, solidity, through
from napari_organoid_synth.core.simulators.texture import expose, illumination, noise

log = logging.getLogger(__name__)

PLACE_TRIES = 500  # places for one object before it is left out
PLACES_AT_ONCE = 50
OUTLINES_AT_ONCE, SHAPE_ROUNDS = 4, 80  # in search of one like a real shape
ROUNDS_PER_SHAPE = 8  # before another real shape is looked for
COARSE_POINTS = 125  # of an outline that is only compared
MIN_VISIBLE_AREA = 15  # px of an object in the image, as in tiles
MAX_EMPTY_WINDOWS = 50  # windows without an object before it is an error
NO_PLACE = f"no free place, or no outline like a real one, in {PLACE_TRIES} tries"

Range = tuple[float, float]


class PopulationSettings(Settings):
    """Number, size, shape and place of objects, and their imaging."""

    mask_kind: Literal["instances", "binary"] = Field("instances", description="An id per object, or 1 for all.")
    field: int = Field(256, ge=16, le=16384, description="Side of the field that the next numbers refer to, px.")
    count: tuple[int, int] = Field((20, 40), description="Objects in a field, fewest and most.")
    clusters: int = Field(3, ge=0, description="Clusters in a field.")
    clustering: float = Field(0.3, ge=0, le=1, description="Chance of an object to belong to one of them.")
    spread: float = Field(12.8, gt=0, description="Spread of a cluster, px (5 % of the side as published).")
    overlap: float = Field(0.1, ge=0, le=1, description="Share of either of two objects that they may have in common.")
    radius: Range = Field((6.0, 12.0), description="Of the circle with the area of an object, px.")
    elongation: Range = Field((1.0, 1.0), description="Length to width (1 as published).")
    roughness: float = Field(
        0.1, ge=0, le=0.5, description="Shift of the corners of the outline (0.3 for whole cells)."
    )
    jitter: float = Field(0.1, ge=0, le=0.4, description="Turn of the corners (0.05 for whole cells).")
    shapes: tuple[tuple[float, float, float, float, float], ...] = Field(
        (), description=f"Real shapes ({', '.join(DESCRIPTORS)}); when given, objects must resemble one of them."
    )
    tolerance: float = Field(0.1, gt=0, le=1, description="How far each of these may be off, as a share.")

    texture: float = Field(
        0.5, ge=0, le=1, description="Persistence of the texture inside objects; 0 is one blob size."
    )
    blur: Range = Field((0.7, 2.0), description="Spread of the blur of an object, by its depth, px.")
    illumination: float = Field(1.0, ge=0, description="Energy of the uneven light over that of the objects.")
    background: float = Field(0.05, ge=0, le=1, description="Light from everywhere, as a share of the brightest.")
    noise: float = Field(1e-4, ge=0, le=1, description="Variance of the sensor, full light being 1.")
    photons: float = Field(0.0, ge=0, description="Photons at full light; 0: no shot noise.")
    bits: Literal[8, 16] = Field(8, description="Of a pixel.")
    pixel_size: float | None = Field(0.5, gt=0, description="Side of a pixel, µm; empty: unknown.")

    @model_validator(mode="after")
    def _in_order(self) -> PopulationSettings:
        for name in ("count", "radius", "elongation", "blur"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f"{name} goes from {low} to {high}; expected the smaller number first, none below 0")
        if self.radius[0] < 1 or self.elongation[0] < 1:
            raise ValueError("radius and elongation begin at 1")
        return self

    @property
    def reach(self) -> int:
        """About the largest distance of an outline from the centre of its object, px."""
        areas, elongations = zip(*(shape[:2] for shape in self.shapes), strict=True) if self.shapes else ((), ())
        widest = max([np.pi * self.radius[1] ** 2 * self.elongation[1], *np.multiply(areas, elongations)])
        return int(np.ceil(1.5 * np.sqrt(widest / np.pi)))


# ----------------------------------------------------------------------------------------------------------- drawing


def draw_labels(settings: PopulationSettings, rng: np.random.Generator, size: int = 256) -> NDArray[np.int32]:
    """Draw a mask (size, size) int32: ids 1..n, or 1 for all objects if its kind is binary."""
    labels, left_out = place(settings, rng, size)
    _warn("A mask", left_out)
    return labels


def place(settings: PopulationSettings, rng: np.random.Generator, size: int = 256) -> tuple[NDArray[np.int32], int]:
    """Draw a mask, and count the objects that were left out for want of a free place or of an outline like a real one.

    A mask smaller than the field is a window of one; in a larger one there are more objects. Objects reach beyond the
    border. Two of them have at most the share ``overlap`` of the smaller in common, where the earlier one is on top.

    Parameters
    ----------
    settings : PopulationSettings
        Number, sizes and shapes of the objects.
    rng : numpy.random.Generator
        All randomness.
    size : int
        Side, px.
    """
    side = max(size, settings.field)
    scale = (side / settings.field) ** 2
    count = round(scale * int(rng.integers(settings.count[0], settings.count[1] + 1)))
    centres = rng.uniform(0, side, (round(scale * settings.clusters), 2))
    corner = rng.integers(0, side - size + 1, 2)
    low, high = np.maximum(corner - settings.reach, 0), np.minimum(corner + size + settings.reach, side)

    def draw_places(cluster: int) -> NDArray[np.float64]:
        """Draw places in the field for an object of a cluster, or of none (-1)."""
        if cluster < 0:
            return rng.uniform(0, side, (PLACES_AT_ONCE, 2))
        places = centres[cluster] + rng.normal(0, settings.spread, (PLACES_AT_ONCE, 2))
        return np.asarray(places[((places >= 0) & (places < side)).all(axis=1)])

    clustered = rng.random(count) < (settings.clustering if len(centres) else 0)
    cluster = np.where(clustered, rng.integers(max(len(centres), 1), size=count), -1)
    first = [(int(k), draw_places(k)) for k in cluster]
    # What begins far from the window is never seen: only the others are drawn.
    near = [(k, places) for k, places in first if np.asarray(((places >= low) & (places < high)).all(axis=1))[:1].any()]
    field = _Field(high - low, settings.overlap)
    for outline, (k, places) in zip(draw_outlines(settings, rng, len(near)), near, strict=True):
        if outline is None:
            continue
        for _ in range(PLACE_TRIES // PLACES_AT_ONCE):
            if field.add(outline, places[((places >= low) & (places < high)).all(axis=1)] - low):
                break
            places = draw_places(k)
    y, x = corner - low
    labels = field.labels[y : y + size, x : x + size]
    is_visible = np.bincount(labels.ravel(), minlength=field.count + 1) >= MIN_VISIBLE_AREA
    is_visible[0] = False
    names = np.cumsum(is_visible) if settings.mask_kind == "instances" else 1
    return np.asarray((is_visible * names).astype(np.int32)[labels]), len(near) - field.count


def _warn(name: str, left_out: int) -> None:
    if left_out:
        log.warning("%s: %s left out: %s.", name, plural(left_out, "object"), NO_PLACE)


def draw_outlines(
    settings: PopulationSettings, rng: np.random.Generator, count: int
) -> list[NDArray[np.float64] | None]:
    """Draw outlines (points, 2) of the given sizes, or each like a real shape; None where that fails."""
    uneven = settings.roughness, settings.jitter
    if not settings.shapes:
        radii, elongations = rng.uniform(*settings.radius, count), rng.uniform(*settings.elongation, count)
        return list(through(draw_knots(rng, radii, elongations, *uneven)))
    shapes = np.array(settings.shapes)
    outlines: list[NDArray[np.float64] | None] = [None] * count
    for turn in range(SHAPE_ROUNDS):
        if turn % ROUNDS_PER_SHAPE == 0:  # shapes that are hard to draw would be rare if each failure chose another
            choice = rng.integers(len(shapes), size=count)
        pending = np.repeat([i for i in range(count) if outlines[i] is None], OUTLINES_AT_ONCE).astype(int)
        targets = shapes[choice[pending]]
        radii = (targets[:, 0] / np.pi) ** 0.5 * rng.uniform(0.96, 1.04, len(targets))
        knots = draw_knots(rng, radii, targets[:, 1] * rng.uniform(0.95, 1.05, len(targets)), *uneven)
        coarse, off = through(knots, COARSE_POINTS), settings.tolerance * targets
        alike = (np.abs(measure(coarse) - targets[:, :4]) <= off[:, :4]).all(axis=1)
        for i in np.flatnonzero(alike):
            if outlines[pending[i]] is None and abs(solidity(coarse[i]) - targets[i, 4]) <= off[i, 4]:
                outlines[pending[i]] = through(knots[i : i + 1])[0]
        if all(outline is not None for outline in outlines):
            break
    is_regular = shapes[:, 4].min() > 0.9  # solid like circles and ellipses, which uneven outlines never equal
    if count and is_regular and all(outline is None for outline in outlines):
        radii = (shapes[choice, 0] / np.pi) ** 0.5
        return list(through(draw_knots(rng, radii, shapes[choice, 1], 0.0, 0.0)))
    return outlines


@dataclass(frozen=True)
class _Object:
    mask: NDArray[np.bool_]
    corner: NDArray[np.int64]  # first row and column
    area: int


class _Field:
    """A rectangle in which objects are placed one after the other."""

    def __init__(self, shape: NDArray[np.int64], overlap: float) -> None:
        self.labels = np.zeros(tuple(shape), np.int32)
        self.overlap = overlap
        self.objects: list[_Object] = []
        self.discs = np.empty((0, 4))  # centre, and radius of a disc inside and of one around each object

    @property
    def count(self) -> int:
        return len(self.objects)

    def add(self, outline: NDArray[np.float64], places: NDArray[np.float64]) -> bool:
        """Put an object at the first of some places (n, 2) where it fits."""
        mask, offset = fill(outline)
        reach = np.hypot(*outline.T)
        inner, outer, area = float(reach.min()) - 1, float(reach.max()) + 1, int(mask.sum())
        places = np.rint(places)
        far = np.linalg.norm(places[:, None] - self.discs[:, :2], axis=-1)
        # Two inner discs share at least the circle between their edges: objects too near need no look at pixels.
        smaller = np.minimum(area, np.array([other.area for other in self.objects]))
        nearest = inner + self.discs[:, 2] - 2 * np.sqrt(self.overlap * smaller / np.pi)
        for index in np.flatnonzero((far >= nearest).all(axis=1)):
            thing = _Object(mask, places[index].astype(np.int64) + offset, area)
            touched = np.flatnonzero(far[index] < outer + self.discs[:, 3])
            if all(self._fits(thing, self.objects[other]) for other in touched) and self._paint(thing):
                self.objects.append(thing)
                self.discs = np.vstack([self.discs, [*places[index], inner, outer]])
                return True
        return False

    def _fits(self, one: _Object, other: _Object) -> bool:
        top, bottom = (
            np.maximum(one.corner, other.corner),
            np.minimum(*(o.corner + o.mask.shape for o in (one, other))),
        )
        if (bottom <= top).any():
            return True
        parts = [
            o.mask[tuple(slice(*ends) for ends in zip(top - o.corner, bottom - o.corner, strict=True))]
            for o in (one, other)
        ]
        return bool(np.count_nonzero(parts[0] & parts[1]) <= self.overlap * min(one.area, other.area))

    def _paint(self, thing: _Object) -> bool:
        """Number its free pixels, unless hardly any of them lies in the field."""
        top = np.maximum(thing.corner, 0)
        bottom = np.minimum(thing.corner + thing.mask.shape, self.labels.shape)
        if (bottom <= top).any():
            return False
        window = self.labels[top[0] : bottom[0], top[1] : bottom[1]]
        (y, x), (y1, x1) = top - thing.corner, bottom - thing.corner
        free = thing.mask[y:y1, x:x1] & (window == 0)
        if np.count_nonzero(free) < MIN_VISIBLE_AREA:
            return False
        window[free] = self.count + 1
        return True


def draw(settings: PopulationSettings, rng: np.random.Generator, size: int = 256) -> SamplePair:
    """Draw a mask and its fluorescence image: texture, uneven light, blur by depth, sensor noise, 8 or 16 bits.

    Octave noise inside each object with bias 0.2; a second-degree surface of light with an off-centre peak, of
    ``illumination`` times the energy of the objects; every object blurred by its own depth.

    Returns
    -------
    SamplePair
        Image (1, size, size) uint8 or uint16.
    """
    labels, left_out = place(settings, rng, size)
    objects = labels if settings.mask_kind == "instances" else pieces_of(labels)
    shape = labels.shape[0], labels.shape[1]
    scale = max(2.0, 1.5 * float(np.mean(settings.radius)))
    texture = np.clip(0.5 + 0.25 * noise(rng, shape, scale, 4, settings.texture) + 0.2, 0, 1)
    light = _glow(settings, rng, objects, texture)
    energy = float((light**2).sum())
    uneven = illumination(rng, shape, float(rng.uniform(0.4, 1)))
    light = light + uneven * (settings.illumination * energy / float((uneven**2).sum())) ** 0.5 + settings.background
    light /= max(1.0, float(light.max()))
    dtype = np.uint8 if settings.bits == 8 else np.uint16
    return SamplePair(
        name="population",
        image=expose(rng, light, dtype, settings.photons or np.inf, settings.noise**0.5),
        labels=labels,
        mask_kind=settings.mask_kind,
        pixel_size=(settings.pixel_size, settings.pixel_size) if settings.pixel_size else None,
        source=Source("simulated", provenance={"simulator": "population", "left_out": left_out}),
    )


def _glow(
    settings: PopulationSettings, rng: np.random.Generator, objects: NDArray[np.int32], texture: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Draw the light of the objects (Y, X), each with its brightness and blurred by its depth."""
    from scipy.ndimage import find_objects, gaussian_filter

    glow = np.zeros(objects.shape, np.float32)
    for number, box in enumerate(find_objects(objects), start=1):
        sigma, bright = rng.uniform(*settings.blur), np.float32(rng.uniform(0.6, 1))
        margin = int(np.ceil(3 * sigma))
        window = tuple(slice(max(0, part.start - margin), part.stop + margin) for part in box)
        one = np.where(objects[window] == number, bright * texture[window], np.float32(0))
        glow[window] += gaussian_filter(one, sigma, truncate=3)
    return glow


def population(seed: int, size: int = 256, settings: PopulationSettings | None = None) -> SamplePair:
    """Simulate a pair by measured counts, sizes and shapes; a window that no object reaches is drawn again.

    Parameters
    ----------
    seed : int
        Any number from 0.
    size : int
        Side, px.
    settings : PopulationSettings, optional
        Measured by `fit`, or your own; default: those of the class.

    Returns
    -------
    SamplePair
        Image (1, size, size) uint8 or uint16; instances or a binary mask, as the settings say.

    Raises
    ------
    UserError
        If there is no object in many windows.
    """
    settings, rng = settings or PopulationSettings(), np.random.default_rng(seed)
    pair = next(
        (pair for pair in (draw(settings, rng, size) for _ in range(MAX_EMPTY_WINDOWS)) if pair.labels.any()), None
    )
    if pair is None:
        raise UserError(
            f"{MAX_EMPTY_WINDOWS} places of {size} px contain no object: there are {settings.count[0]} to "
            f"{settings.count[1]} in {settings.field} px.",
            "Expected objects in some of them.",
            "Choose larger images, or more objects.",
        )
    name = f"population_{seed:05d}"
    _warn(name, pair.source.provenance["left_out"])
    provenance = {"seed": seed, "size": size, "settings": settings.model_dump(mode="json")}
    return pair.replace(name=name, source=Source("simulated", provenance={**pair.source.provenance, **provenance}))
