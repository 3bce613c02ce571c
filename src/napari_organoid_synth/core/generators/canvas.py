"""Random numbers of networks: of a stream, of a tile of a canvas, or of several streams mixed.

The numbers of a tile belong to places, so that neighbouring tiles see the same; a mix of two streams leads gradually
from the sample of the one to that of the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, TypeAlias

import torch
from torch import Tensor

from napari_organoid_synth.core.device import random_stream

EDGE = 1e-6
"""Distance of a probability from 0 and 1, so that its quantile is finite."""


# --- what is drawn ---------------------------------------------------------------------------------------------------


class Normal:
    """Fills tensors with numbers of N(0, 1)."""

    def __call__(self, out: Tensor, rng: torch.Generator) -> None:
        """Fill a tensor in place."""
        out.normal_(generator=rng)

    def source(self, out: Tensor, rng: torch.Generator, number: int) -> None:
        """Fill a tensor in place with the numbers of N(0, 1) that are mixed: those of `__call__`."""
        self(out, rng)

    def decided(self, mixed: Tensor) -> Tensor:
        """Return what mixed numbers of N(0, 1) mean: themselves."""
        return mixed


class Bernoulli:
    """Fills tensors with 1 at a given rate, else 0.

    To mix two draws, each is seen as numbers of N(0, 1) that are 1 below a threshold: the mix of these numbers has the
    same threshold and so the same rate, and places change one by one on the way.

    Parameters
    ----------
    rate : float
        Probability of 1, between 0 and 1.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.threshold = NormalDist().inv_cdf(min(max(rate, EDGE), 1 - EDGE))

    def __call__(self, out: Tensor, rng: torch.Generator) -> None:
        """Fill a tensor in place."""
        out.bernoulli_(self.rate, generator=rng)

    def source(self, out: Tensor, rng: torch.Generator, number: int) -> None:
        """Fill a tensor in place with numbers of N(0, 1) that are below the threshold where `__call__` draws 1.

        ``number`` counts the maps of a sample: their depth below or above the threshold comes from a stream of its own.
        """
        self(out, rng)
        depth = torch.empty_like(out).uniform_(generator=random_stream(out.device, "depth", rng.initial_seed(), number))
        below, above = depth * self.rate, self.rate + depth * (1 - self.rate)
        out.copy_(torch.special.ndtri(torch.where(out > 0, below, above).clamp_(EDGE, 1 - EDGE)))

    def decided(self, mixed: Tensor) -> Tensor:
        """Return what mixed numbers of N(0, 1) mean: whether they are below the threshold."""
        return mixed < self.threshold


Draw: TypeAlias = Normal | Bernoulli
NORMAL = Normal()


# --- where it comes from ---------------------------------------------------------------------------------------------


class TileStream:
    """The random numbers of one tile of a canvas.

    Every feature map covers the canvas with numbers that depend on the seed and the place alone, whatever tile looks at
    them and in whatever order: where tiles overlap they see the same noise, up to half a pixel of the feature map.
    Nothing is kept, the canvas may be as large as it likes: numbers are drawn in blocks of the size of a tile, at most
    four for each tile.

    Parameters
    ----------
    seed : int
        Of the canvas.
    y, x : int
        First row and column of the tile, px.
    tile : int
        Side of the tile, px.
    """

    def __init__(self, seed: int, y: int, x: int, tile: int) -> None:
        self.seed, self.y, self.x, self.tile = seed, y, x, tile
        self._drawn = 0  # maps of one sample are told apart by their order

    def fill(self, out: Tensor, draw: Callable[[Tensor, torch.Generator], object]) -> None:
        """Fill a map of the tile, the next one in the order of the network.

        Parameters
        ----------
        out : Tensor (C, h, h)
            Filled in place; h is the side of the tile or a part of it.
        draw : callable
            Fills a tensor in place from a stream.
        """
        number, self._drawn = self._drawn, self._drawn + 1
        side = out.shape[-1]
        top, left = (round(first * side / self.tile) for first in (self.y, self.x))
        block = torch.empty(out.shape, dtype=out.dtype, device=out.device)
        for down in range(top // side, (top + side - 1) // side + 1):
            for right in range(left // side, (left + side - 1) // side + 1):
                draw(block, random_stream(out.device, "canvas", self.seed, number, down, right))
                rows, own_rows = _overlap(down * side, top, side)
                columns, own_columns = _overlap(right * side, left, side)
                out[:, own_rows, own_columns] = block[:, rows, columns]


class MixedStream:
    """Random numbers of several streams, mixed so that their variance stays 1.

    Parameters
    ----------
    parts : sequence of (Stream, float)
        Independent streams and their weights, which are divided by the root of the sum of their squares; those of
        weight 0 are not used, and a single one of positive weight is used as it is, bit for bit.

    Raises
    ------
    ValueError
        If all weights are 0.
    """

    def __init__(self, parts: Sequence[tuple[Stream, float]]) -> None:
        self.parts: list[tuple[StepStream | TileStream, float]] = []
        length = math.hypot(*(weight for _, weight in parts))
        if not length:
            raise ValueError("a mix needs a weight that is not 0")
        for stream, weight in parts:
            inner = stream.parts if isinstance(stream, MixedStream) else [(stream, 1.0)]
            self.parts += [(one, share * weight / length) for one, share in inner if weight]
        self._drawn = 0

    @classmethod
    def between(cls, first: Stream, last: Stream, share: float) -> MixedStream:
        """Mix two streams along a quarter of a circle: the first at ``share`` 0, the last at 1."""
        angle = share * math.pi / 2
        return cls([(first, 0.0 if share == 1 else math.cos(angle)), (last, math.sin(angle))])

    def fill(self, out: Tensor, draw: Draw) -> None:
        """Fill (N, ...) in place, or (1, C, Y, X) where streams are those of tiles."""
        number, self._drawn = self._drawn, self._drawn + 1
        if len(self.parts) == 1 and self.parts[0][1] > 0:
            _fill(out, self.parts[0][0], draw)
            return
        total = torch.zeros_like(out)
        for stream, weight in self.parts:
            _fill(out, stream, lambda part, rng: draw.source(part, rng, number))
            total.add_(out, alpha=weight)
        out.copy_(draw.decided(total))


class PartStream:
    """The random numbers of a step whose batch several processes share.

    Each process draws the numbers of the whole batch and keeps its own, so that together they draw what one process
    would.

    Parameters
    ----------
    stream : torch.Generator
        Of the step, the same in every process.
    part, parts : int
        Which part of the batch this process has, and how many there are; all are equally large.
    """

    def __init__(self, stream: torch.Generator, part: int, parts: int) -> None:
        self.stream, self.part, self.parts = stream, part, parts

    @property
    def device(self) -> torch.device:
        """Device of the stream."""
        return self.stream.device

    def draw(self, shape: Sequence[int], draw: Callable[..., Tensor], **options: Any) -> Tensor:
        """Return the own part (N, ...) of what ``draw`` gives for the whole batch."""
        number = shape[0]
        whole = draw((number * self.parts, *shape[1:]), generator=self.stream, device=self.device, **options)
        return whole[self.part * number : (self.part + 1) * number]

    def fill(self, out: Tensor, draw: Callable[[Tensor, torch.Generator], object]) -> None:
        """Fill (N, ...) in place."""
        number = len(out)
        whole = torch.empty((number * self.parts, *out.shape[1:]), dtype=out.dtype, device=out.device)
        draw(whole, self.stream)
        out.copy_(whole[self.part * number : (self.part + 1) * number])


Stream: TypeAlias = torch.Generator | TileStream | MixedStream | PartStream
"""A stream of random numbers, those of a tile of a canvas, several mixed, or a part of those of a batch."""
StepStream: TypeAlias = torch.Generator | PartStream
"""A stream of the random numbers of a training step."""


def normal(shape: Sequence[int], rng: StepStream) -> Tensor:
    """Draw numbers of N(0, 1), (N, ...), on the device of the stream."""
    if isinstance(rng, PartStream):
        return rng.draw(shape, torch.randn)
    return torch.randn(tuple(shape), generator=rng, device=rng.device)


def uniform(shape: Sequence[int], rng: StepStream, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draw numbers in [0, 1), (N, ...), on the device of the stream."""
    if isinstance(rng, PartStream):
        return rng.draw(shape, torch.rand, dtype=dtype)
    return torch.rand(tuple(shape), generator=rng, device=rng.device, dtype=dtype)


def fill(out: Tensor, stream: Stream, draw: Draw) -> Tensor:
    """Fill (N, ...) in place from a stream, or (1, C, Y, X) with the numbers of a tile; return it."""
    if isinstance(stream, MixedStream):
        stream.fill(out, draw)
    else:
        _fill(out, stream, draw)
    return out


def device_of(stream: Stream) -> torch.device:
    """Return the device of a stream; that of the numbers of a tile is wherever they are asked for: the processor."""
    if isinstance(stream, MixedStream):
        return device_of(stream.parts[0][0])
    return torch.device("cpu") if isinstance(stream, TileStream) else stream.device


def at_tile(stream: Stream, y: int, x: int, tile: int) -> Stream:
    """Return the random numbers of a tile of the canvas that belongs to a stream; see `TileStream`."""
    if isinstance(stream, MixedStream):
        return MixedStream([(at_tile(part, y, x, tile), weight) for part, weight in stream.parts])
    if isinstance(stream, TileStream):
        return TileStream(stream.seed, stream.y + y, stream.x + x, tile)
    whole = stream.stream if isinstance(stream, PartStream) else stream
    return TileStream(whole.initial_seed(), y, x, tile)


def _fill(out: Tensor, stream: StepStream | TileStream, draw: Callable[[Tensor, torch.Generator], object]) -> None:
    if isinstance(stream, TileStream):
        stream.fill(out[0], draw)
    elif isinstance(stream, PartStream):
        stream.fill(out, draw)
    else:
        draw(out, stream)


def _overlap(block: int, tile: int, side: int) -> tuple[slice, slice]:
    """Return the pixels of a block that a tile sees, and their place in the tile; both begin there and are as large."""
    first, last = max(block, tile), min(block, tile) + side
    return slice(first - block, last - block), slice(first - tile, last - tile)
