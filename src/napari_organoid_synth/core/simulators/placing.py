"""A field in which objects are placed one after the other: apart, or in contact with others."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.simulators.real_outlines import MARGIN, Cut

APART = 2.5
"""Least distance of objects that do not touch, px."""
MAX_OVERLAP = 0.06
"""Share of an object that may lie over others which it touches; the border then runs midway."""
TOUCH_TRIES = 10
"""Directions from which an object is moved against another."""
ROOM_PLACES = 12
"""Places with enough room that are tried after those that were asked for."""

Place = tuple[int, int]


@dataclass(eq=False)
class PlacingField:
    """A field of objects.

    Parameters
    ----------
    size : (int, int)
        Height and width, px.
    window : (slice, slice)
        The part that becomes the mask.
    """

    size: tuple[int, int]
    window: tuple[slice, slice]
    labels: NDArray[np.int32] = field(init=False)
    depth: NDArray[np.float32] = field(init=False)
    centres: list[tuple[float, float]] = field(init=False, default_factory=list)
    radii: list[float] = field(init=False, default_factory=list)
    groups: dict[int, int] = field(init=False, default_factory=dict)
    covered: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.labels = np.zeros(self.size, np.int32)
        self.depth = np.full(self.size, -MARGIN, np.float32)

    @property
    def number(self) -> int:
        """Objects so far."""
        return len(self.centres)

    @property
    def touching(self) -> int:
        """Objects that touch another."""
        return len(self.groups)

    @property
    def clumps(self) -> int:
        """Groups of objects that touch one another."""
        return len(set(self.groups.values()))

    @property
    def alone(self) -> list[int]:
        """Objects that touch no other, counted from 0."""
        return [index for index in range(self.number) if index not in self.groups]

    @property
    def cover(self) -> float:
        """Share of the window that objects cover."""
        return self.covered / max(1, self.labels[self.window].size)

    def put_apart(self, depth: NDArray[np.float32], places: NDArray[np.float64], roomy: bool = True) -> bool:
        """Put an object at the first of some centres (N, 2) where it is apart from all others.

        Parameters
        ----------
        depth : NDArray (Y, X) float32
            Signed distance to its border, px.
        places : NDArray (N, 2) float64
            Centres, px.
        roomy : bool
            Whether places with much room are tried after these.
        """
        mask = depth > 0
        for centre in places:
            if self._is_free(mask, corner := self._corner(mask, centre)):
                self._add(depth, corner)
                return True
        if not roomy:
            return False
        for centre in self._roomy(mask, len(places)):
            if self._is_free(mask, corner := self._corner(mask, centre)):
                self._add(depth, corner)
                return True
        return False

    def put_at_border(self, depth: NDArray[np.float32], cut: Cut, rng: np.random.Generator) -> bool:
        """Put an object that a border cuts at that border of the field, apart from all others."""
        mask, (height, width) = depth > 0, self.size
        for _ in range(TOUCH_TRIES):
            up, down, left, right = cut
            rows, columns = (length - 2 * MARGIN for length in mask.shape)
            y = _along(height - rows, up, down, rng)
            x = _along(width - columns, left, right, rng)
            if self._is_free(mask, corner := (y - MARGIN, x - MARGIN)):
                self._add(depth, corner)
                return True
        return False

    def put_against(self, depth: NDArray[np.float32], rng: np.random.Generator, new: bool) -> bool:
        """Move an object against another one until they touch; its border with it then runs midway.

        Parameters
        ----------
        depth : NDArray (Y, X) float32
            Signed distance to its border, px.
        rng : numpy.random.Generator
            Chooses the other one, the direction, and how far they overlap.
        new : bool
            Whether the other one should be one that touches none yet, if there is one.
        """
        mask = depth > 0
        area, reach = int(np.count_nonzero(mask)), float(np.hypot(mask.shape[0], mask.shape[1])) / 2
        alone = self.alone
        others = alone if new and alone else (sorted(self.groups) or alone)
        if not others:
            return False
        for _ in range(TOUCH_TRIES):
            other = others[int(rng.integers(len(others)))]
            angle, most = rng.uniform(0, 2 * np.pi), rng.uniform(0, MAX_OVERLAP) * area
            direction = np.array([np.sin(angle), np.cos(angle)])
            start, last = np.array(self.centres[other]), None
            step = max(1.0, reach / 16)
            far = self.radii[other] + reach + 2
            while far > 0:
                corner = self._corner(mask, start + far * direction)
                if self._overlap(mask, corner) > most:
                    if step == 1.0 or last is None:
                        break
                    far, step = far + step, 1.0
                    continue
                last = corner
                far -= step
            if last is not None and self._touches(mask, last) and self._is_inside(mask, last):
                self._add(depth, last)
                return True
        return False

    # --- places ---

    def _corner(self, mask: NDArray[np.bool_], centre: NDArray[np.float64]) -> Place:
        return round(float(centre[0]) - mask.shape[0] / 2), round(float(centre[1]) - mask.shape[1] / 2)

    def _parts(self, mask: NDArray[np.bool_], corner: Place) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the part of the field that the frame of an object covers, and the part of the frame."""
        (y, x), (rows, columns), (height, width) = corner, mask.shape, self.size
        if y >= 0 and x >= 0 and y + rows <= height and x + columns <= width:
            return (slice(y, y + rows), slice(x, x + columns)), (slice(rows), slice(columns))
        y0, y1, x0, x1 = max(y, 0), max(min(y + rows, height), 0), max(x, 0), max(min(x + columns, width), 0)
        here = slice(y0, max(y0, y1)), slice(x0, max(x0, x1))
        there = slice(y0 - y, max(y0, y1) - y), slice(x0 - x, max(x0, x1) - x)
        return here, there

    def _is_free(self, mask: NDArray[np.bool_], corner: Place) -> bool:
        here, there = self._parts(mask, corner)
        return not bool(((self.depth[here] > -APART) & mask[there]).any())

    def _overlap(self, mask: NDArray[np.bool_], corner: Place) -> int:
        here, there = self._parts(mask, corner)
        return int(np.count_nonzero((self.depth[here] > 0) & mask[there]))

    def _touches(self, mask: NDArray[np.bool_], corner: Place) -> bool:
        here, there = self._parts(mask, corner)
        return bool(((self.depth[here] > -1.5) & mask[there]).any())

    def _is_inside(self, mask: NDArray[np.bool_], corner: Place) -> bool:
        """Return whether the middle of an object lies in the field."""
        return all(
            0 <= first + side / 2 < whole for first, side, whole in zip(corner, mask.shape, self.size, strict=True)
        )

    def _roomy(self, mask: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
        """Return places (N, 2) where a disc of half the width of an object is free, the roomiest first."""
        from scipy.ndimage import distance_transform_edt

        free = distance_transform_edt(np.pad(self.depth[::2, ::2] <= -APART, 1, constant_values=True))[1:-1, 1:-1]
        wanted = np.sqrt(np.count_nonzero(mask) / np.pi) / 2
        rows, columns = np.nonzero(free > 0.6 * wanted)
        if not rows.size:
            return np.empty((0, 2))
        order = np.argsort(-free[rows, columns], kind="stable")[: 8 * ROOM_PLACES]
        chosen = order[np.linspace(0, len(order) - 1, min(ROOM_PLACES, len(order))).astype(int)]
        return np.asarray(2.0 * np.stack([rows[chosen], columns[chosen]], -1))

    # --- putting ---

    def _add(self, depth: NDArray[np.float32], corner: Place) -> None:
        here, there = self._parts(depth > 0, corner)
        new, old = depth[there], self.depth[here]
        number = self.number + 1
        deeper = (new > 0) & (new > old)
        self._count(deeper & (old <= 0), here)
        near = np.unique(self.labels[here][(new > -1.5) & (old > 0)])
        self.labels[here][deeper] = number
        np.maximum(old, new, out=self.depth[here])
        middle = [(first + side / 2) for first, side in zip(corner, depth.shape, strict=True)]
        self.centres.append((middle[0], middle[1]))
        self.radii.append(float(np.sqrt(np.count_nonzero(depth > 0) / np.pi)))
        if near.size:
            self._join([number - 1, *(int(one) - 1 for one in near)])

    def _count(self, covered: NDArray[np.bool_], here: tuple[slice, slice]) -> None:
        """Add those of the pixels that become covered in a part of the field that lie in the window."""
        part = tuple(
            slice(max(whole.start - first.start, 0), max(whole.stop - first.start, 0))
            for whole, first in zip(self.window, here, strict=True)
        )
        self.covered += int(np.count_nonzero(covered[part]))

    def _join(self, members: list[int]) -> None:
        """Note that these objects, counted from 0, touch: their groups become one."""
        joined = {self.groups[one] for one in members if one in self.groups}
        self.groups = {one: members[0] if group in joined else group for one, group in self.groups.items()}
        self.groups |= dict.fromkeys(members, members[0])


def _along(room: int, first: bool, last: bool, rng: np.random.Generator) -> int:
    """Return where an object begins along one side: at the first or last pixel if it is cut there, else anywhere."""
    if first or last:
        return 0 if first else room
    return int(rng.integers(min(0, room), max(0, room) + 1))
