"""The painter ``analogy``: images for new masks, put together from pieces of real images whose masks fit.

Image analogies (Hertzmann 2001, doi 10.1145/383259.383295) with the patch search of Barnes 2009 (PatchMatch,
doi 10.1145/1531326.1531330); weights and votes as in StyLit (Fišer 2016, doi 10.1145/2897824.2925948).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.book import MAX_LEVELS, Library, Metric
from napari_organoid_synth.core.analogy.choice import Chooser
from napari_organoid_synth.core.analogy.features import PATCH
from napari_organoid_synth.core.analogy.guide import Guide
from napari_organoid_synth.core.analogy.pieces import largest_piece, shares
from napari_organoid_synth.core.analogy.pyramid import Window, at_level, grown, pyramid
from napari_organoid_synth.core.analogy.sources import Source, check, cuts_of
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind

if TYPE_CHECKING:
    from napari_organoid_synth.core.analogy.book import Book
    from napari_organoid_synth.core.analogy.solving import Layer

Quality = Literal["full", "fast"]
WINDOW = 512  # px: larger canvases are painted window by window
COARSEST = 28  # px: least side of the coarsest level
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
    residual : dict of int to float
        For each label how badly the sources fit: 1 as real objects fit among themselves, clearly more where the
        sources have nothing like it.
    sources : dict of str to float
        Share of the pixels by source; they sum to 1.
    largest_piece : int
        Pixels of the largest connected area that was taken from one place without a change.
    """

    image: NDArray[Any]
    labels: NDArray[np.int32]
    residual: dict[int, float]
    sources: dict[str, float]
    largest_piece: int
    _seed: int
    _quality: Quality
    _book: Book
    _layers: list[Layer]


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
        ``fast`` takes about half the time, for painting live.

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
        border = self._guide.about_border
        self._metrics = [Metric.fitted(self._cuts, border, level, turn) for level in range(MAX_LEVELS)]
        self._library = Library(self._cuts, self._metrics)
        self._chooser = Chooser(self._cuts, self._metrics, mask_kind, turn)

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
        return self._painting(labels, layers, book, seed, quality)

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
        wide = grown(window, 2 * PATCH, (labels.shape[0], labels.shape[1]))
        layers = [layer.copied() for layer in painting._layers]
        guide = self._guide.of(labels)
        stale = []
        for level, (layer, new) in enumerate(zip(layers, pyramid(guide, len(layers)), strict=True)):
            top, left, bottom, right = at_level(wide, level, layer.shape)
            inside = np.s_[top:bottom, left:right]
            changed = np.zeros(layer.shape, bool)
            changed[inside] = np.any(np.abs(new - layer.guide)[:, top:bottom, left:right] > 1e-3, axis=0)
            layer.guide[:, top:bottom, left:right] = new[:, top:bottom, left:right]
            stale.append(changed)
        old = painting._layers[0].image
        solve(layers, painting._book, self._metrics, wide, ITERATIONS[quality], painting._seed, stale)
        share = _blend(wide, labels.shape)[..., None]
        layers[0].image[:] = np.where(share > 0, old + share * (layers[0].image - old), old)
        made = self._painting(labels, layers, painting._book, painting._seed, quality)
        top, left, bottom, right = wide
        image = painting.image.copy()
        image[:, top:bottom, left:right] = made.image[:, top:bottom, left:right]
        object.__setattr__(made, "image", image)
        return made

    def _allowed(self, exclude: Collection[str]) -> list[int]:
        allowed = [index for index, cut in enumerate(self._cuts) if cut.name not in exclude]
        if not allowed:
            raise UserError(
                f"Nothing remains to paint from: {', '.join(sorted(exclude))[:200]} excluded.",
                "Expected at least one image whose own mask this is not.",
                "Add an annotated image, or use masks that are drawn or arranged.",
            )
        return allowed

    def _painting(
        self, labels: NDArray[np.int32], layers: list[Layer], book: Book, seed: int, quality: Quality
    ) -> Painting:
        field, sheet = layers[0].field, book.sheets[0]
        image = book.main.range.native(layers[0].image.transpose(2, 0, 1), self._dtype)
        return Painting(
            image,
            labels,
            self._chooser.residual(layers[0].guide, labels, book.names),
            shares(field, sheet.page_of, book.names),
            largest_piece(field),
            seed,
            quality,
            book,
            layers,
        )


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


def _blend(window: Window, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the share of the new image: 0 outside the window, 1 from `BLEND` px inside."""
    lines = []
    for first, last, side in ((window[0], window[2], shape[0]), (window[1], window[3], shape[1])):
        at = np.arange(side, dtype=np.float32)
        left = np.full(side, 1.0, np.float32) if first == 0 else np.clip((at - first + 1) / (BLEND + 1), 0, 1)
        right = np.full(side, 1.0, np.float32) if last == side else np.clip((last - at) / (BLEND + 1), 0, 1)
        lines.append(np.minimum(left, right))
    return np.asarray(np.minimum.outer(lines[0], lines[1]), np.float32)
