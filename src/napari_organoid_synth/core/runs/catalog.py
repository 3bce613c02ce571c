"""The runs of a project as a list: how each ended, what it has; rename, delete to the bin, bring back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.job import Event, Failed, Finished, JobFolder
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.files import best_checkpoint, checkpoint_steps
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.runs.numbers import keep_numbers, run_numbers
from napari_organoid_synth.core.runs.titles import bin_path, read_gan, run_names

State = Literal["running", "stopped", "failed", "done", "imported"]
MAX_NAME = 60
TAIL_BYTES = 1 << 16
"""The end of the list of events that is read for how a run ended."""
NEVER_SAVED = "stopped before the first checkpoint"


class RunRecord(FrozenModel):
    """A run as the list shows it."""

    folder: str = Field(description="Name of its folder.")
    name: str = Field(description="Its name: 'run 3', or the one it was given.")
    number: int = Field(description="Its number, which no other run of the project ever gets.")
    generator: str = Field(description="Name of the generator; empty where the recipe is damaged.")
    state: State = Field(description="running, stopped, failed, done or imported.")
    reason: str = Field("", description="Why it failed, or where it was stopped.")
    step: int = Field(0, ge=0, description="Step of the newest checkpoint.")
    best: int | None = Field(None, description="Step of the best checkpoint.")
    distance: float | None = Field(None, description="Its kernel distance from the real tiles; low is good.")
    samples: int = Field(0, ge=0, description="Synthetic pairs that it made.")
    size: int = Field(0, ge=0, description="Size on disk, bytes.")

    @property
    def status(self) -> str:
        """State and reason in words."""
        return (
            f"{self.state}: {self.reason}" if self.reason and self.reason != NEVER_SAVED else self.reason or self.state
        )


def catalog(project: Project, samples: Mapping[str, int], deleted: bool = False) -> list[RunRecord]:
    """List the runs of a project, newest number first; reads every folder, so call it in the background.

    Parameters
    ----------
    project : Project
        With its runs.
    samples : mapping of str to int
        Number of samples by the folder name of their run.
    deleted : bool
        Those in the bin instead.
    """
    numbers, names = run_numbers(project), run_names(project)
    paths = bin_path(project).glob("*/recipe.yaml") if deleted else (path / "recipe.yaml" for path in project.runs())
    found = [_record(path.parent, numbers, names, samples) for path in paths]
    return sorted(found, key=lambda one: (one.number, one.folder), reverse=True)


def _record(path: Path, numbers: Mapping[str, int], names: Mapping[str, str], samples: Mapping[str, int]) -> RunRecord:
    gan, steps = read_gan(path / "recipe.yaml"), checkpoint_steps(path)
    state, reason = _state(path, steps)
    best = best_checkpoint(path)
    return RunRecord(
        folder=path.name,
        name=names.get(path.name, path.name),
        number=numbers.get(path.name, 0),
        generator=gan.name if gan is not None else "",
        state="done" if gan is not None and not gan.trains and steps else state,
        reason=reason if gan is not None else "The recipe is damaged.",
        step=max(steps, default=0),
        best=best[0] if best else None,
        distance=best[1] if best else None,
        samples=samples.get(path.name, 0),
        size=_size(path),
    )


def _size(path: Path) -> int:
    """Return the bytes of a folder; files that go meanwhile, as those of a training that saves, do not count."""
    size = 0
    for file in path.rglob("*"):
        with suppress(OSError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def _state(path: Path, steps: list[int]) -> tuple[State, str]:
    """Return how a run is or ended, and why."""
    job = JobFolder(path)
    if _is_running(job):
        return "running", ""
    saved = f"saved up to step {steps[-1]:,}" if steps else NEVER_SAVED
    match _last_event(job):
        case Finished(reason="completed"):
            return "done", ""
        case Failed(found=found):
            return "failed", found
        case None if not job.info:
            return "imported", ""
    return "stopped", saved


def _is_running(job: JobFolder) -> bool:
    """Return whether a training goes on: its process may live on after it, as that of a script does."""
    if not job.alive:
        return False
    ended = isinstance(_last_event(job), Finished | Failed)
    return not ended or job.events_path.stat().st_mtime < float(job.info.get("started", 0.0))  # begun again since


def _last_event(job: JobFolder) -> Event | None:
    try:
        size = job.events_path.stat().st_size
    except OSError:
        return None
    events, _ = job.read_events(max(0, size - TAIL_BYTES))
    return events[-1] if events else None


def rename(project: Project, folder: str, name: str) -> str:
    """Give a run a name, or with an empty one its number again; return the name that is shown now.

    Raises
    ------
    UserError
        If another run has this name, or it is none that can be shown.
    """
    path, wanted = project.run_path(folder), " ".join(name.split())
    own = f"run {run_numbers(project)[folder]}"
    others = {other: known for other, known in run_names(project).items() if other != folder}
    taken = {known.casefold() for known in (*others, *others.values())}  # folders are asked for like names
    if wanted.casefold() == own:
        wanted = ""
    if re.fullmatch(r"(run )?\d+", wanted.casefold()):
        raise UserError(f"'{wanted}' is a number.", "Expected a name: numbers are those of the runs.", "Add a word.")
    if wanted.casefold() in taken:
        raise UserError(
            f"'{wanted}' is the name of another run.", "Expected a name of its own.", "Choose another name."
        )
    if len(wanted) > MAX_NAME or any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in wanted):
        raise UserError(
            f"'{wanted[:MAX_NAME]}' cannot be a name.", f"Expected up to {MAX_NAME} letters.", "Shorten it."
        )
    file = path / "run.json"
    RunMetadata.read_whole(file).replace(title=wanted).write(file)
    return wanted or own


def delete_run(project: Project, folder: str) -> None:
    """Move a run into the bin of the project; samples that it made stay, with its name.

    Raises
    ------
    UserError
        If there is no such run, or it is running.
    """
    path = project.run_path(folder)
    if _is_running(JobFolder(path)):
        raise UserError(f"{run_names(project)[folder]} is running.", "Expected one that has ended.", "Stop it first.")
    keep_numbers(project)
    _move(path, bin_path(project) / folder)


def restore_run(project: Project, folder: str) -> None:
    """Bring a run back from the bin as it was.

    Raises
    ------
    UserError
        If it is not there.
    """
    path = bin_path(project) / folder
    if not (path / "recipe.yaml").exists():
        deleted = ", ".join(one.name for one in catalog(project, {}, deleted=True)) or "none"
        raise UserError(
            f"There is no deleted run '{folder}'.", f"Expected one of: {deleted}.", "Look into bin/runs of the project."
        )
    _move(path, project.path / "runs" / folder)


def _move(old: Path, new: Path) -> None:
    if new.exists():
        raise UserError(f"{new} is there already.", "Expected no folder of this name.", "Move or rename that folder.")
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        old.rename(new)
    except OSError as error:
        raise UserError(f"Cannot move {old}: {error.strerror or error}.", "", "Close what uses its files.") from None
