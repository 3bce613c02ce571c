"""Stacks and colours: slices become one image, colours become grey or grey becomes colours, where a person asks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB

StackUse: TypeAlias = Literal["", "ask", "slice", "channels", "max", "mean"]
"""How a row uses a stack beside a mask of one plane; ``ask``: nobody chose yet; empty: it is not one."""
Projection: TypeAlias = Literal["channels", "max", "mean"]
Channels: TypeAlias = Literal["as-stored", "grey", "rgb"]
"""Colours of a row: as in the file, one channel by luminance, or three."""


def _planes(value: Any) -> str:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"(slices|channels|max|mean|[0-9]{1,6})?", text):
        raise ValueError("Expected slices, channels, max, mean, or the number of a slice from 0")
    return text


PlanesChoice = Annotated[str, BeforeValidator(_planes)]
"""``slices``, ``channels``, ``max``, ``mean``, or the number of a slice, from 0; empty: not chosen."""

LUMINANCE = np.array([299.0, 587.0, 114.0])
"""Weights of red, green and blue in thousandths, ITU-R BT.601; whole, so that the sums are exact."""
USE_TEXTS = {
    "slice": "one slice of a stack",
    "channels": "slices of a stack taken as channels",
    "max": "brightest of the slices of a stack (maximum)",
    "mean": "mean of the slices of a stack",
}


def combine(planes: Iterable[NDArray[Any]], use: Projection) -> NDArray[Any]:
    """Make one image of the slices of a stack.

    Parameters
    ----------
    planes : iterable of NDArray (C, Y, X), native dtype
        At least one, all of one shape; only one is in memory at a time unless they become channels.
    use : {"channels", "max", "mean"}
        Slices as channels, the maximum of each pixel, or its mean, rounded for whole numbers.

    Returns
    -------
    NDArray (C, Y, X), the same dtype
        For ``channels``, the channels of the first slice, then those of the next, and so on.

    Raises
    ------
    UserError
        If the slices differ in size.

    Examples
    --------
    >>> stack = np.array([[[[1, 5]]], [[[4, 2]]]])
    >>> combine(stack, "max").tolist(), combine(stack, "channels").tolist()
    ([[[4, 5]]], [[[1, 5]], [[4, 2]]])
    """
    taken: list[NDArray[Any]] = []
    total: Any = None
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    count = 0
    for plane in planes:
        if shape is not None and plane.shape != shape:
            raise UserError(
                f"The slices of a stack have the shapes {shape} and {plane.shape}.", "Expected one shape.",
                "Choose a single slice.",
            )  # fmt: skip
        shape, dtype, count = plane.shape, plane.dtype, count + 1
        if use == "channels":
            taken.append(np.asarray(plane))
        elif use == "max":
            total = np.array(plane) if total is None else np.maximum(total, plane, out=total)
        else:
            total = np.asarray(plane, np.float64) if total is None else total + plane
    if use == "channels":
        return np.concatenate(taken)
    if use == "mean" and dtype is not None:
        total = total / count
        total = (np.rint(total) if dtype.kind in "iu" else total).astype(dtype)
    result: NDArray[Any] = total
    return result


def recolour(
    image: NDArray[Any], names: tuple[str, ...], channels: Channels, where: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Bring an image to one channel or to three.

    Parameters
    ----------
    image : NDArray (C, Y, X), native dtype
        Any number of channels.
    names : tuple of str
        Of its channels, or empty.
    channels : {"as-stored", "grey", "rgb"}
        ``grey``: the luminance of red, green and blue (ITU-R BT.601), rounded for whole numbers; ``rgb``: one channel
        three times.
    where : str
        Names the image in messages.

    Returns
    -------
    image : NDArray (C', Y, X), the same dtype
    names : tuple of str

    Raises
    ------
    UserError
        If it is neither grey nor RGB.

    Examples
    --------
    >>> recolour(np.array([[[255]], [[0]], [[0]]], np.uint8), ("red", "green", "blue"), "grey", "x")[0].tolist()
    [[[76]]]
    """
    if channels == "as-stored" or (channels == "grey" and len(image) == 1):
        return image, names
    is_rgb = len(image) == 3 and (names == RGB or not any(names))
    if channels == "rgb" and (len(image) == 1 or is_rgb):
        return (np.repeat(image, 3, axis=0) if len(image) == 1 else image), RGB
    if is_rgb:
        grey = np.tensordot(LUMINANCE, image, axes=1)[None] / 1000
        return (np.rint(grey) if image.dtype.kind in "iu" else grey).astype(image.dtype), ()
    named = f" ({', '.join(names)})" if any(names) else ""
    raise UserError(
        f"{where} has {len(image)} channel{'s' * (len(image) > 1)}{named}.",
        f"Expected one channel, or red, green and blue, to make {'it grey' if channels == 'grey' else 'it RGB'}.",
        "Use channels as-stored, or save it with one channel or as RGB.",
    )
