"""Tasks that make pairs for the arms of a fold, from its training images alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.atomic import leads_elsewhere, write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.leakage import refuse_seen
from napari_organoid_synth.core.gain.results import PairsRecord
from napari_organoid_synth.core.gain.tasks import (
    PROGRESS_SECONDS,
    Canceled,
    GeneratorTask,
    Part,
    SimulatorTask,
    Task,
    note_progress,
    read_pairs,
    task_folder,
)
from napari_organoid_synth.core.job import Control, Event
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe

TRAINED_AT, GENERATED_AT = 0.9, 0.95
"""Progress of a task when its generators are trained, and when its pairs are generated."""


def generate_pairs(folder: Path, task: GeneratorTask, control: Control) -> Generator[Event, None, PairsRecord]:
    """Train on the images of the task alone, generate pairs, score them, choose the best."""
    from napari_organoid_synth.core.metrics.settings import ScoreSettings
    from napari_organoid_synth.core.runs.run import Run
    from napari_organoid_synth.core.samples.far_sets import FarFromOriginals
    from napari_organoid_synth.core.samples.selection import best
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.scores.score import score
    from napari_organoid_synth.core.synthesis.generate import generate
    from napari_organoid_synth.core.synthesis.settings import GenerateSettings

    here = task_folder(folder, task.key)
    scratch = _scratch(task, here)
    share = TRAINED_AT / len(task.recipes)
    data: dict[str, str] = {}
    for number, (name, recipe) in enumerate(task.recipes.items()):
        part = Part(folder, task.key, number * share, (number + 1) * share)
        yield from _train(scratch, name, recipe, task, part, control)
        data |= Run(scratch.path / "runs" / name).seen
    refuse_seen(task.held, data)
    marker = here / "drawn"
    if not marker.exists():
        _empty(scratch)
        settings = GenerateSettings.parse(
            {
                "run": "generator",
                "masks": task.masks,
                "mask_run": "masks" if task.masks == "generated" else "",
                "number": task.number,
                "seed": task.seed,
                "device": task.device,
            }
        )
        part = Part(folder, task.key, TRAINED_AT, GENERATED_AT)
        yield from part.follow(generate(scratch, settings, control), control)
        write_text(marker, "")
    curated: list[str] = []
    refusal = ""
    with SampleStore(scratch.samples_path) as store:
        if task.curate:
            scoring = score(scratch, ScoreSettings(sets="none", device=task.device), control)
            yield from Part(folder, task.key, GENERATED_AT, 1.0).follow(scoring, control)
            number = max(1, round(task.curated_share * len(store.ids())))
            names = {row.id: row.name for row in store.rows()}
            try:
                curated = sorted(names[id] for id in best(store, number, None))
            except FarFromOriginals as error:  # the other arms have their pairs
                refusal = str(error)
        pairs = len(store.ids())
    return PairsRecord(pairs=pairs, curated=tuple(curated), refusal=refusal, data=data)


def _scratch(task: Task, here: Path) -> Project:
    """Make a project with the images of the task and no others."""
    table = PairTable.from_file(Project(task.project, make=False).pairs_path)
    for _ in read_pairs(table, task.train):
        pass
    rows = tuple(table.entry(name).replace(split="train") for name in task.train)
    if leads_elsewhere(here / "project", levels=3):  # an interrupted task is emptied
        raise UserError(
            f"{here / 'project'} is a link, or lies in one.", "Expected a folder of the comparison.", "Delete the link."
        )
    scratch = Project(here / "project")
    table.replace(entries=rows, folder_notes=(), check_notes=()).to_file(scratch.pairs_path)
    return scratch


def _empty(scratch: Project) -> None:
    """Delete the pairs of an interrupted task."""
    for path in scratch.path.glob("samples.sqlite*"):
        path.unlink()
    shutil.rmtree(scratch.path / "samples", ignore_errors=True)


def _train(
    scratch: Project, name: str, recipe: Recipe, task: GeneratorTask, part: Part, control: Control
) -> Generator[Event, None, None]:
    """Train a generator in the scratch project, or resume it from its last checkpoint."""
    from napari_organoid_synth.core.runs.run import Run
    from napari_organoid_synth.core.training.train import train
    from napari_organoid_synth.core.training.transfer import find_weights

    path = scratch.path / "runs" / name
    if (path / "trained").exists():
        return
    recipe = recipe.override(
        f"train.seed={task.seed}",
        f"train.device={task.device}",
        f"train.threads={task.threads}",
        "train.previews=1",
        f"train.preview_every={max(1, recipe.train.steps)}",
        "train.keep=1",
    )
    if recipe.start.run:
        refuse_seen(task.held, find_weights(scratch, recipe.start).data)
    resume = (path / "recipe.yaml").exists() and bool(Run(path).steps())
    if not resume:
        shutil.rmtree(path, ignore_errors=True)
    yield from part.follow(train(scratch, recipe, control, folder=path, resume=resume), control)
    write_text(path / "trained", "")


def simulate_pairs(folder: Path, task: SimulatorTask, control: Control) -> Generator[Event, None, PairsRecord]:
    """Simulate pairs with the shapes of the masks of the task: the baseline without a network."""
    from napari_organoid_synth.core.device import seed_of
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    train = task.pairs(task.train)
    scratch = Project(task_folder(folder, task.key) / "project")
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
                note_progress(folder, task.key, index / task.number)
                yield Event(index)
    return PairsRecord(kind="simulator", pairs=task.number, data=dict(task.train))


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
