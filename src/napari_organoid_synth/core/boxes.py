"""Boxes of pixels: first row and column, last row and column plus one."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Box: TypeAlias = tuple[int, int, int, int]
"""First row and column, last row and column plus one."""


def box_of(where: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box that holds every pixel (Y, X) that is true; None where none is."""
    rows = np.flatnonzero(where.any(axis=1))
    if not len(rows):
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(where[top:bottom].any(axis=0))
    return top, int(columns[0]), bottom, int(columns[-1]) + 1


def changed_box(before: NDArray[Any], after: NDArray[Any]) -> Box | None:
    """Return the smallest box that holds every pixel (..., Y, X) that differs; None where none does."""
    differ = before != after
    while differ.ndim > 2:
        differ = differ.any(axis=0)
    return box_of(differ)


def union(one: Box | None, other: Box | None) -> Box | None:
    """Return the smallest box that holds two, of which each may be missing."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def widened(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    """Return a box with a margin around it, cut at the edges of a canvas of this height and width."""
    top, left, bottom, right = box
    return max(0, top - margin), max(0, left - margin), min(shape[0], bottom + margin), min(shape[1], right + margin)
