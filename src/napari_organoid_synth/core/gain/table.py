"""The table of a comparison: means, spreads, and paired changes with bootstrap intervals.

Every number is a mean over images; an image that was tested several times (other seeds) counts once, with the mean of
its scores. Differences are paired: the same image, the same share of training images, the same seed, with and without.
The bootstrap draws images, or whole groups where images belong together, and, where there are several seeds, also the
trainings of each fold, because another seed gives another training. A change is counted twice: against the real pairs
alone, and for arms that need a generator against the best arm without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from napari_organoid_synth.core.gain.bootstrap import mean_by_image, paired, per_test
from napari_organoid_synth.core.gain.choose_ratios import Cell, choose_ratios, gather, is_main
from napari_organoid_synth.core.gain.results import ArmRecord, PairedChange, Spread, TableRow, main_rows, rival_of
from napari_organoid_synth.core.segmentation.arms import ARMS, RAW, needs_generator
from napari_organoid_synth.core.segmentation.segmenters.plateau import decay_before, patience


def per_image(records: Sequence[ArmRecord], score: str) -> dict[str, float]:
    """Return a score of each image, mean over its tests, in the order of the names."""
    return mean_by_image(per_test(records, score))


def gain_table(
    records: Sequence[ArmRecord], groups: Mapping[str, str], score: str = "dice", seed: int = 0
) -> tuple[TableRow, ...]:
    """Compute a row for each arm, generator, share of the training images and ratio, and one with the ratio chosen.

    Parameters
    ----------
    records : sequence of ArmRecord
        The trainings so far.
    groups : mapping of str to str
        Image to group.
    score : str
        By which the best arm without a generator is found.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of TableRow
        Largest share first, then in the order of `ARMS`; the row with the chosen ratio before those of single ratios.
    """
    choices = choose_ratios(records)
    cells = gather(records, choices)
    order = {arm: index for index, arm in enumerate(ARMS)}
    keys = sorted(cells, key=lambda key: (-key[2], order.get(key[0], len(order)), key[1], key[3] or 0.0))
    raw = {subset: cell for (arm, _, subset, _), cell in cells.items() if arm == RAW}
    comparisons = sum(key[0] != RAW and key[2] in raw and is_main(key, cells) for key in keys)
    rows = {}
    for key in keys:
        (arm, generator, subset, ratio), cell = key, cells[key]
        before = raw.get(subset, []) if arm != RAW else []
        false = [number for record in cell for number in record.false_objects.values()]
        rows[key] = TableRow(
            arm=arm,
            generator=generator,
            subset=subset,
            ratio=ratio,
            chosen=choices[arm, generator, subset].ratios if ratio is None else (),
            images=len({name for record in cell for name in record.per_image}),
            trainings=len(cell),
            steps=round(float(np.mean([record.steps for record in cell]))),
            seconds=round(float(np.mean([record.seconds for record in cell])), 1),
            synthetic=round(float(np.mean([record.synthetic for record in cell])), 1),
            trained_on=round(float(np.mean([record.trained_on for record in cell])), 2),
            curation=" and ".join(sorted({record.curation for record in cell if record.curation})),
            scores=_spreads(cell),
            gain=_changes(before, cell, groups, comparisons, seed),
            put_aside=_spreads(_put_aside(cell)),
            images_aside=len({name for record in cell for name in record.put_aside}),
            empty_fields=len({name for record in cell for name in record.false_objects}),
            false_objects=round(float(np.mean(false)), 3) if false else 0.0,
            **_plateau(cell, choices[arm, generator, subset].passed_over if ratio is None else ()),
        )
    return tuple(_against_rivals(rows, cells, groups, score, seed))


def _against_rivals(
    rows: Mapping[Cell, TableRow],
    cells: Mapping[Cell, Sequence[ArmRecord]],
    groups: Mapping[str, str],
    score: str,
    seed: int,
) -> Iterator[TableRow]:
    """Yield the rows, those of arms that need a generator with their change against the best arm without one."""
    comparisons = sum(needs_generator(row.arm) for row in main_rows(list(rows.values())))
    for key, row in rows.items():
        best = rival_of(list(rows.values()), score, row.subset) if needs_generator(row.arm) else None
        if best is None:
            yield row
            continue
        before, after = cells[*best.place, best.ratio], cells[key]
        over_best = _changes(before, after, groups, comparisons, seed)
        aside = _changes(_put_aside(before), _put_aside(after), groups, comparisons, seed)
        yield row.model_copy(update={"over_best": over_best, "put_aside_over_best": aside})


def _changes(
    before: Sequence[ArmRecord], after: Sequence[ArmRecord], groups: Mapping[str, str], comparisons: int, seed: int
) -> dict[str, PairedChange]:
    """Compute the paired change of every score."""
    changes = {}
    for score in _score_names(after):
        if score in _score_names(before):
            change = paired(per_test(before, score), per_test(after, score), groups, comparisons, seed)
            if change is not None:
                changes[score] = change
    return changes


def _score_names(records: Sequence[ArmRecord]) -> list[str]:
    """Return the scores that every image has; that of thin structures only where all images show some."""
    images = [scores for record in records for scores in record.per_image.values()]
    return [name for name in next(iter(images), {}) if all(name in scores for scores in images)]


def _put_aside(records: Sequence[ArmRecord]) -> list[ArmRecord]:
    """Return the records with the images that the project puts aside in place of those of the fold."""
    return [record.model_copy(update={"per_image": record.put_aside}) for record in records if record.put_aside]


def _plateau(records: Sequence[ArmRecord], passed_over: Sequence[ArmRecord] = ()) -> dict[str, Any]:
    """Describe how many trainings reached their plateau, and the one that is farthest from it.

    Where none of the pairs were chosen, a training counts as rising if one of its fold and seed with pairs was.
    """
    rising = {
        (record.fold, record.seed, record.ratio): record.curve
        for record in (*records, *passed_over)
        if record.curve is not None and not record.curve.at_plateau
    }
    if not rising:
        return {}
    worst = max(rising.values(), key=lambda curve: (curve.wanted, curve.rise))
    return {
        "plateau": 1 - len({key[:2] for key in rising}) / len(records),
        "wanted": worst.wanted,
        "rise": worst.rise,
        "taken": worst.taken,
        "window": min(patience(worst.taken - decay_before(worst.taken)), worst.taken) if worst.watched else 0,
    }


def _spreads(records: Sequence[ArmRecord]) -> dict[str, Spread]:
    return {score: _spread(records, score) for score in _score_names(records)}


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
