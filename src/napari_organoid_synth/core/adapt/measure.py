"""What adapting is worth: segmenters trained on each kind of pairs, tested on annotated images of the target.

Tasks, plateau, seeds and bootstrap are those of `gain`; each kind of pairs is a project with its own table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.adapt.place import PAIRS, SOURCE, TEST, UNMATCHED, Place, row_of, write_table
from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.adapt.verdict import ANNOTATED, judge
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

FOLDER = "measured"
TO_ANNOTATE = 3
"""Test images that become training images of the rival."""
MIN_TESTED = 4
"""Images that must be left to test then."""
ARM = "classical"
"""Augmentation of all trainings, by its name in `gain`."""


def measure(place: Place, settings: AdaptSettings, control: Control) -> Iterator[Event]:
    """Train and test segmenters on each kind of pairs.

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
    folder = place.path / FOLDER
    annotated, tested, groups = _split(place, settings.seed)
    kinds = _training_rows(place, annotated)
    tasks = [
        (kind, _task(folder, kind, rows, place, tested, settings, seed))
        for kind, rows in kinds.items()
        for seed in range(settings.seed, settings.seed + settings.repeats)
    ]
    for number, (kind, task) in enumerate(tasks):
        steps = do_task(folder, task, control)
        here = task.folder(folder)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                outcome = end.value
                break
            yield Progress(
                round(1000 * (number + read_progress(here))), 1000 * len(tasks), note=f"{kind}, seed {task.seed}"
            )
        if outcome.state == "canceled":
            yield Finished(number, "canceled")
            return
        if outcome.state != "done":
            raise UserError(f"Training on {kind} failed: {outcome.message}")
    records: dict[str, list[ArmRecord]] = {}
    for kind, task in tasks:
        record = read_record(task.folder(folder))
        assert isinstance(record, ArmRecord)
        records.setdefault(kind, []).append(record)
    measured = judge(records, place.pairs(TEST)[0].mask_kind, groups, len(annotated))
    place.note("measure", measured.model_dump(mode="json"))
    yield Finished(len(tasks), "completed", measured.model_dump(mode="json"))


def _split(place: Place, seed: int) -> tuple[list[SamplePair], list[SamplePair], Mapping[str, str]]:
    """Return test images that become training images of the rival (none if there are few), the others, all groups."""
    pairs = place.pairs(TEST)
    table = PairTable.from_file(place.path / TEST / "pairs.json")
    grouping = find_fold_groups(table.matched)
    if len(pairs) < TO_ANNOTATE + MIN_TESTED or (not grouping.series and len(set(grouping.groups.values())) < 2):
        return [], pairs, grouping.groups
    names = set(choose_test(grouping, len(pairs) - TO_ANNOTATE, np.random.default_rng(seed)))
    annotated = [pair for pair in pairs if pair.name not in names]
    return annotated, [pair for pair in pairs if pair.name in names], grouping.groups


def _training_rows(place: Place, annotated: Sequence[SamplePair]) -> dict[str, list[PairEntry]]:
    """Return the training rows of each kind of pairs."""
    own = {name: [place.row(name, pair) for pair in place.pairs(name)] for name in (UNMATCHED, SOURCE, PAIRS)}
    with SampleStore(place.project.samples_path) as store:
        made = [row for row in store.rows(sort="name") if row.verdict != "rejected"]
        painted = [row_of(store.pair(row.id).replace(name=row.id), row.image_path, row.labels_path) for row in made]
    kinds = {
        "source": own[UNMATCHED],
        "matched": own[SOURCE],
        "predicted": own[PAIRS],
        "adapted": [*own[SOURCE], *own[PAIRS], *painted],
    }
    if annotated:
        kinds[ANNOTATED] = [place.row(TEST, pair) for pair in annotated]
    return kinds


def _task(
    folder: Path,
    kind: str,
    rows: Sequence[PairEntry],
    place: Place,
    tested: Sequence[SamplePair],
    settings: AdaptSettings,
    seed: int,
) -> ArmTask:
    """Return the task of one training; the project of its pairs is written first."""
    project = Project(folder / kind)
    tests = [place.row(TEST, pair, "test").replace(name=f"test/{pair.name}") for pair in tested]
    if not project.pairs_path.exists():
        write_table(project.pairs_path, [*rows, *tests], tested[0].mask_kind)
    table = PairTable.from_file(project.pairs_path)
    train, test = (
        {pair.name: content_hash(pair.image, pair.labels) for pair in load_pairs(table, split)}
        for split in ("train", "test")
    )
    return ArmTask(
        title=kind, project=str(project.path), train=train, test=test, seed=seed, device=settings.device,
        threads=settings.threads, arm=ARM, generator=kind, segmenter=settings.segmenter, steps=settings.steps,
        floor=settings.floor, show=seed == settings.seed,
    )  # fmt: skip
