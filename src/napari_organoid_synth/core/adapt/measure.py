"""What adapted and sketched pairs are worth: segmenters trained on each kind, tested on annotated images of the target.

Tasks, plateau, seeds and bootstrap are those of `gain`; each kind of pairs is a project with its own table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.adapt.place import PAIRS, SOURCE, TEST, UNMATCHED, Place, row_of, write_table
from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.adapt.sketch_settings import SketchSettings
from napari_organoid_synth.core.adapt.sketches import threshold
from napari_organoid_synth.core.adapt.verdict import ANNOTATED, THRESHOLD, judge
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import find_fold_groups
from napari_organoid_synth.core.gain.results import ArmRecord
from napari_organoid_synth.core.gain.tasks import ArmTask, read_progress, read_record
from napari_organoid_synth.core.gain.work import do_task
from napari_organoid_synth.core.job import Control, Event, Finished, Progress
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.split import choose_test
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.agreement import image_scores

FOLDER = "measured"
TO_ANNOTATE = 3
"""Test images that become training images of the rival."""
MIN_TESTED = 4
"""Images that must be left to test then."""
ARM = "classical"
"""Augmentation of all trainings, by its name in `gain`."""
PARTS = 1000
"""Parts of the progress of a training."""


@dataclass(frozen=True)
class Split:
    """Annotated images: those that the rival trains on (none if there are few), those tested, and the group of each."""

    annotated: list[SamplePair]
    tested: list[SamplePair]
    groups: Mapping[str, str]

    @classmethod
    def of(cls, place: Place, seed: int) -> Split:
        """Split the test images, whole groups or an end of a series."""
        pairs = place.pairs(TEST)
        grouping = find_fold_groups(PairTable.from_file(place.path / TEST / "pairs.json").matched)
        if len(pairs) < TO_ANNOTATE + MIN_TESTED or (not grouping.series and len(set(grouping.groups.values())) < 2):
            return cls([], pairs, grouping.groups)
        names = set(choose_test(grouping, len(pairs) - TO_ANNOTATE, np.random.default_rng(seed)))
        annotated = [pair for pair in pairs if pair.name not in names]
        return cls(annotated, [pair for pair in pairs if pair.name in names], grouping.groups)


def measure(place: Place, settings: AdaptSettings, control: Control) -> Iterator[Event]:
    """Train and test segmenters on each kind of pairs that adapting makes.

    Parameters
    ----------
    place : Place
        With all pairs.
    settings : AdaptSettings
        Segmenter, steps, repeats, seed.
    control : Control
        Pause and cancel are honoured after an optimiser step; finished trainings are kept.

    Yields
    ------
    Event
        Progress; Finished with the values of a `Measured`.

    Raises
    ------
    UserError
        If a training fails.
    """
    own = {name: [place.row(name, pair) for pair in place.pairs(name)] for name in (UNMATCHED, SOURCE, PAIRS)}
    painted = _stored(place.project)
    kinds = {
        "source": own[UNMATCHED],
        "matched": own[SOURCE],
        "predicted": own[PAIRS],
        "adapted": [*own[SOURCE], *own[PAIRS], *painted],
    }
    yield from _compare(place, settings, control, kinds, {})


def measure_sketches(project: Project, place: Place, settings: SketchSettings, control: Control) -> Iterator[Event]:
    """Train segmenters on painted sketches alone and test them, beside threshold segmentation; events as of `measure`.

    Parameters
    ----------
    project : Project
        With the painted pairs.
    place : Place
        With the test images.
    settings : SketchSettings
        Segmenter, steps, repeats, seed.
    control : Control
        As for `measure`.
    """
    wanted, bright = set(place.noted("paint")["samples"]), bool(place.noted("look")["bright"])
    tested = Split.of(place, settings.seed).tested
    scores = {
        f"test/{pair.name}": image_scores(pair, threshold(pair.image, bright, pair.mask_kind))[0] for pair in tested
    }
    without_learning = {THRESHOLD: [ArmRecord(arm=ARM, per_image=scores, seed=seed) for seed in _seeds(settings)]}
    rows = [row for row in _stored(project) if row.name in wanted]
    yield from _compare(place, settings, control, {"sketched": rows}, without_learning)


def _seeds(settings: AdaptSettings | SketchSettings) -> range:
    return range(settings.seed, settings.seed + settings.repeats)


def _compare(
    place: Place,
    settings: AdaptSettings | SketchSettings,
    control: Control,
    kinds: Mapping[str, Sequence[PairEntry]],
    known: Mapping[str, list[ArmRecord]],
) -> Iterator[Event]:
    """Train on each kind of pairs with each seed, and judge the results beside records that are known."""
    folder, split = place.path / FOLDER, Split.of(place, settings.seed)
    if split.annotated:
        kinds = {**kinds, ANNOTATED: [place.row(TEST, pair) for pair in split.annotated]}
    tests = [place.row(TEST, pair, "test").replace(name=f"test/{pair.name}") for pair in split.tested]
    like = split.tested[0]
    records = {name: list(each) for name, each in known.items()}
    total, done = len(kinds) * settings.repeats, 0
    for name, rows in kinds.items():
        path = folder / name
        if not (path / "pairs.json").exists():
            write_table(Project(path).pairs_path, [*rows, *tests], like)
        for seed in _seeds(settings):
            task = _task(path, name, settings, seed)
            steps, here = do_task(folder, task, control), task.folder(folder)
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    outcome = end.value
                    break
                now = done + read_progress(here)
                yield Progress(round(PARTS * now), PARTS * total, note=f"{name}, seed {seed}")
            if outcome.state == "canceled":
                yield Finished(PARTS * done, "canceled")
                return
            if outcome.state != "done":
                raise UserError(f"The training on {name} failed: {outcome.message}")
            record = read_record(here)
            assert isinstance(record, ArmRecord)
            records.setdefault(name, []).append(record)
            done += 1
    measured = judge(records, like.mask_kind, split.groups, len(split.annotated))
    values = place.note("measure", measured.model_dump(mode="json"))
    yield Finished(PARTS * total, "completed", values)


def _stored(project: Project) -> list[PairEntry]:
    """Return rows of the samples of a project that nobody rejected."""
    with SampleStore(project.samples_path) as store:
        made = [row for row in store.rows(sort="name") if row.verdict != "rejected"]
        return [row_of(store.pair(row.id).replace(name=row.id), row.image_path, row.labels_path) for row in made]


def _task(path: Path, kind: str, settings: AdaptSettings | SketchSettings, seed: int) -> ArmTask:
    """Return the task of one training on the pairs of a folder."""
    table = PairTable.from_file(path / "pairs.json")
    train = {pair.name: content_hash(pair.image, pair.labels) for pair in load_pairs(table, "train")}
    test = {pair.name: content_hash(pair.image, pair.labels) for pair in load_pairs(table, "test")}
    return ArmTask(
        title=kind, project=str(path), train=train, test=test, seed=seed, device=settings.device,
        threads=settings.threads, arm=ARM, generator=kind, segmenter=settings.segmenter, steps=settings.steps,
        floor=settings.floor, show=seed == settings.seed,
    )  # fmt: skip
