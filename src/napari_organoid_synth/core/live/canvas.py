"""A canvas: a mask and the image painted onto it, of which only what changed is painted again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

Box: TypeAlias = tuple[int, int, int, int]
"""First row and column, last row and column plus one."""
Quality: TypeAlias = Literal["full", "fast"]


class Canvas(Protocol):
    """A mask and its image.

    Attributes
    ----------
    labels : NDArray (Y, X) int32
    image : NDArray (C, Y, X)
        Native dtype.
    """

    labels: NDArray[np.int32]
    image: NDArray[Any]

    def change(self, labels: NDArray[np.integer[Any]], quality: Quality = "full") -> Box | None:
        """Paint again what depends on the pixels that differ from those of the present mask.

        Parameters
        ----------
        labels : NDArray (Y, X) int
            The new mask.
        quality : {"full", "fast"}
            ``fast`` while the mouse is down.

        Returns
        -------
        (int, int, int, int) or None
            Where the image changed; None where it did not.

        Raises
        ------
        UserError
            If the mask has another size, or a label that the generator does not know.
        """


def changed_box(before: NDArray[Any], after: NDArray[Any]) -> Box | None:
    """Return the smallest box that holds every pixel (..., Y, X) that differs; None where none does."""
    differ = before != after
    while differ.ndim > 2:
        differ = differ.any(axis=0)
    rows, columns = np.flatnonzero(differ.any(axis=1)), np.flatnonzero(differ.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def open_canvas(
    trained: TrainedGenerator,
    labels: NDArray[np.integer[Any]],
    seed: int = 0,
    image_class: int = 0,
    variety: float = 1.0,
    exclude: Collection[str] = (),
    real: NDArray[Any] | None = None,
) -> Canvas:
    """Paint a mask, and return the canvas on which it can be changed.

    Parameters
    ----------
    trained : TrainedGenerator
        A painter.
    labels : NDArray (Y, X) int
        Labels as in the training masks, of any size; may be empty.
    seed : int
        The same seed gives the same image.
    image_class : int
        An index into the codec's image classes.
    variety : float
        Spread of the noise.
    exclude : collection of str
        Real images that a painter without training may not use.
    real : NDArray (C, Y, X), optional
        The real image of this mask, native dtype: it stays as it is but where the mask is changed.

    Raises
    ------
    UserError
        If the generator paints no masks, or a label is not one of its own.
    """
    raise UserError("Not built yet.", "", "")
