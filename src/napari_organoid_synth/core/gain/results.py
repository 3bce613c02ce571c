"""Results of a comparison: frozen models of a training, a row of the table, and the whole result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.segmentation.arms import ArmResult, Scores

FORMAT = 3
"""Version of ``results.json`` and of the records of tasks. 1: before there was a number; 2: arms had other names."""


class ArmRecord(FrozenModel):
    """One training of a segmenter and its test; ``result.json`` of a task.

    Parameters
    ----------
    arm : str
    per_image : dict of str to dict
        Scores of each image that was tested.
    subset : float in (0, 1]
        Share of the training images that was used.
    ratio : float
        Synthetic crops for each real one.
    fold, seed : int
        Number of the fold, from 0, and the seed.
    per_class : dict of str to dict
        Mean Dice, precision and recall of each class.
    false_objects : dict of str to int
        Number of objects predicted in each test image without objects.
    steps : int
        Optimiser steps; 0: not known.
    seconds : float
        Duration.
    synthetic, trained_on : int
        Number of generated or simulated pairs, and of real pairs, in the training.
    curation : str
        ``"by hand"``, ``"automatic"``, or empty where all pairs were taken.
    warnings : tuple of str
    key, kind, format
        Of the task and its file.
    """

    arm: str
    per_image: dict[str, Scores]
    subset: float = 1.0
    ratio: float = 1.0
    fold: int = 0
    seed: int = 0
    per_class: dict[str, Scores] = Field(default_factory=dict)
    false_objects: dict[str, int] = Field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    synthetic: int = 0
    trained_on: int = 0
    curation: str = ""
    warnings: tuple[str, ...] = ()
    key: str = ""
    kind: Literal["arm"] = "arm"
    format: int = FORMAT


class PairsRecord(FrozenModel):
    """Pairs that a task made for the arms of a fold; ``result.json`` of that task.

    Parameters
    ----------
    pairs : int
        Number of pairs.
    curated : tuple of str
        Names of those that were kept automatically.
    data : dict of str to str
        Name of every real pair that their maker saw to its `content_hash`.
    seconds, warnings, key, kind, format
        As in `ArmRecord`.
    """

    pairs: int
    data: dict[str, str]
    curated: tuple[str, ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    key: str = ""
    kind: Literal["generator", "simulator"] = "generator"
    format: int = FORMAT


class Spread(FrozenModel):
    """Mean and standard deviations (n - 1) of a score: over images, and of the means of folds and of seeds."""

    mean: float
    sd: float = 0.0
    sd_folds: float = 0.0
    sd_seeds: float = 0.0


class PairedChange(FrozenModel):
    """Paired difference of a score from that of the real pairs alone, with its interval.

    Parameters
    ----------
    images, groups : int
        Number of images and groups compared.
    better, worse : int
        Images whose score rose or fell.
    mean, low, high : float
        Mean difference and its 95 % interval.
    low_all, high_all : float
        The interval that holds for all comparisons at once (Bonferroni).
    interval : {"bootstrap", "range"}
        ``"range"``: lowest and highest difference of single images (or groups), where there are fewer than four.
    seeds : int
        Trainings of the fold with the fewest.
    """

    images: int
    groups: int
    better: int
    worse: int
    mean: float
    low: float
    high: float
    low_all: float
    high_all: float
    interval: Literal["bootstrap", "range"]
    seeds: int = 1

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.interval == "bootstrap" and not self.low <= 0 <= self.high

    @property
    def lacks_seed_variance(self) -> bool:
        """Whether the interval lacks the variance between seeds."""
        return self.interval == "bootstrap" and self.seeds == 1


class TableRow(FrozenModel):
    """An arm at one share of the training images and one ratio.

    Parameters
    ----------
    arm, subset, ratio, steps, curation
        As in `ArmRecord`.
    images, trainings : int
        Images that were tested, and trainings of the segmenter.
    seconds, synthetic : float
        Means over trainings.
    scores : dict of str to Spread
    gain : dict of str to PairedChange
        For each score; empty for the real pairs alone.
    empty_fields : int
        Tested images without objects.
    false_objects : float
        Objects predicted in one of them, mean.
    """

    arm: str
    scores: dict[str, Spread]
    subset: float = 1.0
    ratio: float = 1.0
    images: int = 0
    trainings: int = 1
    steps: int = 0
    seconds: float = 0.0
    synthetic: float = 0.0
    curation: str = ""
    gain: dict[str, PairedChange] = Field(default_factory=dict)
    empty_fields: int = 0
    false_objects: float = 0.0


def varied(rows: Sequence[TableRow]) -> set[str]:
    """Return which of ``"subset"`` and ``"ratio"`` differ between rows, so that a row must name its own."""
    return {name for name in ("subset", "ratio") if len({getattr(row, name) for row in rows}) > 1}


class Design(FrozenModel):
    """Design of a comparison.

    Parameters
    ----------
    folds : tuple of Fold
    name : str
        Of the design: ``"hold-out"``, ``"k-fold"``, ``"leave-one-out"`` or ``"grouped"``.
    groups : str
        Groups of images that belong together, in words.
    repeats, seed : int
        Number of seeds, and the first.
    subset, ratio : float
        Share of the training images and ratio that `GainResult.arms` shows.
    paper_protocol : bool
        Whether generators saw the test images.
    pairs_from : {"folds", "store"}
        Whether generated pairs are of generators trained in each fold, or those of the project.
    """

    folds: tuple[Fold, ...]
    name: str = "hold-out"
    groups: str = ""
    repeats: int = 1
    seed: int = 0
    subset: float = 1.0
    ratio: float = 1.0
    paper_protocol: bool = False
    pairs_from: Literal["folds", "store"] = "folds"

    @property
    def test(self) -> tuple[str, ...]:
        """All images that are tested, sorted."""
        return tuple(sorted({name for fold in self.folds for name in fold.test}))


class TaskCounts(FrozenModel):
    """Number of tasks of a comparison, and of those done and failed."""

    total: int
    done: int
    failed: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether some are neither done nor failed."""
        return self.done + self.failed < self.total


class GainResult(FrozenModel):
    """The result of a comparison; ``results.json``.

    Parameters
    ----------
    arms : dict of str to ArmResult
        Each arm with the share of images and the ratio that ``design`` names, the real pairs alone first.
    table : tuple of TableRow
    sentences, warnings : tuple of str
        Change by each arm, and warnings.
    train, test : tuple of str
        Names of the images.
    mask_kind : {"binary", "classes", "instances"}
    score : str
        The score that the sentences are about.
    design : Design
    tasks : TaskCounts
    folder : str
        Folder of predictions and segmenters; not in the file. Empty for a result in memory.
    format : int
        Of the file.
    """

    arms: dict[str, ArmResult]
    table: tuple[TableRow, ...]
    design: Design
    tasks: TaskCounts
    score: str = "dice"
    mask_kind: MaskKind = "binary"
    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    folder: str = ""
    format: int = FORMAT

    @property
    def sentence(self) -> str:
        """All sentences in one."""
        return " ".join(self.sentences)
