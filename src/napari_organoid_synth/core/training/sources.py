"""The run of a painter that needs no training: one checkpoint with the real pairs that it paints from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import describe_device
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.untrained import UntrainedPainter
from napari_organoid_synth.core.job import Event, Finished, Previewed, Progress, Saved, Started, Warned
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import capital, plural
from napari_organoid_synth.core.recipe import Recipe, TrainSettings
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.seeds import seed_of
from napari_organoid_synth.core.simulators.arranged import Arranger
from napari_organoid_synth.core.simulators.moved import Mover
from napari_organoid_synth.core.simulators.real_outlines import why_not_arranged
from napari_organoid_synth.core.training.object_size import tiny_objects
from napari_organoid_synth.core.training.session import open_run
from napari_organoid_synth.core.training.tiles import load_training_pairs

STEP = 0
"""Of the one checkpoint: nothing was learned."""


def keep_sources(project: Project, recipe: Recipe, folder: Path | None, resume: bool) -> Iterator[Event]:
    """Make the run of a painter that needs no training, and yield the events of a training.

    Parameters
    ----------
    project : Project
        With ``pairs.json``; the pairs marked "test" stay unseen. Whole images are kept, at the scale of the project.
    recipe : Recipe
        Of ``recipe.train`` only seed and number of previews count.
    folder : Path, optional
        Folder of the run; a new one below ``runs`` when not given, or the newest one on resuming.
    resume : bool
        A whole run is left as it is.

    Raises
    ------
    UserError
        If there are no pairs, no mask holds an object, or the recipe starts from another run.
    """
    if recipe.start.run:
        raise UserError(
            f"{recipe.gan.short_title()} keeps your pairs and learns nothing, so it cannot start from "
            f"'{recipe.start.run}'.",
            "Expected no start.run.",
            "Leave start.run empty, or paint with that run itself.",
        )
    began = time.perf_counter()
    pairs = load_training_pairs(project, recipe)
    run = open_run(project, recipe, pairs, folder, resume)
    painter = new_generator(recipe, run.spec)
    assert isinstance(painter, UntrainedPainter), f"{recipe.gan.name} is no UntrainedPainter"
    is_whole = resume and run.steps() == [STEP]
    info = {"run": run.name, "folder": str(run.path), "generator": recipe.gan.name, "pairs": len(pairs), "total": 1}
    yield Started(STEP, info | {"device": describe_device(painter.device), "parameters": {}, "notes": {}})
    if is_whole:
        run.load(painter)
        yield Warned(STEP, f"{capital(run.title)} needs no training and is ready: there is nothing to resume.")
    else:
        if recipe.train.steps != TrainSettings().steps:
            title = recipe.gan.short_title()
            yield Warned(STEP, f"{title} needs no training: train.steps does not count. gan=flow trains a network.")
        if (tiny := tiny_objects(pairs, recipe)) is not None:
            yield Warned(STEP, str(tiny))
        yield Progress(STEP, 1, note="keeping the images to paint from")
        left_out = painter.keep(pairs)
        if left_out:
            yield Warned(STEP, f"{plural(len(left_out), 'image')} of {len(pairs)} left out: {', '.join(left_out[:5])}.")
        yield Progress(STEP, 1, note="painting samples")
        yield Previewed(STEP, str(write_preview(run, painter, pairs)))
        yield Saved(STEP, str(run.save(painter, STEP)))
        run.update_metadata(seconds=time.perf_counter() - began, notes={}, device=describe_device(painter.device))
        yield Progress(1, 1)
    result = {
        "run": run.name,
        "folder": str(run.path),
        "steps": STEP,
        "checkpoint": str(run.checkpoint_path(STEP)),
        "best": None,
        "seconds": round(time.perf_counter() - began, 2),
        "images_per_second": 0.0,
        "gflops_per_second": 0.0,
        "precision": "",
    }
    yield Finished(1, "completed", result)


def write_preview(run: Run, painter: UntrainedPainter, pairs: Sequence[SamplePair]) -> Path:
    """Paint new masks, objects of the real ones arranged or whole ones bent, and write them."""
    held = [pair for pair in pairs if pair.labels.any()]
    side, draw = run.recipe.tiles.side, new_masks(held)
    images, masks = [], []
    for number in range(run.recipe.train.previews):
        seed = seed_of("preview", run.recipe.train.seed, number)
        labels, own = draw(side, np.random.default_rng(seed))
        others = painter.usable({own})
        images.append(painter.paint_labels(labels, seed, {own} if others else ()).image)
        masks.append(labels)
    return run.write_preview(STEP, np.stack(images), np.stack(masks))


def new_masks(pairs: Sequence[SamplePair]) -> Callable[[int, np.random.Generator], tuple[NDArray[np.int32], str]]:
    """Return a function that draws a mask of a side, px, and names the image whose layout it keeps, if any."""
    if pairs[0].mask_kind != "classes" and why_not_arranged(pairs) is None:
        arranger = Arranger(pairs)
        return lambda side, rng: (arranger.arrange(side, rng).labels, "")
    mover = Mover(pairs)

    def move(side: int, rng: np.random.Generator) -> tuple[NDArray[np.int32], str]:
        made = mover.move(side, rng)
        return made.labels, made.name

    return move
