"""The gain from synthetic pairs: arms compared on images that nothing was trained on.

No generator sees an image that is tested with its pairs, nor one that the arm does not train on: it is trained on the
training images of the fold (of the subset of these, where only a part is used) without the parts of them that are held
back for the score that ends a training and chooses a ratio. The content of all images is compared once more before an
arm trains. ``paper_protocol`` lets it see everything, as published studies do. Pairs of
the store are refused where their generator saw a test image.

The comparison is a grid of independent tasks (`tasks`). Each keeps its result on disk, so that a comparison that was
stopped or killed goes on where it was. Generators and other makers of pairs lie in the project and are shared by all
its comparisons.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.cost_estimate import workers_at_once
from napari_organoid_synth.core.gain.plan import make_plan
from napari_organoid_synth.core.gain.progress import Board
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.gain.storage import (
    COMPUTING,
    SETTINGS,
    pick_folder,
    pick_recipes,
    pinned_recipes,
    write_settings,
)
from napari_organoid_synth.core.gain.workers import open_workers
from napari_organoid_synth.core.job import Control, Event, Finished, Started, Warned
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.segmenters.trust import refuse_untrusted, trust

REPORT_SECONDS = 0.5
"""Between two reports of the progress."""
POLL_SECONDS = 0.2
"""Between two looks at the control."""


def segment(
    project: Project, settings: SegmentSettings, control: Control, folder: Path | None = None
) -> Iterator[Event]:
    """Compare arms on the test images of the project, with the synthetic pairs that it has: `gain` for a first look.

    Parameters
    ----------
    project, control, folder
        As in `gain`.
    settings : SegmentSettings
        Segmenter, arms, steps, seed, device.

    Yields
    ------
    Event
        As `gain`.

    Raises
    ------
    UserError
        As `gain`; also if no image is put aside for the test, or there are no synthetic pairs for the arms.
    Leak
        If the generator of the synthetic pairs saw a test image.
    """
    yield from gain(project, settings.as_gain(), control, folder)


def gain(
    project: Project, settings: GainSettings, control: Control, folder: Path | None = None, resume: bool = False
) -> Iterator[Event]:
    """Measure the gain of each arm over training on the real pairs alone.

    Parameters
    ----------
    project : Project
        With real pairs, and a trained run whose recipe is used (or a recipe file).
    settings : GainSettings
        On resuming, those of the folder, except for scheduler, workers, threads and device.
    control : Control
        Pause and cancel reach the tasks, which honour them after the optimiser step in progress.
    folder : Path, optional
        Folder of the results; tasks done there are not repeated. Default: that of an earlier comparison with the
        same settings that no process works on, else a new one below ``segment``.
    resume : bool
        Take the settings of the folder.

    Yields
    ------
    Event
        Started with the numbers of tasks and folds; Progress, whose note says what is being done and whose ``stats``
        hold the share of each arm that is done; Added with the key of a finished task; Warned; Finished with the
        values of a `GainResult`.

    Raises
    ------
    UserError
        If the images, groups or arms do not allow the comparison, or a test image leaked into training.
    """
    if resume and folder is not None:
        stored = GainSettings.from_file(Path(folder) / SETTINGS)
        settings = stored.replace(**{name: getattr(settings, name) for name in COMPUTING})
        refuse_untrusted(settings.segmenter, "Give the settings yourself, in place of resuming those of the folder.")
    else:
        trust(settings.segmenter)
    generators = (pinned_recipes(folder) if resume else {}) or pick_recipes(project, settings)
    folder = Path(folder) if folder is not None else pick_folder(project, settings, generators)
    plan = make_plan(project, settings, generators)
    write_settings(folder, settings, generators)
    board = Board(folder, settings, plan)
    yield Started(0, board.info)
    for warning in plan.warnings:
        yield Warned(0, warning)
    board.write()  # a comparison that is killed in its first training can be resumed, too
    if board.pending:
        yield from _work(folder, settings, control, board)
    board.write()
    if not board.records and board.failed:
        key, reason = next(iter(board.failed.items()))
        title = next(task.title for task in plan.tasks if task.key == key)
        raise UserError(f"Every training failed, the first ({title}) because: {reason}")
    reason = "canceled" if board.has_unfinished else "completed"
    yield Finished(board.done, reason, board.result.model_dump(mode="json"))


def _work(folder: Path, settings: GainSettings, control: Control, board: Board) -> Iterator[Event]:
    """Deal out tasks until none is left, or the person stops."""
    request_file = folder / "tasks" / "control"
    passed, reported = "", 0.0
    number = min(workers_at_once(settings), len(board.pending))
    with open_workers(folder, settings, control, number) as workers:
        while board.running or (board.ready and not control.canceled):
            if control.request() != passed:
                passed = control.request()
                write_text(request_file, passed)
            if passed == "run":
                for task in board.ready[: max(0, workers.room - len(board.running))]:
                    board.begin(task)
                    workers.submit(task)
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                yield board.progress(workers.room)
            for task, outcome in workers.poll(POLL_SECONDS):
                yield from board.end(task, outcome)
            if passed == "pause":
                yield from control.wait_while_paused(board.done)
        yield board.progress(workers.room)
