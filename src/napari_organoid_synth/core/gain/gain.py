"""What synthetic pairs gain: arms of training compared in folds, the generator trained anew in each.

No generator sees an image that is tested with its pairs, nor one that the arm does not train on: it is trained on the
training images of the fold (of the subset of these, where only a part is used), and the content of all images is
compared once more before an arm trains. ``paper_protocol`` lets it see everything, as published studies do.

The comparison is a grid of independent tasks (`gain_tasks`) that dask deals out to processes. Each keeps its result on
disk, so that a comparison that was stopped or killed goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.plan import make_plan
from napari_organoid_synth.core.gain.progress import Board
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import (
    AS_IT_IS,
    SETTINGS,
    pick_folder,
    pick_recipes,
    pinned,
    write_settings,
)
from napari_organoid_synth.core.gain.workers import open_workers
from napari_organoid_synth.core.job import Control, Event, Finished, Started, Warned
from napari_organoid_synth.core.project import Project

REPORT_SECONDS = 0.5


def gain(
    project: Project, settings: GainSettings, control: Control, folder: Path | None = None, resume: bool = False
) -> Iterator[Event]:
    """Measure what each arm gains over training on the real pairs alone.

    Parameters
    ----------
    project : Project
        With real pairs, and a trained run whose recipe is used (or a recipe file).
    settings : GainSettings
        On resuming, those of the folder, except for scheduler, workers, threads and device.
    control : Control
        Pause and cancel reach the tasks, which honour them after the optimiser step in progress.
    folder : Path, optional
        Where results go; tasks that are done there are not repeated. Default: that of an earlier comparison with the
        same settings that no process works on, else a new one below ``segment``.
    resume : bool
        Take the settings of the folder.

    Yields
    ------
    Event
        Started with the numbers of tasks and folds; Progress, whose note says what is being done; Added with the key of
        a finished task; Warned; Finished with the contents of ``results.json``.

    Raises
    ------
    UserError
        If the images, groups or arms do not allow the comparison, or a test image leaked into training.
    """
    if resume and folder is not None:
        kept = GainSettings.from_file(Path(folder) / SETTINGS)
        settings = kept.replace(**{name: getattr(settings, name) for name in AS_IT_IS})
    recipes = (pinned(folder) if resume else {}) or pick_recipes(project, settings)
    folder = Path(folder) if folder is not None else pick_folder(project, settings, recipes)
    plan = make_plan(project, settings, recipes)
    write_settings(folder, settings, recipes)
    board = Board(folder, settings, plan)
    yield Started(0, board.info)
    for words in plan.warnings:
        yield Warned(0, words)
    board.write()  # whoever is killed in the first training is offered to go on
    if board.pending:
        yield from _work(folder, settings, control, board)
    board.write()
    if not board.records and board.failed:
        first = next(iter(board.failed.values()))
        raise UserError(f"Every training failed, the first ({first['title']}) so: {first['words']}")
    reason = "canceled" if board.left else "completed"
    yield Finished(board.done, reason, board.record | {"folder": str(folder)})


def _work(folder: Path, settings: GainSettings, control: Control, board: Board) -> Iterator[Event]:
    """Deal out tasks until none is left, or the person stops."""
    asked = folder / "tasks" / "control"
    passed, reported = "", 0.0
    number = _workers(settings)
    with open_workers(folder, settings, control, min(number, len(board.pending))) as workers:
        while board.running or (board.ready and not control.canceled):
            if control.request() != passed:
                passed = control.request()
                write_text(asked, passed)
            if passed == "run":
                for task in board.ready[: max(0, workers.room - len(board.running))]:
                    board.begin(task)
                    workers.submit(task)
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                yield board.progress(workers.room)
            for task, outcome in workers.poll(0.2):
                yield from board.end(task, outcome)
            if passed == "pause":
                yield from control.wait_while_paused(board.done)
        yield board.progress(workers.room)


def _workers(settings: GainSettings) -> int:
    """How many tasks at once on this computer; one for a graphics card."""
    if settings.workers or settings.scheduler:
        return settings.workers or 1
    from napari_organoid_synth.core.device import cores, pick_device

    return max(1, cores() // settings.threads) if pick_device(settings.device).type == "cpu" else 1
