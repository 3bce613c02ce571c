"""What the window keeps of a canvas that is painted live, and what it gets of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.live.frames import Message

Box: TypeAlias = tuple[int, int, int, int]
"""First row and column, last row and column plus one."""
Content: TypeAlias = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""Values and arrays of a request."""


@dataclass(frozen=True, eq=False)
class PaintedMessage:
    """A part of a canvas that was painted.

    Parameters
    ----------
    canvas : str
    serial : int
        Of the newest request that it answers.
    box : (int, int, int, int)
        First row and column, last row and column plus one.
    pixels : NDArray (C, h, w)
        The image in the box, native dtype; read only. No channels where the generator draws masks alone.
    labels : NDArray (Y, X) int32 or None
        The mask, where the generator drew it.
    full : bool
        Whether the box is the whole canvas.
    facts : dict
        Of a whole painting where its noise comes from: ``seed`` as asked for, ``latent_seed`` in decimal digits,
        ``walk`` where the seed does not say all. `LiveRenderer.ask_facts` asks for more, which takes a moment.
    """

    canvas: str
    serial: int
    box: Box
    pixels: NDArray[Any]
    labels: NDArray[np.int32] | None
    full: bool
    facts: dict[str, Any]

    @classmethod
    def of(cls, answer: Message) -> Self:
        """Read an answer of the renderer."""
        values, arrays = answer.values, answer.arrays
        top, left, bottom, right = values["box"]
        return cls(
            canvas=values["canvas"],
            serial=values["serial"],
            box=(top, left, bottom, right),
            pixels=arrays["pixels"],
            labels=arrays.get("labels"),
            full=values["full"],
            facts=values["facts"],
        )


@dataclass(eq=False)
class LiveCanvas:
    """What is needed to paint a canvas, also a second time by another process.

    Parameters
    ----------
    name : str
    values : dict
        Seed, image class and the like.
    labels : NDArray (Y, X) int32, optional
        The mask as it is now; None where the generator draws masks.
    real : NDArray (C, Y, X), optional
        The real image of the mask as it was at first.
    light : dict, optional
    look : NDArray (C, Y, X), optional
        See `LiveRenderer.light`.
    oldest : int
        Answers to requests before this one are about another mask.
    newest : int
        Number of the newest request.
    """

    name: str
    values: dict[str, Any]
    labels: NDArray[np.int32] | None
    real: NDArray[Any] | None
    light: dict[str, Any] | None = None
    look: NDArray[Any] | None = None
    oldest: int = 0
    newest: int = 0
    first: NDArray[np.int32] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Keep the mask that the real image belongs to, which changes do not reach."""
        if self.real is not None and self.labels is not None:
            self.first = self.labels.copy()

    def follow(self, before: LiveCanvas) -> None:
        """Take the place of a canvas of the same name: its light stays; if its mask does, its answers stay welcome.

        So every picture is shown while a seed or a way through the noise is dragged, not only the last one.
        """
        if self.light is None and self.look is None:
            self.light, self.look = before.light, before.look
        one, other = self.labels, before.labels
        if one is other or (one is not None and other is not None and np.array_equal(one, other)):
            self.oldest = before.oldest

    def write(self, box: Box, labels: NDArray[Any]) -> tuple[list[int], NDArray[np.int32]] | None:
        """Write labels, those of a box or of the whole canvas, into the mask.

        Returns
        -------
        (list of int, NDArray (h, w) int32) or None
            The part of the box that lies in the canvas, and its labels; None where nothing does.
        """
        if self.labels is None:
            return None
        (top, left, bottom, right), (height, width) = box, self.labels.shape
        first_y, first_x, last_y, last_x = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
        if first_y >= last_y or first_x >= last_x:
            return None
        y, x = (0, 0) if labels.shape == self.labels.shape else (top, left)
        part = np.array(labels[first_y - y : last_y - y, first_x - x : last_x - x], np.int32)
        self.labels[first_y:last_y, first_x:last_x] = part
        return [first_y, first_x, last_y, last_x], part

    @property
    def painting(self) -> Content:
        """Request to paint all of it."""
        arrays = {"labels": self.labels, "real": self.real, "first": self.first, "look": self.look}
        values = {**self.values, "canvas": self.name, "light": self.light}
        return values, {name: array for name, array in arrays.items() if array is not None}

    @property
    def lighting(self) -> Content:
        """Request to show it in its light."""
        look = {} if self.look is None else {"look": self.look}
        return {"canvas": self.name, "settings": self.light}, look
