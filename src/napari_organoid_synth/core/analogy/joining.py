"""Compiled joining of pieces: small steps of brightness where they meet are spread over some pixels.

As in gradient-domain editing (Pérez 2003, doi 10.1145/1201775.882269), but for small steps alone and held near the
values that were voted for, so that edges of objects stay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.compiled import compiled


@compiled
def joined(
    image: NDArray[np.float32], field: NDArray[np.int32], known: NDArray[np.bool_], colours: NDArray[np.float32],
    largest: float, hold: float, rounds: int, top: int, left: int, bottom: int, right: int,
) -> None:  # fmt: skip
    """Spread small steps between pieces.

    Parameters
    ----------
    image : NDArray (Y, X, C) float32
        Changed inside the window.
    field : NDArray (Y, X, 2) int32
        Rows and columns of the sheet.
    known : NDArray (Y, X) bool
        Pixels that are painted.
    colours : NDArray (H, W, C + 1) float32
        Channels of the sheet and, last, 1 for pixels of a page.
    largest : float
        Steps above it stay, in any channel.
    hold : float
        Weight of the present value against that of a neighbour.
    rounds : int
        Rounds of relaxation.
    top, left, bottom, right : int
        The window.
    """
    height, width, channels = image.shape
    first = image[top:bottom, left:right].copy()
    bend = np.zeros(first.shape, np.float32)  # sum of the wanted steps to the neighbours
    near = np.zeros(first.shape[:2], np.float32)
    for y in range(top, bottom):
        for x in range(left, right):
            sy, sx = field[y, x, 0], field[y, x, 1]
            for side in range(4):
                dy, dx = (side == 0) - (side == 1), (side == 2) - (side == 3)
                ny, nx = y + dy, x + dx
                if ny < 0 or nx < 0 or ny >= height or nx >= width or not known[ny, nx]:
                    continue
                near[y - top, x - left] += 1
                qy, qx = field[ny, nx, 0], field[ny, nx, 1]
                lower_even = ((y + x - (dy + dx < 0)) & 1) == 0
                mine = lower_even == (dy + dx > 0)  # so both pixels agree whose continuation counts
                fy, fx = (sy, sx) if mine else (qy - dy, qx - dx)
                ty, tx = (sy + dy, sx + dx) if mine else (qy, qx)
                small = colours[fy, fx, channels] > 0 and colours[ty, tx, channels] > 0
                for c in range(channels):
                    step = image[ny, nx, c] - image[y, x, c]
                    small = small and abs(step - colours[ty, tx, c] + colours[fy, fx, c]) < largest
                for c in range(channels):
                    step = image[ny, nx, c] - image[y, x, c]
                    if small:
                        step = colours[ty, tx, c] - colours[fy, fx, c]
                    bend[y - top, x - left, c] += step
    for _ in range(rounds):
        for colour in range(2):
            for y in range(top, bottom):
                for x in range(left + ((y + left + colour) & 1), right, 2):
                    i, j = y - top, x - left
                    for c in range(channels):
                        total = hold * first[i, j, c] - bend[i, j, c]
                        if y > 0 and known[y - 1, x]:
                            total += image[y - 1, x, c]
                        if y + 1 < height and known[y + 1, x]:
                            total += image[y + 1, x, c]
                        if x > 0 and known[y, x - 1]:
                            total += image[y, x - 1, c]
                        if x + 1 < width and known[y, x + 1]:
                            total += image[y, x + 1, c]
                        image[y, x, c] = total / (hold + near[i, j])
