"""A canvas: a mask and the image painted onto it, of which only what changed is painted again."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError

Box: TypeAlias = tuple[int, int, int, int]
"""First row and column, last row and column plus one."""
Quality: TypeAlias = Literal["full", "fast"]


class Canvas(Protocol):
    """A mask and its image."""

    @property
    def labels(self) -> NDArray[np.int32]:
        """The mask (Y, X); changed in place."""

    @property
    def image(self) -> NDArray[Any]:
        """The image (C, Y, X) in its native dtype; changed in place."""

    def change(self, labels: NDArray[np.integer[Any]], quality: Quality = "full") -> Box | None:
        """Paint again what depends on the pixels that differ from those of the present mask.

        Parameters
        ----------
        labels : NDArray (Y, X) int
            The new mask.
        quality : {"full", "fast"}
            ``fast`` while the mouse is down: near to what ``full`` gives. The next ``full`` also paints again what was
            painted fast.

        Returns
        -------
        (int, int, int, int) or None
            Where the image changed; None where it did not.

        Raises
        ------
        UserError
            If the mask has another size, or a label that the generator does not know.
        """

    def facts(self) -> dict[str, Any]:
        """Return what is known of the origin of the image, as plain values; measured when it is asked for."""


def changed_box(before: NDArray[Any], after: NDArray[Any]) -> Box | None:
    """Return the smallest box that holds every pixel (..., Y, X) that differs; None where none does."""
    differ = before != after
    while differ.ndim > 2:
        differ = differ.any(axis=0)
    return box_of(differ)


def box_of(where: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box that holds every pixel (Y, X) that is true; None where none is."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def union(one: Box | None, other: Box | None) -> Box | None:
    """Return the smallest box that holds two, of which each may be missing."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def widened(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    """Return a box with a margin around it, cut at the edges of the canvas."""
    top, left, bottom, right = box
    return max(0, top - margin), max(0, left - margin), min(shape[0], bottom + margin), min(shape[1], right + margin)


def drawn_labels(labels: NDArray[np.integer[Any]], codec: Codec, like: NDArray[Any] | None = None) -> NDArray[np.int32]:
    """Return a drawn mask as the painter learned masks; it may be empty.

    Parameters
    ----------
    labels : NDArray (Y, X) int
        Any integers.
    codec : Codec
        Of the training.
    like : NDArray (Y, X), optional
        A mask whose size it must have.

    Raises
    ------
    UserError
        If it has another size, or a class that the training masks lack.
    """
    if labels.ndim != 2 or not labels.size or (like is not None and labels.shape != like.shape):
        wanted = "rows and columns of pixels" if like is None else f"{like.shape[0]} × {like.shape[1]} px"
        raise UserError(f"The mask has shape {labels.shape}.", f"Expected {wanted}.", "Begin a new canvas.")
    drawn = np.ascontiguousarray(labels != 0 if codec.mask_kind == "binary" else labels, np.int32)
    if codec.mask_kind == "classes" and (highest := int(drawn.max())) > len(codec.class_names):
        raise UserError(
            f"The mask has the label {highest}.",
            f"Expected 0 to {len(codec.class_names)}: {', '.join(codec.class_names)}.",
            "Paint with the labels of the training masks.",
        )
    return drawn
