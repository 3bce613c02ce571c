"""Add a predicted class: which project it is learned from, and the job that does it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.segmentation.settings import AnnotateSettings
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.shared.cards import ProgressCard, WrapLabel
from napari_organoid_synth.widgets.shared.workspace import Workspace

ABOUT = (
    "If another project has the classes of this one and one more, a network can learn the missing one there and mark "
    "it here. Look at the result: nobody drew it."
)


class AnnotatePanel(Fold):
    """Edits `AnnotateSettings` and runs them on the project of a workspace.

    Parameters
    ----------
    workspace : Workspace

    Signals
    -------
    failed(object)
        The job ended by an error, or could not begin.
    """

    failed = Signal(object)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__("Add a predicted class")
        self.workspace = workspace
        self.runner = workspace.runner("annotate")
        self.form = settings_form(AnnotateSettings, shown=("source", "target", "steps"))
        self.browse = QPushButton("Choose the other project…")
        self.browse.setToolTip("The folder of a project whose pairs have one class more.")
        self.browse.clicked.connect(lambda: self.choose())
        self.start = QPushButton("Learn and mark")
        self.start.setToolTip("Runs in a process of its own; the window stays free.")
        self.start.clicked.connect(lambda: self.run())
        self.progress = ProgressCard(self.runner, "Stop", "step")
        self.words = WrapLabel()
        for widget in (WrapLabel(ABOUT), self.browse, self.form.native, self.start, self.progress, self.words):
            self.addWidget(widget)
        self.words.hide()
        self.form.changed.connect(self._judge)
        self.runner.stateChanged.connect(self._judge)
        self.runner.finished.connect(self._finished)
        self.runner.failed.connect(self._failed)
        self._judge()

    def choose(self) -> None:
        """Ask for the folder of the other project."""
        folder = QFileDialog.getExistingDirectory(self, "Project to learn from")
        if folder:
            settings: Any = self.form.value
            self.setValue(settings.replace(source=folder))

    def setValue(self, settings: AnnotateSettings) -> None:
        """Show settings."""
        self.form.value = settings

    def run(self) -> None:
        """Start the job."""
        project = self.workspace.project
        if project is None or self.runner.running:
            return
        settings: Any = self.form.value
        self.words.hide()
        self.runner.start("annotate", project, settings)

    def _judge(self, *_: object) -> None:
        settings: Any = None if self.form.problem else self.form.value
        self.start.setEnabled(bool(settings and settings.source) and not self.runner.running)

    def _finished(self, reason: str) -> None:
        project, result = self.workspace.project, self.runner.result
        if project is None or reason != "completed":
            return
        try:
            self.workspace.setPairs(PairTable.from_file(project.pairs_path))
        except UserError as error:
            self.failed.emit(error)
            return
        words = f"{result.get('masks', 0)} masks of {result.get('class', 'the class')} were marked."
        if held_out := result.get("held_out"):
            words += f" On the test pairs of the other project Dice is {held_out['dice']:.2f}."
        self.words.setText(words)
        self.words.show()

    def _failed(self, failed: Failed) -> None:
        self.failed.emit(failed)
