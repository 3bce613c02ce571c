"""Shapes to stamp into a mask: cut from real masks or drawn from a fitted population, then turned and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.simulators.outlines import fill
from napari_organoid_synth.core.simulators.pieces import evenly_spaced, find_pieces, net_values, numbered
from napari_organoid_synth.core.simulators.population import draw_outlines
from napari_organoid_synth.core.simulators.population_fit import MAX_SHAPES, fit
from napari_organoid_synth.core.simulators.real_outlines import MARGIN, smooth_distance

MAX_STAMPS = 400
"""Shapes that are kept; of more, evenly spaced ones."""
FITTED = 60
"""Shapes that are drawn of a fitted population."""
MIN_SCALE, MAX_SCALE = 0.25, 4.0
"""Smallest and largest change of size."""

Pixels: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows and columns of pixels, as an index of a mask."""


@dataclass(frozen=True, eq=False)
class Stamp:
    """An object without its place.

    Parameters
    ----------
    depth : NDArray (Y, X) float32
        Distance to its border, px, above 0 inside, with a margin around it.
    value : int
        Its label in masks of classes, otherwise 1.
    source : str
        Name of the real image that it was cut from; empty for a drawn one.
    run : str
        Name of the run that drew it; empty where none did.
    """

    depth: NDArray[np.float32]
    value: int = 1
    source: str = ""
    run: str = ""

    def turned(self, angle: float = 0.0, scale: float = 1.0) -> NDArray[np.bool_]:
        """Return its pixels (Y, X), turned and scaled about their middle.

        Parameters
        ----------
        angle : float
            Degrees, counter-clockwise on the screen.
        scale : float
            1 leaves the size as it is.
        """
        from scipy.ndimage import affine_transform

        if not angle % 360 and scale == 1:
            return _trimmed(self.depth > 0)
        turn = np.deg2rad(angle)
        cos, sin = float(np.cos(turn)), float(np.sin(turn))
        old = np.array(self.depth.shape)
        new = np.ceil(scale * (np.abs([[cos, sin], [sin, cos]]) @ old)).astype(int)
        matrix = np.array([[cos, sin], [-sin, cos]]) / scale
        offset = (old - 1) / 2 - matrix @ ((new - 1) / 2)
        moved = affine_transform(self.depth, matrix, offset, tuple(new), order=1, cval=-float(MARGIN))
        return _trimmed(np.asarray(moved > 0, bool))


def _trimmed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask without empty rows and columns around its pixels; one pixel where there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return np.ones((1, 1), bool)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


# ----------------------------------------------------------------------------------------------------------- sources


def real_stamps(pairs: Sequence[SamplePair]) -> list[Stamp]:
    """Cut the objects out of real masks that no border of an image cuts: instances, or connected pieces.

    Classes that are mostly thin nets, such as membranes, give none.

    Raises
    ------
    UserError
        If there is no such object.
    """
    found: list[Stamp] = []
    for pair in evenly_spaced(pairs):
        objects = numbered(pair.labels, pair.mask_kind)
        nets = net_values(pair.labels, objects) if pair.mask_kind == "classes" else set()
        for piece in find_pieces(pair.labels, objects, pair.mask_kind):
            if piece.is_whole and piece.value not in nets:
                found.append(Stamp(smooth_distance(piece.mask), piece.value, pair.name))
    if not found:
        raise UserError(
            f"The {len(pairs)} real masks hold no whole object." if pairs else "There are no real masks.",
            "Expected at least one object that no border of an image cuts.",
            "Draw the object with the brush.",
        )
    places = np.linspace(0, len(found) - 1, min(len(found), MAX_STAMPS)).round().astype(int)
    return [found[place] for place in places]


def generated_stamps(
    masks: NDArray[np.integer[Any]], mask_kind: MaskKind, class_names: Sequence[str], run: str, title: str
) -> list[Stamp]:
    """Cut the objects out of masks that a generator drew; see `real_stamps`.

    Parameters
    ----------
    masks : NDArray (N, Y, X) int
        Its samples.
    mask_kind, class_names
        Of its codec.
    run, title : str
        Its folder, which is recorded, and its name in sentences.

    Raises
    ------
    UserError
        If they hold no whole object.
    """
    names = tuple(class_names) or ("object",)
    pairs = [
        SamplePair(run, np.zeros((1, *mask.shape), np.uint8), mask.astype(np.int32), mask_kind, names) for mask in masks
    ]
    try:
        cut = real_stamps(pairs)
    except UserError:
        raise UserError(
            f"The newest samples of {title} hold no whole object.",
            "Expected objects that no border of a tile cuts.",
            "Choose shapes from the real masks.",
        ) from None
    return [replace(stamp, source="", run=run) for stamp in cut]


def fitted_stamps(pairs: Sequence[SamplePair], seed: int = 0, number: int = FITTED) -> list[Stamp]:
    """Draw outlines like those of real masks: none of them is a copy.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Whose masks are measured, instances or binary.
    seed : int
        The same seed gives the same shapes.
    number : int
        How many are drawn; those that come out like no real one are left out.

    Raises
    ------
    UserError
        If the masks hold classes, rings or no object, or no outline like a real one was drawn.
    """
    settings = fit(pairs, MAX_SHAPES)
    outlines = draw_outlines(settings, np.random.default_rng(seed), number)
    drawn = [Stamp(smooth_distance(fill(outline)[0])) for outline in outlines if outline is not None]
    if not drawn:
        raise UserError(
            f"None of {number} drawn outlines is like a real one.",
            "Expected objects without long arms or holes.",
            "Choose shapes from the real masks.",
        )
    return drawn


# ------------------------------------------------------------------------------------------------------------ places


def stamp_pixels(
    labels: NDArray[np.integer[Any]], shape: NDArray[np.bool_], centre: tuple[float, float], overwrite: bool = False
) -> Pixels:
    """Return the pixels of a mask that a shape takes when it is dropped.

    Parameters
    ----------
    labels : NDArray (Y, X) int
        The mask, 0 is background.
    shape : NDArray (h, w) bool
        Of `Stamp.turned`.
    centre : (float, float)
        Row and column of its middle; parts beyond the mask are cut.
    overwrite : bool
        Also take pixels of other objects.
    """
    height, width = labels.shape
    top, left = corner(shape, centre)
    rows, columns = np.nonzero(shape)
    rows, columns = rows + top, columns + left
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = rows[inside], columns[inside]
    if not overwrite:
        free = labels[rows, columns] == 0
        rows, columns = rows[free], columns[free]
    return rows, columns


def border_of(shape: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a shape (h, w) that have a neighbour above, below, left or right outside it."""
    padded = np.pad(shape, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(shape & ~inner, bool)


def corner(shape: NDArray[np.bool_], centre: tuple[float, float]) -> tuple[int, int]:
    """Return the first row and column of a shape (h, w) whose middle lies at a place."""
    return round(centre[0] - (shape.shape[0] - 1) / 2), round(centre[1] - (shape.shape[1] - 1) / 2)


def object_at(labels: NDArray[np.integer[Any]], place: tuple[int, int], mask_kind: MaskKind) -> Pixels | None:
    """Return the pixels of the object at a row and column; None on the background or beyond the mask.

    Of a binary mask and of classes it is the connected piece.
    """
    row, column = place
    if not (0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]) or not labels[row, column]:
        return None
    same = labels == labels[row, column]
    if mask_kind != "instances":
        pieces = pieces_of(same.astype(np.int32))
        same = pieces == pieces[row, column]
    rows, columns = np.nonzero(same)
    return rows, columns


def free_label(labels: NDArray[np.integer[Any]]) -> int:
    """Return the number for a new object: one above the largest of a mask (Y, X)."""
    return int(labels.max(initial=0)) + 1
