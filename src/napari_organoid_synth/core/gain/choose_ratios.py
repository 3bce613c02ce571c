"""The trainings of a comparison in cells, and the share of synthetic crops that is chosen on the held-back score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from napari_organoid_synth.core.gain.results import ArmRecord
from napari_organoid_synth.core.segmentation.arms import base_of, has_ratio

Cell: TypeAlias = tuple[str, str, float, float | None]
"""Arm, generator, share of the training images, and ratio; None: the ratio that was chosen in each fold."""
Place: TypeAlias = tuple[str, str, float]
"""The same without the ratio."""


@dataclass(frozen=True)
class Choice:
    """The trainings that stand for an arm, and the ratio that was chosen in each fold, in their order.

    Parameters
    ----------
    records : tuple of ArmRecord
    ratios : tuple of float
    passed_over : tuple of ArmRecord
        Trainings with the pairs in folds where none were chosen: if these had gone on, they might have been.
    """

    records: tuple[ArmRecord, ...]
    ratios: tuple[float, ...]
    passed_over: tuple[ArmRecord, ...] = ()


CLEAR = 2.0
"""Standard errors between seeds by which none must be better than the best share to be chosen."""


def choose_ratios(records: Sequence[ArmRecord]) -> dict[Place, Choice]:
    """Choose a ratio in each fold for every arm with added pairs: that with the highest mean held-back score.

    The arm without the pairs (`base_of`) stands for the ratio 0. The mean is over the seeds with which every ratio was
    trained; of equal ones the smaller share is taken. Held-back parts are parts of the training images and cannot show
    what pairs bring on other images, so 0 is chosen only where it is better by more than `CLEAR` standard errors of the
    difference between seeds; otherwise the test images decide about the best share. They have no part in the choice.

    Parameters
    ----------
    records : sequence of ArmRecord
        The trainings so far. A fold in which a ratio is missing is left out.

    Returns
    -------
    dict of (arm, generator, subset) to Choice
        Without arms for which there is nothing to choose, or nothing was held back.

    Examples
    --------
    >>> scores = {("classical", 1.0): 0.7, ("classical+synthetic", 0.25): 0.8, ("classical+synthetic", 1.0): 0.6}
    >>> records = [ArmRecord(arm=a, ratio=r, per_image={}, held_score=score) for (a, r), score in scores.items()]
    >>> choose_ratios(records)["classical+synthetic", "", 1.0].ratios
    (0.25,)
    """
    choices = {}
    for arm, generator, subset in dict.fromkeys((one.arm, one.generator, one.subset) for one in records):
        if not has_ratio(arm):
            continue
        shares: dict[float, list[ArmRecord]] = {}
        for one in records:
            if (one.arm, one.subset) == (base_of(arm), subset):
                shares.setdefault(0.0, []).append(one)
            elif (one.arm, one.generator, one.subset) == (arm, generator, subset):
                shares.setdefault(one.ratio, []).append(one)
        if len(shares) > 1 and (choice := _choose(shares)) is not None:
            choices[arm, generator, subset] = choice
    return choices


def _choose(shares: Mapping[float, Sequence[ArmRecord]]) -> Choice | None:
    """Choose among the trainings with each ratio; None where no fold has them all."""
    taken, ratios, passed_over = list[ArmRecord](), list[float](), list[ArmRecord]()
    for fold in sorted({one.fold for cell in shares.values() for one in cell}):
        held = {
            ratio: {one.seed: one.held_score for one in shares[ratio] if one.fold == fold} for ratio in sorted(shares)
        }
        seeds = set.intersection(*(set(scores) for scores in held.values()))
        means = {ratio: _mean([scores[seed] for seed in seeds]) for ratio, scores in held.items()}
        known = {ratio: mean for ratio, mean in means.items() if mean is not None}
        if len(known) < len(shares):
            continue
        best = max(known, key=lambda ratio: known[ratio])  # of equal ones the first, so the smaller
        if best == 0:
            rival = max((ratio for ratio in known if ratio), key=lambda ratio: known[ratio])
            ahead = [(held[0.0][seed] or 0.0) - (held[rival][seed] or 0.0) for seed in seeds]
            best = 0.0 if _is_clear(ahead) else rival
        taken += [one for one in shares[best] if one.fold == fold and one.seed in seeds]
        ratios.append(best)
        if best == 0:
            others = [one for ratio, cell in shares.items() if ratio for one in cell]
            passed_over += [one for one in others if one.fold == fold and one.seed in seeds]
    return Choice(tuple(taken), tuple(ratios), tuple(passed_over)) if taken else None


def _is_clear(ahead: Sequence[float]) -> bool:
    """Return whether a mean difference exceeds what seeds differ by; with one seed any does."""
    if len(ahead) < 2:
        return True
    error = float(np.std(ahead, ddof=1)) / len(ahead) ** 0.5
    return bool(np.mean(ahead) > CLEAR * error)


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None without values, or where one is not known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def gather(records: Sequence[ArmRecord], choices: Mapping[Place, Choice]) -> dict[Cell, list[ArmRecord]]:
    """Return the trainings of every arm, generator, share of the images and ratio, and those that were chosen."""
    cells: dict[Cell, list[ArmRecord]] = {}
    for one in records:
        cells.setdefault((one.arm, one.generator, one.subset, one.ratio), []).append(one)
    return cells | {(*place, None): list(choice.records) for place, choice in choices.items()}


def is_main(cell: Cell, cells: Mapping[Cell, object]) -> bool:
    """Return whether a cell stands for its arm: that of the chosen ratio does, where there is one."""
    return cell[3] is None or (*cell[:3], None) not in cells
