"""The dock Train: choose a generator, start it, watch it learn, stop, go on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.widgets._cards import ProgressCard, WrapLabel
from napari_organoid_synth.widgets._dock import ColumnDock
from napari_organoid_synth.widgets._estimate import Estimator, describe
from napari_organoid_synth.widgets._jobs import command_text
from napari_organoid_synth.widgets._menus import open_dock
from napari_organoid_synth.widgets._recipe_form import RecipeForm
from napari_organoid_synth.widgets._run_view import RunView

if TYPE_CHECKING:
    import napari

PURPOSE = (
    "A generator learns from your image–mask pairs and then makes new ones. Open a project, or drop images and masks "
    "into the dock Pairs."
)
NO_PAIRS = "This project has no pairs yet: drop images and masks into the dock Pairs."
SETTLE_MS = 1500
"""How long settings must rest before memory and time are measured."""


class TrainWidget(ColumnDock):
    """Train a generator on the pairs of the project.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Live samples appear in it as the layer "samples".
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        ways_out = {"Try with sample data": lambda: open_dock(self.viewer, "Pairs").try_sample_data()}
        super().__init__(viewer, "train", PURPOSE, ways_out)
        self.runner = self.workspace.runner("train")
        self._build()
        self.workspace.projectChanged.connect(self._show_project)
        self.workspace.pairsChanged.connect(self._refresh)
        self.workspace.runsChanged.connect(self.past.list_runs)
        self.runner.events.connect(self.past.follow)
        self.runner.stateChanged.connect(self._refresh)
        self.runner.started.connect(lambda: self.past.begin(self.runner.folder))
        self.runner.failed.connect(self._job_failed)
        self.runner.finished.connect(self._job_finished)
        self._show_project()

    # --- build, top to bottom ---

    def _build(self) -> None:
        self.settings = QWidget()
        settings = QVBoxLayout(self.settings)
        settings.setContentsMargins(0, 0, 0, 0)
        self.recipe = RecipeForm()
        settings.addWidget(self.recipe)
        self.estimate = WrapLabel()
        self.estimate.setToolTip("Measured by doing a few steps in the background and throwing them away.")
        settings.addWidget(self.estimate)
        self.column.addWidget(self.settings)
        self.past = RunView(self.viewer, self.workspace, self.runner)
        self.column.addWidget(self.past)

        self.progress = ProgressCard(self.runner, "Stop and keep")
        self.go_on = QPushButton("Go on with this run")
        self.go_on.setToolTip("Trains the stopped run further, as if it had never been stopped.")
        self.copy = QPushButton("Copy as command")
        self.copy.setToolTip("The same training for a terminal or a cluster, on the clipboard.")
        self.put_above_button(self.progress, self.go_on, self.copy)
        self.button.setText("▶ Start training")
        self.button.setAccessibleDescription("Trains in a process of its own; the window stays free and may be closed.")

        self._settle, self._copied = QTimer(self), QTimer(self)
        for timer, wait, call in (
            (self._settle, SETTLE_MS, self._measure),
            (self._copied, 1500, lambda: self.copy.setText("Copy as command")),
        ):
            timer.setSingleShot(True)
            timer.setInterval(wait)
            timer.timeout.connect(call)
        self.estimator = Estimator(self)
        self.estimator.measured.connect(self._show_estimate)
        self.estimator.failed.connect(lambda error: self.estimate.setText(f"✕ {error}"))
        self.recipe.valueChanged.connect(self._edited)
        self.recipe.problemChanged.connect(self._refresh)
        self.past.changed.connect(self._refresh)
        self.go_on.clicked.connect(lambda: self.guard(self._go_on))
        self.copy.clicked.connect(lambda: self.guard(self._copy))

    # --- settings ---

    def value(self) -> Recipe:
        """The recipe as shown.

        Raises
        ------
        UserError
            If a value is out of bounds.
        """
        return self.recipe.value()

    def setValue(self, recipe: Recipe) -> None:
        """Show a recipe."""
        self.recipe.setValue(recipe)

    def _edited(self) -> None:
        self.estimate.setText("")
        self.estimator.forget()
        self._settle.start()
        if not self.recipe.problem:
            self.remember(self.value())
        self._refresh()

    def _measure(self) -> None:
        """Ask for memory and time, when a person can see the answer and nothing runs."""
        if not self.isVisible() or self.runner.running or self._obstacle():
            return
        assert self.workspace.project is not None
        self.estimate.setText("Measuring memory and time…")
        self.estimator.ask(self.workspace.project, self.value())

    def _show_estimate(self, found: dict[str, Any]) -> None:
        text, fits = describe(found, self.value().train.steps)
        self.estimate.setText(text if fits else f"{text}. Choose a smaller tile or batch.")

    # --- states ---

    def _show_project(self, _: object = None) -> None:
        self.error.hide()
        stored = self.workspace.remembered("train")
        self._restoring = True
        if stored:
            with suppress(UserError):  # remembered by another version: the defaults stay
                self.setValue(Recipe.parse(stored))
        self._restoring = False
        self.past.reset()
        self._refresh()

    def _obstacle(self) -> str:
        """Why training cannot start, in words; empty when it can."""
        if self.workspace.project is None:
            return "No project is open."
        if self.workspace.pairs is None or not self.workspace.pairs.train:
            return "Check your pairs in the dock Pairs first."
        return self.recipe.problem

    def _refresh(self, _: object = None) -> None:
        table, running = self.workspace.pairs, self.runner.running
        ready = table is not None and bool(table.train)
        self.empty.setVisible(not ready and not running)
        self.empty.set_sentence(PURPOSE if self.workspace.project is None else NO_PAIRS)
        self.settings.setVisible(ready and not running)
        obstacle = "" if running else self._obstacle()
        self.allow(obstacle)
        self.reason.setVisible(bool(obstacle) and self.workspace.project is not None)
        self.button.setVisible(not running)
        self.copy.setVisible(not running)
        self.copy.setEnabled(not obstacle)
        self.go_on.setVisible(not running and self.past.can_go_on())
        if ready and not running and not self.estimate.text() and not self._settle.isActive():
            self._settle.start()

    def showEvent(self, event: Any) -> None:
        """Measure memory and time once the dock is seen."""
        super().showEvent(event)
        self._settle.start()

    # --- jobs ---

    def run(self) -> None:
        """Start the training."""
        self.error.dismiss()
        project = self.workspace.project
        if project is None or self._obstacle() or self.runner.running:
            return
        self._settle.stop()
        self.estimator.forget()
        self.runner.start("train", project, self.value())

    def _go_on(self) -> None:
        self.error.dismiss()
        if self.workspace.project is not None and self.past.shown is not None and not self.runner.running:
            self.estimator.forget()
            self.runner.start("train", self.workspace.project, resume=self.past.shown)

    def _copy(self) -> None:
        if self.workspace.project is not None and not self._obstacle():
            QApplication.clipboard().setText(command_text("train", self.workspace.project, self.value()))
            self.copy.setText("Copied")
            self._copied.start()

    def _job_failed(self, failed: Failed) -> None:
        self.show_error(failed)
        self._refresh()

    def _job_finished(self, reason: str) -> None:
        self.past.completed = reason == "completed"
        self._refresh()
        if self.past.completed:
            self.workspace.notify("The training is done.", [("Look at samples", self._look)])

    def _look(self) -> None:
        dock = self.parentWidget()
        if dock is not None:
            dock.show()
            dock.raise_()
        self.past.look()
