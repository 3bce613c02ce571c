"""The exports, and the duration of every stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.rendering import Section, Table


def manifests(project: Project) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names of the exported sets with their manifests, without damaged ones."""
    for path in sorted(project.path.glob("exports/*/manifest.json")):
        try:
            manifest = read_object(path)
            whole = all(isinstance(one, dict) for one in manifest["samples"]) and (
                isinstance(manifest["settings"]["formats"], list) and manifest["created"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if whole:
            yield path.parent.name, manifest


def exports(contents: Contents) -> Section | None:
    """Show one row for each exported set."""
    rows = []
    for name, manifest in manifests(contents.project):
        splits = [str(one.get("split", "")) for one in manifest["samples"]]
        formats = ", ".join(map(str, manifest["settings"]["formats"]))
        numbers = [str(len(splits)), str(splits.count("train")), str(splits.count("test"))]
        rows.append([name, *numbers, formats, str(manifest["created"])])
    if not rows:
        return None
    return Section("Exports", "exports", Table(["Folder", "Pairs", "Train", "Test", "Layouts", "Written"], rows))


def times(contents: Contents) -> Section | None:
    """Show the duration of each stage, and their sum."""
    if not contents.seconds:
        return None
    rows = [[name, f"{value:.1f} s"] for name, value in contents.seconds.items()]
    rows.append(["together", f"{sum(contents.seconds.values()):.1f} s"])
    return Section("Times", "times", Table(["Stage", "Time"], rows, bold=len(rows) - 1))
