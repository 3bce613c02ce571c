"""Scores as the spheroid study reports them: means over the images of a fold, then mean and deviation over folds.

Easy and hard images can be told apart, and the images that are put aside, which the segmenter of every fold marks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from napari_organoid_synth.core.gain.results import ArmRecord, GainResult
from napari_organoid_synth.core.gain.tasks import read_record
from napari_organoid_synth.core.segmentation.threshold_curves import FoldScores


def scores_over_folds(result: GainResult, arm: str, score: str, among: Collection[str] | None = None) -> FoldScores:
    """Return a score of the test images of each fold, or only of those ``among`` some.

    Parameters
    ----------
    result : GainResult
        Of a comparison.
    arm : str
        Key in its ``arms``.
    score : str
        ``"precision"``, ``"recall"``, ``"f"``, ``"dice"``, …
    among : collection of str, optional
        Names of images; default: all.
    """
    found = result.arms[arm].per_image
    return FoldScores.of(
        [
            [found[name][score] for name in fold.test if name in found and (among is None or name in among)]
            for fold in result.design.folds
        ]
    )


def put_aside_over_folds(
    records: Sequence[ArmRecord], arm: str, score: str, among: Collection[str] | None = None
) -> FoldScores:
    """Return a score of the images put aside, by the segmenter of each fold, mean over seeds."""
    folds: dict[int, dict[str, list[float]]] = {}
    for record in records:
        if record.arm != arm:
            continue
        for name, scores in record.put_aside.items():
            if among is None or name in among:
                folds.setdefault(record.fold, {}).setdefault(name, []).append(scores[score])
    return FoldScores.of([[sum(each) / len(each) for each in folds[fold].values()] for fold in sorted(folds)])


def read_arm_records(folder: Path) -> list[ArmRecord]:
    """Read the records of all trainings of segmenters in the folder of a comparison, by fold and seed."""
    records = [read_record(path.parent) for path in sorted(folder.glob("tasks/arm-*/result.json"))]
    found = [record for record in records if isinstance(record, ArmRecord)]
    return sorted(found, key=lambda record: (record.arm, record.fold, record.seed, record.subset, record.ratio))


def easy_and_hard(result: GainResult) -> tuple[set[str], set[str]]:
    """Return the tested images that are easy, and those that are hard by the settings of the segmenter."""
    hard = set(result.design.hard)
    return set(result.test) - hard, set(result.test) & hard
