"""The Train dock: choose a generator, start it, watch it learn, stop, resume; or run the whole pipeline."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.config import USUAL_TILE
from napari_organoid_synth.core.job import Event, Failed, JobFolder, Previewed, Progress
from napari_organoid_synth.core.pairs.suggestion import few_tiles
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.synthesis.settings import PipelineSettings
from napari_organoid_synth.core.training.estimate import Estimate
from napari_organoid_synth.widgets.shared.advice_label import AdviceLabel
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.drop import are_models, dropped_files
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.model_files import ModelIntake
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.runs import RunInfo, list_runs
from napari_organoid_synth.widgets.shared.sample_choice import SampleChoice
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.tile import chosen_tile, tile_settings
from napari_organoid_synth.widgets.train.decode_report import ReportCard
from napari_organoid_synth.widgets.train.estimate import Estimator, describe
from napari_organoid_synth.widgets.train.pipeline_form import PipelineForm
from napari_organoid_synth.widgets.train.pipelines import StagesCard, newest_pipeline, unfinished
from napari_organoid_synth.widgets.train.recipe_form import RecipeForm
from napari_organoid_synth.widgets.train.run_view import RunView
from napari_organoid_synth.widgets.train.share_dialog import ShareDialog

if TYPE_CHECKING:
    import napari

PURPOSE = (
    "A generator learns from your image–mask pairs and then makes new ones. Open a project, or drop images and masks "
    "in Pairs."
)
NO_TRAINING = "No training: ready in a moment. Then make pairs in Generate."
NO_PAIRS = "This project has no pairs yet. Drop images and masks in Pairs."
ENOUGH_TILES = 20
"""Tiles below which a training is warned of, orientations counted once."""
SETTLE_MS = 1500
"""Settings must stay unchanged for this time before memory and time are measured."""


class TrainWidget(ColumnDock):
    """Train a generator on the pairs of the project, or a mask generator and a painter one after the other.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Live samples appear in it as the layer "samples".
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "train", PURPOSE)
        self.samples = SampleChoice()
        self.samples.chosen.connect(lambda name: open_dock(self.viewer, "Pairs").try_sample_data(name))
        self.empty.column.addWidget(self.samples)
        self.setAcceptDrops(True)
        self.runner = self.workspace.runner("train")
        self.stages = self.workspace.runner("pipeline")
        self.sharer = self.workspace.runner("share")
        self._stage = ""
        self._build()
        self.workspace.projectChanged.connect(self._show_project)
        self.workspace.pairsChanged.connect(self._fit_tile)
        self.workspace.pairsChanged.connect(self._refresh)
        self.workspace.runsChanged.connect(self._list_runs)
        self.runner.events.connect(self.past.follow)
        self.runner.started.connect(self._begin)
        self.stages.event.connect(self._show_stage)
        for runner in (self.runner, self.stages):
            runner.stateChanged.connect(self._refresh)
            runner.failed.connect(self._job_failed)
        self.runner.finished.connect(self._job_finished)
        self.stages.finished.connect(self._stages_finished)
        self.sharer.stateChanged.connect(self._show_sharing)
        self.sharer.failed.connect(self.show_error)
        self.sharer.finished.connect(self._shared)
        self._show_project()

    # --- build, top to bottom ---

    def _build(self) -> None:
        self._build_settings()
        self.report = ReportCard(self.viewer)
        self.column.addWidget(self.report)
        self.past = RunView(self.viewer, self.workspace, self.runner)
        self.column.addWidget(self.past)
        self.column.addWidget(self.outcome)
        self._build_buttons()
        self._build_estimate()
        self._connect()

    def _build_settings(self) -> None:
        """Build the choice of one generator or the whole pipeline, the form of either, memory and time."""
        self.settings = QWidget()
        settings = QVBoxLayout(self.settings)
        settings.setContentsMargins(0, 0, 0, 0)
        settings.addWidget(AdviceLabel(self.workspace))
        self.few = WrapLabel()
        settings.addWidget(self.few)
        settings.addLayout(self._build_choice())
        self.recipe, self.pipeline = RecipeForm(), PipelineForm()
        self.pipeline.hide()
        settings.addWidget(self.recipe)
        settings.addWidget(self.pipeline)
        self.estimate = WrapLabel()
        self.estimate.setToolTip("Measured in the background with a few steps whose result is discarded.")
        settings.addWidget(self.estimate)
        self.column.addWidget(self.settings)

    def _build_buttons(self) -> None:
        """Build the parts above the main button: progress, and ways to resume."""
        self.intake = ModelIntake(self)
        self.progress = ProgressCard(self.runner, "Stop and keep")
        self.stages_progress = StagesCard(self.stages, "Stop and keep")
        self.resume_button = QPushButton("Resume this run")
        self.resume_button.setToolTip("Continues the stopped training as if it had never been stopped.")
        self.resume_pipeline_button = QPushButton("Resume the pipeline")
        self.resume_pipeline_button.setToolTip(
            "Continues where the pipeline stopped; finished trainings are not repeated."
        )
        self.copy_button = self.command_button(self._shown)
        self.put_above_button(
            self.intake,
            self.progress,
            self.stages_progress,
            self.resume_button,
            self.resume_pipeline_button,
            self.copy_button,
        )
        self.button.setAccessibleDescription(
            "Trains in a separate process; the window stays responsive and may be closed."
        )

    def _build_estimate(self) -> None:
        """Build the estimate of memory and time, which runs when the settings stay unchanged."""
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._measure)
        self._asked: list[Recipe] = []  # trainings whose memory and time are still to be measured
        self._measured: list[Estimate] = []
        self.estimator = Estimator(self)
        self.estimator.measured.connect(self._show_estimate)
        self.estimator.failed.connect(lambda error: self.estimate.setText(f"✕ {error}"))

    def _connect(self) -> None:
        for form in (self.recipe, self.pipeline):
            form.valueChanged.connect(self._edited)
            form.problemChanged.connect(self._refresh)
        for part in (self.recipe, self.pipeline.masks, self.pipeline.painter):
            part.fileChosen.connect(lambda path: self.guard(lambda: self.intake.take([path])))
        self.past.changed.connect(self._refresh)
        self.past.shareWanted.connect(lambda info: self.guard(lambda: self.share(info)))
        self.intake.arrived.connect(self._offer_imported)
        self.resume_button.clicked.connect(lambda: self.guard(self._resume))
        self.resume_pipeline_button.clicked.connect(lambda: self.guard(self._resume_pipeline))

    def _build_choice(self) -> QHBoxLayout:
        """Build two buttons of which one is down: one generator, or the whole pipeline."""
        row = QHBoxLayout()
        row.setSpacing(0)
        self.choice = QButtonGroup(self)
        self.one_button, self.whole_button = QPushButton("One generator"), QPushButton("Masks, then images")
        named(self.one_button, "One generator", "Trains one generator; you make pairs with it in Generate.")
        named(
            self.whole_button,
            "Masks, then images: whole pipeline",
            "The whole pipeline in one go: learns new masks, checks them, learns to paint them, makes pairs.",
        )
        for number, button in enumerate((self.one_button, self.whole_button)):
            button.setCheckable(True)
            self.choice.addButton(button, number)
            row.addWidget(button)
        self.one_button.setChecked(True)
        self.choice.idToggled.connect(lambda _, down: self._choose_whole() if down else None)
        return row

    # --- settings ---

    @property
    def whole(self) -> bool:
        """Whether the whole pipeline is chosen."""
        return bool(self.whole_button.isChecked())

    def value(self) -> Recipe:
        """Return the recipe of the one generator as shown.

        Raises
        ------
        UserError
            If a value is out of bounds.
        """
        return self.recipe.value()

    def setValue(self, recipe: Recipe) -> None:
        """Show a recipe."""
        self.recipe.setValue(recipe)

    def _choose_whole(self) -> None:
        self._edited()
        self._show_report()

    def _edited(self) -> None:
        self.estimate.setText("")
        self.estimator.forget()
        self._settle.start()
        if not self._restoring and not self.recipe.problem:
            self.remember(self.value())
        if not self._restoring and not self.pipeline.problem:
            values = self.pipeline.value().model_dump(mode="json")
            self.workspace.remember("pipeline", {"whole": self.whole, "settings": values})
        self._refresh()

    def _measure(self) -> None:
        """Ask for memory and time when the dock is visible and nothing runs."""
        if not self.isVisible() or self._running() or self._obstacle():
            return
        self.estimate.setText("Measuring memory and time…")
        self._measured = []
        if self.whole:
            settings = self.pipeline.value()
            self._asked = [settings.masks, settings.painter]
        else:
            self._asked = [self.value()]
        self._asked = [recipe for recipe in self._asked if recipe.gan.trains]
        if self._asked:
            self._ask_next()
        else:
            self.estimate.setText(NO_TRAINING)

    def _ask_next(self) -> None:
        assert self.workspace.project is not None
        self.estimator.ask(self.workspace.project, self._asked[len(self._measured)])

    def _show_estimate(self, estimate: Estimate) -> None:
        self._measured.append(estimate)
        if len(self._measured) < len(self._asked):
            self._ask_next()
            return
        self.estimate.setText(describe(self._measured))

    # --- states ---

    def _show_project(self, _: object = None) -> None:
        self.error.hide()
        self.show_outcome("")
        self._stage = ""
        self._restoring = True
        if stored := self.workspace.remembered("train"):
            with suppress(UserError):  # remembered by another version: the defaults stay
                self.setValue(Recipe.parse(stored))
        else:
            self._fit_tile(self.workspace.pairs)
        stored = self.workspace.remembered("pipeline")
        with suppress(UserError):
            self.pipeline.setValue(PipelineSettings.parse(stored.get("settings", {})))
        (self.whole_button if stored.get("whole") is True else self.one_button).setChecked(True)
        self.past.reset()
        self._list_runs()
        self._restoring = False
        self._show_report()
        self._refresh()

    def _fit_tile(self, table: PairTable | None) -> None:
        """Offer a tile that fits the objects and every image, and what else suits them, unless a person chose."""
        sides = [min(entry.size) for entry in table.train if entry.size is not None] if table is not None else []
        size, object_side = chosen_tile(self.workspace)
        restoring, self._restoring = self._restoring, True
        for key, forms in (("train", [self.recipe]), ("pipeline", [self.pipeline.masks, self.pipeline.painter])):
            is_chosen = bool(self.workspace.remembered(key))
            for form in forms:
                if is_chosen and size is not None:
                    form.form["tiles.size"].value = tile_settings(self.workspace).size  # it was used for the objects
                elif sides and not is_chosen:
                    form.offer_data(len(sides), size or min(*sides, USUAL_TILE), object_side)
        self._restoring = restoring

    def _list_runs(self) -> None:
        project = self.workspace.project
        runs = list_runs(project) if project is not None else []
        self.recipe.offer_runs(runs)
        self.pipeline.offer_runs(runs)
        self.past.list_runs()

    def _show_report(self) -> None:
        """Show the check of the masks of the pipeline that runs or ran last."""
        project = self.workspace.project
        newest = newest_pipeline(project) if project is not None and self.whole else None
        folder = self.stages.folder if self.stages.running and self.stages.folder is not None else newest
        self.report.show_folder(folder.path if folder is not None else None)

    def _problem(self) -> str:
        return self.pipeline.problem if self.whole else self.recipe.problem

    def _obstacle(self) -> str:
        """Return why training cannot start; empty when it can."""
        if self.workspace.project is None:
            return "No project is open."
        if self.workspace.pairs is None or not self.workspace.pairs.train:
            return "Check your pairs in Pairs first."
        return self._problem()

    def _running(self) -> bool:
        return self.runner.running or self.stages.running

    def _refresh(self, _: object = None) -> None:
        table, running = self.workspace.pairs, self._running()
        ready = table is not None and bool(table.train)
        self.empty.setVisible(not ready and not running)
        self.empty.set_sentence(PURPOSE if self.workspace.project is None else NO_PAIRS)
        self.settings.setVisible(ready and not running)
        self._show_few(table)
        self.recipe.setVisible(not self.whole)
        self.pipeline.setVisible(self.whole)
        start = "▶ Start training" if self.recipe.trains else "▶ Make the painter ready"
        self.button.setText("▶ Start the whole pipeline" if self.whole else start)
        obstacle = "" if running else self._obstacle()
        self.allow(obstacle)
        self.show_reason(bool(obstacle) and self.workspace.project is not None)
        self.button.setVisible(not running)
        self.copy_button.setVisible(not running)
        self.copy_button.setEnabled(not obstacle)
        self.resume_button.setVisible(not running and not self.whole and self.past.can_resume())
        self.resume_pipeline_button.setVisible(not running and self.whole and self._unfinished() is not None)
        if ready and not running and not self.estimate.text() and not self._settle.isActive():
            self._settle.start()

    def _show_few(self, table: PairTable | None) -> None:
        """Say that there are too few pairs or tiles to learn from, and what would help."""
        rows = [entry for entry in table.train if entry.size is not None] if table is not None else []
        text = ""
        if rows and self.recipe.trains and not self.whole:
            tiles = self.recipe.form.get("tiles.size"), self.recipe.form.get("tiles.overlap")
            text = few_tiles([entry.size for entry in rows if entry.size is not None], *tiles, ENOUGH_TILES)
        self.few.setText(f"! {text}")
        self.few.setVisible(bool(text))

    def _unfinished(self) -> JobFolder | None:
        return unfinished(self.workspace.project) if self.workspace.project is not None else None

    def showEvent(self, event: Any) -> None:
        """Measure memory and time once the dock is seen."""
        super().showEvent(event)
        self._settle.start()

    # --- jobs ---

    def _begin(self) -> None:
        self.past.begin(self.runner.folder)

    def _shown(self) -> tuple[str, Settings]:
        """Return command and settings as shown."""
        return ("pipeline", self.pipeline.value()) if self.whole else ("train", self.value())

    def run(self) -> None:
        """Start the training, or the whole pipeline."""
        self._start(self.stages if self.whole else self.runner, self._shown()[1])

    def _start(self, runner: JobRunner, settings: Settings | None, resume: JobFolder | None = None) -> None:
        project = self.workspace.project
        if project is None or self._running() or (resume is None and self._obstacle()):
            return
        self.error.dismiss()
        self.show_outcome("")
        self._settle.stop()
        self.estimator.forget()
        runner.start(runner.verb, project, settings, resume)
        self._show_report()

    def _resume(self) -> None:
        if self.past.shown is not None:
            self._start(self.runner, None, self.past.shown)

    def resume_run(self, folder: JobFolder) -> None:
        """Show a stopped run, and continue it."""
        self.one_button.setChecked(True)
        self.past.show_run(folder)
        self._start(self.runner, None, folder)

    def _resume_pipeline(self) -> None:
        if (folder := self._unfinished()) is not None:
            self._start(self.stages, None, folder)

    def _job_failed(self, failed: Failed) -> None:
        self.show_error(failed)
        self._show_report()
        self._refresh()

    def _job_finished(self, reason: str) -> None:
        self.past.completed = reason == "completed"
        self._refresh()

    # --- the whole pipeline ---

    def _show_stage(self, event: Event) -> None:
        if isinstance(event, Previewed):
            self.past.show_run(JobFolder(Path(event.path).parents[1]))
        elif isinstance(event, Progress) and (stage := event.note.partition(",")[0]) != self._stage:
            self._stage = stage
            self._show_report()

    def _stages_finished(self, reason: str) -> None:
        self._show_report()
        self._list_runs()
        self._refresh()
        project, made = self.workspace.project, int(self.stages.result.get("pairs", 0))
        if reason != "completed" or project is None:
            return
        self.show_outcome(f"{made:,} new pair{'s' * (made != 1)}: look at them in Curate.")

    # --- model files ---

    def _offer_imported(self, name: str) -> None:
        """Let one generator start from a run that was imported; a pipeline only offers it."""
        if not self.whole:
            self.recipe.start_from(name)

    def share(self, info: RunInfo) -> None:
        """Ask for licence and file, and write a run as a model file."""
        dialog = ShareDialog(info, self)
        if dialog.exec() and dialog.path is not None:
            self.share_run(dialog.value(), dialog.path)

    def share_run(self, settings: ShareSettings, path: Path) -> None:
        """Write a run as a model file."""
        if self.sharer.running:
            self.show_outcome("Another model file is being written. Share this run when it is done.")
        elif self.workspace.project is not None:
            self.error.dismiss()
            self.sharer.start("share", self.workspace.project, settings, files=[path])

    def _show_sharing(self, state: str) -> None:
        self.show_outcome("Writing the model file…" if state != "idle" else "")

    def _shared(self, _: str) -> None:
        result = self.sharer.result
        size = f"{int(result.get('bytes', 0)) / 1e6:,.1f} MB"
        self.show_outcome(
            f"Written: {result.get('file')}, {size}, licence {result.get('licence')}. Drop it on a window to use it."
        )

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Accept drags of model files."""
        if a0 is not None and are_models(dropped_files(a0)):
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Let the next training start from a model file that is dropped."""
        if a0 is not None and are_models(paths := dropped_files(a0)):
            self.guard(lambda: self.intake.take(paths))
