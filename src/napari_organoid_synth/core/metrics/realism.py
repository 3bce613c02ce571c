r"""Realism: the share of held-back real tiles that are worse than a pair in their worst trait.

A *trait* is a score that real tiles have values of. The share of a value :math:`v` among :math:`n` real tiles is

.. math:: p = \min(1, 2 \min(F, 1 - F)), \qquad F = \frac{\#\{x < v\} + \tfrac12 \#\{x = v\} + \tfrac12}{n + 1},

about the share of real tiles that lie farther from the median; only :math:`F` or :math:`1 - F` where one side alone is
unusual. Beyond all real tiles, at a distance :math:`e` from the outermost, with :math:`w` from there to the median,

.. math:: F = \frac{0.5}{n + 1} (1 + e / w)^{-2},

so that no value is 0 and two values far outside are still told apart. The worst trait counts: :math:`t = \min_k p_k`.
The more traits, the smaller is :math:`t` for any tile, therefore it is compared with the :math:`t_i` of real tiles that
are held back: groups of images are put aside in turn, and their tiles are judged by the other real tiles. ``realism``
is the share of these that are worse,

.. math:: \frac{\#\{t_i < t\} + \tfrac12 \#\{t_i = t\} + \tfrac12}{N + 1}, \qquad
          \frac{0.5}{N + 1} \frac{t}{\min t_i} \text{ below them all,}

which is uniform in [0, 1] for real tiles whatever the number of traits and however they depend on each other: the
procedure of Westfall & Young 1993, "Resampling-based multiple testing", for one pair. A value of 0.05 is what 5 of 100
real tiles do not reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import Metric, Score
from napari_organoid_synth.core.samples.far_sets import UNREAL

FOLDS = 20  # parts of the real tiles that are held back in turn, at most
DECAY = 2.0  # exponent outside of the range
LOG_FLOOR = 0.01  # of the median, added before a logarithm


class Trait:
    """Values of one score among real tiles.

    Parameters
    ----------
    values : array_like (n,)
        Of real tiles; those that are not finite are left out.
    score : Score
        Its direction and scale.

    Examples
    --------
    >>> from napari_organoid_synth.core.metrics.base import Score
    >>> Trait([0.0, 1.0, 2.0, 3.0, 4.0], Score("size", "Size")).share(2.0)
    1.0
    """

    def __init__(self, values: Sequence[float] | NDArray[np.float64], score: Score) -> None:
        array = np.asarray(values, np.float64)
        array = array[np.isfinite(array)]
        if array.size == 0:
            raise ValueError("no finite value")
        self.score = score
        floor = LOG_FLOOR * abs(float(np.median(array)))
        self._floor = floor if score.is_log and floor > 0 and array.min() >= 0 else None
        self._values = np.sort(self._scaled(array))
        low, middle, high = self._values[0], float(np.median(self._values)), self._values[-1]
        spare = (high - low) / 2 or (0.1 if self._floor is not None else 0.1 * abs(middle)) or 1e-6
        self._reach = middle - low or spare, high - middle or spare

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values if self._floor is None else np.log(np.maximum(values, 0) + self._floor)

    def share(self, value: float) -> float:
        """Return the share of real tiles that are worse, in (0, 1]; 1 at the median."""
        return float(self.shares(np.array([value]))[0])

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share for each value (m,); NaN where that is NaN."""
        x, real, n = self._scaled(np.asarray(values, np.float64)), self._values, self._values.size
        less, up_to = np.searchsorted(real, x, "left"), np.searchsorted(real, x, "right")
        below = ((less + up_to) / 2 + 0.5) / (n + 1)
        above = 1 - below
        out = 0.5 / (n + 1)
        under, over = np.maximum(real[0] - x, 0) / self._reach[0], np.maximum(x - real[-1], 0) / self._reach[1]
        below = np.where(under > 0, out * (1 + under) ** -DECAY, below)
        above = np.where(over > 0, out * (1 + over) ** -DECAY, above)
        share = {"low": below, "high": above}.get(self.score.unusual, np.minimum(1, 2 * np.minimum(below, above)))
        return np.where(np.isnan(x), np.nan, share)


class Realism:
    """How ordinary a pair is among real tiles, by its worst trait.

    Parameters
    ----------
    values : mapping of str to NDArray (N,)
        Traits of the real tiles by name; NaN where unknown.
    scores : mapping of str to Score
        Each of them.
    groups : sequence (N,)
        Image or group of images that each tile is cut from; those of one are held back together.

    Attributes
    ----------
    held : NDArray (M,) float64
        Worst share of each held-back real tile, ascending.
    """

    def __init__(
        self, values: Mapping[str, NDArray[np.float64]], scores: Mapping[str, Score], groups: Sequence[Any]
    ) -> None:
        known = {name: found for name, found in values.items() if np.isfinite(found).any()}
        self._traits = {name: Trait(found, scores[name]) for name, found in known.items()}
        self.held = np.zeros(0)
        if known:
            self.held = np.sort(self._held_back(known, _parts(groups)))

    @classmethod
    def of(cls, metrics: Sequence[Metric], groups: Sequence[Any]) -> Realism:
        """Return that of metrics after `Metric.fit` on tiles of these groups."""
        values = {name: found for metric in metrics for name, found in metric.real_values.items()}
        scores = {score.name: score for metric in metrics for score in metric.scores}
        return cls(values, scores, groups)

    def _held_back(self, values: Mapping[str, NDArray[np.float64]], parts: NDArray[np.intp]) -> NDArray[np.float64]:
        worst = np.full(len(parts), np.inf)
        for part in np.unique(parts):
            aside = parts == part
            for name, found in values.items():
                if np.isfinite(found[~aside]).any():
                    shares = Trait(found[~aside], self._traits[name].score).shares(found[aside])
                    worst[aside] = np.fmin(worst[aside], shares)
        known: NDArray[np.float64] = worst[np.isfinite(worst)]
        return known

    def shares(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the share of real tiles that are worse in each trait of a pair, the worst trait first."""
        shares = {name: trait.share(values[name]) for name, trait in self._traits.items() if name in values}
        return dict(sorted(shares.items(), key=lambda item: item[1]))

    def __call__(self, values: Mapping[str, float]) -> float | None:
        """Return the share of held-back real tiles that are worse in their worst trait; None without any trait."""
        shares = [share for share in self.shares(values).values() if np.isfinite(share)]
        return self.of_worst(min(shares)) if shares else None

    def of_worst(self, worst: float) -> float:
        """Return the realism of a pair with this share in its worst trait, in (0, 1].

        Without held-back tiles that of independent traits (Šidák 1967), 1 - (1 - worst)^K.
        """
        n = self.held.size
        if n == 0:
            return float(1 - (1 - worst) ** len(self._traits))
        if worst < self.held[0]:
            return float(0.5 / (n + 1) * worst / self.held[0])
        less, up_to = np.searchsorted(self.held, worst, "left"), np.searchsorted(self.held, worst, "right")
        return float(((less + up_to) / 2 + 0.5) / (n + 1))

    def unlike(self, values: Mapping[str, float]) -> list[str]:
        """Return the titles of the traits that alone make a pair less real than 95 of 100 real tiles, worst first."""
        shares = self.shares(values)
        return [self._traits[name].score.title for name, share in shares.items() if self.of_worst(share) < UNREAL]


def _parts(groups: Sequence[Any]) -> NDArray[np.intp]:
    """Return the part that each tile is held back with: its group, or its own number where there is one group."""
    parts = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    if parts.size and parts.max() == 0:
        parts = np.arange(len(parts))
    return np.asarray(parts % FOLDS, np.intp)
