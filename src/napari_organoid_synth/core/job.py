"""Jobs: the events that long work yields, the control that it obeys, the folder that holds both.

A long verb is a generator of events, over which command line, child process or test loop. Between
processes an event is a line of JSON in ``events.jsonl`` and a request is one word in the file ``control``: no port, no
signal, readable after a crash and over a network drive.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

import psutil
from pydantic import TypeAdapter

from napari_organoid_synth.core.atomic import regular_file, write_bytes, write_text
from napari_organoid_synth.core.errors import DiskFull, UserError, disk_error, is_disk_full, vanished
from napari_organoid_synth.core.plain_values import from_json, read_object, read_text

logger = logging.getLogger(__name__)
JOB_FOLDERS = "runs", "segment", "jobs"
"""Folders of a project that hold those of its jobs."""


@dataclass(frozen=True)
class Event:
    """Base of all events: something happened at a step of a job."""

    step: int = 0


@dataclass(frozen=True)
class Started(Event):
    """The job has started; ``info`` has the facts to show at once (total, device, precision, size)."""

    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress(Event):
    """Steps done so far; ``stats`` are means since the last report, ``seconds_left`` comes from measured speed.

    ``part`` is what is done of the steps in progress, in steps, where one takes minutes; ``shares`` is what is done of
    several things by name, 0 to 1.
    """

    total: int = 0
    stats: dict[str, float] = field(default_factory=dict)
    rate: float = 0.0
    seconds_left: float | None = None
    note: str = ""
    part: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """What is done, 0 to 1; 0 where the number of steps is not known."""
        return min((self.step + self.part) / self.total, 1.0) if self.total else 0.0


@dataclass(frozen=True)
class Saved(Event):
    """A whole checkpoint is on disk."""

    path: str = ""


@dataclass(frozen=True)
class Previewed(Event):
    """Sample pairs to look at; an ``.npz`` with ``image`` (N, C, Y, X) native dtype and ``labels`` (N, Y, X) int32."""

    path: str = ""


@dataclass(frozen=True)
class Added(Event):
    """A sample or result of the job is in the project; ``ids`` name it."""

    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Warned(Event):
    """A warning in plain words."""

    text: str = ""


@dataclass(frozen=True)
class Heartbeat(Event):
    """The job is paused and alive."""


@dataclass(frozen=True)
class Failed(Event):
    """The job ended with an error: what was found, expected and what to do, and the traceback for a report."""

    found: str = ""
    expected: str = ""
    todo: str = ""
    report: str = ""


@dataclass(frozen=True)
class Finished(Event):
    """The job ended: ``reason`` is "completed" or "canceled", ``--json`` prints ``result``."""

    reason: str = "completed"
    result: dict[str, Any] = field(default_factory=dict)


EVENTS: dict[str, type[Event]] = {
    cls.__name__: cls for cls in (Started, Progress, Saved, Previewed, Added, Warned, Heartbeat, Failed, Finished)
}


def to_line(event: Event) -> str:
    """Write an event as one line of JSON."""
    return json.dumps({"event": type(event).__name__, "time": time.time(), **asdict(event)}) + "\n"


def from_line(line: str) -> Event:
    """Read an event from a line; fields of a newer version are ignored.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is not an event.
    """
    record = from_json(line)
    if not isinstance(record, dict):
        raise TypeError(f"a {type(record).__name__} is not an event")
    name = record.pop("event")
    known = {key: value for key, value in record.items() if key in EVENTS[name].__dataclass_fields__}
    return _ADAPTERS[name].validate_python(known)


_ADAPTERS: dict[str, TypeAdapter[Event]] = {name: TypeAdapter(cls) for name, cls in EVENTS.items()}


class Control:
    """Requests to a running job, honoured at a step boundary.

    The job reads ``canceled`` once a step and yields ``from wait_while_paused(step)`` so that it can be paused.
    """

    PAUSE_INTERVAL: ClassVar[float] = 0.1

    def __init__(self) -> None:
        self._request = "run"

    def request(self) -> str:
        """Return the newest request: ``"run"``, ``"pause"`` or ``"cancel"``."""
        return self._request

    def pause(self) -> None:
        """Ask the job to wait after the step it is in."""
        self._set("pause")

    def resume(self) -> None:
        """Ask a paused job to continue."""
        self._set("run")

    def cancel(self) -> None:
        """Ask the job to save and end after the step it is in."""
        self._set("cancel")

    def _set(self, request: str) -> None:
        self._request = request

    @property
    def canceled(self) -> bool:
        """Whether the job should save and end."""
        return self.request() == "cancel"

    @property
    def paused(self) -> bool:
        """Whether the job should wait."""
        return self.request() == "pause"

    def wait_while_paused(self, step: int) -> Iterator[Event]:
        """Yield a heartbeat every 0.1 s while paused; nothing otherwise."""
        while self.paused:
            yield Heartbeat(step)
            time.sleep(self.PAUSE_INTERVAL)


class FileControl(Control):
    """A `Control` whose requests pass between processes through one small file.

    Parameters
    ----------
    path : Path
        Holds ``run``, ``pause`` or ``cancel``; missing means ``run``. Read at most every 20 ms.
    """

    READ_INTERVAL: ClassVar[float] = 0.02

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._read_at = 0.0

    def request(self) -> str:
        """Return the newest request, read from the file."""
        if time.monotonic() - self._read_at > self.READ_INTERVAL:
            self._read_at = time.monotonic()
            try:
                word = read_text(self.path, 1 << 10).strip()
            except (OSError, ValueError):
                word = "run"
            self._request = word if word in {"run", "pause", "cancel"} else self._request
        return self._request

    def _set(self, request: str) -> None:
        super()._set(request)
        write_text(self.path, request)


class JobFolder:
    """The folder through which a job in another process is followed and controlled.

    ``job.json`` (verb, arguments, process), ``events.jsonl``, ``control``, ``log.txt``. It outlives the process, so a
    new window finds a running job, or how one ended.
    """

    SPARE_BYTES: ClassVar[int] = 1 << 16

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def events_path(self) -> Path:
        """The event lines, oldest first."""
        return self.path / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """Output of the process."""
        return self.path / "log.txt"

    @property
    def control(self) -> FileControl:
        """A new control on this folder."""
        return FileControl(self.path / "control")

    def begin(self, verb: str, arguments: list[str], pid: int | None = None) -> None:
        """Record which process works here; a request that is there already counts."""
        self.path.mkdir(parents=True, exist_ok=True)
        pid = os.getpid() if pid is None else pid
        record = {
            "verb": verb,
            "arguments": arguments,
            "pid": pid,
            "pid_started": psutil.Process(pid).create_time(),
            "started": time.time(),
            "number": 1 + max((other.number for other in jobs_in(self.path.parent.parent)), default=0),
        }
        write_text(self.path / "job.json", json.dumps(record, indent=1))

    @property
    def info(self) -> dict[str, Any]:
        """Contents of ``job.json``; empty when it is missing or damaged."""
        try:
            return read_object(self.path / "job.json")
        except (OSError, ValueError):
            return {}

    @property
    def number(self) -> int:
        """Place in the order in which the jobs of a project were begun; 0 where it is not known."""
        number = self.info.get("number")
        return number if type(number) is int else 0

    @property
    def alive(self) -> bool:
        """Whether the process that began here still runs (a reused process number does not count)."""
        info = self.info
        try:
            process = psutil.Process(int(info["pid"]))
            return bool(
                abs(process.create_time() - float(info["pid_started"])) < 1.0
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except (KeyError, ValueError, TypeError, OverflowError, psutil.Error):
            return False

    def record(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on and append each to ``events.jsonl``, whole lines only.

        A disk that is full, gone or read-only ends it with a `Failed` event; for a full one some room is kept in a
        file ``spare``.
        """
        spare = self.path / "spare"
        write_bytes(spare, bytes(self.SPARE_BYTES))
        stream = self.events_path.open("ab", buffering=0)
        try:
            if stream.tell() and self._last_byte() != b"\n":
                stream.write(b"\n")  # a killed process left half a line
            for event in events:
                try:
                    self._append(stream, event)
                except OSError as error:
                    with suppress(OSError):
                        spare.unlink(missing_ok=True)
                        last = [event] if isinstance(event, Failed | Finished) else [event, self._failed(event, error)]
                        stream.write(b"\n" + "".join(map(to_line, last)).encode("utf-8"))
                        yield from last
                        return
                    yield self._failed(event, error)
                    return
                yield event
        finally:
            with suppress(OSError):
                stream.close()
                spare.unlink(missing_ok=True)

    def _append(self, stream: FileIO, event: Event) -> None:
        """Write the line of an event; a folder that is gone is noticed, for its open file can still be written."""
        if not self.events_path.exists():
            raise FileNotFoundError(errno.ENOENT, "gone", str(self.path))
        line = memoryview(to_line(event).encode("utf-8"))
        while line:
            line = line[stream.write(line) or 0 :]

    def _failed(self, event: Event, error: OSError) -> Failed:
        """Return the last event of a job whose events can no longer be written; a failure of its own comes first."""
        if isinstance(event, Failed):
            return event
        found = vanished(self.path) if error.errno == errno.ENOENT else disk_error(error, self.events_path)
        if is_disk_full(error):
            found = DiskFull(self.events_path)
        found = found or UserError(f"Cannot write {self.events_path}: {error.strerror or error}.")
        return Failed(event.step, found.found, found.expected, found.todo, f"{found}")

    def _last_byte(self) -> bytes:
        with self.events_path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1)

    def read_events(self, offset: int = 0) -> tuple[list[Event], int]:
        """Read events from byte ``offset`` on, and the offset for the next call; torn or foreign lines are skipped."""
        try:
            with regular_file(self.events_path).open("rb") as stream:
                stream.seek(offset)
                data = stream.read()
        except (OSError, UserError):
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        events: list[Event] = []
        for line in whole.splitlines():
            try:
                events.append(from_line(line.decode("utf-8")))
            except (ValueError, KeyError, TypeError):
                continue
        return events, offset + len(whole)


def unless_canceled(events: Iterable[Event], control: Control) -> Iterator[Event]:
    """Yield the events of a command that has not begun, unless it is asked to stop before; a pause is waited out."""
    yield from control.wait_while_paused(0)
    if control.canceled:
        yield Finished(0, "canceled")
    else:
        yield from events


def run_to_end(events: Iterable[Event], progress: Callable[[Progress], object] | None = None) -> dict[str, Any]:
    """Follow a long verb to its end and return its result.

    Parameters
    ----------
    events : iterable of Event
        Events of the verb, from the start, such as ``train(project, recipe, Control())``.
    progress : callable, optional
        Called with every `Progress`. Warnings are logged.

    Returns
    -------
    dict
        The result of the last `Finished`; it holds what was done so far if the job was canceled.

    Raises
    ------
    UserError
        If the job failed, or the events were followed before.

    Examples
    --------
    >>> events = [Started(), Progress(1, 2), Progress(2, 2), Finished(2, result={"added": 3})]
    >>> run_to_end(events, lambda now: print(now.step, "of", now.total))
    1 of 2
    2 of 2
    {'added': 3}
    """
    finished: Finished | None = None
    for event in events:
        match event:
            case Progress() if progress is not None:
                progress(event)
            case Warned():
                logger.warning(event.text)
            case Failed():
                raise UserError(event.found, event.expected, event.todo)
            case Finished():
                finished = event
    if finished is None:
        raise UserError(
            "The events hold no result.",
            "Expected all events of a command, from Started to Finished.",
            "Call the command again: its events can be followed only once.",
        )
    return finished.result


def jobs_in(project: Path) -> list[JobFolder]:
    """Return the folders of all jobs of a project, in no order."""
    return [JobFolder(path.parent) for name in JOB_FOLDERS for path in (project / name).glob("*/job.json")]
