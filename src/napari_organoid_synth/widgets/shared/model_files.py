"""Import model files that are given to a dock, and show how it went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal

from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class ModelIntake(WrapLabel):
    """Says that a model file is being imported; hidden otherwise.

    Errors are shown in the error card of the dock that the file was given to, or of Generate.

    Parameters
    ----------
    dock : ColumnDock

    Signals
    -------
    arrived(str)
        A model file that was given to this dock is now the run of this name.
    """

    arrived = Signal(str)

    def __init__(self, dock: Any) -> None:
        super().__init__()
        self.dock = dock
        self.runner = dock.workspace.runner("import-model")
        self.runner.stateChanged.connect(self._show_state)
        self.runner.failed.connect(self._fail)
        self.runner.finished.connect(self._finish)
        self._show_state(self.runner.state)

    def take(self, paths: Sequence[Path]) -> None:
        """Import model files into the project.

        Raises
        ------
        UserError
            If no project is open and none can be made.
        """
        self.dock.error.dismiss()
        self.dock.workspace.import_models(paths, self.dock)

    def _mine(self) -> bool:
        """Return whether the file was given to this dock; files given to none are for Generate."""
        requester = self.dock.workspace.requester
        return requester is self.dock or (requester is None and self.dock.key == "generate")

    def _fail(self, failed: Failed) -> None:
        if self._mine():
            self.dock.show_error(failed)

    def _finish(self, _: str) -> None:
        if self._mine():
            self.arrived.emit(str(self.runner.result.get("run", "")))

    def _show_state(self, state: str) -> None:
        file = self.runner.files[0].name if self.runner.files else "a model file"
        self.setText(f"Importing {file}: every part of it is checked…")
        self.setVisible(state != "idle")
