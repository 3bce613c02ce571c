"""The Measure page: measure the gain from synthetic pairs on unseen images, and mark images with trained segmenters."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import napari
from qtpy.QtWidgets import QPushButton

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.cost_estimate import Estimate, kept_generators, speeds, trainings
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.gain.storage import RESULTS, SETTINGS, newest_result, pick_recipes, read_result
from napari_organoid_synth.core.job import Added, Event, Failed, Finished, JobFolder, Progress, Started, Warned
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.arms import data_of, needs_generator
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.segment.apply_panel import ApplyPanel
from napari_organoid_synth.widgets.segment.comparison import ComparisonPanel
from napari_organoid_synth.widgets.segment.comparison_form import CLASSES, ComparisonForm, Counts
from napari_organoid_synth.widgets.segment.time_offer import TimeOffer
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.runs import list_runs
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.tile import chosen_tile, learned_tile

PURPOSE = (
    "Here you measure whether synthetic pairs help: the same segmenter is trained with and without them and tested on "
    "images that nothing was trained on."
)
PATIENCE_SECONDS = 10.0
"""Until a process that has reported its end is gone."""
Unfinished = tuple[JobFolder, int, int]
"""Folder of a comparison, its trainings that are done, and all."""


class SegmentWidget(ColumnDock):
    """Compare segmenters trained on different sets, and use them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    VERBS: ClassVar[tuple[str, str]] = ("gain", "segment")

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "segment", PURPOSE, {"Load pairs": lambda: open_dock(self.viewer, "Pairs")})
        self.runners: dict[str, JobRunner] = {verb: self.workspace.runner(verb) for verb in self.VERBS}
        self._job: JobRunner | None = None
        self._speeds: dict[str, float] = {}
        self._kept = 0
        self._learned: int | None = None  # side of the tiles of the newest generator, px
        self._unfinished: Unfinished | None = None
        self._read_at = 0
        self.background = Background(self)
        self._build()
        for runner in self.runners.values():
            runner.started.connect(self._started)
            runner.event.connect(self._show_event)
            runner.failed.connect(self._failed)
            runner.finished.connect(self._finished)
            runner.stateChanged.connect(self._judge)
        self.workspace.runner("try").finished.connect(self._tried)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.pairsChanged.connect(self._count)
        self.workspace.samplesChanged.connect(self._count)
        self.workspace.runsChanged.connect(self._list_runs)
        self._open(self.workspace.project)
        if self.running:
            self._started()

    def closeEvent(self, a0: Any) -> None:
        """Read nothing more."""
        self.background.close()
        self.apply.close_panel()
        super().closeEvent(a0)

    def _tried(self, _: str) -> None:
        """Show what a quick try measured, unless a comparison of this page runs."""
        project = self.workspace.project
        if project is not None:
            self.background.do(lambda: (project, newest_result(project)), self._take_newest, self.show_error)

    def _take_newest(self, answer: tuple[Project, GainResult | None]) -> None:
        project, result = answer
        if project is self.workspace.project and self.running is None:
            self._show(result)
            self._fold_setup()

    def _build(self) -> None:
        self.form, self.offer = ComparisonForm(), TimeOffer()
        self.setup = Fold("What is compared")
        self.setup.addWidget(self.form)
        self.setup.content().layout().setContentsMargins(0, 0, 0, 0)
        self.cards = {verb: ProgressCard(runner, "Stop and keep", "training") for verb, runner in self.runners.items()}
        self.resume_button = QPushButton()
        self.resume_button.clicked.connect(lambda: self.guard(self.resume))
        self.resume_button.hide()
        self.warning = WrapLabel()
        self.warning.hide()
        self.panel = ComparisonPanel(self.viewer, lambda: self.workspace.pairs, self.show_error)
        self.apply = ApplyPanel(self.viewer, self.workspace, self.show_error)
        self.copy_button = self.command_button(lambda: (self.form.verb, self.value()))
        for widget in (
            self.setup,
            self.offer,
            self.warning,
            self.panel,
            self.apply,
            self.copy_button,
        ):
            self.column.addWidget(widget)
        self.put_above_button(*self.cards.values(), self.resume_button)
        self.form.edited.connect(self._edited)
        self.offer.chosen.connect(self.setValue)

    # --- value ---

    @property
    def running(self) -> JobRunner | None:
        """The runner that follows a comparison."""
        return next((runner for runner in self.runners.values() if runner.running), None)

    def value(self) -> SegmentSettings | GainSettings:
        """Return the settings as shown; arms without pairs are left out."""
        return self.form.value()

    def setValue(self, settings: SegmentSettings | GainSettings) -> None:
        """Show settings."""
        self.form.setValue(settings)

    # --- what there is ---

    def _open(self, project: Project | None) -> None:
        self.error.hide()
        self.warning.hide()
        self._job = None
        self.form.forget_tile()
        self._restore()
        self._list_runs()
        self._speeds, self._kept, self._unfinished = {}, 0, None
        self.resume_button.hide()
        self._show(newest_result(project) if project is not None else None)
        self._fold_setup()
        self.apply.refresh()
        if project is not None:
            self.background.do(lambda: _known(project), self._know, self.show_error)

    def _list_runs(self, _: object = None) -> None:
        """Offer the runs of the project, and what they learned from."""
        project, restoring = self.workspace.project, self._restoring
        self._restoring = True
        self.form.offer_runs(list_runs(project) if project is not None else [])
        self._learned = learned_tile(self.workspace)
        self._restoring = restoring
        self._count()

    def _fold_setup(self) -> None:
        """Fold the settings while there is a result."""
        (self.setup.collapse if self.panel.result is not None else self.setup.expand)(animate=False)

    def _restore(self) -> None:
        """Show the settings last used in this project for both commands, or the defaults."""
        self._restoring = True
        stored = self.workspace.remembered(self.key)
        shown = "segment" if stored.get("verb") == "segment" else "gain"
        for verb in ("segment", "gain") if shown == "gain" else ("gain", "segment"):
            kept = stored.get(verb)
            try:
                settings = CLASSES[verb].parse(kept if isinstance(kept, dict) else {})
            except UserError:  # stored by another version
                settings = CLASSES[verb]()
            self.setValue(settings)
        self._restoring = False

    def _know(self, known: tuple[dict[str, float], int, Unfinished | None]) -> None:
        """Store what was read in the background, and update the dock."""
        self._speeds, self._kept, self._unfinished = known
        self._judge()

    def _count(self, *_: object) -> None:
        restoring, self._restoring = self._restoring, True
        self.form.offer_tile(chosen_tile(self.workspace)[0] or self._learned)
        self._restoring = restoring
        project, table = self.workspace.project, self.workspace.pairs
        train, test = (len(table.train), len(table.test)) if table is not None else (0, 0)
        samples = {"new": 0, "accepted": 0, "rejected": 0}
        if project is not None and project.samples_path.exists():
            samples = self.guard(lambda: self.workspace.store.counts()) or samples  # type: ignore[union-attr]
        self.form.show_counts(Counts(train, test, sum(samples.values()), samples["accepted"]))
        if project is None:
            self.show_body(PURPOSE + " Open a project first.")
        elif train + test == 0:
            self.show_body(PURPOSE + " This project has no pairs yet.")
        else:
            self.show_body()
        self._judge()

    # --- edits ---

    def _edited(self) -> None:
        self._judge()
        if self.workspace.project is not None and self.reason.isHidden() and not self._restoring:
            verb = self.form.verb
            values = self.value().model_dump(mode="json") | {"arms": self.form.arms.checked()}
            self.workspace.remember(self.key, {**self.workspace.remembered(self.key), "verb": verb, verb: values})

    def _judge(self, *_: object) -> None:
        """Update the button, the time estimate and the obstacle."""
        promising = any(map(data_of, self.form.arms.value()))
        self.button.setText("Measure the gain" if promising else "Train and test")
        self.button.setAccessibleDescription("Trains every arm in a process of its own; the window stays free.")
        problem, folds, groups = self.form.problem, 0, 0
        if not problem:
            folds, groups, problem = self.form.plan(self.workspace.pairs)
        self.allow(self._obstacle(problem))
        self._show_time(folds if not problem else 0, groups)
        self.resume_button.setVisible(self._unfinished is not None and self.running is None)
        if self._unfinished is not None:
            folder, done, total = self._unfinished
            self.resume_button.setText(f"Resume: {done} of {total} done")
            tip = f"Continues {folder.path.name}; trainings that are done are not repeated."
            named(self.resume_button, self.resume_button.text(), tip)

    def _obstacle(self, problem: str) -> str:
        """Return why the comparison cannot start; empty if it can."""
        quick, counts = self.form.verb == "segment", self.form.counts
        if self.running is not None:
            return "A comparison is running. Stop it to change settings."
        if not counts.train:
            return "There are no training pairs. Load and check pairs in Pairs."
        if quick and not counts.test:
            return "No pair is put aside for the test. Mark some as test in Pairs, then train the generator again."
        return problem

    def _show_time(self, folds: int, groups: int) -> None:
        self.offer.setVisible(self.running is None)
        if self.running is not None:
            return
        if self.form.verb == "segment":
            number, tests = trainings(self.form.as_gain(), 1)["arm"], self.form.counts.test
            self.offer.show_quick(number, self.form.steps.value(), tests, self._speeds.get("arm"))
        elif folds:
            settings = self.form.as_gain()
            steps = self._generator_steps(settings)
            self.offer.show_estimate(Estimate(settings, folds, groups, self._speeds, steps, self._kept))
        else:
            self.offer.show_estimate(None)

    def _generator_steps(self, settings: GainSettings) -> int:
        project = self.workspace.project
        if project is None or not any(map(needs_generator, settings.arms)) or settings.generator_steps:
            return settings.generator_steps
        try:
            recipes = pick_recipes(project, settings).values()
            return max((one["generator"].train.steps for one in recipes if one["generator"].gan.trains), default=0)
        except UserError:
            return 0

    # --- run ---

    def run(self) -> None:
        """Start the comparison."""
        if self.workspace.project is not None and self.running is None:
            self.error.dismiss()
            verb = self.form.verb
            self.runners[verb].start(verb, self.workspace.project, self.value())

    def resume(self) -> None:
        """Continue the comparison that was stopped; finished trainings are kept."""
        if self.workspace.project is not None and self.running is None and self._unfinished is not None:
            self.error.dismiss()
            self.runners["gain"].start("gain", self.workspace.project, resume=self._unfinished[0])

    def _started(self) -> None:
        self._job, self._unfinished = self.running, None
        self.warning.hide()
        self.setup.collapse(animate=False)  # the curves and the table want the room
        if self._job is not None and self._job.folder is not None:
            self._show(_read(self._job.folder.path))
        self._judge()

    def _show_event(self, event: Event) -> None:
        arms = self.form.arms
        if isinstance(event, Progress) and event.shares:
            arms.show_progress(event.shares)
        elif isinstance(event, Started):
            arms.show_progress(dict.fromkeys(event.info.get("arms", ()), 0.0))
            if event.info.get("groups"):
                self.form.groups.setText(event.info["groups"])
        elif isinstance(event, Warned):
            before = self.warning.text().splitlines() if not self.warning.isHidden() else []
            self.warning.setText("\n".join([*before, f"! {event.text}"]))
            self.warning.show()
        if isinstance(event, Added | Finished | Progress) and self._job is not None and self._job.folder is not None:
            path = self._job.folder.path
            self.background.do(lambda: self._read_changed(path), self._take, self.show_error)

    def _read_changed(self, folder: Path) -> GainResult | None:
        """Return the result if it has changed; in the background."""
        try:
            changed = (folder / RESULTS).stat().st_mtime_ns
        except OSError:
            return None
        if changed == self._read_at:
            return None
        self._read_at = changed
        return _read(folder)

    def _take(self, result: GainResult | None) -> None:
        folder = self._job.folder if self._job is not None else None
        if result is not None and folder is not None and str(folder.path) == result.folder:
            self._show(result)

    def _finished(self, reason: str) -> None:
        job, self._job = self._job, None
        self.form.arms.show_progress({})
        if job is not None and job.folder is not None:
            self._show(_read(job.folder.path))
        self._fold_setup()
        self._look_again()

    def _failed(self, failed: Failed) -> None:
        self._job = None
        self.form.arms.show_progress({})
        self.show_error(failed)
        self._look_again()

    def _look_again(self) -> None:
        """Update speeds, the unfinished comparison and the segmenters after a comparison."""
        self.apply.refresh()
        project = self.workspace.project
        if project is not None:
            self.background.do(lambda: _known(project, PATIENCE_SECONDS), self._know, self.show_error)
        self._judge()

    def _show(self, result: GainResult | None) -> None:
        """Show a result, whole or so far, with its warnings."""
        self.panel.show_result(result)
        if self.panel.result is not None:
            self.warning.setText("\n".join(f"! {text}" for text in self.panel.result.warnings))
            self.warning.setVisible(bool(self.panel.result.warnings))


def _read(folder: Path) -> GainResult | None:
    """Return the result in a folder; None where there is none yet."""
    try:
        return read_result(folder)
    except UserError:
        return None


def _known(project: Project, patience: float = 0.0) -> tuple[dict[str, float], int, Unfinished | None]:
    """Read what earlier comparisons tell: speeds, the number of kept generators, and what was left undone."""
    return speeds(project), kept_generators(project), unfinished(project, patience)


def unfinished(project: Project, patience: float = 0.0) -> Unfinished | None:
    """Return the newest comparison with its trainings that are done and all, if it stopped before its end.

    Parameters
    ----------
    project : Project
        Where it lies.
    patience : float
        Seconds to wait for a process that has reported its end and is not gone yet.
    """
    folders = project.folders(f"segment/*/{SETTINGS}")
    if not folders:
        return None
    folder, until = JobFolder(folders[-1]), time.monotonic() + patience
    result = _read(folder.path)
    if result is not None and not result.tasks.unfinished:
        return None  # also where another version kept its tasks in other folders
    total = result.tasks.total if result is not None else 0
    done = min(len(list(folder.path.glob("tasks/*/result.json"))), total)  # the result may be some seconds old
    while done < total and folder.alive and time.monotonic() < until:
        time.sleep(0.1)
    return (folder, done, total) if done < total and not folder.alive else None
