"""New masks from real outlines: objects are cut out of real masks, turned, scaled, and placed at other places.

Outlines stay real, and so do the sizes that occur together, the share of the area that is covered and the share of
objects in contact, unless others are asked for. What is new is the arrangement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
MAX_FAILURES = 20
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
        filling = _Filling(field, layout, outlines, self.clusters, self.framed, rng)
        most = np.inf if cover else len(layout.outlines) if self.framed else filling.expected
        names, left_out = filling.fill(_Wish(wanted, touching, warp, most, is_crowded=contact < 0 < cover))
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


@dataclass(frozen=True)
class _Wish:
    """What a mask shall be like: cover, share of objects in contact, warp, and the largest number of objects.

    Where more cover was asked for and no contact, objects without room apart may touch (``is_crowded``).
    """

    cover: float
    contact: float
    warp: float
    most: float
    is_crowded: bool


@dataclass(eq=False)
class _Filling:
    """Fills one field with the objects of a layout."""

    field: PlacingField
    layout: RealLayout
    outlines: Sequence[Outline]
    clusters: Clusters
    framed: bool
    rng: np.random.Generator

    def __post_init__(self) -> None:
        number = 0
        if self.clusters.number:
            number = max(1, round(self.clusters.number * self.field.labels.size / float(np.prod(self.layout.size))))
        self.centres = self.rng.uniform(0, 1, (number, 2)) * self.field.size
        self.axis = float(self.rng.uniform(0, np.pi)) if self.layout.is_aligned else None

    @property
    def expected(self) -> int:
        """Largest number of objects where the sizes are those of the layout."""
        return max(1, round(MORE * self.layout.density * self.field.labels.size))

    def fill(self, wish: _Wish) -> tuple[list[str], int]:
        """Place objects until the cover is reached; return the names of their images, and how many found no place."""
        names: list[str] = []
        failures = left_out = 0
        for outline, share in self._drawn(wish.cover):
            is_full = self.field.number and self.field.cover + share / 2 > wish.cover
            if is_full or self.field.number >= wish.most or failures > MAX_FAILURES:
                break
            if self._put(outline, wish):
                names.append(outline.name)
                failures = 0
            else:
                failures += 1
                left_out += 1
        return names, left_out

    def _drawn(self, cover: float) -> Iterator[tuple[Outline, float]]:
        """Yield outlines by chance, in crowds large ones first, and the mean share of the mask that one covers."""
        areas, weights = (np.array([getattr(one, name) for one in self.outlines]) for name in ("area", "weight"))
        mean = float(np.average(areas, weights=weights))
        number = max(1, round(cover * self.field.labels.size / mean))
        drawn = self.rng.choice(len(areas), size=2 * number + 4, p=weights / weights.sum())
        if cover > DENSE:
            drawn[:number] = drawn[:number][np.argsort(-areas[drawn[:number]], kind="stable")]
        for index in drawn:
            yield self.outlines[index], mean / self.field.labels[self.field.window].size

    def _put(self, outline: Outline, wish: _Wish) -> bool:
        """Place one object; at the border if it is cut, else in contact if too few objects touch, else apart."""
        field, rng = self.field, self.rng
        if not outline.is_whole:
            return field.put_at_border(*outline.quartered(rng), rng)
        depth = outline.turned(rng, wish.warp, self.axis)
        missing = wish.contact * (field.number + 1) - field.touching
        clump = max(self.layout.clump, min(MAX_CLUMP, 1 / (1.001 - wish.contact)))
        is_new = field.touching >= clump * field.clumps  # the groups so far are as large as they should be
        if missing >= 1 and (field.alone or not is_new) and field.put_against(depth, rng, is_new):
            return True
        if field.put_apart(depth, self._places(depth)):
            return True
        return wish.is_crowded and field.put_against(depth, rng, new=False)

    def _places(self, depth: NDArray[np.float32]) -> NDArray[np.float64]:
        """Draw centres (N, 2) for an object: as in real frames, in a cluster, or evenly."""
        rng, size = self.rng, np.array(self.field.size)
        if self.framed:
            return self._framed_places(depth)
        even = rng.uniform(0, 1, (PLACE_TRIES, 2)) * size
        if not len(self.centres) or rng.random() >= self.clusters.share:
            return np.asarray(even)
        centre = self.centres[int(rng.integers(len(self.centres)))]
        near = centre + rng.normal(0, self.clusters.spread, (PLACE_TRIES, 2))
        return np.concatenate([near[((near >= 0) & (near < size)).all(axis=1)], even])

    def _framed_places(self, depth: NDArray[np.float32]) -> NDArray[np.float64]:
        """Draw centres near those of real objects, mirrored by chance, such that the object lies inside the frame."""
        rng, real, size = self.rng, self.layout.places, np.array(self.field.size)
        near = real[rng.integers(len(real), size=PLACE_TRIES)]
        near = np.where(rng.integers(2, size=(PLACE_TRIES, 2)) > 0, near, 1 - near)
        near = near + rng.normal(0, JITTER, near.shape)
        places = np.concatenate([near, rng.uniform(0, 1, near.shape)]) * size
        mask = depth > 0
        half = np.array([np.ptp(np.flatnonzero(mask.any(axis=axis))) / 2 + 2 for axis in (1, 0)])
        return np.asarray(np.clip(places, np.minimum(half, size / 2), np.maximum(size - half, size / 2)))
