"""Parts of a study: named pieces of work whose results are kept, so that a study goes on where it was.

A part has a key, a hash of everything that determines its result: its settings, the data, the keys of the parts that it
stands on. Its result lies with the key in ``parts/NAME.json``. A part whose file has the key of today is not repeated;
so a study that was stopped or killed goes on, and a setting that is changed repeats only what it touches.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import DiskFull, UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.job import Control, Event, Finished
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.report.head import machine
from napari_organoid_synth.core.synthesis.stages import Stage, run_stages

RULES = 1
"""Another number when parts with the same settings would have other results."""
Values = dict[str, Any]
"""Plain values, as JSON has them."""


class PartRecord(FrozenModel):
    """The result of a part; ``parts/NAME.json``.

    Attributes
    ----------
    key : str
        Of what determined it.
    title : str
    result : dict
        Plain values.
    seconds : float
        Duration; of a part that was stopped in between, since it went on.
    computer : str
        Where it was computed.
    ended : float
        When, seconds since 1970.
    """

    key: str
    title: str
    result: Values
    seconds: float
    computer: str
    ended: float


@dataclass(frozen=True)
class Results:
    """Results of the parts that are done, by name."""

    records: dict[str, PartRecord] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Values:
        """Return the result of a part."""
        return self.records[name].result


@dataclass(frozen=True)
class Part:
    """A piece of work.

    Parameters
    ----------
    name : str
        Unique in the study; the name of its file.
    title : str
        What is done, for a person; unique in the study.
    work : callable
        From the results so far and the key of this part to events, the last of which is `Finished` with the result as
        plain values. A part that ends canceled is not done.
    determined_by : mapping
        Plain values that determine the result, beside what it stands on.
    needs : sequence of str
        Names of the parts that it stands on.
    share : float
        Estimated time, in any unit that all parts share.
    """

    name: str
    title: str
    work: Callable[[Results, str], Iterator[Event]]
    determined_by: Mapping[str, Any] = field(default_factory=dict)
    needs: Sequence[str] = ()
    share: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What was computed: the results, the names of the parts that were repeated, and whether all are done."""

    results: Results
    repeated: tuple[str, ...]
    canceled: bool


def keys_of(parts: Sequence[Part]) -> dict[str, str]:
    """Return the key of each part by its name; a part stands only on earlier ones."""
    keys: dict[str, str] = {}
    for part in parts:
        assert part.name not in keys, f"two parts are called {part.name}"
        stands_on = {name: keys[name] for name in part.needs}
        text = json.dumps([RULES, part.name, dict(part.determined_by), stands_on], sort_keys=True, default=str)
        keys[part.name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return keys


def part_path(folder: Path, name: str) -> Path:
    """Return the file of a part."""
    return folder / "parts" / f"{name}.json"


def read_part(folder: Path, name: str) -> PartRecord | None:
    """Read the result of a part; None if it is not done, or its file is damaged."""
    try:
        return PartRecord.parse(read_object(part_path(folder, name)))
    except (OSError, ValueError, UserError):
        return None


def done_parts(folder: Path, parts: Sequence[Part]) -> Results:
    """Return the results that are there and still hold."""
    keys = keys_of(parts)
    records = {part.name: record for part in parts if (record := read_part(folder, part.name)) is not None}
    return Results({name: record for name, record in records.items() if record.key == keys[name]})


def run_parts(folder: Path, parts: Sequence[Part], control: Control) -> Generator[Event, None, Outcome]:
    """Do the parts that are not done, one after the other; yield their events, with Progress on one bar.

    Parameters
    ----------
    folder : Path
        Of the study.
    parts : sequence of Part
        In an order in which they can be done.
    control : Control
        Passed to none of them: they know their own. After one that was canceled nothing is begun.
    """
    keys, results = keys_of(parts), done_parts(folder, parts)
    missing = [part for part in parts if part.name not in results.records]
    total = sum(part.share for part in missing)

    def stage(part: Part) -> Stage:
        def events() -> Iterator[Event]:
            return _named(part, _kept(folder, part, keys[part.name], results))

        return Stage(part.title, part.share / total, events)

    outcome = yield from run_stages([stage(part) for part in missing], control)
    repeated = tuple(part.name for part in missing if part.name in results.records)
    return Outcome(results, repeated, outcome.canceled)


def _named(part: Part, events: Iterator[Event]) -> Iterator[Event]:
    """Pass on the events of a part; an error names it."""
    try:
        yield from events
    except DiskFull:
        raise
    except UserError as error:
        raise UserError(f"'{part.title}' ended with an error. {error.found}", error.expected, error.todo) from error


def _kept(folder: Path, part: Part, key: str, results: Results) -> Iterator[Event]:
    """Do a part and write its result before its end is told."""
    began = time.monotonic()
    for event in part.work(results, key):
        if isinstance(event, Finished) and event.reason == "completed":
            record = PartRecord(
                key=key,
                title=part.title,
                result=json.loads(json.dumps(event.result)),
                seconds=round(time.monotonic() - began, 2),
                computer=_computer(),
                ended=time.time(),
            )
            write_text(part_path(folder, part.name), json.dumps(record.model_dump(mode="json"), indent=1))
            results.records[part.name] = record
        yield event


def _computer() -> str:
    """Name this computer, with its graphics card."""
    from napari_organoid_synth.core.device import describe_device, pick_device

    device = pick_device()
    return machine() if device.type == "cpu" else f"{machine()}, {describe_device(device)}"
