"""The window with a project and all its docks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.workspace import Workspace


def open_project_window(viewer: Any, path: Path | str) -> Workspace:
    """Open a project in a viewer with its docks, as ``organoid-synth window`` does."""
    workspace = Workspace.of(viewer)
    workspace.setProject(Path(path))
    docks = "Curate", "Pairs", "Train", "Generate", "Scores", "Segment", "Export", "Pairs"  # the last one is in front
    for title in docks:
        open_dock(viewer, title)
    return workspace
