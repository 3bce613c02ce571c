"""The table of a comparison: means, spreads, and paired changes with bootstrap intervals.

Every number is a mean over images; an image that was tested several times (other seeds) counts once, with the mean of
its scores. Differences are paired: the same image, the same share of training images, the same seed, with and without.
The bootstrap draws images, or whole groups where images belong together, and, where there are several seeds, also the
trainings of each fold, because another seed gives another training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.gain.results import ArmRecord, PairedChange, Spread, TableRow
from napari_organoid_synth.core.segmentation.arms import ARMS, RAW

DRAWS = 10_000
MIN_GROUPS = 4
"""Images or groups below which the range stands in for the interval."""
NO_CHANGE = 1e-9
"""Differences up to this are none."""

Test = tuple[str, int, int]
"""Image, fold and seed: where a score comes from."""


def per_test(records: Sequence[ArmRecord], score: str) -> dict[Test, float]:
    """Return a score of every image in every training."""
    return {
        (name, record.fold, record.seed): scores[score]
        for record in records
        for name, scores in record.per_image.items()
    }


def per_image(records: Sequence[ArmRecord], score: str) -> dict[str, float]:
    """Return a score of each image, mean over its tests, in the order of the names."""
    tests: dict[str, list[float]] = {}
    for (name, _, _), value in per_test(records, score).items():
        tests.setdefault(name, []).append(value)
    return {name: float(np.mean(tests[name])) for name in sorted(tests)}


def gain_table(records: Sequence[ArmRecord], groups: Mapping[str, str], seed: int = 0) -> tuple[TableRow, ...]:
    """Compute one row for each arm, share of the training images and ratio.

    Parameters
    ----------
    records : sequence of ArmRecord
        The trainings so far.
    groups : mapping of str to str
        Image to group.
    seed : int
        Of the bootstrap.
    """
    cells: dict[tuple[str, float, float], list[ArmRecord]] = {}
    for record in records:
        cells.setdefault((record.arm, record.subset, record.ratio), []).append(record)
    order = {arm: index for index, arm in enumerate(ARMS)}
    keys = sorted(cells, key=lambda key: (-key[1], order.get(key[0], len(order)), key[2]))
    raw = {subset: cell for (arm, subset, _), cell in cells.items() if arm == RAW}
    comparisons = sum(arm != RAW and subset in raw for arm, subset, _ in keys)
    rows = []
    for arm, subset, ratio in keys:
        cell = cells[arm, subset, ratio]
        scores = list(next(iter(cell[0].per_image.values())))
        changes: dict[str, PairedChange] = {}
        for score in scores if arm != RAW and subset in raw else ():
            change = paired(per_test(raw[subset], score), per_test(cell, score), groups, comparisons, seed)
            if change is not None:
                changes[score] = change
        false = [number for record in cell for number in record.false_objects.values()]
        rows.append(
            TableRow(
                arm=arm,
                subset=subset,
                ratio=ratio,
                images=len(per_image(cell, scores[0])),
                trainings=len(cell),
                steps=cell[0].steps,
                seconds=round(float(np.mean([record.seconds for record in cell])), 1),
                synthetic=round(float(np.mean([record.synthetic for record in cell])), 1),
                curation=" and ".join(sorted({record.curation for record in cell if record.curation})),
                scores={score: _spread(cell, score) for score in scores},
                gain=changes,
                empty_fields=len({name for record in cell for name in record.false_objects}),
                false_objects=round(float(np.mean(false)), 3) if false else 0.0,
            )
        )
    return tuple(rows)


def _spread(records: Sequence[ArmRecord], score: str) -> Spread:
    values = list(per_image(records, score).values())
    by_fold: dict[int, list[ArmRecord]] = {}
    by_seed: dict[int, list[ArmRecord]] = {}
    for record in records:
        by_fold.setdefault(record.fold, []).append(record)
        by_seed.setdefault(record.seed, []).append(record)

    def of_means(parts: Mapping[int, Sequence[ArmRecord]]) -> float:
        return _deviation([float(np.mean(list(per_image(part, score).values()))) for part in parts.values()])

    return Spread(
        mean=float(np.mean(values)), sd=_deviation(values), sd_folds=of_means(by_fold), sd_seeds=of_means(by_seed)
    )


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


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
    tests = sorted(before.keys() & after.keys())
    if not tests:
        return None
    names, image = np.unique([name for name, _, _ in tests], return_inverse=True)
    kinds, member = np.unique([groups.get(name, name) for name in names], return_inverse=True)
    trainings = {place: row for row, place in enumerate(sorted({(fold, seed) for _, fold, seed in tests}))}
    share = np.array([after[test] - before[test] for test in tests]) / np.bincount(image)[image]
    change = np.bincount(image, share)
    by_training = np.zeros((len(trainings), len(kinds)))  # share of each training in the sum of each group
    np.add.at(by_training, (np.array([trainings[fold, seed] for _, fold, seed in tests]), member[image]), share)
    folds, counts = np.array([fold for fold, _ in trainings]), np.bincount(member)
    if len(kinds) < MIN_GROUPS:
        single = by_training.sum(axis=0) / counts
        ends = [float(single.min()), float(single.max())] * 2
    else:
        tail = 2.5 / max(comparisons, 1)
        means = _bootstrap(by_training, folds, counts, seed)
        ends = [float(end) for end in np.percentile(means, [2.5, 97.5, tail, 100 - tail])]
    return PairedChange(
        images=len(names),
        groups=len(kinds),
        seeds=int(np.unique(folds, return_counts=True)[1].min()),
        better=int((change > NO_CHANGE).sum()),
        worse=int((change < -NO_CHANGE).sum()),
        mean=float(change.mean()),
        **dict(zip(("low", "high", "low_all", "high_all"), ends, strict=True)),
        interval="range" if len(kinds) < MIN_GROUPS else "bootstrap",
    )


def _bootstrap(
    by_training: NDArray[np.float64], folds: NDArray[np.intp], counts: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """Draw groups, and the trainings of each fold, with replacement; return the mean over images of each draw.

    Trainings are few; so that their variance does not come out too small, what a draw changes is multiplied by
    √(n / (n − 1)) (Rao and Wu 1988, doi 10.1080/01621459.1988.10478591). A fold with one training keeps it.
    """
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(counts), (DRAWS, len(counts)))
    weights = np.ones((DRAWS, len(by_training)))
    for fold in np.unique(folds):
        n = int((folds == fold).sum())
        if n > 1:
            times = rng.multinomial(n, np.full(n, 1 / n), DRAWS)
            weights[:, folds == fold] = 1 + np.sqrt(n / (n - 1)) * (times - 1)
    sums = np.take_along_axis(weights @ by_training, draws, axis=1)
    means: NDArray[np.float64] = sums.sum(axis=1) / counts[draws].sum(axis=1)
    return means
