"""Paired changes with bootstrap intervals.

Every number is a mean over images; an image that was tested several times counts once, with the mean of its scores. The
bootstrap draws images, or whole groups where images belong together, and, where there are several seeds, also the
trainings of each fold, because another seed gives another training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.gain.results import ArmRecord, PairedChange

DRAWS = 10_000
MIN_GROUPS = 4
"""Images or groups below which the range stands in for the interval."""
NO_CHANGE = 1e-9
"""Differences up to this are none."""

Test: TypeAlias = tuple[str, int, int]
"""Image, fold and seed: where a score comes from."""


def per_test(records: Sequence[ArmRecord], score: str) -> dict[Test, float]:
    """Return a score of every image in every training."""
    return {
        (name, record.fold, record.seed): scores[score]
        for record in records
        for name, scores in record.per_image.items()
    }


def mean_by_image(values: Mapping[Test, float]) -> dict[str, float]:
    """Return the mean of each image over its tests, in the order of the names."""
    tests: dict[str, list[float]] = {}
    for name, fold, seed in sorted(values):
        tests.setdefault(name, []).append(values[name, fold, seed])
    return {name: float(np.mean(each)) for name, each in tests.items()}


@dataclass(frozen=True)
class Parts:
    """What each training adds to the sum over the images of each group.

    Parameters
    ----------
    by_training : NDArray (trainings, groups) float64
    folds : NDArray (trainings,) int
        Fold of each training.
    counts : NDArray (groups,) int
        Images of each group.
    """

    by_training: NDArray[np.float64]
    folds: NDArray[np.intp]
    counts: NDArray[np.intp]

    @classmethod
    def of(cls, values: Mapping[Test, float], groups: Mapping[str, str]) -> Parts:
        """Sort values by training and group; groups in the order of their names."""
        tests = sorted(values)
        names, image = np.unique([name for name, _, _ in tests], return_inverse=True)
        kinds, member = np.unique([groups.get(name, name) for name in names], return_inverse=True)
        trainings = {place: row for row, place in enumerate(sorted({(fold, seed) for _, fold, seed in tests}))}
        share = np.array([values[test] for test in tests]) / np.bincount(image)[image]
        by_training = np.zeros((len(trainings), len(kinds)))
        np.add.at(by_training, (np.array([trainings[fold, seed] for _, fold, seed in tests]), member[image]), share)
        return cls(by_training, np.array([fold for fold, _ in trainings]), np.bincount(member))

    def draw(self, draws: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the mean over images of each draw of groups, with trainings of each fold drawn too.

        Trainings are few; so that their variance does not come out too small, what a draw changes is multiplied by
        √(n / (n − 1)) (Rao and Wu 1988, doi 10.1080/01621459.1988.10478591). A fold with one training keeps it.

        Parameters
        ----------
        draws : NDArray (draws, groups) int
            Numbers of the groups that were drawn, with replacement.
        rng : Generator
            Draws the trainings.

        Returns
        -------
        NDArray (draws,) float64
        """
        weights = np.ones((len(draws), len(self.by_training)))
        for fold in np.unique(self.folds):
            n = int((self.folds == fold).sum())
            if n > 1:
                times = rng.multinomial(n, np.full(n, 1 / n), len(draws))
                weights[:, self.folds == fold] = 1 + np.sqrt(n / (n - 1)) * (times - 1)
        sums = np.take_along_axis(weights @ self.by_training, draws, axis=1)
        means: NDArray[np.float64] = sums.sum(axis=1) / self.counts[draws].sum(axis=1)
        return means


def paired(
    before: Mapping[Test, float],
    after: Mapping[Test, float],
    groups: Mapping[str, str],
    comparisons: int = 1,
    seed: int = 0,
) -> PairedChange | None:
    """Compute the paired difference of a score with its bootstrap interval (percentile; Efron 1979).

    Parameters
    ----------
    before, after : mapping of Test to float
        Scores; tests that only one of them has are left out, so that a half-finished table is paired too.
    groups : mapping of str to str
        Image to group. Where groups have several images, groups are drawn (cluster bootstrap), and the mean is that of
        all images in the groups drawn.
    comparisons : int
        Number of intervals: ``low_all`` and ``high_all`` hold for all of them at once (Bonferroni).
    seed : int
        Of the draws.

    Returns
    -------
    PairedChange or None
        None without common tests.
    """
    differences = {test: after[test] - before[test] for test in before.keys() & after.keys()}
    if not differences:
        return None
    parts = Parts.of(differences, groups)
    change = np.array(list(mean_by_image(differences).values()))
    if len(parts.counts) < MIN_GROUPS:
        single = parts.by_training.sum(axis=0) / parts.counts
        ends = [float(single.min()), float(single.max())] * 2
    else:
        tail = 2.5 / max(comparisons, 1)
        rng = np.random.default_rng(seed)
        means = parts.draw(rng.integers(0, len(parts.counts), (DRAWS, len(parts.counts))), rng)
        ends = [float(end) for end in np.percentile(means, [2.5, 97.5, tail, 100 - tail])]
    return PairedChange(
        images=len(change),
        groups=len(parts.counts),
        seeds=int(np.unique(parts.folds, return_counts=True)[1].min()),
        better=int((change > NO_CHANGE).sum()),
        worse=int((change < -NO_CHANGE).sum()),
        mean=float(change.mean()),
        **dict(zip(("low", "high", "low_all", "high_all"), ends, strict=True)),
        interval="range" if len(parts.counts) < MIN_GROUPS else "bootstrap",
    )
