"""Losses and speed of a training between two reports."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

import torch

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Progress

REPORT_SECONDS = 1.0
MAX_BAD_STEPS = 100  # in a row, then the training has diverged


class Meter:
    """Means of losses, kept on the device until they are reported, and speed without the pauses.

    Parameters
    ----------
    step, images : int
        Steps done and tiles shown so far.

    Attributes
    ----------
    busy : float
        Seconds without the pauses.
    """

    def __init__(self, step: int, images: int) -> None:
        self.busy = 0.0
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0
        self._bad_in_a_row: torch.Tensor | None = None
        self._first_images, self._images = images, images
        self.start()
        self._history: deque[tuple[float, int, int]] = deque([(0.0, step, images)], maxlen=30)

    def add(self, losses: Mapping[str, torch.Tensor]) -> None:
        """Take the losses of a step; nothing is read from the device."""
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        bad = losses["bad"]
        self._bad_in_a_row = bad if self._bad_in_a_row is None else (self._bad_in_a_row + 1) * bad
        self._count += 1

    def start(self) -> None:
        """Begin to count time."""
        self._tick = self._reported = time.perf_counter()

    def due(self) -> bool:
        """Return whether a report is due."""
        self._advance()
        return time.perf_counter() - self._reported >= REPORT_SECONDS

    def skip_pause(self) -> None:
        """Leave out the time since the last call of any method."""
        self._advance(counted=False)

    @property
    def rate(self) -> float:
        """Images per second since the start."""
        return (self._images - self._first_images) / self.busy if self.busy else 0.0

    def report(self, step: int, total: int, images: int, assessed: Mapping[str, float] | None = None) -> Progress:
        """Read the losses from the device, once, and return them with the speed of the last reports.

        Raises
        ------
        UserError
            If the training diverged.
        """
        stats = {name: float(value) / self._count for name, value in self._sums.items()} if self._count else {}
        if self._bad_in_a_row is not None and float(self._bad_in_a_row) >= MAX_BAD_STEPS:
            raise UserError(
                f"The training diverged: {MAX_BAD_STEPS} steps in a row gave no finite loss.",
                "Expected finite losses.",
                "Lower the learning rate, or set the precision to float32.",
            )
        self._advance()
        self._sums, self._count, self._images = {}, 0, images
        self._reported = time.perf_counter()
        self._history.append((self.busy, step, images))
        began, first_step, first_images = self._history[0]
        seconds = max(self.busy - began, 1e-9)
        seconds_left = (total - step) * seconds / max(step - first_step, 1)
        bad = stats.pop("bad", 0.0)
        note = f"{bad:.0%} of the steps were not finite" if bad else ""
        return Progress(
            step, total, stats | dict(assessed or {}), (images - first_images) / seconds, seconds_left, note
        )

    def _advance(self, counted: bool = True) -> None:
        now = time.perf_counter()
        self.busy += (now - self._tick) * counted
        self._tick = now
