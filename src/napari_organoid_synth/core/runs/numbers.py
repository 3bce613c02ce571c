"""Stable numbers of the runs of a project, in ``runs/numbers.json``: "run 3" stays run 3 when an older one is deleted.

Without that file runs are numbered by their order. It is written before the order can change: before a run is deleted
and when one is copied in.
"""

from __future__ import annotations

import json
from pathlib import Path

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.project import Project


def run_numbers(project: Project) -> dict[str, int]:
    """Return the number, from 1, of every run that there is or was, by the name of its folder; no two are equal."""
    numbers = _kept(project)
    last = max(numbers.values(), default=0)
    for path in project.runs():
        if path.name not in numbers:
            last += 1
            numbers[path.name] = last
    return numbers


def next_number(project: Project) -> int:
    """Return the number of a run that begins now."""
    return 1 + max(run_numbers(project).values(), default=0)


def keep_numbers(project: Project) -> None:
    """Write down the numbers as they are."""
    write_text(_path(project), json.dumps(run_numbers(project), indent=1))


def _kept(project: Project) -> dict[str, int]:
    """Read the numbers that were written down; a damaged file is as none, one that is given twice counts once."""
    try:
        values = read_object(_path(project))
    except (OSError, ValueError):
        return {}
    numbers: dict[str, int] = {}
    for name, number in values.items():
        if type(number) is int and number > 0 and number not in numbers.values():
            numbers[name] = number
    return numbers


def _path(project: Project) -> Path:
    return project.path / "runs" / "numbers.json"
