"""Common steps of all commands: read the settings, run with a progress bar, print the result."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_organoid_synth.cli.output import show
from napari_organoid_synth.core.errors import DiskFull, UserError, disk_error, is_disk_full, vanished
from napari_organoid_synth.core.quantities import plural

if TYPE_CHECKING:
    from napari_organoid_synth.core.frozen_model import Settings
    from napari_organoid_synth.core.job import Control, Event, JobFolder
    from napari_organoid_synth.core.project import Project


def settings_of(
    verb: str, recipe: Path | None, overrides: list[str] | None, fields: dict[str, Any] | None = None
) -> Any:
    """Read the settings of a command: from the file, then ``--set``, then its own options."""
    from napari_organoid_synth.core.verbs import settings_class

    cls = settings_class(verb)
    settings = (cls.from_file(recipe) if recipe else cls()).override(*(overrides or ()))
    given = {name: value for name, value in (fields or {}).items() if value not in (None, []) and value is not False}
    return settings.replace(**given) if given else settings


def run_verb(
    verb: str, project: Project, settings: Settings, job: JobFolder | None, launched: bool, as_json: bool, **extra: Any
) -> None:
    """Run a long command in a job folder, so that a window can follow and steer it, and print the result."""
    from napari_organoid_synth.core.job import unless_canceled
    from napari_organoid_synth.core.verbs import VERBS

    job = job or project.job(verb)
    if not launched and job.alive:
        raise UserError(
            f"{job.path.name} is running already, in process {job.info['pid']}.",
            "Expected one command in a folder at a time.",
            "Wait for it, or end it with 'organoid-synth control'.",
        )
    steering = job.control
    if not launched:  # a window has forgotten the request that ended an earlier session: what is there now counts
        steering.resume()
    job.begin(verb, sys.argv[1:])
    function = VERBS[verb].load()
    if verb in {"train", "segment", "gain", "annotate", "pipeline"}:
        extra["folder"] = job.path
    events = unless_canceled(function(project, settings, steering, **extra), steering)
    finish(verb, follow(events, steering, verb, project, job), as_json)


def tell_damage(project: Project) -> None:
    """Name the files of a project that cannot be read, on standard error."""
    from napari_organoid_synth.core.damage import damaged_files

    for sentence in damaged_files(project):
        print(sentence, file=sys.stderr)


def at_once(verb: str, project: Project, work: Callable[[], dict[str, Any]], job: Path | None) -> dict[str, Any]:
    """Run a short command; its end is recorded in the job folder of a window that waits for it. Return the result."""
    from napari_organoid_synth.core.job import Control, Finished, JobFolder

    def events() -> Iterator[Event]:
        yield Finished(0, result=work())

    result = follow(events(), Control(), verb, project, JobFolder(job)) if job else work()
    return {key: value for key, value in result.items() if key != "reason"}


def finish(verb: str, result: dict[str, Any], as_json: bool, quiet: bool = False) -> None:
    """Print the result of a command; exit with 130 if it was stopped, with 1 if some of its inputs failed.

    A quiet one prints JSON alone: its text is printed before.
    """
    canceled, failed = result.get("reason") == "canceled", _failed(result)
    error = UserError(_stopped(verb)) if canceled else failed
    if as_json or not (canceled or quiet):
        show(verb, result, as_json, error)
    if failed is not None:
        print(f"organoid-synth: {failed}", file=sys.stderr)
    if error is not None:
        raise typer.Exit(130 if canceled else 1)


def _failed(result: dict[str, Any]) -> UserError | None:
    """Return the error of a command that left out some inputs (``failed``: name and reason of each) or tasks."""
    tasks = result.get("tasks")
    if isinstance(tasks, dict) and tasks.get("failed"):
        return UserError(
            f"{tasks['failed']} of {plural(tasks['total'], 'training')} failed; all others are done.",
            "Expected all of them.",
            "The reasons are in the warnings. Remove them, then give the same command again: only these are repeated.",
        )
    failed = result.get("failed")
    if not isinstance(failed, dict) or not failed:
        return None
    reasons = " ".join(f"{name}: {reason}" for name, reason in failed.items())
    return UserError(f"{plural(len(failed), 'input')} failed; all others are done. {reasons}")


def follow(
    events: Iterator[Event], steering: Control, verb: str, project: Project, job: JobFolder | None = None
) -> dict[str, Any]:
    """Run a command, show its progress and return the result; Ctrl-C asks it to save and end."""
    from napari_organoid_synth.cli.progress import display
    from napari_organoid_synth.core.job import Failed, Finished, Progress, Warned

    signal.signal(signal.SIGINT, lambda *_: steering.cancel())
    signal.signal(signal.SIGTERM, lambda *_: steering.cancel())
    finished: Finished | None = None
    events = _with_errors(events, project)
    with display(verb) as shown, redirect_stdout(sys.stderr):
        for event in job.record(events) if job else events:
            match event:
                case Progress():
                    shown.show(event)
                case Warned():
                    shown.say(event.text)
                case Failed():
                    raise UserError(event.found, event.expected, event.todo)
                case Finished():
                    finished = event
    if finished is None:
        raise UserError(
            f"'{verb}' ended without a result.", "Expected it to finish or to be stopped.", "Start it again."
        )
    if finished.reason == "canceled":
        print(_stopped(verb), file=sys.stderr)
    return {"reason": finished.reason, **finished.result}


def _with_errors(events: Iterator[Event], project: Project) -> Iterator[Event]:
    """Yield the events; an exception becomes a last event `Failed`, with the traceback as its report."""
    import traceback

    from tqdm import tqdm

    from napari_organoid_synth.core.job import Failed

    was_there = project.is_there
    try:
        for event in events:
            if was_there and not project.is_there:  # what is written from here on would be alone in a new folder
                raise vanished(project.path)
            yield event
    except Exception as caught:
        report = traceback.format_exc()
        error: Exception = caught
        if was_there and not project.is_there:
            error = vanished(project.path)
        elif isinstance(caught, OSError) and not isinstance(caught, UserError):
            full = DiskFull(project.pairs_path) if is_disk_full(caught) else None
            error = full or disk_error(caught, project.path) or caught
        if isinstance(error, UserError):
            yield Failed(0, error.found, error.expected, error.todo, report)
        else:
            tqdm.write(report, file=sys.stderr)
            yield Failed(0, f"{type(error).__name__}: {error}", "", "Copy the report and ask.", report)


def _stopped(verb: str) -> str:
    """Return what remains of a command that was stopped, as a sentence."""
    from napari_organoid_synth.core.verbs import SHORT_VERBS, VERBS

    known = (VERBS | SHORT_VERBS).get(verb)
    return "Stopped; nothing was written." if known and known.all_or_nothing else "Stopped; everything so far is saved."
