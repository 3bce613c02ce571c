"""Add a predicted class: the project to learn it from, and the job."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.segmentation.settings import AnnotateSettings
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.workspace import Workspace

ABOUT = (
    "If another project has the classes of this one and one more, a network can learn the additional class there and "
    "mark it here. Check the result: it is predicted, not drawn."
)


class AnnotatePanel(Fold):
    """Edit `AnnotateSettings` and run them on the project of a workspace.

    Parameters
    ----------
    workspace : Workspace

    Signals
    -------
    failed(object)
        The job failed, or could not start.
    """

    failed = Signal(object)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__("Add a predicted class")
        self.workspace = workspace
        self.runner = workspace.runner("annotate")
        self.form = settings_form(AnnotateSettings, shown=("source", "target", "steps"))
        self.browse = QPushButton("Choose the other project…")
        self.browse.setToolTip("The folder of a project whose pairs have one additional class.")
        self.browse.clicked.connect(lambda: self.choose())
        self.start = QPushButton("Learn and mark")
        self.start.setToolTip("Runs in a separate process; you can keep working in the window.")
        self.start.clicked.connect(lambda: self.run())
        self.progress = ProgressCard(self.runner, "Stop", "step")
        self.message = WrapLabel()
        for widget in (WrapLabel(ABOUT), self.browse, self.form.native, self.start, self.progress, self.message):
            self.addWidget(widget)
        self.message.hide()
        self.form.changed.connect(self._update_button)
        self.runner.stateChanged.connect(self._update_button)
        self.runner.finished.connect(self._finished)
        self.runner.failed.connect(self._failed)
        self._update_button()

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
        self.message.hide()
        self.runner.start("annotate", project, settings)

    def _update_button(self, *_: object) -> None:
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
        message = f"{plural(result.get('masks', 0), 'mask')} of {result.get('class', 'the class')} added."
        if held_out := result.get("held_out"):
            message += f" Dice on the test pairs of the other project: {held_out['dice']:.2f}."
        self.message.setText(message)
        self.message.show()

    def _failed(self, failed: Failed) -> None:
        self.failed.emit(failed)
