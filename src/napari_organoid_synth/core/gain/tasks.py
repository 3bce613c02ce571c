"""The tasks of a comparison: make pairs for a fold, or train one arm of it and test.

A task is a frozen record of plain values, so that any process on any computer with the same files can do it
(`work.run_task`). Its key is a hash of everything that determines its result, ``result.json`` in its folder, written
last and as a whole. That of an arm lies in ``tasks/<key>`` of the comparison, that of a task that makes pairs in
``segment/shared/<key>`` of the project: segmenters, comparisons and designs share generators and their pairs.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import ArmRecord, PairsRecord
from napari_organoid_synth.core.job import Control, Event, Finished, Progress
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe, TrainSettings
from napari_organoid_synth.core.segmentation.segmenters.config import SegmenterConfig

KEY_VERSION = 2
"""Part of every key; a change makes every finished task be done again."""
RESULT, PROGRESS = "result.json", "progress.json"
SHARED = "segment/shared"
"""Folder in the project of the tasks that make pairs."""
PROGRESS_SECONDS = 1.0
"""Between two notes of how far a task is."""

Hashes = Mapping[str, str]
"""Name of a pair to its `content_hash`."""
Parts = Literal["bands", "whole", "all"]
"""Which held-back parts of the training images a maker of pairs does not see."""


@dataclass(frozen=True)
class StoredPair:
    """A synthetic pair in the store of the project.

    Parameters
    ----------
    id : str
    labels : str
        Name of its label file, which changes when a person edits the mask.
    """

    id: str
    labels: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """One piece of a comparison.

    Parameters
    ----------
    title : str
        In words: ``"synthetic pairs, fold 2"``.
    project : str
        Folder of the project.
    train : mapping of str to str
        Pairs to learn from, and their hashes.
    seed : int
    device : str
    threads : int
        0: as many as there are cores.
    """

    kind: ClassVar[str] = ""
    title: str
    project: str = ""
    train: Hashes = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    threads: int = 1

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the tasks that come first."""
        return ()

    def folder(self, comparison: Path) -> Path:
        """Return where its result and its files lie."""
        return task_folder(comparison, self.key)

    @property
    def workplace(self) -> Path | None:
        """Folder in which only one process at a time may do it; None if no other would."""
        return None

    def identity(self) -> dict[str, Any]:
        """Return everything that determines the result, as plain values; not the machine."""
        return {"train": self.train, "seed": self.seed}

    @cached_property
    def key(self) -> str:
        """Name of its folder; equal for equal results."""
        text = json.dumps([KEY_VERSION, self.kind, self.identity(), self.needs], sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def pairs(self, hashes: Hashes) -> list[SamplePair]:
        """Read real pairs of the project, each checked to be the one that was planned with."""
        table = PairTable.from_file(Project(self.project, make=False).pairs_path)
        return list(read_pairs(table, hashes))


@dataclass(frozen=True, kw_only=True)
class SharedTask(Task):
    """Make something that several comparisons of the project share."""

    def folder(self, comparison: Path) -> Path:
        """Return its folder in the project."""
        return shared_folder(self.project, self.key)

    @property
    def workplace(self) -> Path | None:
        """Folder in which only one process at a time may do it."""
        return shared_folder(self.project, self.key)


@dataclass(frozen=True, kw_only=True)
class PairsTask(SharedTask):
    """Make pairs from the training parts of the training images of a fold.

    Parameters
    ----------
    held : mapping of str to str
        Pairs of the project that their maker must not see.
    parts : {"bands", "whole", "all"}
        Held-back parts that it does not see either: bands of the images, whole images (`hold_parts`), or none.
    number : int
        Number of pairs to make.
    """

    held: Hashes = field(default_factory=dict)
    parts: Parts = "bands"
    number: int = 1

    def identity(self) -> dict[str, Any]:
        """Return the same as `Task.identity`, with the fields of this kind."""
        return {**super().identity(), "parts": self.parts, "pairs": self.number}

    def training_parts(self) -> list[SamplePair]:
        """Read the pairs without their held-back parts."""
        from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts

        pairs = self.pairs(self.train)
        return pairs if self.parts == "all" else list(hold_parts(pairs, whole=self.parts == "whole")[0])


@dataclass(frozen=True, kw_only=True)
class GeneratorTask(PairsTask):
    """Train generators, then generate pairs.

    Parameters
    ----------
    recipes : mapping of str to Recipe
        ``generator``, after ``masks`` where masks are generated.
    masks : str
        Masks that a painter paints on.
    size : int
        Side of the pairs, px; 0: that of its tiles.
    masks_from : str
        Key of the `MasksTask` whose generator draws the masks; empty: one that is trained here.
    """

    kind: ClassVar[str] = "generator"
    recipes: Mapping[str, Recipe]
    masks: str = "auto"
    size: int = 0
    masks_from: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the tasks that come first."""
        return (self.masks_from,) if self.masks_from else ()

    def identity(self) -> dict[str, Any]:
        """Return the same as `Task.identity`, with the fields of this kind."""
        recipes = {name: as_trained(recipe, self.seed) for name, recipe in self.recipes.items()}
        return {
            **super().identity(),
            "recipes": {name: recipe.model_dump(mode="json") for name, recipe in recipes.items()},
            "masks": self.masks,
            "size": self.size,
        }


@dataclass(frozen=True, kw_only=True)
class MasksTask(GeneratorTask):
    """Train the generator of masks that the painters of all folds share; it makes no pairs."""

    kind: ClassVar[str] = "masks"


@dataclass(frozen=True, kw_only=True)
class CurateTask(SharedTask):
    """Score the pairs of a generator and choose the most realistic ones.

    Parameters
    ----------
    source : str
        Key of the `GeneratorTask`.
    share : float in (0, 1]
        Share of the pairs that is kept.
    """

    kind: ClassVar[str] = "curated"
    source: str
    share: float = 0.5

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the tasks that come first."""
        return (self.source,)

    @property
    def workplace(self) -> Path | None:
        """Folder of the pairs: their scores are written there."""
        return shared_folder(self.project, self.source)

    def identity(self) -> dict[str, Any]:
        """Return what determines the choice beside the pairs."""
        return {"share": self.share}


@dataclass(frozen=True, kw_only=True)
class SimulatorTask(PairsTask):
    """Simulate pairs of ``size`` px with the shapes of the training masks."""

    kind: ClassVar[str] = "simulator"
    size: int = 256

    def identity(self) -> dict[str, Any]:
        """Return the same as `Task.identity`, with the fields of this kind."""
        return {**super().identity(), "size": self.size}


@dataclass(frozen=True, kw_only=True)
class PastedTask(PairsTask):
    """Copy real objects onto real backgrounds, in pairs of ``size`` px: the rival of generators without a network."""

    kind: ClassVar[str] = "pasted"
    size: int = 256

    def identity(self) -> dict[str, Any]:
        """Return the same as `Task.identity`, with the fields of this kind."""
        return {**super().identity(), "size": self.size}


@dataclass(frozen=True, kw_only=True)
class ArmTask(Task):
    """Train a segmenter as an arm says, and test it on the images of the fold.

    Parameters
    ----------
    arm, subset, ratio, fold
        As in `ArmRecord`.
    test : mapping of str to str
        Pairs that are tested, and their hashes.
    put_aside : mapping of str to str
        Pairs that no fold holds, which are tested too, apart from the others.
    scored : mapping of str to tuple of str
        Tested pairs in which not all classes are scored, with those that are.
    steps : int
        Most optimiser steps.
    floor : int
        Steps that are taken at least before the held-back score may end the training.
    segmenter : SegmenterConfig
    generator : str
        Name of the generator of its pairs, where there are several.
    source : str
        Key of the task that makes the pairs; empty: none, or ``stored`` ones.
    curation : str
        Key of the task that chooses among them; empty: all are taken.
    stored : tuple of StoredPair
        Synthetic pairs of the project.
    paper_protocol : bool
        Whether their maker may have seen the test images.
    show : bool
        Whether the segmenter, its predictions and error pictures are kept.
    """

    kind: ClassVar[str] = "arm"
    arm: str
    segmenter: SegmenterConfig
    test: Hashes
    steps: int
    floor: int = 1500
    generator: str = ""
    put_aside: Hashes = field(default_factory=dict)
    scored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subset: float = 1.0
    ratio: float = 1.0
    fold: int = 0
    source: str = ""
    curation: str = ""
    stored: tuple[StoredPair, ...] = ()
    paper_protocol: bool = False
    show: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the tasks that come first."""
        return tuple(key for key in (self.source, self.curation) if key)

    def identity(self) -> dict[str, Any]:
        """Return the same as `Task.identity`, with the fields of this kind."""
        parts = {"put_aside": self.put_aside, "scored": self.scored}
        return {
            **super().identity(),
            **{name: part for name, part in parts.items() if part},
            "arm": self.arm,
            "ratio": self.ratio,
            "subset": self.subset,
            "fold": self.fold,
            "steps": self.steps,
            "floor": self.floor,
            "generator": self.generator,
            "segmenter": self.segmenter.model_dump(mode="json", exclude={"compile"}),  # how fast, not what
            "test": self.test,
            "by_hand": [(pair.id, pair.labels) for pair in self.stored],
            "paper_protocol": self.paper_protocol,
        }


class Canceled(Exception):
    """Raised where the person asked to stop."""


def task_folder(folder: Path, key: str) -> Path:
    """Return the folder of a task of a comparison."""
    return Path(folder) / "tasks" / key


def shared_folder(project: Path | str, key: str) -> Path:
    """Return the folder of a task that comparisons share."""
    return Path(project) / SHARED / key


def as_trained(recipe: Recipe, seed: int) -> Recipe:
    """Return a recipe as a fold trains it on any computer, with few pictures and one checkpoint."""
    if not recipe.gan.trains:
        return recipe.replace(train=TrainSettings(seed=seed, previews=1))
    return recipe.override(
        f"train.seed={seed}",
        "train.device=auto",
        "train.threads=0",
        "train.previews=1",
        f"train.preview_every={max(1, recipe.train.steps)}",
        "train.keep=1",
    )


def read_record(here: Path) -> ArmRecord | PairsRecord | None:
    """Return the record in the folder of a task; None as long as it is not done, or if its file is damaged."""
    try:
        values = read_object(Path(here) / RESULT)
        return ArmRecord.parse(values) if values["kind"] == "arm" else PairsRecord.parse(values)
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None


def read_progress(here: Path) -> float:
    """Return the progress of a running task, 0 to 1."""
    try:
        return float(read_object(here / PROGRESS)["done"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def note_progress(here: Path, done: float) -> None:
    """Write the progress of a running task, 0 to 1."""
    write_text(here / PROGRESS, json.dumps({"done": round(done, 4)}))


@dataclass(frozen=True)
class Part:
    """A part of a task in the folder ``here``, from ``low`` to ``high`` of its progress."""

    here: Path
    low: float
    high: float

    def follow(self, events: Iterator[Event], control: Control) -> Generator[Event, None, dict[str, Any]]:
        """Pass on the events of a verb, keeping note of the progress; return its result.

        Raises
        ------
        Canceled
            If it was stopped.
        """
        noted = 0.0
        for event in events:
            if isinstance(event, Progress) and event.total and time.monotonic() - noted > PROGRESS_SECONDS:
                noted = time.monotonic()
                done = self.low + (self.high - self.low) * event.share
                note_progress(self.here, done)
            if isinstance(event, Finished):
                if event.reason == "canceled":
                    raise Canceled
                return event.result
            yield event
        if control.canceled:
            raise Canceled
        return {}


def read_pairs(table: PairTable, hashes: Hashes) -> Iterator[SamplePair]:
    """Yield pairs of a table by name, in that order.

    Raises
    ------
    UserError
        If one has changed.
    """
    from napari_organoid_synth.core.pairs.loading import read_entry

    for name, expected in hashes.items():
        pair = read_entry(table.entry(name), table.mask_kind, table.class_names)
        if expected and content_hash(pair.image, pair.labels) != expected:
            raise UserError(
                f"The pair '{name}' has changed since the comparison began.",
                "Expected the same pixels in all tasks.",
                "Measure the gain again.",
            )
        yield pair
