"""Write the page of all settings from the settings themselves, so that it cannot be out of date."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from napari_organoid_synth.core.registry import GENERATORS, SEGMENTERS, Registry
from napari_organoid_synth.core.setting_list import Setting, list_settings
from napari_organoid_synth.core.studies.catalog import STUDIES, study_settings
from napari_organoid_synth.core.studies.settings import StudySettings
from napari_organoid_synth.core.verbs import OTHER_VERBS, SHORT_VERBS, VERBS

FAMILIES = {"gan": ("Generators", GENERATORS), "segmenter": ("Segmenters", SEGMENTERS)}
"""Settings that are a member of a family, each with a part of its own."""


def write(folder: Path) -> None:
    """Write ``settings.md``."""
    lines = ["## Commands", ""]
    for verb, entry in (VERBS | SHORT_VERBS | OTHER_VERBS).items():
        settings = [one for one in list_settings(entry.settings_class()()) if not _of_a_member(one.key)]
        lines += [f"### {verb}", "", *_table(settings), ""]
    lines += ["## Studies", "", "Of the small size; `study` also has the settings of the command above.", ""]
    shared = {one.key for one in list_settings(StudySettings())} - {"name"}
    for name in STUDIES:
        settings = [one for one in list_settings(study_settings(name)) if not _of_a_member(one.key)]
        own = [one.replace(default=one.value) for one in settings if one.key not in shared]
        lines += [f"### study {name}", "", *_table(own), ""]
    for title, family in FAMILIES.values():
        lines += [f"## {title}", ""]
        for name in family.names():
            lines += [f"### {name}", "", *_table(_member(family, name)), ""]
    folder.mkdir(exist_ok=True)
    (folder / "settings.md").write_text("\n".join(lines), encoding="utf-8")


def _member(family: Registry, name: str) -> list[Setting]:
    return list_settings(family.config(name)())


def _of_a_member(key: str) -> bool:
    return key.partition(".")[0] in FAMILIES and "." in key


def _table(settings: Iterable[Setting]) -> list[str]:
    rows = [_row(one) for one in settings if one.key != "name"]
    return ["| setting | default | values | meaning |", "|---|---|---|---|", *rows] if rows else ["No settings."]


def _row(one: Setting) -> str:
    cells = json.dumps(one.default), one.range or one.type, one.description
    return f"| `{one.key}` | {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace("*", "\\*")
