"""Doing a task: in one call, as workers do, or step by step, so that its events can be followed."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.computer import threads_for
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain import make_pairs, train_arm
from napari_organoid_synth.core.gain.leakage import Leak
from napari_organoid_synth.core.gain.results import ArmRecord, PairsRecord
from napari_organoid_synth.core.gain.tasks import PROGRESS, RESULT, Canceled, Task, read_record
from napari_organoid_synth.core.gain.turn import Turn
from napari_organoid_synth.core.job import Control, Event, FileControl
from napari_organoid_synth.core.segmentation.catalog import TRAINING

Work = Callable[[Path, Any, Control], Generator[Event, None, ArmRecord | PairsRecord]]
"""Function that does a task in the folder of the comparison; yields events, returns the record."""
WORK: dict[str, Work] = {
    "generator": make_pairs.generate_pairs,
    "masks": make_pairs.train_masks,
    "curated": make_pairs.curate_pairs,
    "simulator": make_pairs.simulate_pairs,
    "pasted": make_pairs.paste_some_pairs,
    "arm": train_arm.train_arm,
}
"""Function for each kind of task."""
WAIT_SECONDS = 0.2
"""Between two looks whether another comparison is done with a task that both need."""


@dataclass(frozen=True)
class Outcome:
    """End of a task; for ``"failed"`` and ``"leak"`` with the reason, in a sentence, and the traceback."""

    state: Literal["done", "canceled", "failed", "leak"]
    message: str = ""
    report: str = ""


def run_task(folder: str, task: Task, control: Control | None = None) -> Outcome:
    """Do a task, or return at once if it is done.

    Parameters
    ----------
    folder : str
        Of the comparison.
    task : Task
        The task.
    control : Control, optional
        Default: the requests in the file ``tasks/control``.
    """
    steps = do_task(Path(folder), task, control or FileControl(Path(folder) / "tasks" / "control"))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome


def do_task(folder: Path, task: Task, control: Control) -> Generator[Event, None, Outcome]:
    """Do a task and yield its events; an interrupted task continues from its last checkpoint the next time.

    What another comparison is doing is waited for; if its process dies, this one goes on with it.
    """
    here, turn = task.folder(folder), Turn(task.workplace)
    if read_record(here) is not None:
        return Outcome("done")
    try:
        while not turn.take():
            if control.canceled:
                return Outcome("canceled")
            time.sleep(WAIT_SECONDS)
            yield Event()
        if read_record(here) is not None:
            return Outcome("done")
        return (yield from _do(folder, task, control))
    finally:
        turn.give_back()


def _do(folder: Path, task: Task, control: Control) -> Generator[Event, None, Outcome]:
    """Do a task whose turn it is."""
    began = time.monotonic()
    try:
        with _threads(threads_for(task.threads)):
            record = yield from WORK[task.kind](folder, task, control)
    except Canceled:
        return Outcome("canceled")
    except Leak as error:
        return Outcome("leak", str(error))
    except Exception as error:
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        return Outcome("failed", message, traceback.format_exc())
    here = task.folder(folder)
    done = record.model_copy(update={"key": task.key, "seconds": round(time.monotonic() - began, 2)})
    write_text(here / RESULT, done.model_dump_json())
    for name in (PROGRESS, TRAINING, train_arm.PRETRAINING):
        (here / name).unlink(missing_ok=True)
    shutil.rmtree(here / train_arm.PRETRAINED, ignore_errors=True)
    return Outcome("done")


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with that many threads, also in libraries that ask for all cores."""
    import torch

    before, torch_before = os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads()
    os.environ["OMP_NUM_THREADS"] = str(number)
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(torch_before)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
