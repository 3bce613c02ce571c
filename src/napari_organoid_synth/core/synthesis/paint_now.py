"""The run to make pairs with: a trained one, or a painter that needs no training, made in a moment."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.config import untrained
from napari_organoid_synth.core.job import Control, Event, Finished, Saved, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import content_hash
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import first_recipe
from napari_organoid_synth.core.runs.files import checkpoint_steps
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.runs.sharing import find_run

MADE_HERE = ["generate"]
"""Arguments in the record of a run that is made because it is needed."""


def run_to_use(project: Project, name: str, control: Control) -> Generator[Event, None, Run]:
    """Return the run of a name; make one where the name is that of a painter without training, or there is none.

    Parameters
    ----------
    project : Project
        With pairs where a run has to be made.
    name : str
        Of a run, of a model file, or of a generator that needs no training (``"analogy"``); empty: the newest run, or
        analogy where the project has none.
    control : Control
        Passed to the verb that makes the run.

    Yields
    ------
    Event
        Warnings while a run is made.

    Raises
    ------
    UserError
        If there is no such run, or no pairs to paint with.
    """
    if name in untrained():
        return (yield from _painter(project, name, control))
    if not name and not project.runs() and project.pairs_path.exists():
        return (yield from _painter(project, untrained()[0], control))
    return find_run(project, name)


def _painter(project: Project, name: str, control: Control) -> Generator[Event, None, Run]:
    """Return the newest run of a painter that knows exactly the training pairs, else make one."""
    pairs = load_pairs(project, split="train")
    here = {content_hash(pair.image, pair.labels) for pair in pairs}
    for path in reversed(project.runs()):
        with suppress(UserError):  # a damaged run is none to paint with
            run = Run(path)
            if run.recipe.gan.name == name and run.steps() and set(run.seen.values()) == here:
                return run
    from napari_organoid_synth.core.training.train import train  # with torch, which the painter does not need

    for job in project.jobs("train"):
        if job.info.get("arguments") == MADE_HERE and not job.alive:
            _drop_unfinished(job.path)  # its process was killed
    job = project.job("train")
    try:
        job.begin("train", MADE_HERE)
        recipe = first_recipe([pair.size for pair in pairs], name).override("train.previews=1")
        for event in job.record(train(project, recipe, control, folder=job.path)):
            if isinstance(event, Warned | Saved):
                yield event
            if isinstance(event, Finished) and event.reason != "completed":
                raise UserError("Stopped before the painter was ready.", "", "Start again.")
        return Run(job.path)
    finally:
        _drop_unfinished(job.path)


def _drop_unfinished(path: Path) -> None:
    """Delete the folder of a painter that was not finished: nothing in it can be used."""
    if not checkpoint_steps(path):
        shutil.rmtree(path, ignore_errors=True)
