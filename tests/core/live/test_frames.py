"""Messages between window and renderer: what goes in comes out, and bytes that are no message are refused."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_organoid_synth.core.live.frames import MAGIC, PREFIX, Decoder, FrameError, Message, encode, plain

ARRAYS = {
    "labels": np.arange(12, dtype=np.int32).reshape(3, 4),
    "pixels": np.linspace(0, 1, 24).astype(np.float16).reshape(2, 3, 4),
    "empty": np.zeros((1, 0, 5), np.uint16),
    "big end first": np.arange(5, dtype=">u2"),
    "every second": np.arange(10, dtype=np.int64)[::2],
    "truth": np.array([True, False]),
}
VALUES = {"serial": 7, "canvas": "Häuser ☃", "box": [0, 1, 2, 3], "variety": 0.5, "walk": None, "full": True}


def same(one: Message, other: Message) -> None:
    assert (one.kind, one.values, list(one.arrays)) == (other.kind, other.values, list(other.arrays))
    for name, array in other.arrays.items():
        np.testing.assert_array_equal(one.arrays[name], array)
        assert one.arrays[name].dtype == array.dtype.newbyteorder("<")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1000), max_size=8))
def test_messages_arrive_whole_however_the_bytes_are_cut(cuts: list[int]) -> None:
    sent = [Message("painted", VALUES, ARRAYS), Message("quit"), Message("paint", {"seed": 2**60})]
    data = b"".join(map(encode, sent))
    decoder, came = Decoder(), []
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for first, last in pairwise(edges):
        came += decoder.feed(data[first:last])
    assert len(came) == 3
    for one, other in zip(came, sent, strict=True):
        same(one, other)


def frame(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return PREFIX.pack(MAGIC, len(text), len(data)) + text + data


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"Traceback (most recent call last)", "begins with"),
        (struct.pack("<4sIQ", MAGIC, 1 << 21, 0), "a header of 2097152"),
        (struct.pack("<4sIQ", MAGIC, 2, 1 << 40), "arrays of 1099511627776"),
        (frame(b"{"), "cannot be read"),
        (frame(b"\xff\xfe"), "cannot be read"),
        (frame([]), "cannot be read"),
        (frame({"kind": 3, "values": {}, "arrays": []}), "its kind is no text"),
        (frame({"kind": "x", "values": [], "arrays": []}), "cannot be read"),
        (frame({"kind": "x", "values": {}, "arrays": [["a", "|O8", [1]]]}, bytes(8)), "pixel type '|O8'"),
        (frame({"kind": "x", "values": {}, "arrays": [["a", "<f4", [-1]]]}), "the shape"),
        (frame({"kind": "x", "values": {}, "arrays": [["a", "<f4", [1, 1, 1, 1, 1]]]}, bytes(4)), "the shape"),
        (frame({"kind": "x", "values": {}, "arrays": [["a", "<f8", [1 << 20, 1 << 20]]]}), "bytes"),
        (frame({"kind": "x", "values": {}, "arrays": [["a", "<f4", [2]]]}, bytes(4)), "longer than the message"),
        (frame({"kind": "x", "values": {}, "arrays": [["a", "<f4", [1]]]}, bytes(8)), "describes 4"),
        (frame(b"[" * 100_000), "cannot be read"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes, what: str) -> None:
    with pytest.raises(FrameError, match=what.replace("|", r"\|")):
        Decoder().feed(data)


def test_objects_are_not_sent() -> None:
    with pytest.raises(ValueError, match="pixel type"):
        encode(Message("x", {}, {"a": np.array([object()])}))
    with pytest.raises(TypeError, match="not JSON serializable"):
        encode(Message("x", {"a": object()}))


def test_numbers_of_numpy_and_keys_become_plain_ones() -> None:
    values = {1: np.float32(0.5), "b": (np.int64(3), {"z", "a"}), "c": {"d": np.bool_(True)}}
    assert plain(values) == {"1": 0.5, "b": [3, ["a", "z"]], "c": {"d": True}}
    assert json.dumps(plain(values))
