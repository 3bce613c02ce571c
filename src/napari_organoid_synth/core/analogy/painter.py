"""The painter ``analogy``: images for new masks, put together from pieces of real images whose masks fit.

Image analogies (Hertzmann 2001, doi 10.1145/383259.383295) with the patch search of Barnes 2009 (PatchMatch,
doi 10.1145/1531326.1531330); weights and votes as in StyLit (Fišer 2016, doi 10.1145/2897824.2925948).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
from napari_organoid_synth.core.analogy.pyramid import Window, at_level, grown, pyramid
from napari_organoid_synth.core.analogy.residual import Residual
from napari_organoid_synth.core.analogy.sources import Source, check, cuts_of
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind

if TYPE_CHECKING:
    from napari_organoid_synth.core.analogy.book import Book
    from napari_organoid_synth.core.analogy.solving import Layer

Quality = Literal["full", "fast"]
WINDOW = 512  # px: larger canvases are painted window by window
COARSEST = 28  # px: least side of the coarsest level
AROUND = 128  # px around a window that is painted again whose mask is looked at
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
    _measure: Residual

    @cached_property
    def residual(self) -> dict[int, float]:
        """For each label how badly the sources fit: 1 as real objects fit among themselves, more where nothing fits."""
        return self._measure.of(self._layers[0].guide, self.labels, self._book.cuts)

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
        self._cuts = [cut for source in sources for cut in cuts_of(source, self._guide)]
        curve = curve_of(self._cuts)
        border = self._guide.about_border
        self._metrics = [Metric.fitted(self._cuts, curve, border, level, turn) for level in range(MAX_LEVELS)]
        self._library = Library(self._cuts, self._metrics)
        evenly = Metric.fitted(
            self._cuts, curve, np.ones_like(border), LEVEL, turn
        )  # size counts as much as the border
        self._chooser = Chooser(self._cuts, evenly, mask_kind, turn)
        self._measure = Residual(self._chooser, self._cuts, mask_kind)

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

        labels = np.ascontiguousarray(labels, np.int32)
        if labels.ndim != 2 or not labels.size:
            raise UserError(f"The mask has shape {labels.shape}.", "Expected rows and columns of pixels.", "")
        allowed = self._allowed(exclude)
        quality = quality or self.quality
        guide = self._guide.of(labels)
        pages, main = self._chooser.pages(guide, allowed, seed)
        levels = _levels(labels.shape, main.labels.shape)
        book = self._library.book(pages, levels)
        layers = empty_layers(guide, len(main.image), levels)
        for number, window in enumerate(_windows(labels.shape)):
            solve(layers, book, self._metrics, window, ITERATIONS[quality], seed + number)
        image = main.range.native(layers[0].image.transpose(2, 0, 1), self._dtype)
        return Painting(image, labels, seed, quality, book, layers, self._measure)

    def repaint(
        self, painting: Painting, labels: NDArray[Any], window: Window, quality: Quality | None = None
    ) -> Painting:
        """Paint a window of a painting again, after its mask changed there.

        Parameters
        ----------
        painting : Painting
            From this painter; it is not changed.
        labels : NDArray (Y, X) int
            The new mask.
        window : (int, int, int, int)
            First row and column, last row and column plus one. Two patches (14 px) around it are painted as well;
            every other pixel stays as it is.
        quality : {"full", "fast"}, optional
            Of the painting by default.

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
        wide = grown(window, 2 * PATCH, shape)
        layers = [layer.copied() for layer in painting._layers]
        stale = self._renew(layers, labels, wide)
        few = [max(1, number // 2) for number in ITERATIONS[quality]]  # most pixels begin with the place they had
        solve(layers, painting._book, self._metrics, wide, few, painting._seed, stale)
        inside = np.s_[wide[0] : wide[2], wide[1] : wide[3]]
        old, new = painting._layers[0].image[inside], layers[0].image[inside]
        new[:] = old + _share(wide, shape)[..., None] * (new - old)
        image = painting.image.copy()
        image[:, *inside] = painting._book.main.range.native(new.transpose(2, 0, 1), self._dtype)
        return replace(painting, image=image, labels=labels, _quality=quality, _layers=layers)

    def _renew(self, layers: list[Layer], labels: NDArray[np.int32], window: Window) -> list[NDArray[np.bool_]]:
        """Write the guide of the new mask into the window of every level, and return the pixels that differ."""
        shape = labels.shape[0], labels.shape[1]
        step = 1 << (len(layers) - 1)
        top, left, bottom, right = grown(window, AROUND, shape)
        top, left = top // step * step, left // step * step
        parts = pyramid(self._guide.of(labels[top:bottom, left:right]), len(layers))
        stale = []
        for level, (layer, part) in enumerate(zip(layers, parts, strict=True)):
            first_y, first_x, last_y, last_x = at_level(window, level, layer.shape)
            y, x = top >> level, left >> level
            new = part[:, first_y - y : last_y - y, first_x - x : last_x - x]
            old = layer.guide[:, first_y:last_y, first_x:last_x]
            changed = np.zeros(layer.shape, bool)
            changed[first_y:last_y, first_x:last_x] = np.any(np.abs(new - old) > 1e-3, axis=0)
            old[:] = new
            stale.append(changed)
        return stale

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


def _windows(shape: tuple[int, ...]) -> list[Window]:
    """Cut a canvas into windows of at most `WINDOW` px, row by row."""
    rows, columns = (
        [(round(k * side / number), round((k + 1) * side / number)) for k in range(number)]
        for side, number in ((side, -(-side // WINDOW)) for side in shape)
    )
    return [(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _share(window: Window, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the share of the new image in a window: 1 from `BLEND` px inside, or at an edge of the canvas."""
    lines = []
    for first, last, side in ((window[0], window[2], shape[0]), (window[1], window[3], shape[1])):
        at = np.arange(last - first)
        before = np.full(at.size, BLEND + 1) if first == 0 else at + 1
        after = np.full(at.size, BLEND + 1) if last == side else at[::-1] + 1
        lines.append(np.clip(np.minimum(before, after) / (BLEND + 1), 0, 1))
    return np.asarray(np.minimum.outer(lines[0], lines[1]), np.float32)
