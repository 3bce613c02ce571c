"""The gain of any segmenter that is given as a function, from arrays in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import Fold, make_folds
from napari_organoid_synth.core.gain.leakage import Leak, is_painted_on, refuse_leaks
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.job import Progress
from napari_organoid_synth.core.pairs.arrays import PairLike, as_pairs
from napari_organoid_synth.core.pairs.groups import Grouping, find_groups
from napari_organoid_synth.core.pairs.ome_tiff import as_labels
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import PairEntry
from napari_organoid_synth.core.segmentation.agreement import (
    failed_training_warnings,
    false_objects,
    image_scores,
    mean_class_scores,
)
from napari_organoid_synth.core.segmentation.arms import RAW, Scores, title_of

SYNTHETIC = "raw+synthetic"
DESIGN: Literal["grouped"] = "grouped"
Predict: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""Image (C, Y, X) to labels (Y, X)."""
Fit: TypeAlias = Callable[[list[SamplePair]], Predict]
"""Trains a segmenter on pairs and returns how it predicts."""
Make: TypeAlias = Callable[[list[SamplePair]], Iterable[PairLike]]
"""Makes synthetic pairs from the training pairs of a fold."""


def measure_gain(
    pairs: Iterable[PairLike],
    synthetic: Iterable[PairLike] | Make,
    fit: Fit,
    folds: int = 0,
    groups: Sequence[str] | None = None,
    repeats: int = 1,
    seed: int = 0,
    progress: Callable[[Progress], object] | None = None,
) -> GainResult:
    """Measure the gain from synthetic pairs for a segmenter of your own.

    In each fold ``fit`` is called twice: with the real training pairs, and with these and the synthetic pairs. Both are
    tested on the real pairs of the fold.

    Parameters
    ----------
    pairs : iterable of SamplePair or (image, labels)
        Real pairs, at least two; their names must differ.
    synthetic : iterable of pairs, or callable
        Pairs whose maker saw none of the real ones, or ``make(train_pairs) -> pairs``, called in each fold with the
        training pairs alone.
    fit : callable
        ``fit(pairs) -> predict`` and ``predict(image) -> labels``, image (C, Y, X) as in the pairs, labels (Y, X), 0 is
        background.
    folds : int
        Number of folds; every pair is tested once. 0: five, or as many as can be; as many as pairs: leave one out.
    groups : sequence of str, optional
        Sample, embryo or volume of each pair; those of one group are tested together. Default: as the
        names suggest.
    repeats : int
        Number of repetitions of all trainings, to include the variance between trainings in the intervals.
    seed : int
        Deals the pairs out to folds.
    progress : callable, optional
        Called with a `Progress` after each training.

    Returns
    -------
    GainResult
        The same as of the verb `gain`, with the arms ``raw`` and ``raw+synthetic``.

    Raises
    ------
    UserError
        If there are too few pairs, a prediction is not a label image of the size of the image, or a test image would be
        trained on: a synthetic pair equals it, was painted on its mask, or was made by a generator that saw it.
    """
    real = _distinct(as_pairs(pairs))
    grouping = _group(real, groups)
    split = make_folds(grouping.groups, DESIGN, folds, seed=seed, series=grouping.series)
    make = synthetic if callable(synthetic) else _constant(synthetic, real[0])
    records: list[ArmRecord] = []
    for record in _trainings(real, make, fit, split, range(seed, seed + repeats)):
        records.append(record)
        if progress is not None:
            note = f"{title_of(record.arm)}, fold {record.fold + 1}"
            progress(Progress(len(records), 2 * repeats * len(split), note=note))
    design = Design(folds=tuple(split), name=DESIGN, groups=grouping.description, repeats=repeats, seed=seed)
    if not callable(synthetic):
        design = design.replace(pairs_from="store")
    warnings = [*filter(None, [grouping.warning]), *(text for record in records for text in record.warnings)]
    return summarise(records, design, real[0].mask_kind, grouping.groups, list(dict.fromkeys(warnings)))


def _group(pairs: Sequence[SamplePair], groups: Sequence[str] | None) -> Grouping:
    """Return which pairs belong together: those of one group, or as their names suggest."""
    if groups is None:
        return find_groups(PairEntry(name=pair.name) for pair in pairs)
    if len(groups) != len(pairs):
        raise UserError(f"There are {len(groups)} groups for {len(pairs)} pairs.", "Expected one for each pair.")
    return find_groups(PairEntry(name=pair.name, group=group) for pair, group in zip(pairs, groups, strict=True))


def _trainings(
    real: Sequence[SamplePair], make: Make, fit: Fit, folds: Sequence[Fold], seeds: Iterable[int]
) -> Iterator[ArmRecord]:
    """Train without and with synthetic pairs in each fold, once per seed, and yield the scores of each training."""
    by_name = {pair.name: pair for pair in real}
    for seed, (number, fold) in product(seeds, enumerate(folds)):
        train, test = ([by_name[name] for name in names] for names in (fold.train, fold.test))
        synthetic = as_pairs(make(train), "synthetic", "synthetic", like=real[0])
        _refuse_leaks(test, train, synthetic)
        for arm, extra in ((RAW, []), (SYNTHETIC, synthetic)):
            began = time.monotonic()
            per_image, per_class, false = _test(fit([*train, *extra]), test)
            yield ArmRecord(
                arm=arm,
                fold=number,
                seed=seed,
                per_image=per_image,
                per_class=per_class,
                false_objects=false,
                seconds=time.monotonic() - began,
                synthetic=len(extra),
                trained_on=len(train),
                warnings=tuple(failed_training_warnings(title_of(arm), per_image, false)),
            )


def _distinct(pairs: list[SamplePair]) -> list[SamplePair]:
    """Refuse pairs of one name, or with masks of another kind."""
    for index, pair in enumerate(pairs):
        if any(pair.name == other.name for other in pairs[:index]):
            raise UserError(
                f"Two pairs are called '{pair.name}'.",
                "Expected different names.",
                "Rename one: pair.replace(name=...).",
            )
        if pair.mask_kind != pairs[0].mask_kind:
            raise UserError(
                f"The mask of '{pair.name}' holds {pair.mask_kind}.",
                f"Expected {pairs[0].mask_kind}, like '{pairs[0].name}'.",
                "Leave it out.",
            )
    return pairs


def _constant(pairs: Iterable[PairLike], like: SamplePair) -> Make:
    """Return a function that gives the same pairs in each fold."""
    synthetic = as_pairs(pairs, "synthetic", "synthetic", like=like)
    return lambda train: synthetic


def _refuse_leaks(test: Sequence[SamplePair], train: Sequence[SamplePair], made: Sequence[SamplePair]) -> None:
    """Raise if a synthetic pair, or its maker, holds or saw a test image or its mask."""
    data = {name: digest for pair in made for name, digest in pair.source.provenance.get("data", {}).items()}
    todo = "Give a function that makes the pairs from the training pairs of a fold."
    try:
        refuse_leaks(test, train, made, data)
    except Leak as leak:
        raise Leak(leak.found, leak.expected, todo) from None
    for pair in made:
        if is_painted_on(pair.source.provenance, [one.name for one in test]):
            raise Leak(f"'{pair.name}' was painted on the mask of a test image.", "Expected other masks.", todo)


def _test(predict: Predict, test: Sequence[SamplePair]) -> tuple[dict[str, Scores], dict[str, Scores], dict[str, int]]:
    """Score the predictions for every test image, the means of each class, and false objects in empty fields."""
    per_image, classes, false = {}, [], {}
    for pair in test:
        labels = as_labels(np.asarray(predict(pair.image)), f"predicted for '{pair.name}'")
        if labels.shape != pair.size:
            raise UserError(
                f"The prediction for '{pair.name}' has shape {labels.shape}.",
                f"Expected {pair.size}, the height and width of the image.",
                "Let predict return one label for each pixel.",
            )
        per_image[pair.name], per_class = image_scores(pair, labels)
        classes.append(per_class)
        if (number := false_objects(pair, labels)) is not None:
            false[pair.name] = number
    return per_image, mean_class_scores(classes), false
