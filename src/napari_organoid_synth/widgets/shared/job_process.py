"""The process of a job: launch it, follow it through its folder, describe a crash."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from napari_organoid_synth.core.errors import vanished
from napari_organoid_synth.core.job import Event, Failed, Finished, JobFolder

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1

WAIT_SECONDS = 0.3
"""Between two looks at the free memory."""

BATCH = 500
"""Most events handed to the window at once: a long history arrives in slices that each take about a millisecond."""

_starting = threading.Lock()
"""One job at a time looks at the free memory and starts: the next one sees it run."""

children: list[subprocess.Popen[bytes]] = []
"""Processes started here: kept so that a job left running is not taken for a leak, and reaped when they end."""


@dataclass(frozen=True)
class Waits(Event):
    """The job has not started: there is too little memory beside another one. For the window alone."""

    text: str = ""


def follow(
    folder: JobFolder,
    program: Sequence[str],
    arguments: Sequence[str],
    left: threading.Event,
    done: threading.Event,
    waits: Callable[[], str] = lambda: "",
) -> Iterator[tuple[threading.Event, list[Event], bool]]:
    """Launch a job (with a ``program``) or take one up, then yield its events in slices until it ends or is left.

    Runs in a worker thread. Yields about ten times a second, also nothing, so that napari can end the thread. The last
    slice ends with `Finished` or `Failed`, whatever became of the process. As long as ``waits()`` returns why the job
    cannot start, it is not launched.
    """
    try:
        process = None
        offset = 0
        if program:
            offset = folder.events_path.stat().st_size if folder.events_path.exists() else 0
        while program and process is None:
            if folder.control.canceled or left.is_set():  # before there is a process: none is needed
                yield left, list(folder.record([Finished(0, "canceled")])), True
                return
            with _starting:
                try:
                    reason = waits()
                except Exception:  # a job that has just gone, a file that cannot be read: then it starts
                    logger.exception("Could not find out whether there is memory for %s", folder.path.name)
                    reason = ""
                try:
                    process = launch(folder, program, arguments) if not reason else None
                except OSError as error:
                    report = shlex.join([*program, *arguments])
                    yield left, [Failed(0, f"Cannot start the job: {error}.", "", "Copy the report.", report)], True
                    return
            if process is None:
                yield left, [Waits(0, reason)], False
                left.wait(WAIT_SECONDS)
        while not left.is_set():
            alive = process.poll() is None if process is not None else folder.alive
            events, offset = folder.read_events(offset)  # after `alive`: includes the last events of a dead process
            ended = bool(events) and isinstance(events[-1], Finished | Failed)
            if not alive and not ended:
                events.append(crash(folder, process.returncode if process is not None else None))
                ended = True
            for start in range(0, max(len(events), 1), BATCH):
                yield left, events[start : start + BATCH], ended and start + BATCH >= len(events)
            if ended:
                if process is not None:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(5)  # reaped here, so that no dead process is left behind
                return
            left.wait(POLL_SECONDS)
    finally:
        done.set()


def launch(folder: JobFolder, program: Sequence[str], arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one, at low priority, its output in the job's log."""
    children[:] = [child for child in children if child.poll() is None]
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    with folder.log_path.open("ab") as log:
        process = subprocess.Popen(
            [*program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            **options,
        )
    children.append(process)
    try:
        if sys.platform != "win32":
            psutil.Process(process.pid).nice(10)
        folder.begin(arguments[0], list(arguments[1:]), process.pid)
    except (psutil.Error, OSError):
        pass  # it ended at once: the follower says how
    return process


def crash(folder: JobFolder, code: int | None) -> Failed:
    """Describe the end of a process that reported none: its exit code and the last lines of its log."""
    if not folder.path.exists():
        gone = vanished(folder.path)
        return Failed(0, gone.found, gone.expected, gone.todo, str(gone))
    try:
        lines = folder.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
    except OSError:
        lines = []
    how = "" if code is None else f" (exit code {code})" if code >= 0 else f" (stopped by signal {-code})"
    report = "\n".join(lines) or f"{folder.log_path} is empty."
    message = next((line for line in reversed(lines) if line.startswith("organoid-synth: ")), "")
    if message:
        return Failed(0, message.removeprefix("organoid-synth: "), "", "", report)
    return Failed(
        0,
        f"The job ended without an error message{how}.",
        "Expected it to finish or to be stopped.",
        "It may have run out of memory: close other programs, or choose a smaller tile or batch.",
        report,
    )


def history(folder: JobFolder) -> list[Event]:
    """Read all events of a job so far, oldest first; call it in a worker thread."""
    return folder.read_events()[0]


def preview_path(folder: JobFolder, path: str) -> Path:
    """Return the present path of a preview: run folders may have been moved since the event was written."""
    noted = Path(path)
    for candidate in (noted, folder.path / noted, folder.path / "previews" / noted.name):
        if candidate.is_file():
            return candidate
    return noted
