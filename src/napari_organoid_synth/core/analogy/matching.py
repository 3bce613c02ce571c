"""Compiled search: which place of the sources looks like the surroundings of each pixel (PatchMatch, Barnes 2009)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.compiled import compiled
from napari_organoid_synth.core.analogy.features import NUMBERS, UNIT

_HALF = NUMBERS // 2
_SQUARE = np.float32(UNIT * UNIT)


@compiled
def mixed(number: Any) -> Any:
    """Scramble 64 bits (splitmix64): the same number gives the same bits everywhere."""
    number = np.uint64(number) + np.uint64(0x9E3779B97F4A7C15)
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


@compiled
def below(bits: Any, shift: Any, limit: Any) -> Any:
    """Return an integer from 0 to limit - 1 made from 24 of the bits."""
    part = (bits >> np.uint64(shift)) & np.uint64(0xFFFFFF)
    return np.int64((part * np.uint64(limit)) >> np.uint64(24))


@compiled
def difference(seen: NDArray[np.int16], i: int, j: int, book: NDArray[np.int16], y: int, x: int, bound: Any) -> Any:
    """Return the cost between the numbers of a pixel and of a place; at least the bound where it exceeds it."""
    total = np.float32(0)
    for k in range(_HALF):
        step = np.float32(np.int32(seen[i, j, k]) - np.int32(book[y, x, k]))
        total += step * step
    total *= _SQUARE
    if total >= bound:
        return total
    rest = np.float32(0)
    for k in range(_HALF, NUMBERS):
        step = np.float32(np.int32(seen[i, j, k]) - np.int32(book[y, x, k]))
        rest += step * step
    return total + rest * _SQUARE


@compiled
def search(
    field: NDArray[np.int32], guide: NDArray[np.float32], book: NDArray[np.float32], places: NDArray[np.int32],
    wanted: NDArray[np.bool_], top: int, left: int, tries: int, spread: float, seed: Any,
) -> None:  # fmt: skip
    """Find a place by the guide alone for each wanted pixel: the best of many, with random penalties.

    Parameters
    ----------
    field : NDArray (Y, X, 2) int32
        Row and column in the sheet; written where wanted.
    guide : NDArray (h, w, G) float32
        Guide numbers of the window.
    book : NDArray (N, G) float32
        Guide numbers of N places.
    places : NDArray (N, 2) int32
        Rows and columns of those in the sheet.
    wanted : NDArray (h, w) bool
        Pixels that need a place.
    top, left : int
        Place of the window on the canvas.
    tries : int
        Places tried for each pixel; all of them in turn if there are no more than that.
    spread : float
        Largest random penalty, in units of cost.
    seed : uint64
        Of all random choices.
    """
    number, numbers = book.shape
    for i in range(wanted.shape[0]):
        for j in range(wanted.shape[1]):
            if not wanted[i, j]:
                continue
            bits = mixed(np.uint64(seed) ^ (np.uint64((top + i) * 65536 + left + j) * np.uint64(0x9E3779B97F4A7C15)))
            best, chosen = np.float32(np.inf), 0
            count = min(tries, number)
            stride = number / count
            start = below(bits, 8, number)
            for k in range(count):
                place = (start + np.int64(k * stride)) % number
                bits = mixed(bits)
                cost = np.float32(spread) * np.float32(bits >> np.uint64(40)) / np.float32(1 << 24)
                if cost >= best:
                    continue
                for g in range(numbers):
                    step = guide[i, j, g] - book[place, g]
                    cost += step * step
                if cost < best:
                    best, chosen = cost, place
            field[top + i, left + j, 0] = places[chosen, 0]
            field[top + i, left + j, 1] = places[chosen, 1]


@compiled
def evaluate(
    field: NDArray[np.int32], cost: NDArray[np.float32], seen: NDArray[np.int16], book: NDArray[np.int16],
    penalty: NDArray[np.float32], top: int, left: int,
) -> None:  # fmt: skip
    """Compute the cost of the present place of every pixel of a window, (h, w)."""
    for i in range(cost.shape[0]):
        for j in range(cost.shape[1]):
            y, x = field[top + i, left + j, 0], field[top + i, left + j, 1]
            cost[i, j] = difference(seen, i, j, book, y, x, np.float32(np.inf)) + penalty[y >> 2, x >> 2]


@compiled
def agreement(field: NDArray[np.int32], known: NDArray[np.bool_], y: int, x: int, place_y: int, place_x: int) -> Any:
    """Return the share of the four neighbours that a place continues; those beyond the edge count as continued."""
    agree = 4
    height, width = known.shape
    for side in range(4):
        dy, dx = (side == 0) - (side == 1), (side == 2) - (side == 3)
        ny, nx = y + dy, x + dx
        if 0 <= ny < height and 0 <= nx < width and known[ny, nx]:
            agree -= field[ny, nx, 0] != place_y + dy or field[ny, nx, 1] != place_x + dx
    return np.float32(0.25) * np.float32(agree)


@compiled
def leap(
    now_y: int, now_x: int, now: float, bound: float, seen: NDArray[np.int16], i: int, j: int, book: NDArray[np.int16],
    pages: NDArray[np.int32], page_of: NDArray[np.int32], penalty: NDArray[np.float32], reach: int, anywhere: bool,
    bits: Any,
) -> tuple[int, int, float]:  # fmt: skip
    """Try a place anywhere, then jumps of a third of the reach each; take what costs less than the bound.

    Returns
    -------
    row, column : int
        The better place, or the present one.
    cost : float
        Its cost.
    """
    if anywhere:
        page = below(bits, 0, len(pages))
        cy = pages[page, 0] + below(bits, 20, pages[page, 2])
        cx = pages[page, 1] + below(bits, 40, pages[page, 3])
        extra = penalty[cy >> 2, cx >> 2]
        trial = difference(seen, i, j, book, cy, cx, bound - extra) + extra
        if trial < bound:
            now_y, now_x, now, bound = cy, cx, trial, trial
    far = reach
    while far >= 1:
        bits = mixed(bits)
        page = page_of[now_y]
        cy = now_y - far + below(bits, 4, 2 * far + 1)
        cx = now_x - far + below(bits, 34, 2 * far + 1)
        cy = min(max(cy, pages[page, 0]), pages[page, 0] + pages[page, 2] - 1)
        cx = min(max(cx, pages[page, 1]), pages[page, 1] + pages[page, 3] - 1)
        if cy != now_y or cx != now_x:
            extra = penalty[cy >> 2, cx >> 2]
            trial = difference(seen, i, j, book, cy, cx, bound - extra) + extra
            if trial < bound:
                now_y, now_x, now, bound = cy, cx, trial, trial
        far //= 3
    return now_y, now_x, now


@compiled
def sweep(
    field: NDArray[np.int32], cost: NDArray[np.float32], changed: NDArray[np.uint8], known: NDArray[np.bool_],
    seen: NDArray[np.int16], book: NDArray[np.int16], valid: NDArray[np.bool_], pages: NDArray[np.int32],
    page_of: NDArray[np.int32], penalty: NDArray[np.float32], top: int, left: int, reach: int, anywhere: bool,
    every: bool, coherence: float, seed: Any,
) -> int:  # fmt: skip
    """Improve the places of a window once: propagation from four sides at 3 and 1 px, a global candidate, jumps.

    Black and white pixels of a chessboard take turns. All pixels that one looks at have the other colour, so that the
    result does not depend on the order within a colour.

    Parameters
    ----------
    field : NDArray (Y, X, 2) int32
        Row and column in the sheet of every pixel of the canvas at this level; changed inside the window.
    cost : NDArray (h, w) float32
        Cost of these, of the window, without the price of breaks.
    changed : NDArray (Y, X) uint8
        1 for pixels that changed in this sweep, 2 in the one before; others propose nothing unless ``every``.
    known : NDArray (Y, X) bool
        Pixels that have a place.
    seen, book : NDArray (h, w, NUMBERS), (H, W, NUMBERS) int16
        Numbers of the window, and of the sheet with all sources.
    valid : NDArray (H, W) bool
        Pixels of the sheet that belong to a page.
    pages : NDArray (P, 4) int32
        First row, first column, height, width of each page.
    page_of : NDArray (H,) int32
        Page of each row of the sheet.
    penalty : NDArray (H / 4, W / 4) float32
        Cost for places that are used much.
    top, left : int
        Place of the window on the canvas.
    reach : int
        Largest jump, px; 0 for propagation alone.
    anywhere : bool
        Whether a place anywhere in the sources is tried as well.
    every : bool
        Whether neighbours at 3 px, and those that did not change, propose their places as well.
    coherence : float
        Price of a pixel whose place continues none of its four neighbours.
    seed : uint64
        Of all random choices.

    Returns
    -------
    int
        Pixels that changed.
    """
    height, width = known.shape
    price = np.float32(coherence)
    total = 0
    for colour in range(2):
        for i in range(cost.shape[0]):
            y = top + i
            for j in range((y + left + colour) & 1, cost.shape[1], 2):
                x = left + j
                now_y, now_x, now = field[y, x, 0], field[y, x, 1], cost[i, j]
                first_y, first_x = now_y, now_x
                broken = price * (np.float32(1) - agreement(field, known, y, x, now_y, now_x))
                tried_y, tried_x = now_y, now_x
                for k in range(8):
                    side, step = k >> 1, 1 if k & 1 else 3
                    if step == 3 and not every:
                        continue
                    dy = step * ((side == 0) - (side == 1))
                    dx = step * ((side == 2) - (side == 3))
                    ny, nx = y + dy, x + dx
                    if ny < 0 or nx < 0 or ny >= height or nx >= width or not known[ny, nx]:
                        continue
                    if not every and changed[ny, nx] == 0:
                        continue
                    cy, cx = field[ny, nx, 0] - dy, field[ny, nx, 1] - dx
                    if (cy == now_y and cx == now_x) or (cy == tried_y and cx == tried_x) or not valid[cy, cx]:
                        continue
                    tried_y, tried_x = cy, cx
                    breaks = price * (np.float32(1) - agreement(field, known, y, x, cy, cx))
                    extra = penalty[cy >> 2, cx >> 2]
                    bound = now + broken - breaks
                    trial = difference(seen, i, j, book, cy, cx, bound - extra) + extra
                    if trial < bound:
                        now_y, now_x, now, broken = cy, cx, trial, breaks
                if reach > 0 and now + broken > price:
                    now_y, now_x, now = leap(
                        now_y, now_x, now, now + broken - price, seen, i, j, book, pages, page_of, penalty, reach,
                        anywhere, mixed(np.uint64(seed) ^ (np.uint64(y * 65536 + x) * np.uint64(0x9E3779B97F4A7C15))),
                    )  # fmt: skip
                if now_y != first_y or now_x != first_x:
                    field[y, x, 0], field[y, x, 1] = now_y, now_x
                    changed[y, x] = 1
                    total += 1
                elif changed[y, x] == 1:
                    changed[y, x] = 2
                else:
                    changed[y, x] = 0
                cost[i, j] = now
    return total


@compiled
def carried(
    field: NDArray[np.int32], coarse: NDArray[np.int32], pages: NDArray[np.int32], coarse_pages: NDArray[np.int32],
    page_of: NDArray[np.int32], wanted: NDArray[np.bool_], top: int, left: int,
) -> None:  # fmt: skip
    """Carry places from the coarser level to the wanted pixels of a window.

    Parameters
    ----------
    field, coarse : NDArray (Y, X, 2), (ceil(Y / 2), ceil(X / 2), 2) int32
        Rows and columns of the sheets.
    pages, coarse_pages : NDArray (P, 4) int32
        Pages of both sheets.
    page_of : NDArray (H,) int32
        Page of each row of the coarse sheet.
    wanted : NDArray (h, w) bool
        Pixels that need a place.
    top, left : int
        Place of the window on the canvas.
    """
    for i in range(wanted.shape[0]):
        for j in range(wanted.shape[1]):
            if not wanted[i, j]:
                continue
            y, x = top + i, left + j
            sy, sx = coarse[y >> 1, x >> 1, 0], coarse[y >> 1, x >> 1, 1]
            page = page_of[sy]
            row = 2 * (sy - coarse_pages[page, 0]) + (y & 1)
            column = 2 * (sx - coarse_pages[page, 1]) + (x & 1)
            field[y, x, 0] = pages[page, 0] + min(row, pages[page, 2] - 1)
            field[y, x, 1] = pages[page, 1] + min(column, pages[page, 3] - 1)


@compiled
def vote(
    out: NDArray[np.float32], field: NDArray[np.int32], trust: NDArray[np.float32], colours: NDArray[np.float32],
    kernel: NDArray[np.float32], top: int, left: int, bottom: int, right: int,
) -> None:  # fmt: skip
    """Average what all patches over a pixel say about it, for the pixels of a window.

    Parameters
    ----------
    out : NDArray (Y, X, C) float32
        Written inside the window.
    field : NDArray (Y, X, 2) int32
        Rows and columns of the sheet.
    trust : NDArray (Y, X) float32
        Weight of each patch; 0 where no place is known.
    colours : NDArray (H, W, C + 1) float32
        Channels of the sheet and, last, 1 for pixels of a page and 0 between pages.
    kernel : NDArray (2 R + 1, 2 R + 1) float32
        Weight of the pixels of a patch.
    top, left, bottom, right : int
        The window.
    """
    height, width, channels = out.shape
    radius = kernel.shape[0] // 2
    total = np.zeros(channels + 1, np.float32)
    for y in range(top, bottom):
        for x in range(left, right):
            total[:] = 0
            for cy in range(max(0, y - radius), min(height, y + radius + 1)):
                for cx in range(max(0, x - radius), min(width, x + radius + 1)):
                    weight = trust[cy, cx] * kernel[y - cy + radius, x - cx + radius]
                    if weight > 0:
                        sy, sx = field[cy, cx, 0] + y - cy, field[cy, cx, 1] + x - cx
                        weight *= colours[sy, sx, channels]
                        total[channels] += weight
                        for c in range(channels):
                            total[c] += weight * colours[sy, sx, c]
            for c in range(channels):
                out[y, x, c] = total[c] / total[channels]
