"""Folders of projects, the recently opened ones, and JSON files of remembered choices."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from qtpy.QtCore import QStandardPaths

from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.project import MARKER, file_stem

NAME = "napari-organoid-synth"
MAX_RECENT = 5


def config_folder() -> Path:
    """Return the folder of the list of recent projects, by the platform's custom."""
    place = QStandardPaths.StandardLocation.GenericConfigLocation
    return Path(QStandardPaths.writableLocation(place)) / NAME


def projects_folder() -> Path:
    """Return the folder for new projects."""
    place = QStandardPaths.StandardLocation.DocumentsLocation
    return Path(QStandardPaths.writableLocation(place) or Path.home()) / "organoid-synth"


def new_project_folder(name: str) -> Path:
    """Return a folder that does not exist yet, named after the data."""
    stem = projects_folder() / file_stem(name)
    path, number = stem, 2
    while path.exists():
        path, number = stem.with_name(f"{stem.name}-{number}"), number + 1
    return path


def recent_projects() -> list[Path]:
    """Return the projects opened before that still exist, newest first."""
    listed = read_json(config_folder() / "recent.json").get("projects", [])
    paths = [Path(text) for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    return [path for path in paths if (path / MARKER).is_file()]


def remember_project(path: Path) -> None:
    """Put a project first in the list of recent ones."""
    paths = [path, *(other for other in recent_projects() if other != path)]
    write_json(config_folder() / "recent.json", {"projects": [str(other) for other in paths[:MAX_RECENT]]})


def read_json(path: Path) -> dict[str, Any]:
    """Read an object of a JSON file; empty where there is none."""
    try:
        return read_object(path)
    except (OSError, ValueError):
        return {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON beside, then rename; not flushed to disk: losing it costs nothing, waiting would be felt."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(values, indent=1), encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)  # a read-only project works without remembered settings
