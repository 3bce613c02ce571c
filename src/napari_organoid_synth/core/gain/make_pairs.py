"""Tasks that make pairs for the arms of a fold, from its training images alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.atomic import leads_elsewhere, write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.leakage import refuse_others, refuse_seen
from napari_organoid_synth.core.gain.results import PairsRecord
from napari_organoid_synth.core.gain.tasks import (
    PROGRESS_SECONDS,
    Canceled,
    CurateTask,
    GeneratorTask,
    MasksTask,
    PairsTask,
    Part,
    PastedTask,
    SimulatorTask,
    as_trained,
    note_progress,
    shared_folder,
)
from napari_organoid_synth.core.job import Control, Event
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable
from napari_organoid_synth.core.project import Project

TRAINED_AT = 0.95
"""Progress of a task when its generators are trained."""
MASKS = "masks"
"""Name of the generator of masks among the recipes of a task, and of its run."""


def pairs_path(project: Path | str, key: str) -> Path:
    """Return the file that lists the pairs that a task made."""
    return shared_folder(project, key) / "project" / "samples.sqlite"


def generate_pairs(folder: Path, task: GeneratorTask, control: Control) -> Generator[Event, None, PairsRecord]:
    """Train on the training parts of the task alone, then generate pairs."""
    from napari_organoid_synth.core.runs.run import Run
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.synthesis.generate import generate
    from napari_organoid_synth.core.synthesis.settings import GenerateSettings

    here = task.folder(folder)
    scratch, allowed = scratch_project(task, here, task.training_parts())
    if task.masks_from and not (scratch.path / "runs" / MASKS / "recipe.yaml").exists():
        made = shared_folder(task.project, task.masks_from) / "project" / "runs" / MASKS
        shutil.rmtree(scratch.path / "runs" / MASKS, ignore_errors=True)
        shutil.copytree(made, scratch.path / "runs" / MASKS)
    share = TRAINED_AT / len(task.recipes)
    data: dict[str, str] = {}
    for number, name in enumerate(task.recipes):
        part = Part(here, number * share, (number + 1) * share)
        yield from _train(scratch, name, task, allowed, part, control)
        data |= Run(scratch.path / "runs" / name).seen
    marker = here / "drawn"
    if not marker.exists():
        _empty(scratch)
        settings = GenerateSettings.parse(
            {
                "run": "generator",
                "masks": task.masks,
                "mask_run": MASKS if task.masks == "generated" else "",
                "number": task.number,
                "size": task.size,
                "seed": task.seed,
                "device": task.device,
            }
        )
        yield from Part(here, TRAINED_AT, 1.0).follow(generate(scratch, settings, control), control)
        write_text(marker, "")
    with SampleStore(scratch.samples_path) as store:
        return PairsRecord(pairs=len(store.ids()), data=data)


def train_masks(folder: Path, task: MasksTask, control: Control) -> Generator[Event, None, PairsRecord]:
    """Train the generator of masks of all folds, on all pairs of the task."""
    from napari_organoid_synth.core.runs.run import Run

    here = task.folder(folder)
    scratch, allowed = scratch_project(task, here, task.training_parts())
    yield from _train(scratch, MASKS, task, allowed, Part(here, 0.0, 1.0), control)
    return PairsRecord(kind="masks", pairs=0, data=Run(scratch.path / "runs" / MASKS).seen)


def curate_pairs(folder: Path, task: CurateTask, control: Control) -> Generator[Event, None, PairsRecord]:
    """Score the pairs of a generator and choose the most realistic ones."""
    from napari_organoid_synth.core.metrics.settings import ScoreSettings
    from napari_organoid_synth.core.samples.far_sets import FarFromOriginals
    from napari_organoid_synth.core.samples.selection import best
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.scores.score import score

    scratch = Project(pairs_path(task.project, task.source).parent, make=False)
    scoring = score(scratch, ScoreSettings(sets="none", device=task.device), control)
    yield from Part(task.folder(folder), 0.0, 1.0).follow(scoring, control)
    with SampleStore(scratch.samples_path) as store:
        number = max(1, round(task.share * len(store.ids())))
        names = {row.id: row.name for row in store.rows()}
        try:
            chosen = sorted(names[id] for id in best(store, number, None))
        except FarFromOriginals as error:  # the other arms have their pairs
            return PairsRecord(kind="curated", pairs=0, refusal=str(error), data=dict(task.train))
    return PairsRecord(kind="curated", pairs=len(chosen), curated=tuple(chosen), data=dict(task.train))


def scratch_project(task: PairsTask, here: Path, parts: Sequence[SamplePair]) -> tuple[Project, dict[str, str]]:
    """Make a project with the training parts of a task as files, and no others; return it and their hashes."""
    if leads_elsewhere(here / "project", levels=3):  # an interrupted task is emptied
        raise UserError(
            f"{here / 'project'} is a link, or lies in one.", "Expected a folder of the project.", "Delete the link."
        )
    table = PairTable.from_file(Project(task.project, make=False).pairs_path)
    scratch = Project(here / "project")
    rows = [_row(table, part, *write_pair(scratch.path / "pairs", part)) for part in parts]
    codes = tuple(range(1, len(table.class_names) + 1)) if table.mask_kind == "classes" else table.class_values
    table = table.replace(entries=tuple(rows), class_values=codes, folder_notes=(), check_notes=())
    table.to_file(scratch.pairs_path)
    return scratch, {pair.name: content_hash(pair.image, pair.labels) for pair in load_pairs(table)}


def _row(table: PairTable, part: SamplePair, image: Path, labels: Path) -> PairEntry:
    """Return the row of a part, with what is known of its image."""
    before = table.entry(part.name)
    is_classes = table.mask_kind == "classes"
    return before.replace(
        image=str(image),
        page=None,
        stack_use="",
        channels="as-stored",
        masks={OBJECT if is_classes else next(iter(before.masks), OBJECT): str(labels)},
        shape=part.image.shape,
        mask_size=None,
        class_values=tuple(range(1, len(table.class_names) + 1)) if is_classes else before.class_values,
        n_objects=None,
        object_size=None,
        image_digest=content_hash(part.image),
        pixel_size=part.pixel_size,
        split="train",
        scale=1.0,
        whole=0,
    )


def _empty(scratch: Project) -> None:
    """Delete the pairs of an interrupted task."""
    for path in scratch.path.glob("samples.sqlite*"):
        path.unlink()
    shutil.rmtree(scratch.path / "samples", ignore_errors=True)


def _train(
    scratch: Project, name: str, task: GeneratorTask, allowed: Mapping[str, str], part: Part, control: Control
) -> Generator[Event, None, None]:
    """Train a generator in the scratch project, or resume it from its last checkpoint.

    Raises
    ------
    Leak
        If it saw anything but the ``allowed`` training parts, or began with weights that saw another pair.
    """
    from napari_organoid_synth.core.runs.run import Run
    from napari_organoid_synth.core.training.train import train
    from napari_organoid_synth.core.training.transfer import find_weights

    path = scratch.path / "runs" / name
    if (path / "trained").exists():
        return
    recipe = as_trained(task.recipes[name], task.seed)
    recipe = recipe.override(f"train.device={task.device}", f"train.threads={task.threads}")
    start: Mapping[str, str] = find_weights(scratch, recipe.start).data if recipe.start.run else {}
    refuse_seen(task.held, start)
    resume = (path / "recipe.yaml").exists() and bool(Run(path).steps())
    if not resume:
        shutil.rmtree(path, ignore_errors=True)
    yield from part.follow(train(scratch, recipe, control, folder=path, resume=resume), control)
    refuse_others(Run(path).seen, [*allowed.values(), *start.values()])
    # the images, not their parts: so it is known what the pairs know
    Run(path).update_metadata(data={**task.train, **_others(start, task.train)})
    write_text(path / "trained", "")


def _others(start: Mapping[str, str], train: Mapping[str, str]) -> dict[str, str]:
    """Name the pairs that the first weights saw so that none has the name of a training pair."""
    return {f"{name} (before)" if name in train else name: digest for name, digest in start.items()}


def simulate_pairs(folder: Path, task: SimulatorTask, control: Control) -> Generator[Event, None, PairsRecord]:
    """Simulate pairs with the shapes of the masks of the task: the baseline without a network."""
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.seeds import seed_of
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    here, train = task.folder(folder), task.training_parts()
    scratch = Project(here / "project")
    _empty(scratch)
    draw = _fitted_simulator(train) if train[0].mask_kind != "classes" else SIMULATORS["em"]
    dark = [_is_darker(train, channel) for channel in range(len(train[0].image))]
    noted = 0.0
    with SampleStore(scratch.samples_path) as store:
        for index in range(task.number):
            if control.canceled:
                raise Canceled
            yield from control.wait_while_paused(index)
            pair = draw(seed_of(task.seed, "simulator", index), task.size)
            planes = [pair.image[0].max() - pair.image[0] if is_dark else pair.image[0] for is_dark in dark]
            store.add(
                pair.replace(
                    name=f"simulated_{index:05d}",
                    image=np.stack(planes),
                    class_names=train[0].class_names,
                    source=Source("simulated", provenance={**pair.source.provenance, "data": dict(task.train)}),
                )
            )
            if time.monotonic() - noted > PROGRESS_SECONDS:
                noted = time.monotonic()
                note_progress(here, index / task.number)
                yield Event(index)
    return PairsRecord(kind="simulator", pairs=task.number, data=dict(task.train))


def paste_some_pairs(folder: Path, task: PastedTask, control: Control) -> Generator[Event, None, PairsRecord]:
    """Copy real objects of the training parts onto their backgrounds."""
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.simulators.pasting import paste_pairs

    here = task.folder(folder)
    scratch = Project(here / "project")
    _empty(scratch)
    noted = 0.0
    with SampleStore(scratch.samples_path) as store:
        for index, pair in enumerate(paste_pairs(task.training_parts(), task.number, task.size, task.seed)):
            if control.canceled:
                raise Canceled
            yield from control.wait_while_paused(index)
            provenance = {**pair.source.provenance, "data": dict(task.train)}
            store.add(pair.replace(name=f"pasted_{index:05d}", source=Source("simulated", provenance=provenance)))
            if time.monotonic() - noted > PROGRESS_SECONDS:
                noted = time.monotonic()
                note_progress(here, index / task.number)
                yield Event(index)
        pairs = len(store.ids())
    return PairsRecord(kind="pasted", pairs=pairs, data=dict(task.train))


def _fitted_simulator(train: Sequence[SamplePair]) -> Callable[[int, int], SamplePair]:
    """Return a function that draws pairs with the shapes of a real mask, or where none can be drawn, the sizes."""
    from napari_organoid_synth.core.simulators.population import population
    from napari_organoid_synth.core.simulators.population_fit import fit, fit_each

    kind = train[0].mask_kind
    shapes = [shape.replace(mask_kind=kind) for shape in fit_each(train)]
    sizes = fit(train).replace(mask_kind=kind)

    def draw(seed: int, size: int) -> SamplePair:
        try:
            return population(seed, size, shapes[seed % len(shapes)])
        except UserError:  # outlines that are smoother than any that it draws
            return population(seed, size, sizes)

    return draw


def _is_darker(pairs: Sequence[SamplePair], channel: int) -> bool:
    """Return whether objects are darker than their surroundings; simulated objects are brighter."""
    change = 0.0
    for pair in pairs:
        inside = pair.labels > 0
        if inside.any() and not inside.all():
            plane = pair.image[channel].astype(np.float64)
            change += float(np.sign(plane[inside].mean() - plane[~inside].mean()))
    return change < 0
