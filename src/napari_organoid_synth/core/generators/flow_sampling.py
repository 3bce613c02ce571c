"""From noise to picture: noise, steps, and pictures larger than what the network sees at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.generators.canvas import NORMAL, Stream, device_of, fill
from napari_organoid_synth.core.generators.flow_network import STRIDE, levelled

Field = Callable[[Tensor, slice, slice], Tensor]
"""Velocity (N, C, y, x) of a part of a picture, cut out already, and the rows and columns it was cut from."""
Rectangle = tuple[slice, slice]
"""Rows and columns of a picture."""
FADE = 8  # px


def draw_noise(
    streams: Sequence[Stream], shape: tuple[int, ...], variety: float = 1.0, cell: int | None = None
) -> Tensor:
    """Draw levelled noise: √(1 − v²) of always the same, and v of new noise, so that its spread stays 1.

    Parameters
    ----------
    streams : sequence of Stream
        One for all, or one per sample.
    shape : (int, int, int, int)
        N, C, Y, X; the sides are even.
    variety : float
        v: 0 always gives the same noise, 1 and more new noise alone.
    cell : int, optional
        Side of the squares, px, in each of which the noise is levelled; an even number. None: the whole.

    Returns
    -------
    Tensor (N, C, Y, X) float32
        Mean 0 in each of the four folded planes of each square.
    """
    number, *rest = shape
    each, device = number if len(streams) == 1 else 1, device_of(streams[0])
    share = min(max(variety, 0.0), 1.0)
    noise = torch.cat([fill(torch.empty(each, *rest, device=device), stream, NORMAL) for stream in streams])
    if share < 1:
        still = torch.randn(1, *rest, generator=random_stream(device, "flow", "still"), device=device)
        noise = share * noise + (1 - share**2) ** 0.5 * still
    side = cell or max(shape[-2:])
    for top, left in product(range(0, shape[-2], side), range(0, shape[-1], side)):
        square = (..., slice(top, top + side), slice(left, left + side))
        noise[square] = levelled(noise[square])
    return noise


def follow(x: Tensor, velocity: Callable[[Tensor, float], Tensor], steps: int, start: float = 0.0) -> Tensor:
    """Follow a velocity from a time to 1 in equal Euler steps.

    Parameters
    ----------
    x : Tensor
        The picture at the time ``start``.
    velocity : callable
        Of a picture at a time.
    steps : int
        At least 1.
    start : float
        In [0, 1).
    """
    length = (1 - start) / steps
    for number in range(steps):
        x = x + length * velocity(x, start + number * length)
    return x


def averaged(field: Field, x: Tensor, side: int) -> Tensor:
    """Compute the velocity of a picture of any size: the mean of overlapping windows, nearer to their middle more.

    Averaging at every step, not at the end, keeps neighbouring windows in agreement (MultiDiffusion: Bar-Tal 2023,
    arXiv 2302.08113), so there is no seam.

    Parameters
    ----------
    field : Field
        Velocity of a part.
    x : Tensor (N, C, Y, X)
        Sides are multiples of 16 px.
    side : int
        Side of a window, px, a multiple of 16; a picture that is not larger is one window.
    """
    height, width = x.shape[-2:]
    if height <= side and width <= side:
        return field(x, slice(0, height), slice(0, width))
    total, weights = torch.zeros_like(x), torch.zeros_like(x[:1, :1])
    for top, left in product(starts(height, side), starts(width, side)):
        rows, columns = slice(top, min(top + side, height)), slice(left, min(left + side, width))
        window = _pyramid(rows.stop - rows.start, columns.stop - columns.start, x)
        total[..., rows, columns] += window * field(x[..., rows, columns], rows, columns)
        weights[..., rows, columns] += window
    return total / weights


def starts(length: int, side: int) -> list[int]:
    """Return the first pixels of windows that overlap by a quarter or more, multiples of 16 px."""
    if length <= side:
        return [0]
    number = -(-(length - side) // (side - side // 4)) + 1
    return [round(place * (length - side) / (number - 1) / STRIDE) * STRIDE for place in range(number)]


def faded(inner: Rectangle, outer: Rectangle, picture: Tensor) -> Tensor:
    """Weights (y, x) of an outer part of a picture: 1 in the inner one, falling to 0 over 8 px around it."""
    ramps = []
    for own, seen in zip(inner, outer, strict=True):
        at = torch.arange(seen.start, seen.stop, device=picture.device)
        away = torch.maximum(own.start - at, at - own.stop + 1).clamp_min(0)
        ramps.append((1 - away / (FADE + 1)).clamp(0, 1))
    return ramps[0][:, None] * ramps[1]


def padded(x: Tensor) -> Tensor:
    """Repeat the last row and column of (N, C, Y, X) until the sides are multiples of 16 px."""
    below, right = (-side % STRIDE for side in x.shape[-2:])
    return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


def _pyramid(height: int, width: int, like: Tensor) -> Tensor:
    """Weights (height, width) that fall from the middle to the border, above 0."""
    ramps = [torch.minimum(torch.arange(1, n + 1), torch.arange(n, 0, -1)) / n for n in (height, width)]
    return (ramps[0][:, None] * ramps[1]).to(like)
