"""Summarise the records of trainings as the result of a comparison; needs no project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from napari_organoid_synth.core.gain.choose_ratios import choose_ratios, gather, is_main
from napari_organoid_synth.core.gain.results import (
    ArmRecord,
    Design,
    GainResult,
    TaskCounts,
    TrainingCurve,
    arm_key,
    rival_of,
)
from napari_organoid_synth.core.gain.sentences import gain_sentences, optimistic
from napari_organoid_synth.core.gain.table import gain_table
from napari_organoid_synth.core.gain.worth import worth_in_images
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.segmentation.agreement import mean_scores
from napari_organoid_synth.core.segmentation.arms import RAW, ArmResult, main_score


def summarise(
    records: Sequence[ArmRecord],
    design: Design,
    mask_kind: MaskKind = "binary",
    groups: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
    tasks: TaskCounts | None = None,
) -> GainResult:
    """Build the result of a comparison from its trainings.

    Parameters
    ----------
    records : sequence of ArmRecord
        One for each training; those of the arm ``raw`` are what the others are compared with.
    design : Design
        Folds, and which share and ratio the arms show.
    mask_kind : {"binary", "classes", "instances"}
        Decides which score the sentences are about.
    groups : mapping of str to str, optional
        Image to group, for images that belong together; default: every image is a group.
    warnings : sequence of str
        Warnings about the comparison.
    tasks : TaskCounts, optional
        Of a comparison that is not finished; default: all records.

    Returns
    -------
    GainResult
        With the best arm without a generator (``rival``), the curves of all trainings, and with several shares of the
        training images what the pairs are worth in images.

    Examples
    --------
    >>> from napari_organoid_synth.core.gain.folds import Fold
    >>> design = Design(folds=(Fold(train=("a",), test=("b", "c", "d", "e")),))
    >>> scores = {"raw": (0.5, 0.6, 0.7, 0.8), "raw+synthetic": (0.6, 0.7, 0.8, 0.9)}
    >>> records = [
    ...     ArmRecord(arm=arm, per_image={name: {"dice": dice} for name, dice in zip("bcde", values, strict=True)})
    ...     for arm, values in scores.items()
    ... ]
    >>> result = summarise(records, design)
    >>> result.arms["raw"].dice, result.sentences[0]
    (0.65, 'Synthetic pairs added 0.100 [0.100, 0.100] of Dice over real pairs, the best without a generator.')
    """
    belong, score = groups or {}, main_score(mask_kind)
    rows = gain_table(records, belong, score)
    best = rival_of(rows, score)
    rival = best.arm if best is not None else ""
    worth = worth_in_images(records, belong, rival, score)
    classes = tuple(dict.fromkeys(name for record in records for name in record.classes))
    return GainResult(
        arms=_arms(records, design),
        table=rows,
        design=design,
        tasks=tasks or TaskCounts(total=len(records), done=len(records)),
        rival=rival,
        classes=classes,
        curves=tuple(_curves(records)),
        worth=worth,
        score=score,
        mask_kind=mask_kind,
        sentences=tuple(gain_sentences(rows, score, optimistic(design), classes, worth)),
        warnings=tuple(warnings),
        train=tuple(sorted({name for fold in design.folds for name in fold.train})),
        test=design.test,
    )


def _curves(records: Sequence[ArmRecord]) -> Iterator[TrainingCurve]:
    """Yield the curve of every training that has one."""
    for one in records:
        if one.curve is not None:
            yield TrainingCurve(
                arm=one.arm, generator=one.generator, subset=one.subset, ratio=one.ratio, fold=one.fold,
                seed=one.seed, curve=one.curve,
            )  # fmt: skip


def _arms(records: Sequence[ArmRecord], design: Design) -> dict[str, ArmResult]:
    """Return each arm at the share of images of the design, the real pairs alone first.

    Of several ratios that which was chosen in each fold; where none was, that of the design.
    """
    cells = gather(records, choose_ratios(records))
    arms: dict[str, list[ArmRecord]] = {RAW: []}
    for cell in cells:
        arm, generator, subset, ratio = cell
        if subset == design.subset and is_main(cell, cells) and ratio in (None, design.ratio):
            arms[arm_key(arm, generator)] = cells[cell]
    return {arm: _arm(cell) for arm, cell in arms.items() if cell}


def _arm(cell: Sequence[ArmRecord]) -> ArmResult:
    names = sorted({name for record in cell for name in record.per_image})
    per_image = {name: mean_scores([one.per_image[name] for one in cell if name in one.per_image]) for name in names}
    return ArmResult(
        scores=mean_scores(list(per_image.values())),
        per_image=per_image,
        per_class={name: mean_scores([record.per_class[name] for record in cell]) for name in cell[0].per_class},
        steps=round(sum(record.steps for record in cell) / len(cell)),
        seconds=round(sum(record.seconds for record in cell) / len(cell), 1),
        synthetic=round(sum(record.synthetic for record in cell) / len(cell)),
    )
