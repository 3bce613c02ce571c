"""Outlines become numbered objects; one rule for all formats, and sentences about what could not be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.quantities import pixels, plural

Ring: TypeAlias = NDArray[np.float64]
"""A closed line (N, 2) of x and y in px; (0, 0) is the outer corner of the first pixel."""

MAX_COORDINATE = 1e7  # px
MAX_REPAINT = 300
"""Objects may cover the image this often, which no real annotation does; more would take hours."""
_CROSSINGS = 1_000_000  # of outlines and rows at a time, which bounds the memory
_ELLIPSE_SIDES = 360


@dataclass(frozen=True, eq=False)
class Window:
    """Pixels of an object, as a part of the image.

    Parameters
    ----------
    y, x : int
        First row and column in the image.
    inside : NDArray (Y, X) bool
        Whether a pixel belongs to the object.
    """

    y: int
    x: int
    inside: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DrawnObject:
    """One object as a program stores it.

    Parameters
    ----------
    parts : sequence of sequences of Ring
        Parts are united; within a part, each further ring is a hole (even-odd rule).
    window : Window, optional
        Its pixels, in formats that store pixels.
    class_name : str
        As the program names it.
    left_out : str
        What it is if it is not a single object with an area: "point", "line", "crowd region".
    """

    parts: Sequence[Sequence[Ring]] = ()
    window: Window | None = None
    class_name: str = ""
    left_out: str = ""


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """The objects of one image.

    Parameters
    ----------
    labels : NDArray (Y, X) int32
        A number per object, 0 is background.
    remarks : tuple of str
        What could not be kept, in words.
    is_objects : bool
        Whether each number is known to be an object; otherwise the numbers may mean anything.
    """

    labels: NDArray[np.int32]
    remarks: tuple[str, ...] = ()
    is_objects: bool = True


@dataclass
class _Losses:
    """What could not be kept of the objects of one image."""

    outside: int = 0
    small: int = 0
    others: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)

    def other_shapes(self) -> str:
        return " and ".join(plural(number, kind) for kind, number in sorted(self.others.items()))

    def remarks(self, overlap: int, hidden: int) -> tuple[str, ...]:
        names = [f"{name} ({number})" for name, number in self.classes.most_common(6)]
        names += ["…"] * (len(self.classes) > 6)
        sentences = {
            f"the classes {', '.join(names)} are not kept, only the single objects": len(self.classes) > 1,
            f"{overlap:,} px are in several objects, the later one wins": overlap,
            f"{plural(hidden, 'object')} hidden by later ones": hidden,
            f"{plural(self.outside, 'object')} outside the image left out": self.outside,
            f"{plural(self.small, 'object')} smaller than a pixel left out": self.small,
            f"{self.other_shapes()} left out": self.others,
        }
        return tuple(sentence for sentence, happened in sentences.items() if happened)


def ring(points: object) -> Ring:
    """Return points, as a sequence of (x, y, ...), as a ring; raise `ValueError` or `TypeError` if they are not.

    Fewer than three points are a ring without area, as programs write after a slip of the hand.
    """
    array = np.asarray([tuple(point)[:2] for point in points] or np.empty((0, 2)), np.float64)  # type: ignore[attr-defined]
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"an outline of the shape {array.shape}")
    return array


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Ring:
    """Return the ring of a rectangle from two opposite corners."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> Ring:
    """Return the ring of an ellipse around a centre."""
    turns = np.linspace(0, 2 * np.pi, _ELLIPSE_SIDES, endpoint=False)
    return np.stack([x + radius_x * np.cos(turns), y + radius_y * np.sin(turns)], axis=1)


def paint(objects: Iterable[DrawnObject], size: tuple[int, int], where: str) -> DrawnMask:
    """Number objects 1..n in their order; a pixel belongs to an object if its centre lies inside, the later one wins.

    Parameters
    ----------
    objects : iterable of DrawnObject
        Each is filled on its own, so that a generator needs little memory.
    size : (int, int)
        Height and width of the image, px.
    where : str
        The file, for messages.

    Raises
    ------
    UserError
        If nothing in it has an area, a coordinate is absurd, or the objects cover the image absurdly often.
    """
    labels, shared = np.zeros(size, np.int32), np.zeros(size, bool)
    losses, number, touched = _Losses(), 0, 0
    for shape in objects:
        if shape.left_out:
            losses.others[shape.left_out] += 1
            continue
        losses.classes[shape.class_name or "without a name"] += 1
        window = shape.window or fill(shape.parts, size, where)
        touched += window.inside.size
        if touched > MAX_REPAINT * max(labels.size, 1 << 18):
            raise UserError(
                f"The objects of {where} cover the image more than {MAX_REPAINT:,} times.",
                f"Expected outlines in an image of {pixels(size)}.",
                "Check whether this is the right file.",
            )
        if not window.inside.any():
            _count_missing(shape, size, losses)
            continue
        number += 1
        height, width = window.inside.shape
        place = slice(window.y, window.y + height), slice(window.x, window.x + width)
        shared[place] |= window.inside & (labels[place] > 0)
        labels[place][window.inside] = number
    if losses.others and not losses.classes:
        raise UserError(
            f"{where} contains {losses.other_shapes()} and no outline of an object.",
            "Expected areas: polygons, rectangles, ovals, freehand or traced outlines.",
            "Draw the outlines of the objects.",
        )
    hidden = number - int(np.count_nonzero(np.unique(labels)))
    return DrawnMask(labels, losses.remarks(int(np.count_nonzero(shared)), hidden))


def _count_missing(shape: DrawnObject, size: tuple[int, int], losses: _Losses) -> None:
    """Count an object without pixels as outside the image or as too small."""
    points = _points(shape.parts)
    is_outside = (points.max(0) <= 0).any() or (points.min(0) >= size[::-1]).any()
    losses.outside += bool(is_outside)
    losses.small += not is_outside


def _points(parts: Sequence[Sequence[Ring]]) -> Ring:
    """Return the points of all rings; the corner of the image if there are none."""
    rings = [points for part in parts for points in part if len(points)]
    return np.concatenate(rings) if rings else np.zeros((1, 2))


def fill(parts: Sequence[Sequence[Ring]], size: tuple[int, int], where: str) -> Window:
    """Return the pixels whose centres lie in one of the parts of an object; memory follows the image.

    Parameters
    ----------
    parts : sequence of sequences of Ring
        As in `DrawnObject`.
    size : (int, int)
        Height and width of the image, px.
    where : str
        The file, for messages.

    Raises
    ------
    UserError
        If a coordinate is not finite or above 10 million px.
    """
    points = _points(parts)
    wrong = ~(np.abs(points) <= MAX_COORDINATE)
    if wrong.any():
        raise UserError(
            f"{where} has an outline with the coordinate {points[wrong][0]:g}.",
            f"Expected pixels of an image of {pixels(size)}.",
            "Export the outlines again.",
        )
    left, top = (int(edge) for edge in np.floor(np.clip(points.min(0), 0, size[::-1])))
    right, bottom = (int(edge) for edge in np.ceil(np.clip(points.max(0), 0, size[::-1])))
    inside = np.zeros((bottom - top, right - left), bool)
    for part in parts:
        inside |= _fill_rings([points - (left, top) for points in part], inside.shape)
    return Window(top, left, inside)


def _fill_rings(rings: Sequence[Ring], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Fill rings by the even-odd rule: along the middle of a row, in and out swap at each crossing with a ring."""
    swaps = np.zeros((shape[0], shape[1] + 1), np.uint8)
    for points in filter(len, rings):
        for rows, x in _crossings(points, shape[0]):
            columns = np.clip(np.ceil(x - 0.5), 0, shape[1]).astype(np.int64)
            np.add.at(swaps, (rows, columns), 1)  # wraps at 256, which is even
    odd: NDArray[np.bool_] = (np.cumsum(swaps[:, :-1], axis=1, dtype=np.uint8) & 1).astype(bool)
    return odd


def _crossings(points: Ring, height: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield row and x of the crossings of a ring with the middles of the rows, some at a time."""
    ends = np.roll(points, -1, axis=0)
    up = points[:, 1] > ends[:, 1]
    low, high = np.where(up[:, None], ends, points), np.where(up[:, None], points, ends)
    first, last = (np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64) for y in (low[:, 1], high[:, 1]))
    totals = np.cumsum(last - first)
    cuts = np.searchsorted(totals, np.arange(_CROSSINGS, totals[-1], _CROSSINGS)) + 1
    for edges in np.split(np.arange(len(points)), cuts):
        counts = (last - first)[edges]
        edge = np.repeat(edges, counts)
        rows = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
        slopes = (high[edge, 0] - low[edge, 0]) / (high[edge, 1] - low[edge, 1])
        yield rows, low[edge, 0] + (rows + 0.5 - low[edge, 1]) * slopes
