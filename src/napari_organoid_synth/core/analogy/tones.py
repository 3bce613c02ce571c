"""A curve of tones: differences where there are many pixels count more than those where there are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EVEN = 0.5
"""Share of the even tones; 0 for the values as they are. Without them faint structure beside bright objects is lost."""
STEEPEST = 8.0
"""Most that a difference is enlarged, so that noise of an empty background does not count as structure."""
_KNOTS = 129


@dataclass(frozen=True, eq=False)
class Curve:
    """Rising curve of each channel.

    Parameters
    ----------
    values, tones : sequence of NDArray (K,) float32
        Values and what they become, for each channel.
    """

    values: Sequence[NDArray[np.float32]]
    tones: Sequence[NDArray[np.float32]]

    @classmethod
    def fitted(cls, samples: NDArray[np.float32]) -> Curve:
        """Mix the values with their ranks, so that both have the same spread.

        Parameters
        ----------
        samples : NDArray (C, N) float32
            Values of many pixels.
        """
        curves = [_curve(channel) for channel in samples]
        return cls([one for one, _ in curves], [other for _, other in curves])

    def of(self, channels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the tones of channels (C, Y, X)."""
        return np.stack(
            [
                np.interp(channel, values, tones).astype(np.float32)
                for channel, values, tones in zip(channels, self.values, self.tones, strict=True)
            ]
        )


def _curve(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    ranks = np.linspace(0, 1, _KNOTS)
    knots, first, counts = np.unique(np.quantile(samples, ranks), return_index=True, return_counts=True)
    spread = max(float(samples.std()), 1e-6)
    if len(knots) < 3:
        ends = np.array([-1.0, 2.0], np.float32)
        return ends, ends / np.float32(spread)
    middle = ranks[first] + (counts - 1) / 2 / (_KNOTS - 1)  # of the ranks that share a value
    steps = np.diff(knots) / spread
    rise = (1 - EVEN) * steps + EVEN * np.diff(middle) * np.sqrt(12)
    rise = np.minimum(rise, STEEPEST * steps)
    tones = np.concatenate([[0.0], np.cumsum(rise)])
    far = 2.0  # beyond the ends the values go on as they are
    values = np.concatenate([[knots[0] - far], knots, [knots[-1] + far]])
    tones = np.concatenate([[tones[0] - far / spread], tones, [tones[-1] + far / spread]])
    return values.astype(np.float32), tones.astype(np.float32)
