"""Requests that wait for the renderer: the newest wins, and what it makes needless is never worked on."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Condition
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.live.frames import Message

REPLACED = {
    "paint": {"paint", "change", "facts"},
    "light": {"light"},
    "facts": {"facts"},
    "close": {"paint", "change", "light", "facts"},
}
"""Kinds of request that a newer one about the same canvas makes needless."""


class Pending:
    """A queue of requests that one thread fills and another one empties.

    ``open`` makes all that waits needless, other kinds what `REPLACED` says. A ``change`` becomes a part of the
    ``paint`` or ``change`` of the same canvas that waits. What is taken out lists in its value ``serials`` all requests
    that it stands for, so that one answer settles all of them.
    """

    def __init__(self) -> None:
        self._waiting: list[Message] = []
        self._there = Condition()
        self._closed = False

    def add(self, messages: Iterable[Message]) -> None:
        """Add requests in the order in which they came."""
        with self._there:
            for message in messages:
                self._add(message)
            self._there.notify_all()

    def close(self) -> None:
        """Let no more requests come; those that wait are dropped."""
        with self._there:
            self._closed = True
            self._waiting.clear()
            self._there.notify_all()

    @property
    def closed(self) -> bool:
        """Whether no more requests come."""
        return self._closed

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, seconds: float | None = None) -> Message | None:
        """Wait for a request, at most so many seconds; None if there is none, or no more will come."""
        with self._there:
            self._there.wait_for(lambda: self._waiting or self._closed, seconds)
            return self._waiting.pop(0) if self._waiting else None

    def _add(self, new: Message) -> None:
        serial = int(new.values.get("serial", 0))
        if new.kind == "change" and (older := self._joins(new)) is not None:
            join(older, new)
            older.values["serials"].append(serial)
            return
        needless = [old for old in self._waiting if _replaces(new, old)]
        self._waiting = [old for old in self._waiting if not any(old is one for one in needless)]
        new.values["serials"] = [*(number for old in needless for number in old.values["serials"]), serial]
        self._waiting.append(new)

    def _joins(self, change: Message) -> Message | None:
        """Return the request that a change can become a part of."""
        for old in reversed(self._waiting):
            if old.kind in ("paint", "change") and old.values.get("canvas") == change.values.get("canvas"):
                return old if is_whole(change) and (old.kind == "change" or "labels" in old.arrays) else None
        return None


def join(older: Message, change: Message) -> None:
    """Make a change a part of an older ``change``, or write it into the labels of a ``paint``."""
    if older.kind == "paint":
        labels = older.arrays["labels"] = older.arrays["labels"].copy()
        write(labels, change)
        return
    parts = [part for part in parts_of(older) if not any(_covers(box, part[0]) for box, _ in parts_of(change))]
    parts += parts_of(change)
    older.values.update(boxes=[box for box, _ in parts], quality=change.values.get("quality", "full"))
    older.arrays.clear()
    older.arrays.update({f"labels {number}": labels for number, (_, labels) in enumerate(parts)})


def parts_of(change: Message) -> list[tuple[list[int], NDArray[Any]]]:
    """Return the boxes of a change, each with its labels (h, w) int32, oldest first."""
    return [(box, change.arrays[f"labels {number}"]) for number, box in enumerate(change.values["boxes"])]


def write(labels: NDArray[np.int32], change: Message) -> None:
    """Write a change into the labels (Y, X) of its canvas.

    Raises
    ------
    ValueError
        If a box does not lie in the canvas.
    """
    for (top, left, bottom, right), part in parts_of(change):
        if bottom > labels.shape[0] or right > labels.shape[1]:
            raise ValueError(f"the box ends at {bottom}, {right}; the canvas has {labels.shape} px")
        labels[top:bottom, left:right] = part


def is_whole(change: Message) -> bool:
    """Return whether the boxes of a change are boxes, and each has labels of its size."""
    try:
        return all(
            0 <= top <= bottom and 0 <= left <= right and part.shape == (bottom - top, right - left)
            for (top, left, bottom, right), part in parts_of(change)
        )
    except (KeyError, TypeError, ValueError):
        return False


def _replaces(new: Message, old: Message) -> bool:
    if new.kind in ("open", "quit"):
        return True
    return old.kind in REPLACED.get(new.kind, ()) and old.values.get("canvas") == new.values.get("canvas")


def _covers(box: list[int], other: list[int]) -> bool:
    return box[0] <= other[0] and box[1] <= other[1] and box[2] >= other[2] and box[3] >= other[3]
