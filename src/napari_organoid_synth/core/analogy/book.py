"""The book: pages of sources in several orientations, laid out on one sheet for each level of the pyramid."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.features import (
    GUIDE_NUMBERS,
    IMAGE_NUMBERS,
    NUMBERS,
    PATCH,
    UNIT,
    Filters,
    mirrored,
    packed,
    patches_at,
)
from napari_organoid_synth.core.analogy.pyramid import pyramid
from napari_organoid_synth.core.analogy.side_by_side import side_by_side
from napari_organoid_synth.core.analogy.sources import Cut, turned
from napari_organoid_synth.core.analogy.tones import Curve

GUIDE_WEIGHT = 50.0
"""Of the guide against the image; less loosens membranes and then breaks them."""
FINE_WEIGHT = 0.3
"""Of guide channels that are not about the border, at the finest level; 1 at the coarsest."""
MAX_LEVELS = 5
MARGIN = 4  # px between pages
KEPT = 400_000_000  # bytes of pages that are kept for later paintings
_SAMPLES, _TONES = 6000, 60000  # patches that filters, pixels that the curve of tones is computed from


@dataclass(frozen=True, eq=False)
class Metric:
    """Filters of one level of the pyramid.

    Parameters
    ----------
    guide, image : Filters
    curve : Curve
        Of the image, before its filters.
    scales : NDArray (G, 1, 1) float32
        Factors of the guide channels.
    """

    guide: Filters
    image: Filters
    curve: Curve
    scales: NDArray[np.float32]

    @classmethod
    def fitted(
        cls, cuts: Sequence[Cut], curve: Curve, about_border: NDArray[np.bool_], level: int, turn: bool
    ) -> Metric:
        """Compute the filters from patches of all cuts, in all orientations that are used."""
        rng = np.random.default_rng(level)
        fineness = 1 - level / (MAX_LEVELS - 1)
        weight = np.where(about_border, 1, 1 + (FINE_WEIGHT - 1) * fineness)
        scales = np.sqrt(weight).astype(np.float32)[:, None, None]
        images, guides = [], []
        each = max(200, _SAMPLES // len(cuts))
        for cut in cuts:
            image, guide = curve.of(pyramid(cut.image, level + 1)[-1]), pyramid(cut.guide, level + 1)[-1] * scales
            for orientation in rng.choice(8, 4, replace=False) if turn else [0]:
                one, other = turned(image, int(orientation)), turned(guide, int(orientation))
                places = rng.integers(0, one.shape[1:], (each // (4 if turn else 1), 2))
                images.append(patches_at(one, places))
                guides.append(patches_at(other, places))
        patches = np.concatenate(images)
        variance = float(patches.reshape(len(patches), -1, PATCH * PATCH).var(axis=(0, 2)).sum())
        return cls(
            Filters.fitted(np.concatenate(guides), GUIDE_NUMBERS, np.sqrt(GUIDE_WEIGHT) / PATCH),
            Filters.fitted(patches, IMAGE_NUMBERS, 1 / (PATCH * np.sqrt(max(variance, 1e-6)))),
            curve,
            scales,
        )


@dataclass(frozen=True, eq=False)
class Leaf:
    """A page at one level: numbers (Y, X, NUMBERS) int16 and colours (Y, X, C + 1) float32."""

    numbers: NDArray[np.int16]
    colours: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.numbers.nbytes + self.colours.nbytes


@dataclass(frozen=True, eq=False)
class Sheet:
    """All pages of a book at one level.

    Parameters
    ----------
    numbers : NDArray (H, W, NUMBERS) int16
    colours : NDArray (H, W, C + 1) float32
        Channels and, last, 1 where a page is.
    valid : NDArray (H, W) bool
        Where a page is.
    pages : NDArray (P, 4) int32
        First row, first column, height, width.
    page_of : NDArray (H,) int32
        Page of each row.
    area : int
        Pixels of all pages.
    """

    numbers: NDArray[np.int16]
    colours: NDArray[np.float32]
    valid: NDArray[np.bool_]
    pages: NDArray[np.int32]
    page_of: NDArray[np.int32]
    area: int

    @classmethod
    def of(cls, leaves: Sequence[Leaf]) -> Sheet:
        """Lay pages out one below the other."""
        shapes = np.array([leaf.numbers.shape[:2] for leaf in leaves])
        tops = MARGIN + np.cumsum([0, *(shapes[:-1, 0] + MARGIN)])
        height, width = int(tops[-1] + shapes[-1, 0] + MARGIN), int(shapes[:, 1].max() + 2 * MARGIN)
        numbers = np.zeros((height, width, NUMBERS), np.int16)
        colours = np.zeros((height, width, leaves[0].colours.shape[2]), np.float32)
        page_of = np.zeros(height, np.int32)
        for index, (leaf, top) in enumerate(zip(leaves, tops, strict=True)):
            place = np.s_[top : top + shapes[index, 0], MARGIN : MARGIN + shapes[index, 1]]
            numbers[place], colours[place] = leaf.numbers, leaf.colours
            page_of[top - MARGIN : top + shapes[index, 0] + MARGIN] = index
        pages = np.column_stack([tops, np.full(len(tops), MARGIN), shapes]).astype(np.int32)
        return cls(numbers, colours, colours[..., -1] > 0, pages, page_of, int(shapes.prod(1).sum()))

    def guide_numbers(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return the guide numbers of all places (N, GUIDE_NUMBERS), and the places (N, 2)."""
        places = np.argwhere(self.valid).astype(np.int32)
        return self.numbers[self.valid][:, :GUIDE_NUMBERS] * np.float32(UNIT), places


@dataclass(frozen=True, eq=False)
class Book:
    """Pages that one painting is put together from.

    Parameters
    ----------
    main : Cut
        Whose range the painting has.
    cuts : tuple of int
        Number of the cut of each page.
    names : tuple of str
        Source of each page.
    sheets : tuple of Sheet
        The finest level first.
    """

    main: Cut
    cuts: tuple[int, ...]
    names: tuple[str, ...]
    sheets: tuple[Sheet, ...]


def curve_of(cuts: Sequence[Cut]) -> Curve:
    """Fit the curve of tones to all cuts together."""
    each = max(1000, _TONES // len(cuts))
    values = [cut.image.reshape(len(cut.image), -1) for cut in cuts]
    return Curve.fitted(np.concatenate([one[:, :: max(1, one.shape[1] // each)] for one in values], axis=1))


class Library:
    """Makes pages, and keeps those that were used last.

    Parameters
    ----------
    cuts : sequence of Cut
    metrics : sequence of Metric
        One for each level, the finest first.
    """

    def __init__(self, cuts: Sequence[Cut], metrics: Sequence[Metric]) -> None:
        self._cuts = list(cuts)
        self._metrics = list(metrics)
        self._pages: OrderedDict[tuple[int, int], list[Leaf]] = OrderedDict()
        self._last: tuple[object, Book] | None = None
        self._lock = Lock()

    def book(self, pages: Sequence[tuple[int, int]], levels: int) -> Book:
        """Return the book of pages, each the number of a cut and an orientation; the first is of the main cut."""
        with self._lock:  # several masks are painted side by side
            return self._book(pages, levels)

    def _book(self, pages: Sequence[tuple[int, int]], levels: int) -> Book:
        key = (tuple(pages), levels)
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        new = list(dict.fromkeys(page for page in pages if page not in self._pages))
        self._pages.update(zip(new, side_by_side(self._page, new), strict=True))
        for page in pages:
            self._pages.move_to_end(page)
        leaves = [self._pages[page] for page in pages]
        sheets = tuple(Sheet.of([page[level] for page in leaves]) for level in range(levels))
        names = tuple(self._cuts[cut].name for cut, _ in pages)
        book = Book(self._cuts[pages[0][0]], tuple(cut for cut, _ in pages), names, sheets)
        self._last = (key, book)
        self._forget()
        return book

    def _page(self, page: tuple[int, int]) -> list[Leaf]:
        cut, orientation = page
        one = self._cuts[cut]
        images = pyramid(turned(one.image, orientation), len(self._metrics))
        guides = pyramid(turned(one.guide, orientation), len(self._metrics))
        return [_leaf(image, guide, metric) for image, guide, metric in zip(images, guides, self._metrics, strict=True)]

    def _forget(self) -> None:
        held = sum(leaf.nbytes for leaves in self._pages.values() for leaf in leaves)
        while held > KEPT and len(self._pages) > 1:
            _, leaves = self._pages.popitem(last=False)
            held -= sum(leaf.nbytes for leaf in leaves)


def _leaf(image: NDArray[np.float32], guide: NDArray[np.float32], metric: Metric) -> Leaf:
    guides = metric.guide.everywhere(mirrored(guide * metric.scales))
    images = metric.image.everywhere(mirrored(metric.curve.of(image)))
    colours = np.concatenate([image.transpose(1, 2, 0), np.ones((*image.shape[1:], 1), np.float32)], axis=2)
    return Leaf(packed(np.concatenate([guides, images], axis=2)), np.ascontiguousarray(colours))
