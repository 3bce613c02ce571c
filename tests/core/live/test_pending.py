"""Requests that wait: the newest wins, changes become one, and every request is settled by one answer."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from napari_organoid_synth.core.live.frames import Message
from napari_organoid_synth.core.live.pending import Pending, is_whole, parts_of, write


def ask(kind: str, serial: int, canvas: str = "a", **values: Any) -> Message:
    return Message(kind, {"serial": serial, "canvas": canvas, **values})


def paint(serial: int, canvas: str = "a") -> Message:
    message = ask("paint", serial, canvas)
    message.arrays["labels"] = np.zeros((20, 30), np.int32)
    message.arrays["labels"].setflags(write=False)  # as it comes out of a decoder
    return message


def change(
    serial: int, box: tuple[int, int, int, int], value: int, canvas: str = "a", quality: str = "fast"
) -> Message:
    message = ask("change", serial, canvas, boxes=[list(box)], quality=quality)
    message.arrays["labels 0"] = np.full((box[2] - box[0], box[3] - box[1]), value, np.int32)
    return message


def taken(*messages: Message) -> list[tuple[str, str, list[int]]]:
    pending = Pending()
    pending.add(messages)
    return [(m.kind, m.values["canvas"], m.values["serials"]) for m in iter(lambda: pending.take(0), None)]


def test_the_newest_painting_of_a_canvas_wins() -> None:
    assert taken(paint(1), paint(2, "b"), paint(3), paint(4)) == [("paint", "b", [2]), ("paint", "a", [1, 3, 4])]


def test_light_stays_when_a_mask_is_painted_again() -> None:
    assert taken(ask("light", 1), ask("light", 2), paint(3)) == [("light", "a", [1, 2]), ("paint", "a", [3])]


def test_another_model_or_a_closed_canvas_leaves_nothing_to_do() -> None:
    first = [paint(1), change(2, (0, 0, 2, 2), 1), ask("light", 3), paint(4, "b")]
    assert taken(*first, ask("open", 5, "")) == [("open", "", [1, 2, 3, 4, 5])]
    assert taken(*first, ask("close", 5)) == [("paint", "b", [4]), ("close", "a", [1, 2, 3, 5])]


def test_a_change_is_written_into_the_mask_that_waits() -> None:
    pending = Pending()
    pending.add([paint(1), change(2, (3, 4, 6, 9), 7), change(3, (5, 5, 6, 6), 0)])
    message = pending.take(0)
    assert message is not None
    assert (message.kind, message.values["serials"]) == ("paint", [1, 2, 3])
    expected = np.zeros((20, 30), np.int32)
    expected[3:6, 4:9], expected[5, 5] = 7, 0
    np.testing.assert_array_equal(message.arrays["labels"], expected)
    assert pending.take(0) is None


def test_changes_become_one_whose_later_parts_lie_on_top() -> None:
    pending = Pending()
    pending.add([change(1, (0, 0, 4, 4), 1), change(2, (2, 2, 6, 6), 2), change(3, (9, 9, 10, 10), 3, "b")])
    pending.add([change(4, (1, 1, 6, 6), 4, quality="full"), change(5, (0, 5, 2, 8), 5, quality="full")])
    message = pending.take(0)
    assert message is not None
    assert message.values["serials"] == [1, 2, 4, 5]
    assert message.values["quality"] == "full"
    assert [box for box, _ in parts_of(message)] == [[0, 0, 4, 4], [1, 1, 6, 6], [0, 5, 2, 8]]  # the second is covered
    labels = np.zeros((20, 30), np.int32)
    write(labels, message)
    assert [labels[0, 0], labels[2, 2], labels[5, 5], labels[1, 5], labels[0, 7]] == [1, 4, 4, 5, 5]


def test_a_change_without_labels_of_its_size_stays_alone() -> None:
    bad = change(2, (0, 0, 4, 4), 1)
    bad.values["boxes"] = [[0, 0, 5, 5]]
    assert not is_whole(bad)
    assert taken(paint(1), bad) == [("paint", "a", [1]), ("change", "a", [2])]
    assert not is_whole(ask("change", 1, boxes=[[1, 2]]))
    assert not is_whole(ask("change", 1))


def test_taking_waits_for_a_request_or_the_end() -> None:
    pending = Pending()
    start = time.monotonic()
    assert pending.take(0.05) is None
    assert time.monotonic() - start >= 0.05
    threading.Timer(0.05, pending.add, [[paint(1)]]).start()
    assert pending.take(5) is not None
    threading.Timer(0.05, pending.close).start()
    assert pending.take(5) is None
    assert pending.closed
