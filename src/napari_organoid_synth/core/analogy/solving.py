"""Solve a window of a canvas: from the coarsest level to the finest, search and vote in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_organoid_synth.core.analogy.book import Book, Metric, Sheet
from napari_organoid_synth.core.analogy.features import GUIDE_NUMBERS, NUMBERS, RADIUS, packed
from napari_organoid_synth.core.analogy.joining import joined
from napari_organoid_synth.core.analogy.matching import carried, evaluate, search, sweep, vote
from napari_organoid_synth.core.analogy.pyramid import at_level, pyramid
from napari_organoid_synth.core.boxes import Box, widened

USE = 0.1
"""Cost of a place that is used e - 1 times as often as others."""
ITERATIONS = {"full": (2, 3, 4, 8, 8), "fast": (1, 2, 3, 4, 4)}
"""Of each level, the finest first."""
SWEEPS = 2
FINE_REACH = 12  # px: largest jump at the finest level
COHERENCE = 0.2
"""Price of a pixel whose place continues none of its neighbours."""
LARGEST_STEP, HOLD, JOIN = 0.08, 0.03, 24
"""Of the joining of pieces: largest step, of the range of the image; hold on to what was voted; rounds."""
TRIES, SPREAD = 2048, 0.3  # places tried for each pixel of the coarsest level; largest random penalty
_BLOCK = 4  # px: side of the blocks in which use is counted
_SOFT, _SHARP = 1.3, 0.6  # px: σ of the vote, and of the last one


@dataclass(frozen=True, eq=False)
class Layer:
    """A canvas at one level of the pyramid.

    Parameters
    ----------
    guide : NDArray (G, Y, X) float32
    field : NDArray (Y, X, 2) int32
        Row and column of the sheet that each pixel is taken from.
    image : NDArray (Y, X, C) float32
    trust : NDArray (Y, X) float32
        Weight of the patch around each pixel in a vote.
    known : NDArray (Y, X) bool
        Pixels that are painted.
    used : NDArray (ceil(H / 4), ceil(W / 4)) int64
        How many pixels are taken from each block of the sheet.
    """

    guide: NDArray[np.float32]
    field: NDArray[np.int32]
    image: NDArray[np.float32]
    trust: NDArray[np.float32]
    known: NDArray[np.bool_]
    used: NDArray[np.int64]

    @classmethod
    def empty(cls, guide: NDArray[np.float32], sheet: Sheet) -> Self:
        """Return a layer with nothing on it, which is painted from a sheet."""
        shape = guide.shape[1:]
        height, width, channels = sheet.colours.shape
        return cls(
            guide,
            np.zeros((*shape, 2), np.int32),
            np.zeros((*shape, channels - 1), np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, bool),
            np.zeros((height // _BLOCK + 1, width // _BLOCK + 1), np.int64),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.known.shape[0], self.known.shape[1]

    def copied(self) -> Self:
        """Return a layer that can be changed."""
        return replace(
            self,
            guide=self.guide.copy(),
            field=self.field.copy(),
            image=self.image.copy(),
            trust=self.trust.copy(),
            known=self.known.copy(),
            used=self.used.copy(),
        )


def empty_layers(guide: NDArray[np.float32], book: Book) -> list[Layer]:
    """Return the layers of a canvas with nothing on it, the finest first."""
    guides = pyramid(guide, len(book.sheets))
    return [Layer.empty(one, sheet) for one, sheet in zip(guides, book.sheets, strict=True)]


def solve(
    layers: Sequence[Layer],
    book: Book,
    metrics: Sequence[Metric],
    window: Box,
    iterations: Sequence[int],
    seed: int,
    stale: Sequence[NDArray[np.bool_]] | None = None,
) -> None:
    """Paint a window; what lies outside stays and is joined on to.

    Parameters
    ----------
    layers : sequence of Layer
        The finest first; changed inside the window.
    book : Book
        Pages to take pieces from.
    metrics : sequence of Metric
        Of each level.
    window : (int, int, int, int)
        In pixels of the finest level.
    iterations : sequence of int
        Of each level, the finest first.
    seed : int
        Of all random choices.
    stale : sequence of NDArray (h, w) bool, optional
        Pixels of the window, at each level, whose guide changed since they were painted; the others begin with their
        old place.
    """
    fresh: NDArray[np.bool_] | None = None
    for level in reversed(range(len(layers))):
        layer, sheet, metric = layers[level], book.sheets[level], metrics[level]
        top, left, bottom, right = rect = at_level(window, level, layer.shape)
        inside = np.s_[top:bottom, left:right]
        before = layer.field[inside].copy()
        _count(layer, rect, -1, layer.known[inside])
        seen = np.zeros((bottom - top, right - left, NUMBERS), np.int16)
        guide = metric.guide.everywhere(_context(layer.guide, rect) * metric.scales)
        seen[..., :GUIDE_NUMBERS] = packed(guide)
        wanted = ~layer.known[inside] if stale is None else stale[level] | ~layer.known[inside]
        key = np.uint64(_key(seed, level, 0))
        if level == len(layers) - 1:
            numbers, places = sheet.guide_numbers()
            search(layer.field, guide, numbers, places, wanted, top, left, TRIES, SPREAD, key)
        else:
            if fresh is not None:
                wanted |= fresh[top % 2 : top % 2 + bottom - top, left % 2 : left % 2 + right - left]
            coarse = book.sheets[level + 1]
            field = layers[level + 1].field
            carried(layer.field, field, sheet.pages, coarse.pages, coarse.page_of, wanted, top, left)
        layer.known[inside] = True
        layer.trust[inside] = 1
        _refine(layer, sheet, metric, seen, rect, iterations[level], level, seed)
        _count(layer, rect, 1)
        if level == 0 and JOIN:
            joined(layer.image, layer.field, layer.known, sheet.colours, LARGEST_STEP, HOLD, JOIN, *rect)
            whole = book.main.image.reshape(len(book.main.image), -1)
            np.clip(layer.image[inside], whole.min(1), whole.max(1), out=layer.image[inside])
        if stale is not None:
            moved = np.any(before != layer.field[inside], axis=-1)
            fresh = np.repeat(np.repeat(moved, 2, 0), 2, 1)  # the window of the next level begins in its first 2 px


def _refine(
    layer: Layer,
    sheet: Sheet,
    metric: Metric,
    seen: NDArray[np.int16],
    rect: Box,
    iterations: int,
    level: int,
    seed: int,
) -> None:
    """Search and vote in turn; ``seen`` holds the guide numbers of the window and takes those of the image."""
    top, left, bottom, right = rect
    inside = np.s_[top:bottom, left:right]
    cost = np.zeros(seen.shape[:2], np.float32)
    changed = np.ones(layer.shape, np.uint8)
    reach = int(max(sheet.pages[:, 2:].max() // 3, 3)) if level else FINE_REACH
    vote(layer.image, layer.field, layer.trust, sheet.colours, kernel(_SOFT), *rect)
    for turn in range(iterations):
        image = metric.image.everywhere(metric.curve.of(_context(layer.image.transpose(2, 0, 1), rect, layer.known)))
        seen[..., GUIDE_NUMBERS:] = packed(image)
        penalty = _use_penalty(layer, sheet, rect)
        evaluate(layer.field, cost, seen, sheet.numbers, penalty, top, left)
        for number in range(SWEEPS):
            sweep(
                layer.field, cost, changed, layer.known, seen, sheet.numbers, sheet.valid, sheet.pages, sheet.page_of,
                penalty, top, left, 0 if number else reach, level > 0, number == 0, COHERENCE,
                np.uint64(_key(seed, level, 1 + turn * SWEEPS + number)),
            )  # fmt: skip
        layer.trust[inside] = np.exp(-cost / max(2 * float(np.percentile(cost, 75)), 1e-6)) + 1e-6
        sharp = level == 0 and turn == iterations - 1
        vote(layer.image, layer.field, layer.trust, sheet.colours, kernel(_SHARP if sharp else _SOFT), *rect)


def _context(channels: NDArray[np.float32], rect: Box, known: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Return a window with a patch's margin around it; mirrored where nothing is known, or the canvas ends."""
    top, left, bottom, right = rect
    outer = list(widened(rect, RADIUS, (channels.shape[1], channels.shape[2])))
    if known is not None:
        sides = (np.s_[outer[0] : top, left:right], np.s_[top:bottom, outer[1] : left],
                 np.s_[bottom : outer[2], left:right], np.s_[top:bottom, right : outer[3]])  # fmt: skip
        for side, strip in enumerate(sides):
            if not known[strip].all():
                outer[side] = rect[side]
    part = np.asarray(channels[:, outer[0] : outer[2], outer[1] : outer[3]], np.float32)
    margin = [(0, 0), (RADIUS - (top - outer[0]), RADIUS - (outer[2] - bottom)),
              (RADIUS - (left - outer[1]), RADIUS - (outer[3] - right))]  # fmt: skip
    return np.pad(part, margin, mode="symmetric")


def _used(layer: Layer, rect: Box, known: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Count the pixels of a window that are taken from each block of the sheet."""
    top, left, bottom, right = rect
    places = layer.field[top:bottom, left:right]
    places = (places.reshape(-1, 2) if known is None else places[known]) // _BLOCK
    counts = np.bincount(places[:, 0] * layer.used.shape[1] + places[:, 1], minlength=layer.used.size)
    return counts.reshape(layer.used.shape)


def _count(layer: Layer, rect: Box, sign: int, known: NDArray[np.bool_] | None = None) -> None:
    """Add the pixels of a window to those that are counted as used, or take them off."""
    layer.used[:] += sign * _used(layer, rect, known)


def _use_penalty(layer: Layer, sheet: Sheet, rect: Box) -> NDArray[np.float32]:
    """Compute the cost of places that are used more often than others, for blocks of the sheet."""
    counts = layer.used + _used(layer, rect)
    expected = int(counts.sum()) / max(1, sheet.area) * _BLOCK * _BLOCK
    near = ndimage.uniform_filter(counts.astype(np.float32), 3, mode="constant")
    return np.asarray(USE * np.log1p(near / np.float32(expected)), np.float32)


def kernel(sigma: float) -> NDArray[np.float32]:
    """Return the weights of the pixels of a patch in a vote; a narrow vote has a small patch."""
    radius = min(RADIUS, int(2 * sigma))
    line = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    return np.outer(line, line).astype(np.float32)


def _key(seed: int, level: int, number: int) -> int:
    """Return the 64 bits that random choices of one pass begin with."""
    return int(np.random.SeedSequence((seed & (2**64 - 1), level, number)).generate_state(1, np.uint64)[0])
