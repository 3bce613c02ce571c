"""Messages between the window and the renderer, as bytes in a pipe: plain values as JSON, arrays as they lie in memory.

::

    b"OSL1"  length of the header (uint32)  length of the arrays (uint64)  header  arrays

    header = {"kind": "painted", "values": {...}, "arrays": [["pixels", "<u2", [1, 64, 80]], ...]}

All numbers are little-endian. Nothing is pickled, and no length is believed before it is checked.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.plain_values import from_json

MAGIC = b"OSL1"
PREFIX = struct.Struct("<4sIQ")
MAX_HEADER = 1 << 20
"""Bytes of a header."""
MAX_ARRAYS = 1 << 31
"""Bytes of the arrays of one message: 8192 x 8192 px of four channels in float64 are as many."""
MAX_AXES = 4
MAX_COUNT = 10_000
"""Arrays of one message."""
DTYPES = frozenset({"|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"})


class FrameError(ValueError):
    """The bytes are not a message: both sides must start again, for nobody knows where the next one begins."""


@dataclass(frozen=True, eq=False)
class Message:
    """A request to the renderer, or an answer of it.

    Parameters
    ----------
    kind : str
        What is asked or answered: ``"paint"``, ``"painted"``, …
    values : dict of str to object
        Plain values, as JSON holds them.
    arrays : dict of str to NDArray
        Of at most four axes; truth values, integers or floats.
    """

    kind: str
    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


def encode(message: Message) -> bytes:
    """Return a message as bytes.

    Raises
    ------
    TypeError, ValueError
        If a value is not a plain one, or an array is not of numbers, has too many axes or is too large.

    Examples
    --------
    >>> data = encode(Message("paint", {"seed": 3}, {"labels": np.eye(2, dtype=np.int32)}))
    >>> [message] = Decoder().feed(data)
    >>> message.values, message.arrays["labels"].tolist()
    ({'seed': 3}, [[1, 0], [0, 1]])
    """
    parts = {name: _little_endian(array) for name, array in message.arrays.items()}
    described = [[name, part.dtype.str, list(part.shape)] for name, part in parts.items()]
    text = json.dumps({"kind": message.kind, "values": message.values, "arrays": described})
    header = text.encode("ascii")
    size = sum(part.nbytes for part in parts.values())
    _check_lengths(len(header), size)
    for name, dtype, shape in described:
        _bytes_of(name, dtype, shape)
    return b"".join([PREFIX.pack(MAGIC, len(header), size), header, *(part.tobytes() for part in parts.values())])


class Decoder:
    """Puts messages together from bytes that arrive in pieces of any length."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = PREFIX.size

    def feed(self, data: bytes) -> list[Message]:
        """Take up bytes, and return the messages that are complete now.

        Raises
        ------
        FrameError
            If the bytes are not a message; this decoder cannot be used any more.
        """
        self._buffer += data
        self._check_begin()
        messages = []
        while len(self._buffer) >= self._needed:
            _, header, size = PREFIX.unpack_from(self._buffer)
            _check_lengths(header, size)
            self._needed = PREFIX.size + header + size
            if len(self._buffer) < self._needed:
                break
            first = PREFIX.size + header
            messages.append(
                _message(bytes(self._buffer[PREFIX.size : first]), bytes(self._buffer[first : self._needed]))
            )
            del self._buffer[: self._needed]
            self._needed = PREFIX.size
            self._check_begin()
        return messages

    def _check_begin(self) -> None:
        begin = bytes(self._buffer[: len(MAGIC)])
        if not MAGIC.startswith(begin):
            raise FrameError(f"a message begins with {begin!r} instead of {MAGIC!r}")


def _message(header: bytes, data: bytes) -> Message:
    """Read a header, check it against the bytes that came with it, and cut these into arrays."""
    try:
        content = from_json(header.decode("ascii"))
        kind, values, described = content["kind"], content["values"], content["arrays"]
        if not isinstance(kind, str) or not isinstance(values, dict) or len(described) > MAX_COUNT:
            raise ValueError("its kind is no text, or its values have no names")
        arrays, offset = {}, 0
        for name, dtype, shape in described:
            size = _bytes_of(name, dtype, shape)
            if offset + size > len(data):
                raise ValueError(f"array '{name}' is longer than the message")
            arrays[name] = np.frombuffer(data, dtype, math.prod(shape), offset).reshape(shape)
            offset += size
    except (ValueError, KeyError, TypeError) as error:
        raise FrameError(f"the header of a message cannot be read: {error}") from None
    if offset != len(data):
        raise FrameError(f"a message has {len(data)} bytes of arrays; its header describes {offset}")
    return Message(kind, values, arrays)


def _bytes_of(name: Any, dtype: Any, shape: Any) -> int:
    """Check the description of an array, and return its bytes."""
    if not isinstance(name, str) or dtype not in DTYPES:
        raise ValueError(f"array {name!r} has the pixel type {dtype!r}")
    if not isinstance(shape, list) or len(shape) > MAX_AXES or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"array '{name}' has the shape {shape!r}")
    size = int(math.prod(shape) * np.dtype(dtype).itemsize)
    if size > MAX_ARRAYS:
        raise ValueError(f"array '{name}' has {size} bytes")
    return size


def _check_lengths(header: int, size: int) -> None:
    if header > MAX_HEADER or size > MAX_ARRAYS:
        raise FrameError(f"a message has a header of {header} and arrays of {size} bytes")


def _little_endian(array: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(array)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: keys as texts, numbers of numpy as those of Python, tuples and sets as lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(one) for one in value)
    return value.item() if isinstance(value, np.generic) else value
