"""The command line with the settings of a dock."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.verbs import VERBS


def command_text(verb: str, project: Project, settings: Settings) -> str:
    """Return the command that does the same; it names only settings other than the defaults."""
    parts = ["organoid-synth", verb, str(project.path)]
    default = VERBS[verb].settings_class()().model_dump(mode="json")
    for key, value in _differences(default, settings.model_dump(mode="json")):
        parts += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(parts)


def _differences(default: dict[str, Any], values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        before = default.get(key)
        if value == before:
            continue
        if isinstance(value, dict) and isinstance(before, dict) and value.get("name") == before.get("name"):
            yield from _differences(before, value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
