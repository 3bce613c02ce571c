"""Pieces of real masks: where each object lies, whether the border of the image cuts it, which objects touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.mask_kind import compact_ids, pieces_of
from napari_organoid_synth.core.pairs.pair import MaskKind

T = TypeVar("T")

MAX_IMAGES = 50
"""Masks that are measured at most."""
MIN_AREA = 15
"""Smaller pieces are specks, px."""
NET = 30
"""Area of a thin net: this many times that of the largest disc within. A line is one when 24 times as long as wide."""
BORDER = 3
"""Pixels along the border of an image; what reaches them is cut, for annotations often leave out the outermost ones."""
NEAR = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""Steps in rows and columns to the pixels that a pixel touches; a gap of one pixel is no gap."""

Box = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Piece:
    """A connected piece of a binary mask or of a class, or an instance.

    Parameters
    ----------
    number : int
        Its number in the numbered mask.
    mask : NDArray (Y, X) bool
        Its pixels in its bounding box.
    box : (slice, slice)
        Rows and columns of the box.
    value : int
        Its label in masks of classes, otherwise 1.
    cut : (bool, bool, bool, bool)
        Whether it reaches the upper, lower, left and right border of the image.
    """

    number: int
    mask: NDArray[np.bool_]
    box: Box
    value: int
    cut: tuple[bool, bool, bool, bool]

    @property
    def area(self) -> int:
        """Pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def is_whole(self) -> bool:
        """Whether it reaches no border."""
        return not any(self.cut)


def numbered(labels: NDArray[np.int32], mask_kind: MaskKind) -> NDArray[np.int32]:
    """Return one number per object (Y, X): instances as they are, else the connected pieces."""
    return compact_ids(labels) if mask_kind == "instances" else pieces_of(compact_ids(labels))


def find_pieces(
    labels: NDArray[np.int32], objects: NDArray[np.int32], mask_kind: MaskKind, min_area: int = MIN_AREA
) -> list[Piece]:
    """Return the pieces of a mask (Y, X) without specks, in the order of their numbers in ``objects``."""
    areas = np.bincount(objects.ravel())
    found = []
    for number, box in enumerate(boxes(objects), 1):
        if box is None or areas[number] < min_area:
            continue
        mask = objects[box] == number
        value = int(labels[box][mask][0]) if mask_kind == "classes" else 1
        (rows, columns), (height, width) = box, objects.shape
        cut = rows.start < BORDER, height - rows.stop < BORDER, columns.start < BORDER, width - columns.stop < BORDER
        found.append(Piece(number, mask, box, value, cut))
    return found


def evenly_spaced(items: Sequence[T]) -> list[T]:
    """Return at most 50 items, evenly spaced from the first to the last."""
    places = np.linspace(0, len(items) - 1, min(len(items), MAX_IMAGES))
    return [items[i] for i in np.unique(places.round().astype(int))]


def boxes(objects: NDArray[np.int32]) -> list[Box | None]:
    """Return the bounding box of each number from 1; None for one that is not there."""
    from scipy.ndimage import find_objects

    found: Any = find_objects(objects)
    return list(found)


def net_values(labels: NDArray[np.int32], objects: NDArray[np.int32]) -> set[int]:
    """Return the labels of which at least half of the pixels lie in thin nets, such as membranes."""
    from scipy.ndimage import distance_transform_edt

    areas = np.bincount(objects.ravel())
    nets = set[int]()
    for value in np.unique(labels[labels > 0]).tolist():
        inside = labels == value
        numbers = objects[inside]
        widths = np.zeros(len(areas))
        np.maximum.at(widths, numbers, distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1][inside])
        numbers = np.unique(numbers)
        is_net = areas[numbers] > NET * np.pi * widths[numbers] ** 2
        if areas[numbers][is_net].sum() >= areas[numbers].sum() / 2:
            nets.add(value)
    return nets


def touching(objects: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the numbers of the objects (Y, X) that touch another, with a gap of at most one pixel."""
    found = []
    height, width = objects.shape
    for down, right in NEAR:
        here = objects[: height - down, max(0, -right) : width - max(0, right)]
        there = objects[down:, max(0, right) : width + min(0, right)]
        meet = here != there
        first, second = here[meet], there[meet]
        both = (first > 0) & (second > 0)
        found += [first[both], second[both]]
    return np.asarray(np.unique(np.concatenate(found)), np.intp)


def contact_share(objects: NDArray[np.int32]) -> float:
    """Compute the share of objects (Y, X) of at least 15 px that touch another."""
    large = np.bincount(objects.ravel())[1:] >= MIN_AREA
    if not large.any():
        return 0.0
    return float(large[touching(objects) - 1].sum() / large.sum())


def clump_size(objects: NDArray[np.int32]) -> float:
    """Compute the mean number of objects (Y, X) in a group that touch one another; 2 where none do."""
    from scipy.ndimage import binary_dilation, label

    numbers = touching(objects)
    if not numbers.size:
        return 2.0
    groups = label(binary_dilation(np.isin(objects, numbers), np.ones((2, 2))), np.ones((3, 3)))[1]
    return max(2.0, numbers.size / max(1, int(groups)))
