"""A parametric population of objects (SIMCEP; Lehmussola 2007, doi 10.1109/TMI.2007.896925): masks, and images of them.

Its settings are chosen, or measured on real masks by `fit`. Nothing is learnt, so it is the rival that a generator of
masks must beat.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from napari_organoid_synth.core.clusters import find_clusters
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.mask_kind import pieces_of
from napari_organoid_synth.core.outlines import DESCRIPTORS, contour, describe, draw_outlines, fill
from napari_organoid_synth.core.pair import SamplePair, Source
from napari_organoid_synth.core.settings import Settings
from napari_organoid_synth.core.texture import expose, illumination, noise

log = logging.getLogger(__name__)

TRIES = 500  # places for one object before it is left out
BLOCK = 50  # of them at once
CANDIDATES, SHAPE_ROUNDS = 8, 40  # outlines at once, and how often, in search of one like a real shape
LEAST_SEEN = 15  # px of an object in the image, as in tiles
SHAPED = 30  # px, below which an object has no measurable shape
MOST_IMAGES = 50  # that are measured

Range = tuple[float, float]


class PopulationSettings(Settings):
    """How many objects of which size and shape, where, and how they are imaged."""

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

    @model_validator(mode="after")
    def _in_order(self) -> PopulationSettings:
        for name in ("count", "radius", "elongation", "blur"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f"{name} goes from {low} to {high}; expected the smaller number first, none below 0")
        if self.radius[0] < 1 or self.elongation[0] < 1:
            raise ValueError("radius and elongation begin at 1")
        return self


# ----------------------------------------------------------------------------------------------------------- drawing


def draw_labels(settings: PopulationSettings, rng: np.random.Generator, size: int = 256) -> NDArray[np.int32]:
    """A mask (size, size) int32 of the population: ids 1..n, or 1 for all objects if its kind is binary."""
    return place(settings, rng, size)[0]


def place(settings: PopulationSettings, rng: np.random.Generator, size: int = 256) -> tuple[NDArray[np.int32], int]:
    """A mask, and how many objects were left out because they found no place, or no outline like a real one.

    A mask smaller than the field is cut out of one; in a larger one there are more objects. Objects reach beyond the
    border. Two of them have at most the share ``overlap`` of the smaller in common, where the earlier one is on top.

    Parameters
    ----------
    settings : PopulationSettings
        Of the population.
    rng : numpy.random.Generator
        All randomness.
    size : int
        Side, px.
    """
    side = max(size, settings.field)
    scale = (side / settings.field) ** 2
    count = round(scale * int(rng.integers(settings.count[0], settings.count[1] + 1)))
    centres = rng.uniform(0, side, (round(scale * settings.clusters), 2))
    field = _Field(side, settings.overlap)
    for outline in _outlines(settings, rng, count):
        clustered = len(centres) > 0 and rng.random() < settings.clustering
        centre = centres[rng.integers(len(centres))] if clustered else None
        for _ in range(TRIES // BLOCK):
            if centre is None:
                places = rng.uniform(0, side, (BLOCK, 2))
            else:
                places = centre + rng.normal(0, settings.spread, (BLOCK, 2))
            if field.add(outline, places):
                break
    labels, left_out = field.labels, count - field.count
    if left_out:
        log.info("%d of %d objects were left out: no place, or no outline, in %d tries.", left_out, count, TRIES)
    if size < side:
        y, x = rng.integers(0, side - size + 1, 2)
        labels = labels[y : y + size, x : x + size]
    seen = np.bincount(labels.ravel(), minlength=field.count + 1) >= LEAST_SEEN
    seen[0] = False
    names = np.cumsum(seen) if settings.mask_kind == "instances" else 1
    return np.asarray((seen * names).astype(np.int32)[labels]), left_out


def _outlines(settings: PopulationSettings, rng: np.random.Generator, count: int) -> list[NDArray[np.float64]]:
    """Outlines (points, 2) of a field: of the settings' sizes, or each like a real shape."""
    how: dict[str, Any] = {"roughness": settings.roughness, "jitter": settings.jitter}
    if not settings.shapes:
        return list(
            draw_outlines(rng, rng.uniform(*settings.radius, count), rng.uniform(*settings.elongation, count), **how)
        )
    found = (_like(settings, rng, how) for _ in range(count))
    return [outline for outline in found if outline is not None]


def _like(settings: PopulationSettings, rng: np.random.Generator, how: dict[str, Any]) -> NDArray[np.float64] | None:
    """An outline of which area, elongation, circularity, eccentricity, solidity are near those of a real shape."""
    for _ in range(SHAPE_ROUNDS):
        wanted = np.array(settings.shapes[rng.integers(len(settings.shapes))])
        radii = (wanted[0] / np.pi) ** 0.5 * rng.uniform(0.96, 1.04, CANDIDATES)
        drawn = draw_outlines(rng, radii, wanted[1] * rng.uniform(0.95, 1.05, CANDIDATES), **how)
        for outline in drawn:
            if (np.abs(describe(outline[::8]) - wanted) <= settings.tolerance * wanted).all():
                return np.asarray(outline)
    return None


@dataclass(frozen=True)
class _Object:
    mask: NDArray[np.bool_]
    corner: NDArray[np.int64]  # first row and column
    area: int


class _Field:
    """A square in which objects are placed one after the other."""

    def __init__(self, side: int, overlap: float) -> None:
        self.labels = np.zeros((side, side), np.int32)
        self.overlap = overlap
        self.objects: list[_Object] = []
        self.discs = np.empty((0, 4))  # centre, and radius of a disc inside and of one around each object

    @property
    def count(self) -> int:
        return len(self.objects)

    def add(self, outline: NDArray[np.float64], places: NDArray[np.float64]) -> bool:
        """Put an object at the first of some places (n, 2) where it may lie."""
        mask, offset = fill(outline)
        reach = np.hypot(*outline.T)
        inner, outer, area = float(reach.min()) - 1, float(reach.max()) + 1, int(mask.sum())
        places = np.rint(places)
        far = np.linalg.norm(places[:, None] - self.discs[:, :2], axis=-1)
        # Two inner discs share at least the circle between their edges: what is too near needs no look at pixels.
        smaller = np.minimum(area, np.array([other.area for other in self.objects]))
        nearest = inner + self.discs[:, 2] - 2 * np.sqrt(self.overlap * smaller / np.pi)
        for index in np.flatnonzero((far >= nearest).all(axis=1)):
            thing = _Object(mask, places[index].astype(np.int64) + offset, area)
            touched = np.flatnonzero(far[index] < outer + self.discs[:, 3])
            if all(self._may_lie(thing, self.objects[other]) for other in touched) and self._paint(thing):
                self.objects.append(thing)
                self.discs = np.vstack([self.discs, [*places[index], inner, outer]])
                return True
        return False

    def _may_lie(self, one: _Object, other: _Object) -> bool:
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
        """Number the pixels that are free, unless hardly any of them lies in the field."""
        top = np.maximum(thing.corner, 0)
        bottom = np.minimum(thing.corner + thing.mask.shape, len(self.labels))
        if (bottom <= top).any():
            return False
        window = self.labels[top[0] : bottom[0], top[1] : bottom[1]]
        (y, x), (y1, x1) = top - thing.corner, bottom - thing.corner
        free = thing.mask[y:y1, x:x1] & (window == 0)
        if np.count_nonzero(free) < LEAST_SEEN:
            return False
        window[free] = self.count + 1
        return True


def draw(settings: PopulationSettings, rng: np.random.Generator, size: int = 256) -> SamplePair:
    """A mask and a fluorescence image of it: texture, uneven light, blur by depth, sensor noise, 8 or 16 bits.

    Octave noise inside each object with bias 0.2; a second-degree surface of light with a misaligned peak, of
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
        source=Source("simulated", provenance={"simulator": "population", "left_out": left_out}),
    )


def _glow(
    settings: PopulationSettings, rng: np.random.Generator, objects: NDArray[np.int32], texture: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Light of the objects (Y, X), each with its brightness and blurred by its depth."""
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
    """The pair of a seed, as the other simulators give it."""
    settings = settings or PopulationSettings()
    pair = draw(settings, np.random.default_rng(seed), size)
    how = {"seed": seed, "size": size, "settings": settings.model_dump(mode="json")}
    source = Source("simulated", provenance={**pair.source.provenance, **how})
    return pair.replace(name=f"population_{seed:05d}", source=source)


# ----------------------------------------------------------------------------------------------------------- fitting


def fit(pairs: Sequence[SamplePair], shapes: int = 0) -> PopulationSettings:
    """Measure a population on real masks: count, radius, elongation, clusters, and optionally shapes.

    Ranges are those of an even distribution with the 5th and 95th percentile of what is measured, within it. Sizes come
    from objects that do not touch the border, if there are any.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Only their masks are looked at, at most 50 of them; of a binary mask the connected pieces.
    shapes : int
        How many real shapes to keep, which drawn objects must resemble; 0: radius and elongation alone count.

    Raises
    ------
    UserError
        If the masks are named classes, or hold no object.
    """
    if any(pair.mask_kind == "classes" for pair in pairs):
        raise UserError(
            "The masks have named classes.",
            "A population is fitted to single objects: instances, or a binary mask.",
            "Paint on real masks, warped.",
        )
    chosen = [
        pairs[i] for i in np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), MOST_IMAGES)).round().astype(int))
    ]
    measured = [_measure(pair) for pair in chosen]
    measured = [found for found in measured if len(found.areas)]
    if not measured:
        raise UserError("The masks hold no object.", "Expected at least one.", "Choose masks with objects.")
    sides = np.array([float(np.sqrt(np.prod(found.size))) for found in measured])
    field = max(16, round(float(np.median(sides))))
    counts = np.array([len(found.areas) for found in measured]) * (field / sides) ** 2
    areas, elongations = (
        np.concatenate([getattr(found, name) for found in measured]) for name in ("areas", "elongations")
    )
    whole = np.concatenate([found.whole for found in measured])
    whole = whole if whole.any() else ~whole
    radii = np.maximum(1, np.sqrt(areas[whole] / np.pi))
    shaped = elongations[whole & (areas >= SHAPED)]
    clusters = find_clusters([found.centres for found in measured], list(sides**2))
    few, many = _ends(counts)
    kept = [contour(mask) for found in measured for mask in found.masks] if shapes else []
    chosen_shapes = np.random.default_rng(0).permutation(len(kept))[:shapes]
    return PopulationSettings(
        mask_kind="binary" if all(pair.mask_kind == "binary" for pair in pairs) else "instances",
        field=field,
        count=(int(np.floor(few)), max(1, int(np.ceil(many)))),
        clusters=clusters.number,
        clustering=round(clusters.share, 3),
        spread=round(clusters.spread, 2) if clusters.number else 0.05 * field,
        radius=_rounded(_ends(radii)),
        elongation=_rounded(_ends(shaped)) if len(shaped) else (1.0, 1.0),
        shapes=tuple(tuple(float(f"{value:.4g}") for value in describe(kept[i])) for i in chosen_shapes),
    )


@dataclass(frozen=True)
class _Measured:
    size: tuple[int, int]
    areas: NDArray[np.int64]
    centres: NDArray[np.float64]
    elongations: NDArray[np.float64]
    whole: NDArray[np.bool_]
    masks: list[NDArray[np.bool_]]


def _measure(pair: SamplePair) -> _Measured:
    """Objects of a mask by their moments."""
    from scipy.ndimage import find_objects

    objects = pieces_of(pair.labels) if pair.mask_kind == "binary" else pair.labels
    _, objects = np.unique(objects, return_inverse=True)  # ids without gaps
    objects = objects.reshape(pair.size) + (pair.labels.min() > 0)
    y, x = np.nonzero(objects)
    ids = objects[y, x]
    areas = np.bincount(ids)[1:]

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(ids, values)[1:] / areas)

    cy, cx = mean(y), mean(x)
    pixel = 1 / 12  # second moment of a pixel itself
    yy, xx, xy = mean(y * y) - cy**2 + pixel, mean(x * x) - cx**2 + pixel, mean(x * y) - cx * cy
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    boxes = find_objects(objects)
    whole = np.array(
        [all(part.start > 0 and part.stop < end for part, end in zip(box, pair.size, strict=True)) for box in boxes],
        bool,
    )
    good = np.flatnonzero(whole & (areas >= SHAPED))
    return _Measured(
        size=pair.size,
        areas=areas,
        centres=np.stack([cy, cx], -1),
        elongations=np.sqrt((middle + half) / np.maximum(middle - half, pixel)),
        whole=whole,
        masks=[objects[boxes[i]] == i + 1 for i in good],
    )


def _ends(values: NDArray[np.floating[Any]]) -> Range:
    """Ends of the even distribution with the same 5th and 95th percentile, within what was measured."""
    low, high = np.percentile(values, (5, 95))
    beyond = (high - low) / 18
    return float(max(low - beyond, values.min())), float(min(high + beyond, values.max()))


def _rounded(ends: Range) -> Range:
    return round(ends[0], 3), round(ends[1], 3)
