"""A canvas: a mask and the image painted onto it, of which only what changed is painted again."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.boxes import Box
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError

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
