"""Model files in a dock: taken in where they are dropped, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal

from napari_organoid_synth.widgets._cards import WrapLabel


class ModelIntake(WrapLabel):
    """Says that a model file is being taken in; hidden otherwise. What goes wrong is shown in the dock's error card.

    Parameters
    ----------
    dock : ColumnDock

    Signals
    -------
    arrived(str)
        A model file is in the project, as the run of this name; also one that was dropped elsewhere.
    """

    arrived = Signal(str)

    def __init__(self, dock: Any) -> None:
        super().__init__()
        self.dock = dock
        self.runner = dock.workspace.runner("adopt")
        self.runner.stateChanged.connect(self._show_state)
        self.runner.failed.connect(dock.show_error)
        self.runner.finished.connect(lambda _: self.arrived.emit(str(self.runner.result.get("run", ""))))
        self._show_state(self.runner.state)

    def take(self, paths: Sequence[Path]) -> None:
        """Take model files into the project.

        Raises
        ------
        UserError
            If no project is open and none can be made.
        """
        self.dock.error.dismiss()
        self.dock.workspace.adopt(paths)

    def _show_state(self, state: str) -> None:
        file = self.runner.files[0].name if self.runner.files else "a model file"
        self.setText(f"Taking in {file}: every part of it is checked…")
        self.setVisible(state != "idle")
