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
    for key, value in _differences(VERBS[verb].settings_class()(), settings):
        parts += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(parts)


def _differences(default: Settings, settings: Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Find the settings that differ; another member of a union goes by its name and what differs from its defaults."""
    before, values = default.model_dump(mode="json"), settings.model_dump(mode="json")
    for key, value in values.items():
        if value == before.get(key):
            continue
        part, known = getattr(settings, key, None), getattr(default, key, None)
        if not isinstance(part, Settings) or not isinstance(known, Settings):
            yield f"{prefix}{key}", value
            continue
        if type(part) is not type(known):
            yield f"{prefix}{key}", value["name"]
            known = type(part)()
        yield from _differences(known, part, f"{prefix}{key}.")
