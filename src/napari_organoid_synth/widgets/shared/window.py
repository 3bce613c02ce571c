"""The window with a project and all steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.workspace import Workspace


def open_project_window(viewer: Any, path: Path | str) -> Workspace:
    """Open a project in a viewer, with the dock of all steps and its gallery, as ``organoid-synth window`` does."""
    workspace = Workspace.of(viewer)
    workspace.setProject(Path(path))
    if workspace.project is not None and workspace.project.samples_path.exists():
        open_dock(viewer, "Curate")
    open_dock(viewer, "Pairs")
    return workspace
