"""The frame of a column dock that reads the synthetic pairs of the project in the background."""

from __future__ import annotations

from typing import Any

from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread


class StoreDock(ColumnDock):
    """A column dock that needs synthetic pairs; parameters as for `ColumnDock`."""

    _thread: StoreThread | None = None

    def look(self, store: SampleStore, project: Project) -> Any:
        """Read the data of the dock; in the background."""
        raise NotImplementedError

    def take(self, content: Any) -> None:
        """Show the result of `look`."""
        raise NotImplementedError

    def read(self, *_: object) -> None:
        """Read again, also whenever another process changes the pairs; explain what is missing if there are none."""
        project = self.workspace.project
        if project is None:
            self.show_body(self.purpose + " Open a project first.")
        elif not project.samples_path.exists():
            self.show_body(self.purpose + " This project has no synthetic pairs yet. Make some in Generate.")
        else:
            self.show_body()
            if self._thread is None:
                self._thread = StoreThread(project.samples_path, self)
                self._thread.changedOutside.connect(self.read)
            self._thread.submit(lambda store: self.look(store, project), self.take, self.show_error)

    def close_store(self) -> None:
        """End the background thread."""
        if self._thread is not None:
            self._thread.close()
            self._thread.deleteLater()
            self._thread = None

    def closeEvent(self, a0: Any) -> None:
        """Close the database."""
        self.close_store()
        super().closeEvent(a0)
