"""Run lengths of COCO: numbers of pixels outside and inside in turn, column by column, also as compressed text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.annotations.outlines import Window


def encode(window: Window, size: tuple[int, int]) -> str:
    """Return the compressed run lengths of an object in an image of ``size`` (height, width)."""
    columns, rows = np.nonzero(window.inside.T)
    places = (columns + window.x) * size[0] + rows + window.y
    starts = places[np.diff(places, prepend=-2) != 1]
    ends = places[np.diff(places, append=-2) != 1] + 1
    bounds = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], bounds, [size[0] * size[1]]])).tolist()
    return _compress(counts if counts[-1] else counts[:-1])


def decode(counts: str | bytes | Sequence[int], size: tuple[int, int]) -> Window:
    """Return the pixels of run lengths.

    Parameters
    ----------
    counts : str, bytes or sequence of int
        Compressed text or plain numbers.
    size : (int, int)
        Height and width of the image, px, already known to be right: this much is allocated.

    Raises
    ------
    ValueError
        If the numbers are not run lengths of such an image.
    """
    numbers = _expand(counts) if isinstance(counts, str | bytes) else [int(count) for count in counts]
    total = size[0] * size[1]
    if any(number < 0 or number > total for number in numbers) or sum(numbers) != total:
        raise ValueError(f"run lengths of {sum(numbers):,} px for {total:,} px")
    flat = np.repeat(np.arange(len(numbers)) % 2 == 1, np.asarray(numbers, np.int64))
    inside = flat.reshape(size[1], size[0]).T
    return _trim(inside)


def _trim(inside: NDArray[np.bool_]) -> Window:
    """Return the part of a mask that holds its pixels."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        return Window(0, 0, np.zeros((0, 0), bool))
    window = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Window(int(rows[0]), int(columns[0]), np.ascontiguousarray(window))


def _compress(counts: Sequence[int]) -> str:
    """Write numbers as text: five bits per character and a sign; from the fourth on, the change since the last but one.

    References
    ----------
    ``rleToString`` of the COCO API, https://github.com/cocodataset/cocoapi (common/maskApi.c).
    """
    letters = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        while True:
            bits, value = value & 31, value >> 5
            is_last = value == (-1 if bits & 16 else 0)
            letters.append(chr(48 + bits + (0 if is_last else 32)))
            if is_last:
                break
    return "".join(letters)


def _expand(text: str | bytes) -> list[int]:
    """Read the numbers of `_compress`; raise `ValueError` if it is not such a text."""
    data = text.encode("ascii", "replace") if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for letter in data:
        bits = letter - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("run lengths with a wrong character")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("run lengths that end early")
    return counts
