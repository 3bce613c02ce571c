"""An image that was painted onto a mask, with what is known of its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Painted:
    """An image that was painted onto a mask.

    Parameters
    ----------
    image : NDArray (C, Y, X)
        Native dtype.
    seed : int, optional
        That it was painted with, where its painter puts it together from real images.
    sources : mapping of str to float
        Share of its pixels by the name of the real image that they were taken from; empty for networks.
    residual : mapping of int to float
        Misfit of each object or class: 1 where it is matched as well as real objects are among themselves.
    largest_piece : int
        Area of the largest piece that was taken over as it was, px.
    """

    image: NDArray[Any]
    seed: int | None = None
    sources: Mapping[str, float] = field(default_factory=dict)
    residual: Mapping[int, float] = field(default_factory=dict)
    largest_piece: int = 0
