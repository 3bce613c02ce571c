"""The way out of a list of samples that cannot be used: read it again from the images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.widgets.shared.cards import ErrorCard
from napari_organoid_synth.widgets.shared.workspace import Workspace

TODO = "Rebuild the list"
"""With these words `SampleStore` begins what to do about a list that it cannot use."""


def show_error(card: ErrorCard, workspace: Workspace, error: Failed | BaseException) -> None:
    """Show an error; one about a damaged list of samples gets a button that mends it."""
    card.show_error(error)
    if TODO in getattr(error, "todo", ""):
        tip = "Reads image and mask of every sample again. Verdicts and scores are lost; the old file is kept in bin/."
        card.offer(TODO, tip, lambda: rebuild(card, workspace))


def rebuild(card: ErrorCard, workspace: Workspace) -> None:
    """Rebuild the list of the open project in a worker, then open the project again."""
    from napari.qt.threading import create_worker

    project = workspace.project
    if project is None:
        return
    card.dismiss()
    workspace.setProject(None)  # so that every dock lets go of the file

    def reopen() -> None:
        if workspace.project is None or workspace.project.path == project.path:
            workspace.setProject(project)

    def done(words: str) -> None:
        reopen()
        workspace.notify(words)

    def failed(error: BaseException) -> None:
        reopen()
        card.show_error(error)

    worker: Any = create_worker(
        rebuilt, project.samples_path, _start_thread=False, _progress={"desc": "reading samples"}, _ignore_errors=True
    )
    worker.returned.connect(done)
    worker.errored.connect(failed)
    worker.start()


def rebuilt(path: Path) -> str:
    """Rebuild a store from its images; what came back and what is lost, in words. In a worker thread."""
    from napari_organoid_synth.core.samples.store import SampleStore

    store, words = SampleStore.rebuild(path)
    store.close()
    return words
