"""New masks from real outlines: objects are cut out of real masks, turned, scaled, and placed at other places.

Outlines stay real, and so do the sizes that occur together, the share of the area that is covered and the share of
objects in contact, unless others are asked for. What is new is the arrangement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import clean_instances
from napari_organoid_synth.core.simulators.clusters import Clusters, find_clusters
from napari_organoid_synth.core.simulators.pieces import contact_share, evenly_spaced
from napari_organoid_synth.core.simulators.placing import PlacingField
from napari_organoid_synth.core.simulators.real_outlines import (
    ALIKE,
    MIN_OWN,
    Outline,
    RealLayout,
    is_framed,
    measure_layout,
    why_not_arranged,
)

PLACE_TRIES = 24
"""Places for one object before those with much room are looked for."""
MAX_FAILURES = 6
"""Objects in a row that find no place, after which the mask is full."""
MORE = 1.6
"""Objects, as multiple of those that were measured, that make up for small ones."""
JITTER = 0.05
"""How far an object inside a frame lies from the place of a real one, as share of the side."""
DENSE = 0.4
"""Cover above which large objects are placed first."""
MAX_CLUMP = 8.0
"""Mean number of objects in contact with one another, where more contact is asked for than was measured."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """A new mask.

    Parameters
    ----------
    labels : NDArray (Y, X) int32
        Instances 1..n, or 1 for the objects of a binary mask.
    names : tuple of str
        Images that the objects come from.
    like : str
        Image whose sizes, cover and contact were taken.
    cover, contact : (float, float)
        Share of the area that is covered, and of objects that touch another: asked for, and reached.
    left_out : int
        Objects that found no place.
    """

    labels: NDArray[np.int32]
    names: tuple[str, ...]
    like: str
    cover: tuple[float, float]
    contact: tuple[float, float]
    left_out: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the provenance."""
        (asked, reached), (wanted, touching) = self.cover, self.contact
        return {
            "names": list(self.names),
            "like": self.like,
            "cover": round(asked, 4),
            "cover_reached": round(reached, 4),
            "contact": round(wanted, 4),
            "contact_reached": round(touching, 4),
            "left_out": self.left_out,
        }


class Arranger:
    """Arranges the objects of real masks.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Of instances, or binary; only their masks are used, of at most 50.

    Raises
    ------
    UserError
        If the masks have named classes, no object, no room, or are nets.
    """

    def __init__(self, pairs: Sequence[SamplePair]) -> None:
        masks = evenly_spaced([pair for pair in pairs if pair.labels.any()])
        if (reason := why_not_arranged(masks)) is not None:
            raise reason
        self.layouts = [layout for layout in map(measure_layout, masks) if layout is not None]
        self.is_binary = masks[0].mask_kind == "binary"
        self.framed = is_framed(self.layouts)

    @property
    def cover(self) -> float:
        """Median share of the area that objects cover in the real masks."""
        return float(np.median([layout.cover for layout in self.layouts]))

    @property
    def contact(self) -> float:
        """Median share of objects that touch another in the real masks."""
        return float(np.median([layout.contact for layout in self.layouts]))

    @cached_property
    def clusters(self) -> Clusters:
        """Clusters of the objects of all masks."""
        if self.framed:
            return Clusters()
        areas = [float(np.prod(layout.size)) for layout in self.layouts]
        return find_clusters([layout.places * layout.size for layout in self.layouts], areas)

    @cached_property
    def _typical_area(self) -> float:
        return float(np.median([np.prod(layout.size) for layout in self.layouts]))

    def arrange(
        self, size: int, rng: np.random.Generator, cover: float = 0.0, contact: float = -1.0, warp: float = 0.3
    ) -> Arrangement:
        """Arrange objects in a new mask.

        Sizes, cover and contact are those of one real mask, drawn by chance, so that few large and many small objects
        stay apart; the outlines are its own where it has at least 12, else also those of masks with objects of such
        sizes.

        Parameters
        ----------
        size : int
            Side, px.
        rng : numpy.random.Generator
            Fixes everything.
        cover : float
            Share of the area that objects cover; 0: as in the real mask.
        contact : float
            Share of objects that touch another; below 0: as in the real mask.
        warp : float
            How far outlines are bent; 0: they stay as they are.
        """
        layout = self.layouts[int(rng.integers(len(self.layouts)))]
        outlines = self._lent(layout)
        wanted, touching = cover or layout.cover, layout.contact if contact < 0 else contact
        field = self._field(layout, outlines, size, rng)
        most = self._most(layout, field) if not cover else np.inf
        names, left_out = self._fill(field, outlines, (wanted, touching, warp), most, contact < 0 < cover, layout, rng)
        objects = clean_instances(field.labels[field.window])
        used = {names[number - 1] for number in np.unique(field.labels[field.window]) if number}
        labels = (objects > 0).astype(np.int32) if self.is_binary else objects
        reached = float(np.count_nonzero(labels) / labels.size)
        return Arrangement(
            np.ascontiguousarray(labels),
            tuple(sorted(used)),
            layout.name,
            (wanted, reached),
            (touching, contact_share(objects)),
            left_out,
        )

    def _lent(self, layout: RealLayout) -> list[Outline]:
        """Return the outlines of a mask, and those of masks with objects of such sizes if it has few."""
        own = layout.outlines if self.framed else layout.whole
        if len(own) >= MIN_OWN:
            return list(own)
        alike = [one for one in self.layouts if 1 / ALIKE <= one.diameter / layout.diameter <= ALIKE]
        lent = [outline for one in alike for outline in (one.outlines if self.framed else one.whole)]
        return lent or list(layout.outlines)

    def _field(
        self, layout: RealLayout, outlines: Sequence[Outline], size: int, rng: np.random.Generator
    ) -> PlacingField:
        """Return a field around the mask, or the frame of an image of which the mask is a part."""
        if self.framed:
            whole = (max(size, layout.size[0]), max(size, layout.size[1]))
            y, x = (int(rng.integers(length - size + 1)) for length in whole)
            return PlacingField(whole, (slice(y, y + size), slice(x, x + size)))
        margin = int(np.ceil(np.percentile([one.reach for one in outlines], 90)))
        inner = slice(margin, margin + size)
        return PlacingField((size + 2 * margin, size + 2 * margin), (inner, inner))

    def _most(self, layout: RealLayout, field: PlacingField) -> float:
        """Return the largest number of objects in a field."""
        if self.framed:
            return len(layout.outlines)
        return max(1, round(MORE * layout.density * field.labels.size))

    def _fill(
        self,
        field: PlacingField,
        outlines: Sequence[Outline],
        wanted: tuple[float, float, float],
        most: float,
        may_touch: bool,
        layout: RealLayout,
        rng: np.random.Generator,
    ) -> tuple[list[str], int]:
        """Place objects until the cover is reached; return the names of their images, and how many found no place."""
        cover, contact, warp = wanted
        weights = np.array([one.weight for one in outlines])
        mean = float(np.average([one.area for one in outlines], weights=weights))
        share = mean / field.labels[field.window].size
        number = max(1, round(cover * field.labels.size / mean))
        drawn = rng.choice(len(outlines), size=2 * number + 4, p=weights / weights.sum())
        if cover > DENSE:
            drawn[:number] = sorted(drawn[:number], key=lambda index: -outlines[index].area)
        places = self._places(field, layout, rng)
        axis = float(rng.uniform(0, np.pi)) if layout.is_aligned else None
        clump = max(layout.clump, min(MAX_CLUMP, 1 / (1.001 - contact)))
        names: list[str] = []
        failures = left_out = 0
        for index in drawn:
            if field.number >= most or failures > MAX_FAILURES:
                break
            if field.number and field.cover + share / 2 > cover:
                break
            if self._put(field, outlines[index], contact, clump, warp, axis, places, may_touch, rng):
                names.append(outlines[index].name)
                failures = 0
            else:
                failures += 1
                left_out += 1
        return names, left_out

    def _put(
        self,
        field: PlacingField,
        outline: Outline,
        contact: float,
        clump: float,
        warp: float,
        axis: float | None,
        places: Any,
        may_touch: bool,
        rng: np.random.Generator,
    ) -> bool:
        """Place one object; at the border if it is cut, else in contact if too few objects touch, else apart."""
        if not outline.is_whole:
            depth, cut = outline.quartered(rng)
            return field.put_at_border(depth, cut, rng)
        depth = outline.turned(rng, warp, axis)
        missing = contact * (field.number + 1) - field.touching
        is_new = field.touching >= clump * field.clumps  # the groups so far are as large as they should be
        if missing >= 1 and (field.alone or not is_new) and field.put_against(depth, rng, is_new):
            return True
        if field.put_apart(depth, places(depth)):
            return True
        return may_touch and field.put_against(depth, rng, new=False)

    def _places(self, field: PlacingField, layout: RealLayout, rng: np.random.Generator) -> Any:
        """Return a function that draws centres (N, 2) for an object: in a cluster, evenly, or as in real frames."""
        if self.framed:
            return lambda depth: self._framed_places(field, layout, depth, rng)
        clusters = self.clusters
        size = np.array(field.size)
        number = max(1, round(clusters.number * field.labels.size / self._typical_area)) if clusters.number else 0
        centres = rng.uniform(0, 1, (number, 2)) * size

        def draw(depth: NDArray[np.float32]) -> NDArray[np.float64]:
            even = rng.uniform(0, 1, (PLACE_TRIES, 2)) * size
            if not number or rng.random() >= clusters.share:
                return np.asarray(even)
            near = centres[int(rng.integers(number))] + rng.normal(0, clusters.spread, (PLACE_TRIES, 2))
            return np.concatenate([near[((near >= 0) & (near < size)).all(axis=1)], even])

        return draw

    def _framed_places(
        self, field: PlacingField, layout: RealLayout, depth: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw centres near those of real objects, mirrored by chance, such that the object lies inside the frame."""
        near = layout.places[rng.integers(len(layout.places), size=PLACE_TRIES)]
        near = np.where(rng.integers(2, size=(PLACE_TRIES, 2)) > 0, near, 1 - near)
        near = near + rng.normal(0, JITTER, near.shape)
        places = np.concatenate([near, rng.uniform(0, 1, near.shape)]) * field.size
        mask, size = depth > 0, np.array(field.size)
        half = np.array([np.ptp(np.flatnonzero(mask.any(axis=axis))) / 2 + 2 for axis in (1, 0)])
        return np.asarray(np.clip(places, np.minimum(half, size / 2), np.maximum(size - half, size / 2)))
