"""Train a generator on the pairs of a project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_organoid_synth.core.job import Control, Event, Warned
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.training.session import Session
from napari_organoid_synth.core.training.sources import keep_sources
from napari_organoid_synth.core.training.team import open_team


def train(
    project: Project, recipe: Recipe, control: Control, folder: Path | None = None, resume: bool = False
) -> Iterator[Event]:
    """Train a generator and yield the events; one that needs no training is ready in a moment.

    Parameters
    ----------
    project : Project
        With ``pairs.json``; the pairs marked "test" stay unseen.
    recipe : Recipe
        On resuming, ``recipe.train`` may differ from that of the run (more steps); the rest must not.
    control : Control
        Pause and cancel are honoured after the step in progress; cancelling saves.
    folder : Path, optional
        Folder of the run; a new one below ``runs`` when not given, or the newest one on resuming.
    resume : bool
        Go on from the newest whole checkpoint of ``folder``; on a processor this equals, bit for bit, never having
        stopped.

    Yields
    ------
    Event
        Started, then Progress once a second, Previewed, Saved, Warned as they happen, Finished at last.

    Raises
    ------
    UserError
        If there are no pairs or no usable tiles, the run belongs to other settings, memory does not suffice for one
        tile, or the training diverges.
    """
    if not recipe.gan.trains:
        yield from keep_sources(project, recipe, folder, resume)
        return
    with open_team(recipe.train) as team:
        yield from _train(Session(project, recipe, folder, resume, team), control)


def _train(session: Session, control: Control) -> Iterator[Event]:
    """Take the steps of a training."""
    settings = session.settings
    yield from session.started()
    if session.step == 0:
        yield session.previewed()
    session.meter.start()
    while not session.done and not control.canceled:
        if not session.learn():
            tiles = plural(session.batch, "tile")
            yield Warned(session.step, f"Memory was full: continuing with {tiles} per step.")
            continue
        yield from session.progress()
        if session.due(settings.preview_every):
            yield session.previewed()
        if session.due(settings.checkpoint_every):
            yield session.saved()
        for heartbeat in control.wait_while_paused(session.step):
            session.meter.skip_pause()
            session.wait()
            yield heartbeat
    if session.step > session.first_step:
        yield from session.last_events()
    yield from session.finished()
