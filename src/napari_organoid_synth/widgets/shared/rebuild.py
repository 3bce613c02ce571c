"""The button beside an error about a damaged list of samples: rebuild it from the images."""

from __future__ import annotations

from typing import Any

from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.widgets.shared.background import start_worker
from napari_organoid_synth.widgets.shared.cards import ErrorCard
from napari_organoid_synth.widgets.shared.workspace import Workspace

TODO = "Rebuild the list"
"""The first words of the advice that `SampleStore` gives for a list that it cannot use."""


def show_error(card: ErrorCard, workspace: Workspace, error: Failed | BaseException) -> None:
    """Show an error; one about a damaged list of samples gets a button that rebuilds it."""
    card.show_error(error)
    if TODO in getattr(error, "todo", ""):
        tip = "Reads image and mask of every sample again. Verdicts and scores are lost; the old file is kept in bin/."
        card.offer(TODO, tip, lambda: rebuild(card, workspace))


def rebuild(card: ErrorCard, workspace: Workspace) -> None:
    """Rebuild the list of the open project in a worker, then open the project again."""
    from napari.qt.threading import create_worker

    from napari_organoid_synth.core.samples import recovery

    project = workspace.project
    if project is None:
        return
    card.dismiss()
    workspace.setProject(None)  # so that every dock closes the file

    def reopen() -> None:
        if workspace.project is None or workspace.project.path == project.path:
            workspace.setProject(project)

    def done(result: recovery.Recovery) -> None:
        reopen()
        workspace.notify(result.message)

    def failed(error: BaseException) -> None:
        reopen()
        card.show_error(error)

    worker: Any = create_worker(
        recovery.rebuild,
        project.samples_path,
        _start_thread=False,
        _progress={"desc": "reading samples"},
        _ignore_errors=True,
    )
    worker.returned.connect(done)
    worker.errored.connect(failed)
    start_worker(worker)
