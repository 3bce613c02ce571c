"""The painter ``analogy``: images for new masks, put together from pieces of real images whose masks fit.

Image analogies (Hertzmann 2001, doi 10.1145/383259.383295) with the patch search of Barnes 2009 (PatchMatch,
doi 10.1145/1531326.1531330); weights and votes as in StyLit (Fišer 2016, doi 10.1145/2897824.2925948).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.book import MAX_LEVELS, Library, Metric, curve_of
from napari_organoid_synth.core.analogy.choice import LEVEL, Chooser
from napari_organoid_synth.core.analogy.features import PATCH
from napari_organoid_synth.core.analogy.guide import Guide
from napari_organoid_synth.core.analogy.pieces import largest_piece, shares
from napari_organoid_synth.core.analogy.pyramid import at_level, pyramid
from napari_organoid_synth.core.analogy.residual import Residual
from napari_organoid_synth.core.analogy.side_by_side import side_by_side
from napari_organoid_synth.core.analogy.sources import Source, check, cuts_of
from napari_organoid_synth.core.boxes import Box, box_of, union, widened
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind

if TYPE_CHECKING:
    from napari_organoid_synth.core.analogy.book import Book
    from napari_organoid_synth.core.analogy.solving import Layer

Quality = Literal["full", "fast"]
WINDOW = 512  # px: larger canvases are painted window by window
COARSEST = 28  # px: least side of the coarsest level
AROUND = 128  # px around a window that is painted again whose mask is looked at
LEAST_AROUND = 32  # px, where it has to be quick
DIFFERS = 0.1
"""Change of the guide from which on a pixel is painted again; the sum of smaller ones counts, too."""
BLEND = 5  # px over which a painted window passes into its surroundings

__all__ = ["AnalogyPainter", "Painting", "Source"]


@dataclass(frozen=True, eq=False)
class Painting:
    """An image painted onto a mask.

    Parameters
    ----------
    image : NDArray (C, Y, X), native dtype
    labels : NDArray (Y, X) int32
        The mask.
    """

    image: NDArray[Any]
    labels: NDArray[np.int32]
    _seed: int
    _quality: Quality
    _book: Book
    _layers: list[Layer]
    _measure: Callable[[], Residual]

    def forget(self) -> None:
        """Forget what was measured, after a change in place."""
        for name in ("residual", "sources", "largest_piece"):
            self.__dict__.pop(name, None)

    @cached_property
    def residual(self) -> dict[int, float]:
        """For each label how badly the sources fit: 1 as real objects fit among themselves, more where nothing fits."""
        return self._measure().of(self._layers[0].guide, self.labels, self._book.cuts)

    @cached_property
    def sources(self) -> dict[str, float]:
        """Share of the pixels by source; they sum to 1."""
        return shares(self._layers[0].field, self._book.sheets[0].page_of, self._book.names)

    @cached_property
    def largest_piece(self) -> int:
        """Pixels of the largest connected area that was taken from one place without a change."""
        return largest_piece(self._layers[0].field)


class AnalogyPainter:
    """Paints masks from real pairs, without training.

    Parameters
    ----------
    sources : sequence of Source
        At least one.
    mask_kind : {"binary", "classes", "instances"}
    class_names : sequence of str
        Names of the classes 1..K, for ``classes``.
    turn : bool
        Whether sources may be turned and mirrored; not where light comes from one side.
    quality : {"full", "fast"}
        ``fast`` takes about two thirds of the time, for painting live.

    Raises
    ------
    UserError
        If there is no source, or they differ in channels or pixel type.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        mask_kind: MaskKind,
        class_names: Sequence[str] = (),
        turn: bool = True,
        quality: Quality = "full",
    ) -> None:
        check(sources)
        self.names = tuple(source.name for source in sources)
        self.quality: Quality = quality
        self._dtype = sources[0].image.dtype
        self._guide = Guide.measured([source.labels for source in sources], mask_kind, len(class_names))
        self._cuts = [cut for cuts in side_by_side(lambda one: cuts_of(one, self._guide), sources) for cut in cuts]
        curve = curve_of(self._cuts)
        border = self._guide.about_border
        self._metrics = side_by_side(
            lambda level: Metric.fitted(self._cuts, curve, border, level, turn), range(MAX_LEVELS)
        )
        self._library = Library(self._cuts, self._metrics)
        evenly = Metric.fitted(
            self._cuts, curve, np.ones_like(border), LEVEL, turn
        )  # size counts as much as the border
        self._chooser = Chooser(self._cuts, evenly, mask_kind, turn)
        self._mask_kind: MaskKind = mask_kind

    @cached_property
    def _measure(self) -> Residual:
        """Made when it is first asked for: a picture comes before what is known of it."""
        return Residual(self._chooser, self._cuts, self._mask_kind)

    def paint(
        self, labels: NDArray[Any], seed: int, exclude: Collection[str] = (), quality: Quality | None = None
    ) -> Painting:
        """Paint a mask of any size.

        Parameters
        ----------
        labels : NDArray (Y, X) int
            Of the painter's kind.
        seed : int
            The same seed gives the same pixels.
        exclude : collection of str
            Sources that are not used: never paint a source's own mask from itself.
        quality : {"full", "fast"}, optional
            The painter's own by default.

        Raises
        ------
        UserError
            If the mask is empty of pixels, or no source remains.
        """
        from napari_organoid_synth.core.analogy.solving import ITERATIONS, empty_layers, solve

        labels = np.array(labels, np.int32, order="C")  # of its own: `change` writes into it
        if labels.ndim != 2 or not labels.size:
            raise UserError(f"The mask has shape {labels.shape}.", "Expected rows and columns of pixels.", "")
        allowed = self._allowed(exclude)
        quality = quality or self.quality
        guide = self._guide.of(labels)
        pages, main = self._chooser.pages(guide, allowed, seed)
        levels = _levels(labels.shape, main.labels.shape)
        book = self._library.book(pages, levels)
        layers = empty_layers(guide, book)
        for number, window in enumerate(_windows(labels.shape)):
            solve(layers, book, self._metrics, window, ITERATIONS[quality], seed + number)
        image = main.range.native(layers[0].image.transpose(2, 0, 1), self._dtype)
        return Painting(image, labels, seed, quality, book, layers, lambda: self._measure)

    def repaint(
        self, painting: Painting, labels: NDArray[Any], window: Box, quality: Quality | None = None
    ) -> Painting:
        """Return a painting of a changed mask; parameters and errors as for `change`. The given one stays as it is."""
        layers = [layer.copied() for layer in painting._layers]
        new = replace(painting, image=painting.image.copy(), labels=painting.labels.copy(), _layers=layers)
        self.change(new, labels, window, quality)
        return new

    def change(
        self,
        painting: Painting,
        labels: NDArray[Any],
        window: Box,
        quality: Quality | None = None,
        since: NDArray[Any] | None = None,
    ) -> Box | None:
        """Paint a window of a painting again, after its mask changed there; the painting is changed in place.

        Parameters
        ----------
        painting : Painting
            From this painter.
        labels : NDArray (Y, X) int
            The new mask.
        window : (int, int, int, int)
            First row and column, last row and column plus one: all pixels of the mask that differ lie in it. Painted is
            where the guide differs, with two patches (14 px) around; every other pixel stays as it is.
        quality : {"full", "fast"}, optional
            Of the painting by default. ``fast`` keeps to the window; ``full`` also paints the rest of objects that are
            of another size now, also after several fast changes.
        since : NDArray (Y, X) int, optional
            An earlier mask: what differs from it is painted as if it were new, so that nothing remains of how it was
            drawn bit by bit. All pixels that differ lie in the window.

        Returns
        -------
        (int, int, int, int) or None
            Where the image was painted again.

        Raises
        ------
        UserError
            If the mask has another size.
        """
        from napari_organoid_synth.core.analogy.solving import ITERATIONS, solve

        labels = np.ascontiguousarray(labels, np.int32)
        if labels.shape != painting.labels.shape:
            raise UserError(
                f"The new mask has {labels.shape} px, the painting {painting.labels.shape}.",
                "Expected the same size.",
                "Paint the mask as a new one.",
            )
        quality = quality or painting._quality
        shape = labels.shape[0], labels.shape[1]
        layers = painting._layers
        painting.labels[window[0] : window[2], window[1] : window[3]] = labels[
            window[0] : window[2], window[1] : window[3]
        ]
        painting.forget()
        around, region = self._regions(painting.labels, window, quality)
        top, left, bottom, right = region
        parts = pyramid(self._guide.of(painting.labels[top:bottom, left:right]), len(layers))
        before = [] if since is None else pyramid(self._guide.of(since[top:bottom, left:right]), len(layers))
        where = window if quality == "fast" else around
        found = _where(parts[0], layers[0].guide[:, top:bottom, left:right], region, where)
        if before:
            found = union(found, _where(parts[0], before[0], region, where))
        if found is None:
            return None
        wide = widened(found, 2 * PATCH, shape)
        stale = _renew(layers, parts, before, region, wide)
        share = 1 if before else 2  # else most pixels begin with the place they had
        few = [max(1, number // share) for number in ITERATIONS[quality]]
        inside = np.s_[wide[0] : wide[2], wide[1] : wide[3]]
        old = layers[0].image[inside].copy()
        solve(layers, painting._book, self._metrics, wide, few, painting._seed, stale)
        new = layers[0].image[inside]
        new[:] = old + _share(wide, shape)[..., None] * (new - old)
        painting.image[:, *inside] = painting._book.main.range.native(new.transpose(2, 0, 1), self._dtype)
        return wide

    def _regions(self, labels: NDArray[np.int32], window: Box, quality: Quality) -> tuple[Box, Box]:
        """Return where a change of the mask in a window counts, and the region that the new guide is computed of."""
        shape = labels.shape[0], labels.shape[1]
        around = widened(window, int(np.clip(4 * self._guide.far, LEAST_AROUND, AROUND)), shape)
        if quality == "full":
            if labels.size <= WINDOW * WINDOW:
                return around if self._guide.mask_kind == "classes" else (0, 0, *shape), (0, 0, *shape)
            if self._guide.mask_kind == "instances":
                for label in np.unique(labels[window[0] : window[2], window[1] : window[3]]):
                    around = (union(around, box_of(labels == label)) if label else None) or around
        step = 1 << (MAX_LEVELS - 1)
        top, left, bottom, right = widened(around, (AROUND if quality == "full" else 0) + 2 * PATCH, shape)
        return around, (top // step * step, left // step * step, bottom, right)

    def _allowed(self, exclude: Collection[str]) -> list[int]:
        allowed = [index for index, cut in enumerate(self._cuts) if cut.name not in exclude]
        if not allowed:
            raise UserError(
                f"Nothing remains to paint from: {', '.join(sorted(exclude))[:200]} excluded.",
                "Expected at least one image whose own mask this is not.",
                "Add an annotated image, or use masks that are drawn or arranged.",
            )
        return allowed


def _levels(canvas: tuple[int, ...], main: tuple[int, ...]) -> int:
    """Count the levels: the coarsest has at least `COARSEST` px, half of it in the source."""
    side = min(min(canvas), WINDOW, 2 * min(main))
    return int(np.clip(1 + np.floor(np.log2(max(side, 1) / COARSEST)), 1, MAX_LEVELS))


def _windows(shape: tuple[int, ...]) -> list[Box]:
    """Cut a canvas into windows of at most `WINDOW` px, row by row."""
    rows, columns = (
        [(round(k * side / number), round((k + 1) * side / number)) for k in range(number)]
        for side, number in ((side, -(-side // WINDOW)) for side in shape)
    )
    return [(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _where(part: NDArray[np.float32], before: NDArray[np.float32], region: Box, window: Box) -> Box | None:
    """Return the box of the pixels in a window whose guide differs, of those of a region; None where none does."""
    top, left, bottom, right = window
    inside = np.s_[:, top - region[0] : bottom - region[0], left - region[1] : right - region[1]]
    differs = np.any(np.abs(part[inside] - before[inside]) > DIFFERS, axis=0)
    box = box_of(differs)
    return None if box is None else (box[0] + top, box[1] + left, box[2] + top, box[3] + left)


def _renew(
    layers: list[Layer],
    parts: list[NDArray[np.float32]],
    before: list[NDArray[np.float32]],
    region: Box,
    window: Box,
) -> list[NDArray[np.bool_]]:
    """Write the new guide into the window of every level; return its pixels that differ from the layers, or before."""
    stale = []
    for level, (layer, part) in enumerate(zip(layers, parts, strict=True)):
        first_y, first_x, last_y, last_x = at_level(window, level, layer.shape)
        y, x = region[0] >> level, region[1] >> level
        inside = np.s_[:, first_y - y : last_y - y, first_x - x : last_x - x]
        new, old = part[inside], layer.guide[:, first_y:last_y, first_x:last_x]
        differs = np.any(np.abs(new - old) > 1e-3, axis=0)
        if before:
            differs |= np.any(np.abs(new - before[level][inside]) > DIFFERS, axis=0)
        stale.append(differs)
        old[:] = new
    return stale


def _share(window: Box, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the share of the new image in a window: 1 from `BLEND` px inside, or at an edge of the canvas."""
    lines = []
    for first, last, side in ((window[0], window[2], shape[0]), (window[1], window[3], shape[1])):
        at = np.arange(last - first)
        before = np.full(at.size, BLEND + 1) if first == 0 else at + 1
        after = np.full(at.size, BLEND + 1) if last == side else at[::-1] + 1
        lines.append(np.clip(np.minimum(before, after) / (BLEND + 1), 0, 1))
    return np.asarray(np.minimum.outer(lines[0], lines[1]), np.float32)
