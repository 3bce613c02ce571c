"""How much of a scoring is done, on one scale from its first real tile to its last set."""

from __future__ import annotations

import time
from collections.abc import Generator, Hashable, Mapping
from typing import TypeVar

from napari_organoid_synth.core.job import Progress

TOTAL = 1000
"""Parts that a scoring is reported in."""
EARLY = 0.05
"""Share below which the time left is not known."""
T = TypeVar("T")


class Stages:
    """Stages of a scoring, each with about the time that it takes.

    Parameters
    ----------
    weights : mapping
        Stages in their order; any unit of time.
    """

    def __init__(self, weights: Mapping[Hashable, float]) -> None:
        self._weights, self._began = dict(weights), time.monotonic()
        self._sum = sum(self._weights.values()) or 1.0

    def progress(self, stage: Hashable, share: float, note: str = "") -> Progress:
        """Return the progress of the whole, with a share of one stage done; only the end itself is all of it."""
        names = list(self._weights)
        before = sum(self._weights[name] for name in names[: names.index(stage)])
        done = (before + share * self._weights[stage]) / self._sum
        elapsed = time.monotonic() - self._began
        left = elapsed / done * (1 - done) if done > EARLY else None
        return Progress(min(round(TOTAL * done), TOTAL - 1), TOTAL, note=note, seconds_left=left)

    def end(self) -> Progress:
        """Return the progress of a scoring that is done."""
        return Progress(TOTAL, TOTAL, seconds_left=0.0)


def result_of(steps: Generator[float, None, T]) -> T:
    """Run steps to their end and return what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
