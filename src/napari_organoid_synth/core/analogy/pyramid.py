"""Halving of channels, and regions of a canvas at each halving."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.boxes import Box


def halved(channels: NDArray[Any]) -> NDArray[np.float32]:
    """Average squares of 2 × 2 px.

    Parameters
    ----------
    channels : NDArray (C, Y, X)
        An odd side is continued by its last row or column.

    Returns
    -------
    NDArray (C, ceil(Y / 2), ceil(X / 2)) float32
    """
    odd = [(0, side % 2) for side in channels.shape[1:]]
    padded = np.pad(channels, [(0, 0), *odd], mode="edge") if any(odd[0] + odd[1]) else channels
    quarters = padded[:, ::2, ::2] + padded[:, 1::2, ::2] + padded[:, ::2, 1::2] + padded[:, 1::2, 1::2]
    return np.asarray(quarters / np.float32(4), np.float32)


def pyramid(channels: NDArray[Any], levels: int) -> list[NDArray[np.float32]]:
    """Halve again and again; the first level is the array itself."""
    found = [np.asarray(channels, np.float32)]
    for _ in range(levels - 1):
        found.append(halved(found[-1]))
    return found


def at_level(window: Box, level: int, shape: tuple[int, int]) -> Box:
    """Return the pixels of a level that a window of the canvas touches.

    Parameters
    ----------
    window : (int, int, int, int)
        In pixels of level 0.
    level : int
        Number of halvings.
    shape : (int, int)
        Height and width of that level.
    """
    step = 1 << level
    top, left, bottom, right = window
    return (
        max(0, top // step),
        max(0, left // step),
        min(shape[0], -(-bottom // step)),
        min(shape[1], -(-right // step)),
    )
