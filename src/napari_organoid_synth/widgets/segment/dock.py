"""The Segment dock: measure on unseen images what synthetic pairs gain, and mark images with what was trained."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar, cast

import napari
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.cost_estimate import (
    MIXED,
    NIGHT,
    Shorter,
    seconds,
    shorter,
    speeds,
    trainings,
    workers,
)
from napari_organoid_synth.core.gain.folds import find_groups, make_folds
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.gain.table import GENERATED, OPTIMISTIC
from napari_organoid_synth.core.job import Added, Event, Failed, Finished, JobFolder, Progress, Started, Warned
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import Fold, rows, show_row
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.segment.apply_panel import ApplyPanel
from napari_organoid_synth.widgets.segment.arms import ARMS, ArmBoxes
from napari_organoid_synth.widgets.segment.comparison import ComparisonPanel, share_done
from napari_organoid_synth.widgets.segment.predictions import newest_results, read_results
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard, words_for_seconds
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

PURPOSE = (
    "Here you measure whether synthetic pairs help: the same segmenter is trained with and without them and tested on "
    "images that nothing was trained on."
)
TEST_BY = {
    "grouped": (
        "groups in turn",
        "Images of one volume, embryo or well are tested together, each group in turn. The generator is trained anew "
        "each time, without them.",
    ),
    "k-fold": ("a part in turn", "Each image is tested once; the generator is trained anew for each part."),
    "leave-one-out": ("each image in turn", "For fewer than ten images and time to spare."),
    "segment": (
        "the project's test images",
        "A first look: the pairs that are there, and the images that are marked as test in Pairs. Much faster.",
    ),
}
HIDDEN = {
    "segment": ("segmenter", "arms", "steps"),
    "gain": ("segmenter", "arms", "steps", "design", "repeats", "test_share"),
}
CLASSES: dict[str, type[SegmentSettings] | type[GainSettings]] = {"segment": SegmentSettings, "gain": GainSettings}


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
        self._running: SegmentSettings | None = None
        self._counts: dict[str, int] = {}
        self._speeds: dict[str, float] = {}
        self._unfinished: tuple[JobFolder, int, int] | None = None
        self._read_at = 0
        self._shorter: Shorter | None = None
        self._longer: GainSettings | None = None
        self._used: SegmentSettings | GainSettings | None = None
        self.background = background = Background(self)
        self._build()
        for runner in self.runners.values():
            runner.started.connect(self._started)
            runner.event.connect(self._heed)
            runner.failed.connect(self._failed)
            runner.finished.connect(self._finished)
            runner.stateChanged.connect(self._judge)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.pairsChanged.connect(self._count)
        self.workspace.samplesChanged.connect(self._count)
        self.workspace.runsChanged.connect(self._judge)
        self.destroyed.connect(lambda: background.close())
        self._open(self.workspace.project)
        if self.running:
            self._started()

    # --- build ---

    def _build(self) -> None:
        self.segmenter, self.test_by, self.repeats = combo_box(), combo_box(), QSpinBox()
        for name in SEGMENTERS.names():
            config: Any = SEGMENTERS.config(name)
            self.segmenter.addItem(config.title, name)
            self.segmenter.setItemData(self.segmenter.count() - 1, config.when, Qt.ItemDataRole.ToolTipRole)
        for key, (text, tip) in TEST_BY.items():
            self.test_by.addItem(text, key)
            self.test_by.setItemData(self.test_by.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.setup = Fold("What is compared")
        content = QWidget()
        inside = QVBoxLayout(content)
        inside.setContentsMargins(0, 0, 0, 0)
        self.front = rows()
        add_row(self.front, "Segmenter", self.segmenter, "The network that learns to mark the objects.")
        inside.addLayout(self.front)
        self.when = WrapLabel()
        inside.addWidget(self.when)
        self.testing = rows()
        add_row(self.testing, "Test by", self.test_by, "Which images are tested.")
        self.repeats.setRange(1, 100)
        guard_wheel(self.repeats)
        tip = "Trainings of everything with other seeds; several show how much is luck."
        add_row(self.testing, "Repeats", self.repeats, tip)
        inside.addLayout(self.testing)
        self.groups = WrapLabel()
        inside.addWidget(self.groups)

        inside.addWidget(QLabel("Compare"))
        self.arms = {"gain": ArmBoxes(ARMS["gain"], "raw"), "segment": ArmBoxes(ARMS["segment"])}
        for boxes in self.arms.values():
            boxes.changed.connect(self._edited)
            inside.addWidget(boxes)
        more = rows()
        self.steps = QSpinBox()
        self.steps.setRange(1, 1_000_000)
        self.steps.setSingleStep(100)
        guard_wheel(self.steps)
        add_row(
            more, "Steps", self.steps, "Optimiser steps of every arm, the same for all so that the comparison is fair."
        )
        inside.addLayout(more)
        self.optimistic = WrapLabel(f"! {OPTIMISTIC} The paper protocol is for repeating published studies.")
        inside.addWidget(self.optimistic)
        self.fold = Fold("More settings")
        self.forms = {verb: settings_form(CLASSES[verb], hidden=HIDDEN[verb]) for verb in self.VERBS}
        self.member = settings_form(SEGMENTERS.config(SEGMENTERS.names()[0]))
        for form in (*self.forms.values(), self.member):
            self.fold.addWidget(form.native)
        inside.addWidget(self.fold)

        self.setup.addWidget(content)
        self.setup.content().layout().setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(self.setup)
        self.estimate, self.offer = WrapLabel(), WrapLabel()
        self.use_button = QPushButton("Use")
        self.use_button.clicked.connect(lambda: self.guard(self._use_shorter))
        for widget in (self.estimate, self.offer, self.use_button):
            self.column.addWidget(widget)
        self.cards = {
            "gain": ProgressCard(self.runners["gain"], "Stop and keep", "training"),
            "segment": ProgressCard(self.runners["segment"], "Stop and keep", "step"),
        }
        for card in self.cards.values():
            self.column.addWidget(card)
        self.go_on = QPushButton()
        self.go_on.clicked.connect(lambda: self.guard(self.resume))
        self.go_on.hide()
        self.column.addWidget(self.go_on)
        self.warning = WrapLabel()
        self.warning.hide()
        self.column.addWidget(self.warning)
        self.panel = ComparisonPanel(self.viewer, lambda: self.workspace.pairs, self.show_error)
        self.column.addWidget(self.panel)
        self.apply = ApplyPanel(self.viewer, self.workspace, self.show_error)
        self.column.addWidget(self.apply)
        self.copy_button = self.command_button(lambda: (self.verb, self.value()))
        self.column.addWidget(self.copy_button)

        self.segmenter.currentIndexChanged.connect(self._change_member)
        self.test_by.currentIndexChanged.connect(self._edited)
        for spin in (self.steps, self.repeats):
            spin.valueChanged.connect(self._edited)
        for form in (*self.forms.values(), self.member):
            form.changed.connect(self._edited)
        self.setValue(GainSettings())

    # --- value ---

    @property
    def verb(self) -> str:
        """``"gain"`` or ``"segment"``, by what is tested."""
        return "segment" if self.test_by.currentData() == "segment" else "gain"

    @property
    def running(self) -> JobRunner | None:
        """The runner that follows a comparison."""
        return next((runner for runner in self.runners.values() if runner.running), None)

    def value(self) -> SegmentSettings | GainSettings:
        """The settings as shown; arms without pairs are left out."""
        values = self.forms[self.verb].value.model_dump() | {
            "segmenter": self.member.value.model_dump(),
            "arms": self.arms[self.verb].value(),
            "steps": self.steps.value(),
        }
        if self.verb == "segment":
            return SegmentSettings.parse(values)
        return GainSettings.parse(values | {"design": self.test_by.currentData(), "repeats": self.repeats.value()})

    def setValue(self, settings: SegmentSettings | GainSettings) -> None:
        """Show settings."""
        verb = "gain" if isinstance(settings, GainSettings) else "segment"
        name = settings.segmenter.name
        design = settings.design if isinstance(settings, GainSettings) else "segment"
        with QSignalBlocker(self.test_by):
            if self.test_by.findData(design) < 0:
                self.test_by.addItem("images put aside", design)
            self.test_by.setCurrentIndex(self.test_by.findData(design))
        self.segmenter.setCurrentIndex(self.segmenter.findData(name))
        self._change_member()
        self.member.show_value(settings.segmenter)
        self.forms[verb].show_value(settings)
        self.steps.setValue(settings.steps)
        if isinstance(settings, GainSettings):
            self.repeats.setValue(settings.repeats)
        self.arms[verb].setValue(settings.arms)
        self._judge()

    def _change_member(self, *_: object) -> None:
        config: Any = SEGMENTERS.config(self.segmenter.currentData())
        self.when.setText(config.when)
        if self.member.cls is not config:
            self.fold.removeWidget(self.member.native)
            self.member.native.deleteLater()
            self.member = settings_form(config)
            self.member.changed.connect(self._edited)
            self.fold.addWidget(self.member.native)
        self._edited()

    # --- what there is ---

    def _open(self, project: Project | None) -> None:
        self.error.hide()
        self.warning.hide()
        self._job = None
        self._restore()
        self._count()
        self._speeds, self._unfinished = {}, None
        self.go_on.hide()
        folder = newest_results(project) if project is not None else None
        self._show(folder, read_results(folder))
        self._fold_setup()
        self.apply.refresh()
        if project is not None:
            self.background.do(lambda: (speeds(project), unfinished(project)), self._know, self.show_error)

    def _fold_setup(self) -> None:
        """What was found goes before what else could be compared."""
        (self.setup.collapse if self.panel.results.get("arms") else self.setup.expand)(animate=False)

    def _restore(self) -> None:
        """Show what was chosen in this project before, of both verbs, or the defaults."""
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

    def _know(self, found: tuple[dict[str, float], tuple[JobFolder, int, int] | None]) -> None:
        """Take in what was read in the background."""
        self._speeds, self._unfinished = found
        self._judge()

    def _count(self, *_: object) -> None:
        project, table = self.workspace.project, self.workspace.pairs
        train = len(table.train) if table is not None else 0
        test = len(table.test) if table is not None else 0
        samples = {"new": 0, "accepted": 0, "rejected": 0}
        if project is not None and project.samples_path.exists():
            samples = self.guard(lambda: self.workspace.store.counts()) or samples  # type: ignore[union-attr]
        made = sum(samples[verdict] for verdict in ("new", "accepted", "rejected"))
        accepted = samples["accepted"]
        self._counts = {"train": train, "test": test}
        boxes = self.arms["segment"]
        boxes.allow("real", train > 0, f"{train} pairs")
        boxes.allow("classical", True, f"{train} pairs, augmented")
        boxes.allow("synthetic", made > 0, f"+ {made:,} synthetic" if made else "none made yet")
        boxes.allow("curated", accepted > 0, f"+ {accepted:,} accepted" if accepted else "none accepted yet")
        if project is None:
            self.show_body(PURPOSE + " Open a project first.")
        elif train + test == 0:
            self.show_body(PURPOSE + " This project has no pairs yet.")
        else:
            self.show_body()
        self._judge()

    # --- edits ---

    def _edited(self, *_: object) -> None:
        self._judge()
        if self.workspace.project is not None and self.reason.isHidden() and not self._restoring:
            values = self.value().model_dump(mode="json") | {"arms": self.arms[self.verb].checked()}
            self.workspace.remember(
                self.key, {**self.workspace.remembered(self.key), "verb": self.verb, self.verb: values}
            )

    def _judge(self, *_: object) -> None:
        """What can be done now, how long it takes, and why not."""
        gain = self.verb == "gain"
        for verb in self.VERBS:
            self.arms[verb].setVisible(verb == self.verb)
            self.forms[verb].visible = verb == self.verb
        show_row(self.testing, self.repeats, gain)
        self.groups.setVisible(gain)
        chosen = self.arms[self.verb].value()
        promising = set(chosen) & MIXED
        self.button.setText("Measure the gain" if promising else "Train and test")
        self.button.setAccessibleDescription("Trains every arm in a process of its own; the window stays free.")
        problem = self.forms[self.verb].problem or self.member.problem
        folds = groups = 0
        if gain and not problem:
            folds, groups, problem = self._plan()
        if self.running is not None:
            self.allow("A comparison runs; stop it to change something.")
        elif not self._counts.get("train"):
            self.allow("There are no training pairs. Load and check pairs in Pairs.")
        elif not gain and not self._counts.get("test"):
            self.allow("No pair is put aside for the test. Mark some as test in Pairs, then train the generator again.")
        elif not chosen:
            self.allow("Check at least one set to train on.")
        elif gain and not problem and set(chosen) & {*GENERATED} and not self._has_generator():
            self.allow("There is no generator yet, whose training could be repeated. Train one in Train.")
        else:
            self.allow(problem)
        self.estimate.setText(self._words_for_time(folds))
        self.estimate.setVisible(self.running is None)
        self._offer_shorter(folds, groups)
        self.optimistic.setVisible(gain and bool(self.forms["gain"]["paper_protocol"].value))
        self._offer_to_go_on()

    def _plan(self) -> tuple[int, int, str]:
        """Number of folds and groups, and why there are none; says which images belong together."""
        table = self.workspace.pairs
        if table is None:
            return 0, 0, ""
        entries = [entry for entry in table.matched if entry.masks]
        try:
            settings: Any = self.value()
            found = find_groups(entries, settings.group_pattern)
            self.groups.setText(found.words + (f"\n! {found.warning}" if found.warning else ""))
            held = [entry.name for entry in entries if entry.split == "test"]
            folds = make_folds(
                found.groups, settings.design, settings.folds, settings.test_share, held, settings.seed, found.row
            )
        except UserError as error:
            return 0, 0, str(error)
        return len(folds), len(set(found.groups.values())), ""

    def _has_generator(self) -> bool:
        project = self.workspace.project
        return project is not None and bool(self.forms["gain"]["generator"].value or project.runs())

    def _words_for_time(self, folds: int) -> str:
        """How many trainings, and what they will take, from the speed of earlier ones."""
        if self.verb == "segment":
            arms, test = len(self.arms["segment"].value()), f"Tested on {self._counts.get('test', 0)} images."
            if "arm" not in self._speeds or not arms:
                return f"{test} The time is known after the first steps."
            taken = self._speeds["arm"] * self.steps.value() * arms
            return f"{test} {words_for_seconds(taken).capitalize()} here, as fast as last time."
        if not folds:
            return ""
        settings: Any = self.value()
        count = trainings(settings, folds)
        parts = [f"{count['arm']} of the segmenter"]
        parts += [f"{count['generator']} of the generator"] * bool(count["generator"])
        words = f"{folds} folds, {sum(count.values())} trainings ({', '.join(parts)})"
        steps = self._generator_steps(settings)
        taken_ = seconds(settings, folds, self._speeds, steps)
        if taken_ is not None:
            return f"{words}, {words_for_seconds(taken_)} here, {workers(settings)} at once, as fast as before."
        if count["generator"] and "generator" in self._speeds:
            made = words_for_seconds(seconds(settings, folds, self._speeds, steps, known=True) or 0.0)
            return (
                f"{words}, {made} for the generators alone, as fast as before. The rest is known after the first ones."
            )
        return f"{words}. The time is known after the first ones."

    def _offer_shorter(self, folds: int, groups: int) -> None:
        """Where it takes longer than a night, what would bring it down; after that, the way back."""
        gain = folds > 0 and self.running is None
        settings: Any = self.value() if gain else None
        self._shorter = None
        if self._longer is not None and (not gain or settings != self._used):
            self._longer = None
        if gain and self._longer is None:
            self._shorter = shorter(settings, folds, groups, self._speeds, self._generator_steps(settings))
        if self._shorter is not None:
            found = self._shorter
            when = "Overnight" if found.seconds <= NIGHT else "Shorter"
            self.offer.setText(f"{when}: {found.changes} → {words_for_seconds(found.seconds)}. {found.lost}")
            self.use_button.setText("Use the shorter comparison")
            named(self.use_button, self.use_button.text(), f"Sets {found.changes}. Can be undone.")
        elif self._longer is not None:
            self.offer.setText("The shorter comparison is set.")
            self.use_button.setText("Undo")
            named(self.use_button, "Undo", "Sets folds, repeats and steps of the generator as they were.")
        for widget in (self.offer, self.use_button):
            widget.setVisible(self._shorter is not None or self._longer is not None)

    def _use_shorter(self) -> None:
        """Set what was offered, or take it back."""
        before, offered, self._longer = self._longer, self._shorter, None
        if offered is not None:
            now = cast("GainSettings", self.value())
            self.setValue(offered.settings)
            self._longer, self._used = now, self.value()
        elif before is not None:
            self.setValue(before)
        self._edited()

    def _generator_steps(self, settings: GainSettings) -> int:
        project = self.workspace.project
        if project is None or not {*settings.arms} & {*GENERATED} or settings.generator_steps:
            return settings.generator_steps
        try:
            if settings.generator.endswith((".yaml", ".yml", ".json")):
                return Recipe.from_file(project.path / settings.generator).train.steps
            return Recipe.from_file(project.run_path(settings.generator) / "recipe.yaml").train.steps
        except UserError:
            return 0

    # --- run ---

    def run(self) -> None:
        """Start the comparison."""
        if self.workspace.project is not None and self.running is None:
            self.error.dismiss()
            self.runners[self.verb].start(self.verb, self.workspace.project, self.value())

    def resume(self) -> None:
        """Go on with the comparison that was stopped; what is done stays."""
        if self.workspace.project is not None and self.running is None and self._unfinished is not None:
            self.error.dismiss()
            self.runners["gain"].start("gain", self.workspace.project, resume=self._unfinished[0])

    def _offer_to_go_on(self) -> None:
        self.go_on.setVisible(self._unfinished is not None and self.running is None)
        if self._unfinished is not None:
            folder, done, total = self._unfinished
            self.go_on.setText(f"Go on: {done} of {total} done")
            named(self.go_on, self.go_on.text(), f"Goes on with {folder.path.name}; what is done is not done again.")

    def _started(self) -> None:
        self._job, self._unfinished = self.running, None
        folder = self._job.folder if self._job is not None else None
        self.warning.hide()
        self._running = None
        if folder is not None:
            if self._job is self.runners["segment"]:
                try:
                    self._running = SegmentSettings.from_file(folder.path / "settings.yaml")
                except UserError:
                    self._running = None  # started by the command line with a recipe of its own
            self._show(folder.path, read_results(folder.path))
        arms = self._running.arms if self._running is not None else ()
        self.arms["segment"].show_progress(dict.fromkeys(arms, 0.0))
        self._judge()

    def _heed(self, event: Event) -> None:
        if isinstance(event, Progress) and self._running is not None:
            shares = share_done(event, len(self._running.arms), self._running.steps)
            self.arms["segment"].show_progress(dict(zip(self._running.arms, shares, strict=True)))
        elif isinstance(event, Started) and event.info.get("groups"):
            self.groups.setText(event.info["groups"])
        elif isinstance(event, Warned):
            said = self.warning.text().splitlines() if not self.warning.isHidden() else []
            self.warning.setText("\n".join([*said, f"! {event.text}"]))
            self.warning.show()
        if isinstance(event, Added | Finished | Progress) and self._job is not None and self._job.folder is not None:
            path = self._job.folder.path
            self.background.do(lambda: self._read(path), self._take, self.show_error)

    def _read(self, folder: Path) -> tuple[Path, dict[str, Any]] | None:
        """The results, if they have changed; in the background."""
        try:
            changed = (folder / "results.json").stat().st_mtime_ns
        except OSError:
            return None
        if changed == self._read_at:
            return None
        self._read_at = changed
        return folder, read_results(folder)

    def _take(self, found: tuple[Path, dict[str, Any]] | None) -> None:
        folder = self._job.folder if self._job is not None else None
        if found is not None and found[1] and folder is not None and folder.path == found[0]:
            self._show(*found)

    def _finished(self, reason: str) -> None:
        job, self._job = self._job, None
        self.arms["segment"].show_progress({})
        if job is not None and job.folder is not None:
            self._show(job.folder.path, read_results(job.folder.path))
        self._fold_setup()
        if reason == "completed":
            self.workspace.notify(self.panel.sentence.text() or "The comparison is done.")
        self._look_again()

    def _failed(self, failed: Failed) -> None:
        self._job = None
        self.arms["segment"].show_progress({})
        self.show_error(failed)
        self._look_again()

    def _look_again(self) -> None:
        """After a comparison: speeds, what is unfinished, which segmenters there are."""
        self.apply.refresh()
        project = self.workspace.project
        if project is not None:
            self.background.do(lambda: (speeds(project), unfinished(project, 10.0)), self._know, self.show_error)
        self._judge()

    # --- results ---

    def _show(self, folder: Path | None, results: dict[str, Any]) -> None:
        """Show results, whole or so far, with their warnings."""
        self.panel.show_results(folder, results)
        warnings = results.get("warnings", [])
        if results.get("arms"):
            self.warning.setText("\n".join(f"! {text}" for text in warnings))
            self.warning.setVisible(bool(warnings))


def unfinished(project: Project, patience: float = 0.0) -> tuple[JobFolder, int, int] | None:
    """The newest comparison in folds, with its trainings that are done and all, if it stopped before its end.

    A process that has said its last word may need some seconds of ``patience`` to end.
    """
    found = sorted(project.path.glob("segment/*/gain.yaml"), key=lambda path: path.parent.name)
    if not found:
        return None
    folder, until = JobFolder(found[-1].parent), time.monotonic() + patience
    total = int(read_results(folder.path).get("tasks", {}).get("total", 0))
    done = min(len(list(folder.path.glob("tasks/*/result.json"))), total)  # the results may be some seconds old
    while done < total and folder.alive and time.monotonic() < until:
        time.sleep(0.1)
    return (folder, done, total) if done < total and not folder.alive else None
