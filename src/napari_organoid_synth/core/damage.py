"""Files of a project that cannot be read, each in a sentence; all others can still be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.blind.session import read_session
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.manifest import Manifest
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import read_result
from napari_organoid_synth.core.job import from_line
from napari_organoid_synth.core.map.storage import parse_map
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.plain_values import read_object, reason
from napari_organoid_synth.core.project import MARKER, Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.files import read_preview
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.storage import parse_set_scores
from napari_organoid_synth.core.synthesis.settings import PipelineSettings

MAX_EVENTS = 1 << 20
"""Bytes of a list of events that are looked at."""
MAX_FILES = 200
"""Files of one pattern that are looked at, the first by name."""


def damaged_files(project: Project) -> list[str]:
    """Return a sentence for each file of a project that is there and cannot be read.

    Pixels of samples are not among them: they are read one by one where they are used.
    """
    return [sentence for pattern, check in _CHECKS.items() for sentence in _damage(project, pattern, check)]


def _damage(project: Project, pattern: str, check: Callable[[Path], object]) -> Iterator[str]:
    for path in sorted(project.path.glob(pattern))[:MAX_FILES]:
        if any(part.startswith(".") for part in path.relative_to(project.path).parts):
            continue
        try:
            check(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            name = path.relative_to(project.path).as_posix()
            why = error.found if isinstance(error, UserError) else str(error)
            if isinstance(error, OSError) and not isinstance(error, UserError):
                why = reason(error)
            why = why.replace(str(path), "it").removeprefix("Cannot read it: ").removesuffix(".")
            yield f"{name} cannot be read ({why}); it is left out."


def _job(path: Path) -> None:
    values = read_object(path)
    if not isinstance(values["verb"], str) or type(values["pid"]) is not int:
        raise ValueError("it does not name a command and its process")


def _events(path: Path) -> None:
    with regular_file(path).open("rb") as stream:
        *lines, rest = stream.read(MAX_EVENTS).split(b"\n")
    broken = 0
    for line in filter(None, lines):
        try:
            from_line(line.decode("utf-8"))
        except (ValueError, KeyError, TypeError):
            broken += 1
    if broken > 1:  # one is the half line of a process that was killed
        raise ValueError(f"{plural(broken, 'line is no event', 'lines are no events')}")
    if rest and not lines and not rest.startswith(b'{"event"'):
        raise ValueError("it holds no event")


def _marker(path: Path) -> None:
    if type(read_object(path).get("version")) is not int:
        raise ValueError("it names no version")


def _samples(path: Path) -> None:
    regular_file(path)
    with SampleStore(path) as store:
        store.rows()


_CHECKS: dict[str, Callable[[Path], object]] = {
    MARKER: _marker,
    "pairs.json": PairTable.from_file,
    "runs/*/recipe.yaml": Recipe.from_file,
    "runs/*/codec.json": Codec.from_file,
    "runs/*/run.json": RunMetadata.read_whole,
    "runs/*/previews/step_*.npz": read_preview,
    "*/*/job.json": _job,
    "*/*/events.jsonl": _events,
    "jobs/*/pipeline.yaml": PipelineSettings.from_file,
    "segment/*/gain.yaml": GainSettings.from_file,
    "segment/*/results.json": read_result,
    "samples.sqlite": _samples,
    "scores.json": parse_set_scores,
    "map.npz": parse_map,
    "blind/*.jsonl": read_session,
    "exports/*/manifest.json": Manifest.from_file,
}
"""What reads the files of each pattern, and raises if it cannot."""
