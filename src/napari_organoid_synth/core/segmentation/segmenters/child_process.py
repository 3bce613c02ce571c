"""Run a command of the user: without a shell, with a log, a time limit, pause and cancel."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Progress

POLL_SECONDS = 0.1
REPORT_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""A process that is asked to end has so long before it is killed."""
LAST_LINES, LINE_LENGTH = 8, 300
"""Of the log, in an error."""


def run_command(
    words: Sequence[str], log: Path, hours: float, control: Control, total: int = 0, folder: Path | None = None
) -> Iterator[Event]:
    """Run a command to its end; cancelling, and closing this generator, ends its whole group of processes.

    Parameters
    ----------
    words : sequence of str
        Program and arguments.
    log : Path
        File to which output and errors are added.
    hours : float
        Most hours that it may take, pauses left out.
    control : Control
        Cancel, and pause: the processes are halted as well.
    total : int
        Of the `Progress` events, whose note is the last line of the log.
    folder : Path, optional
        Where it runs; default: where this process does.

    Raises
    ------
    UserError
        If the program cannot be started, takes too long, or ends with an exit code other than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    offset = log.stat().st_size if log.exists() else 0
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                list(words),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise UserError(
            f"Cannot start '{words[0]}': {error.strerror or error}.",
            "Expected a program that can be run here.",
            "Give its whole path, and check the setting 'folder'.",
        ) from None
    left, reported = 3600 * hours, 0.0
    try:
        while process.poll() is None and not control.canceled:
            began = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
            left -= time.monotonic() - began
            if left < 0:
                raise UserError(
                    f"'{words[0]}' took longer than {hours:g} hours.{_told(log, offset)}",
                    todo="Raise the setting 'hours', or train for less long.",
                )
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                yield Progress(0, total, note=(last_lines(log, offset) or [""])[-1])
            if control.paused:
                yield from _halted(process, control)
    finally:
        if process.poll() is None:
            end_group(process)
    if process.returncode and not control.canceled:
        raise UserError(
            f"'{words[0]}' ended with exit code {process.returncode}.{_told(log, offset)}",
            "Expected exit code 0.",
            f"Its whole output is in {log}.",
        )


def last_lines(log: Path, offset: int = 0) -> list[str]:
    """Return the last lines of a log that are not empty, from ``offset`` bytes on."""
    with log.open("rb") as file:
        file.seek(max(offset, log.stat().st_size - LAST_LINES * LINE_LENGTH))
        text = file.read().decode("utf-8", "replace")
    return [line.strip()[:LINE_LENGTH] for line in text.splitlines() if line.strip()][-LAST_LINES:]


def _told(log: Path, offset: int) -> str:
    lines = last_lines(log, offset)
    return f" It said: {' / '.join(lines)}" if lines else " It said nothing."


def _halted(process: subprocess.Popen[bytes], control: Control) -> Iterator[Event]:
    """Halt the processes while paused."""
    for one in _family(process):
        with suppress(psutil.Error):
            one.suspend()
    yield from control.wait_while_paused(0)
    for one in _family(process):
        with suppress(psutil.Error):
            one.resume()


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.Error):
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    return []


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: first asked, after some seconds killed."""
    family = _family(process)
    for one in family:  # a halted process does not hear that it should end
        with suppress(psutil.Error):
            one.resume()
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    else:
        for one in family:
            with suppress(psutil.Error):
                one.terminate()
    _, alive = psutil.wait_procs(family, GRACE_SECONDS)
    for one in alive:
        with suppress(psutil.Error):
            one.kill()
    process.wait(GRACE_SECONDS)
