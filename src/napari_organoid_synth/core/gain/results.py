"""Results of a comparison: frozen models of a training, a row of the table, and the whole result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.segmentation.arms import ArmResult, Scores, current_arm, needs_generator
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve

FORMAT = 3
"""Version of ``results.json`` and of records. 2: fixed steps, other names of arms; 1: before there was a number."""

ArmName = Annotated[str, BeforeValidator(lambda name: current_arm(name) if isinstance(name, str) else name)]
"""Name of an arm; that of an earlier version becomes the present one."""


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
    generator : str
        Name of the generator of its pairs, where a comparison has several.
    per_class : dict of str to dict
        Mean Dice, precision and recall of each class.
    classes : tuple of str
        Classes that were scored; empty: all, or masks without classes.
    false_objects : dict of str to int
        Number of objects predicted in each test image without objects.
    put_aside : dict of str to dict
        Scores of each image that the project puts aside for the test, by the model of this fold.
    curve : Curve, optional
        Held-back score against steps; None: not known.
    held_score : float, optional
        Held-back score of the final weights, by which the ratio is chosen; None: nothing was held back.
    steps : int
        Optimiser steps that were taken; 0: not known.
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

    arm: ArmName
    per_image: dict[str, Scores]
    generator: str = ""
    subset: float = 1.0
    ratio: float = 1.0
    fold: int = 0
    seed: int = 0
    per_class: dict[str, Scores] = Field(default_factory=dict)
    classes: tuple[str, ...] = ()
    false_objects: dict[str, int] = Field(default_factory=dict)
    put_aside: dict[str, Scores] = Field(default_factory=dict)
    curve: Curve | None = None
    held_score: float | None = None
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
    refusal : str
        Why none was kept, where the pairs are far from the originals as a set.
    data : dict of str to str
        Name of every real pair that their maker saw to its `content_hash`.
    seconds, warnings, key, kind, format
        As in `ArmRecord`.
    """

    pairs: int
    data: dict[str, str]
    curated: tuple[str, ...] = ()
    refusal: str = ""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    key: str = ""
    kind: Literal["generator", "masks", "curated", "simulator", "pasted"] = "generator"
    format: int = FORMAT


class Spread(FrozenModel):
    """Mean and standard deviations (n - 1) of a score: over images, and of the means of folds and of seeds."""

    mean: float
    sd: float = 0.0
    sd_folds: float = 0.0
    sd_seeds: float = 0.0


class PairedChange(FrozenModel):
    """Paired difference of a score from that of another arm, with its interval.

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
    """An arm at one share of the training images: at one ratio, or with the ratio chosen in each fold.

    Parameters
    ----------
    arm, generator, subset, curation
        As in `ArmRecord`.
    ratio : float, optional
        Synthetic crops for each real one; None: ``chosen`` in each fold on the held-back score.
    chosen : tuple of float
        Ratio that was chosen in each fold, in their order; 0: none of the pairs. Empty for a row of one ratio.
    images, trainings : int
        Images that were tested, and trainings of the segmenter.
    steps : int
        Optimiser steps, mean over trainings.
    seconds, synthetic, trained_on : float
        Means over trainings.
    plateau : float in [0, 1]
        Share of the trainings whose held-back score had stopped rising; those without a curve count as such.
    wanted : int
        Steps that the training wants that is farthest from its plateau; 0: none is known.
    taken : int
        Steps that this training took.
    rise, window : float, int
        Rise of its held-back score, and over how many of its last steps; a window of 0: nothing was held back.
    scores : dict of str to Spread
    gain : dict of str to PairedChange
        For each score, against the real pairs alone; empty for these.
    over_best : dict of str to PairedChange
        The same against `GainResult.rival`; only for arms that need a generator.
    put_aside : dict of str to Spread
        Scores of the images that the project puts aside.
    images_aside : int
        Number of these.
    put_aside_over_best : dict of str to PairedChange
        As ``over_best``, on these images.
    empty_fields : int
        Tested images without objects.
    false_objects : float
        Objects predicted in one of them, mean.
    """

    arm: ArmName
    scores: dict[str, Spread]
    generator: str = ""
    subset: float = 1.0
    ratio: float | None = 1.0
    chosen: tuple[float, ...] = ()
    images: int = 0
    trainings: int = 1
    steps: int = 0
    seconds: float = 0.0
    synthetic: float = 0.0
    trained_on: float = 0.0
    plateau: float = 1.0
    wanted: int = 0
    taken: int = 0
    rise: float = 0.0
    window: int = 0
    curation: str = ""
    gain: dict[str, PairedChange] = Field(default_factory=dict)
    over_best: dict[str, PairedChange] = Field(default_factory=dict)
    put_aside: dict[str, Spread] = Field(default_factory=dict)
    images_aside: int = 0
    put_aside_over_best: dict[str, PairedChange] = Field(default_factory=dict)
    empty_fields: int = 0
    false_objects: float = 0.0

    @property
    def rising(self) -> int:
        """Trainings that had not reached their plateau."""
        return round(self.trainings * (1 - self.plateau))

    @property
    def place(self) -> tuple[str, str, float]:
        """Arm, generator and share of the images, which the rows of several ratios have in common."""
        return self.arm, self.generator, self.subset


def main_rows(rows: Sequence[TableRow]) -> list[TableRow]:
    """Return the rows that stand for their arm: where a ratio was chosen that row, not those of single ratios."""
    chosen = {row.place for row in rows if row.ratio is None}
    return [row for row in rows if row.ratio is None or row.place not in chosen]


def rival_of(rows: Sequence[TableRow], score: str, subset: float | None = None) -> TableRow | None:
    """Return the row of the arm without a generator that scores highest on the test images; None: none was tested.

    That it is found on the test images favours it, so a change against it is rather too small than too large. While a
    comparison runs, only arms that were tested on as many images as any other count.

    ``subset`` is the share of the training images; default: the largest.
    """
    subset = max((row.subset for row in rows), default=1.0) if subset is None else subset
    tested = [
        row for row in main_rows(rows) if row.subset == subset and score in row.scores and not needs_generator(row.arm)
    ]
    most = max((row.images for row in tested), default=0)
    return max((row for row in tested if row.images == most), key=lambda row: row.scores[score].mean, default=None)


def varied(rows: Sequence[TableRow]) -> set[str]:
    """Return which of ``"subset"``, ``"ratio"`` and ``"generator"`` tell rows apart, so that a row names its own."""
    names = {"ratio"} if len(rows) > len({row.place for row in rows}) else set()
    names |= {"subset"} if len({row.subset for row in rows}) > 1 else set()
    return names | ({"generator"} if len({row.generator for row in rows if row.generator}) > 1 else set())


class TrainingCurve(FrozenModel):
    """The curve of one training, for a plot; fields as in `ArmRecord`."""

    arm: ArmName
    curve: Curve
    generator: str = ""
    subset: float = 1.0
    ratio: float = 1.0
    fold: int = 0
    seed: int = 0


class Worth(FrozenModel):
    """How many more annotated images synthetic pairs are worth at one share of the training images.

    Parameters
    ----------
    arm, generator, subset
        As in `ArmRecord`, of the arm with the pairs.
    rival : str
        Arm without a generator whose learning curve is read off.
    images : float
        Training images, mean over folds.
    more, low, high : float
        Further images after which the rival scores the same, with its 95 % interval.
    beyond, beyond_high : bool
        Whether ``more`` or ``high`` lies beyond the largest number of images that was tried, and so is "at least".
    annotate : float
        Further images of the next point of the curve; 0: there is none.
    rise, rise_low, rise_high : float
        What annotating these raises the score of the rival by, with its 95 % interval.
    reason : str
        Why there is no number; empty: there is.
    """

    arm: ArmName
    rival: ArmName
    generator: str = ""
    subset: float = 1.0
    images: float = 0.0
    more: float = 0.0
    low: float = 0.0
    high: float = 0.0
    beyond: bool = False
    beyond_high: bool = False
    annotate: float = 0.0
    rise: float = 0.0
    rise_low: float = 0.0
    rise_high: float = 0.0
    reason: str = ""


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
        Share of the training images and ratio that `GainResult.arms` shows; a chosen ratio goes before this one.
    paper_protocol, masks_on_all : bool
        Whether generators saw the test images, or the generator of the masks alone.
    hard : tuple of str
        Images that are hard by the settings of the segmenter, those put aside included.
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
    masks_on_all: bool = False
    hard: tuple[str, ...] = ()
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
        Each arm with the share of images that ``design`` names, the real pairs alone first. With several generators
        an arm is called ``ARM (GENERATOR)``.
    table : tuple of TableRow
    rival : str
        Arm without a generator with the highest mean score on the test images; empty: none was tested.
    classes : tuple of str
        Classes that were scored; empty: all, or masks without classes.
    curves : tuple of TrainingCurve
        Of all trainings whose curve is known.
    worth : tuple of Worth
        For each arm with a generator and share of the images, where several shares were tried.
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
    rival: str = ""
    classes: tuple[str, ...] = ()
    curves: tuple[TrainingCurve, ...] = ()
    worth: tuple[Worth, ...] = ()
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

    @model_validator(mode="before")
    @classmethod
    def _current_arms(cls, values: Any) -> Any:
        """Name the arms of an earlier version as they are called now."""
        if isinstance(values, Mapping) and isinstance(values.get("arms"), Mapping):
            return {**values, "arms": {current_arm(name): arm for name, arm in values["arms"].items()}}
        return values


def arm_key(arm: str, generator: str = "") -> str:
    """Return the key of an arm in `GainResult.arms`.

    Examples
    --------
    >>> arm_key("classical"), arm_key("raw+synthetic", "stylegan")
    ('classical', 'raw+synthetic (stylegan)')
    """
    return f"{arm} ({generator})" if generator else arm
