"""Ways to open a project: the folder dialog, and the buttons of a dock that has nothing to show yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.widgets.forms.plain_text import literal, plain
from napari_organoid_synth.widgets.shared.project_folders import projects_folder, recent_projects
from napari_organoid_synth.widgets.shared.workspace import Workspace


def choose_project(workspace: Workspace, parent: QWidget | None = None) -> None:
    """Let a person open or make a project folder.

    Raises
    ------
    UserError
        If the folder cannot be used.
    """
    start = str(workspace.project.path.parent) if workspace.project is not None else str(projects_folder())
    path = QFileDialog.getExistingDirectory(parent, "Open or make a project folder", start)
    if path:
        workspace.setProject(Path(path))


def add_recent_buttons(card: Any, workspace: Workspace, report: Callable[[BaseException], Any]) -> Callable[[], None]:
    """Give an empty card a button that opens a project and one that offers the last one.

    Parameters
    ----------
    card : EmptyCard
        The card.
    workspace : Workspace
        Where the project is opened.
    report : callable
        Gets the error when a project cannot be opened.

    Returns
    -------
    callable
        Brings the buttons up to date; call it when the project changed.
    """

    def attempt(action: Callable[[], Any]) -> None:
        try:
            action()
        except UserError as error:
            report(error)

    last: list[Path] = []
    (last_button,) = card.add_buttons({"Last project": lambda: attempt(lambda: workspace.setProject(last[0]))})
    (open_button,) = card.add_buttons({"Open a project…": lambda: attempt(lambda: choose_project(workspace, card))})
    open_button.setToolTip("A project is a folder: open one, or choose an empty folder to make one.")

    def update() -> None:
        last[:] = [path for path in recent_projects()[:1] if workspace.project is None]
        last_button.setVisible(bool(last))
        if last:
            last_button.setText(literal(f"Continue with '{short(last[0].name)}'"))
            last_button.setToolTip(plain(str(last[0])))

    update()
    return update


def short(text: str, length: int = 24) -> str:
    """Shorten a long name in its middle, so that it does not widen a dock."""
    return text if len(text) <= length else f"{text[: length // 2 - 1]}…{text[-length // 2 :]}"
