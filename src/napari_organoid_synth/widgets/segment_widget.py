"""The Segment dock: train a segmenter with and without synthetic pairs, see what they gain on unseen images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Event, Failed, Finished, Progress, Started, Warned
from napari_organoid_synth.core.overlay import FALSE_NEGATIVE, FALSE_POSITIVE, WRONG_CLASS
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import SegmentSettings
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.widgets._cards import ProgressCard, WrapLabel, words_for_seconds
from napari_organoid_synth.widgets._dock import ColumnDock, add_row, combo_box, named
from napari_organoid_synth.widgets._editors import guard_wheel
from napari_organoid_synth.widgets._form import Fold, SettingsForm, rows
from napari_organoid_synth.widgets._gain_plot import GainPlot
from napari_organoid_synth.widgets._jobs import command_text
from napari_organoid_synth.widgets._menus import open_dock
from napari_organoid_synth.widgets._predictions import newest_results, read_prediction, show_prediction

PURPOSE = (
    "Here you measure whether synthetic pairs help: the same segmenter is trained with and without them and tested on "
    "images that nothing was trained on."
)
ARMS = {
    "real": ("real", "Your training pairs alone: what the others are compared with."),
    "classical": ("classical", "Your pairs with turns, flips, bends and brightness changes: the usual augmentation."),
    "synthetic": ("synthetic", "Your pairs and every synthetic pair, not sorted."),
    "curated": ("curated", "Your pairs and the synthetic pairs that you accepted."),
}
SCORES = {
    "dice": ("Dice", "Overlap of prediction and truth, 0 to 1: 2 TP / (2 TP + FP + FN)."),
    "precision": ("Precision", "Share of what was marked that is right."),
    "recall": ("Recall", "Share of what is there that was marked."),
    "ap": ("AP", "Objects found one to one, averaged over overlap thresholds 0.5 to 0.95."),
}
REST = ("segmenter", "arms", "steps")


class SegmentWidget(ColumnDock):
    """Compare segmenters trained on different sets.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "segment", PURPOSE, {"Load pairs": lambda: open_dock(self.viewer, "Pairs")})
        self.runner = self.workspace.runner("segment")
        self.folder: Path | None = None
        self.results: dict[str, Any] = {}
        self._running: SegmentSettings | None = None
        self._counts: dict[str, int] = {}
        self._build()
        self.runner.started.connect(self._started)
        self.runner.event.connect(self._heed)
        self.runner.failed.connect(self._failed)
        self.runner.finished.connect(self._finished)
        self.runner.stateChanged.connect(self._judge)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.pairsChanged.connect(self._count)
        self.workspace.samplesChanged.connect(self._count)
        self._open(self.workspace.project)
        if self.runner.running:
            self._started()

    # --- build ---

    def _build(self) -> None:
        self.segmenter = combo_box()
        for name in SEGMENTERS.names():
            config: Any = SEGMENTERS.config(name)
            self.segmenter.addItem(config.title, name)
            self.segmenter.setItemData(self.segmenter.count() - 1, config.when, Qt.ItemDataRole.ToolTipRole)
        form = rows()
        add_row(form, "Segmenter", self.segmenter, "The network that learns to mark the objects.")
        self.column.addLayout(form)
        self.when = WrapLabel()
        self.column.addWidget(self.when)

        self.column.addWidget(QLabel("Compare"))
        grid = QGridLayout()
        grid.setSpacing(4)
        self.arms: dict[str, QCheckBox] = {}
        self.arm_notes: dict[str, QLabel] = {}
        self.bars: dict[str, QProgressBar] = {}
        for row, (arm, (text, tip)) in enumerate(ARMS.items()):
            box, note, bar = QCheckBox(text), QLabel(), QProgressBar()
            named(box, text, tip)
            bar.setAccessibleName(f"Progress of {text}")
            bar.setTextVisible(False)
            bar.setMaximumHeight(8)
            bar.hide()
            for column, widget in enumerate((box, note, bar)):
                grid.addWidget(widget, row, column)
            self.arms[arm], self.arm_notes[arm], self.bars[arm] = box, note, bar
            box.toggled.connect(self._edited)
        grid.setColumnStretch(2, 1)
        self.column.addLayout(grid)

        more = rows()
        self.steps = QSpinBox()
        self.steps.setRange(1, 1_000_000)
        self.steps.setSingleStep(100)
        guard_wheel(self.steps)
        add_row(
            more, "Steps", self.steps, "Optimiser steps of every arm, the same for all so that the comparison is fair."
        )
        self.column.addLayout(more)
        self.estimate = WrapLabel()
        self.column.addWidget(self.estimate)
        self.fold = Fold("More settings")
        self.form = SettingsForm(SegmentSettings, hidden=REST)
        self.member = SettingsForm(SEGMENTERS.config(SEGMENTERS.names()[0]))
        self.fold.addWidget(self.form)
        self.fold.addWidget(self.member)
        self.column.addWidget(self.fold)

        self.progress = ProgressCard(self.runner, "Stop and keep", "step")
        self.column.addWidget(self.progress)
        self.warning = WrapLabel()
        self.warning.hide()
        self.column.addWidget(self.warning)
        self._build_results()
        self.copy_button = QPushButton("Copy as command")
        self.copy_button.setFlat(True)
        named(self.copy_button, "Copy as command", "The same on the command line, also on another computer.")
        self.copy_button.clicked.connect(lambda: self.guard(self._copy))
        self.column.addWidget(self.copy_button)

        self.segmenter.currentIndexChanged.connect(self._change_member)
        self.steps.valueChanged.connect(self._edited)
        for form_ in (self.form, self.member):
            form_.valueChanged.connect(self._edited)
            form_.problemChanged.connect(self._judge)
        self.setValue(SegmentSettings())

    def _build_results(self) -> None:
        self.panel = QWidget()
        grid = QGridLayout(self.panel)
        grid.setContentsMargins(0, 0, 0, 0)
        self.sentence = WrapLabel()
        font = self.sentence.font()
        font.setBold(True)
        self.sentence.setFont(font)
        self.plot = GainPlot()
        self.table = QTableWidget(0, 0)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        named(self.table, "Scores", "Means over the test images.")
        self.image, self.arm = combo_box(), combo_box()
        self.show_button = QPushButton("Show as layers")
        tip = "Image, truth, prediction and errors: magenta was marked but is not there, cyan was missed."
        named(self.show_button, "Show as layers", tip)
        self.show_button.clicked.connect(lambda: self.guard(self.show_layers))
        form = rows()
        add_row(form, "Image", self.image, "The test image to look at.")
        add_row(form, "Trained on", self.arm, "The arm whose prediction is shown.")
        self.legend = WrapLabel(
            f"{swatch(FALSE_POSITIVE)} marked, but not there &nbsp; {swatch(FALSE_NEGATIVE)} there, but missed &nbsp; "
            f"{swatch(WRONG_CLASS)} marked as another class"
        )
        grid.addWidget(self.sentence, 0, 0)
        grid.addWidget(self.plot, 1, 0)
        grid.addWidget(self.table, 2, 0)
        grid.addLayout(form, 3, 0)
        grid.addWidget(self.show_button, 4, 0)
        grid.addWidget(self.legend, 5, 0)
        self.panel.hide()
        self.column.addWidget(self.panel)
        for combo in (self.image, self.arm):
            combo.activated.connect(lambda _: self._layers_open() and self.guard(self.show_layers))

    # --- value ---

    def value(self) -> SegmentSettings:
        """The settings as shown; arms without pairs are left out."""
        arms = [arm for arm, box in self.arms.items() if box.isChecked() and box.isEnabled()]
        values = self.form.value().model_dump() | {
            "segmenter": self.member.value().model_dump(),
            "arms": arms,
            "steps": self.steps.value(),
        }
        return SegmentSettings.parse(values)

    def setValue(self, settings: SegmentSettings) -> None:
        """Show settings."""
        name = settings.segmenter.name  # type: ignore[attr-defined]
        self.segmenter.setCurrentIndex(self.segmenter.findData(name))
        self._change_member()
        self.member.setValue(settings.segmenter)
        self.form.setValue(settings)
        self.steps.setValue(settings.steps)
        for arm, box in self.arms.items():
            box.setChecked(arm in settings.arms)
        self._judge()

    def _change_member(self, *_: object) -> None:
        config: Any = SEGMENTERS.config(self.segmenter.currentData())
        self.when.setText(config.when)
        if self.member.cls is not config:
            member = SettingsForm(config)
            member.valueChanged.connect(self._edited)
            member.problemChanged.connect(self._judge)
            self.fold.removeWidget(self.member)
            self.member.deleteLater()
            self.member = member
            self.fold.addWidget(member)
        self._edited()

    # --- what there is ---

    def _open(self, project: Project | None) -> None:
        self.error.hide()
        self.warning.hide()
        self.restore(SegmentSettings, self.setValue)
        self._count()
        self._take_results(newest_results(project) if project is not None else None)

    def _count(self, *_: object) -> None:
        project, table = self.workspace.project, self.workspace.pairs
        train = len(table.train) if table is not None else 0
        test = len(table.test) if table is not None else 0
        samples = {"new": 0, "accepted": 0, "rejected": 0}
        if project is not None and project.samples_path.exists():
            samples = self.guard(lambda: self.workspace.store.counts()) or samples  # type: ignore[union-attr]
        made = sum(samples[verdict] for verdict in ("new", "accepted", "rejected"))
        self._counts = {"train": train, "test": test, "synthetic": made, "curated": samples["accepted"]}
        notes = {
            "real": f"{train} pairs",
            "classical": f"{train} pairs, augmented",
            "synthetic": f"+ {made:,} synthetic" if made else "none made yet",
            "curated": f"+ {samples['accepted']:,} accepted" if samples["accepted"] else "none accepted yet",
        }
        for arm, note in notes.items():
            self.arm_notes[arm].setText(note)
            self.arms[arm].setEnabled(self._counts.get(arm, 1) > 0)
        if project is None:
            self.show_body(PURPOSE + " Open a project first.")
        elif train + test == 0:
            self.show_body(PURPOSE + " This project has no pairs yet.")
        else:
            self.show_body()
        self._judge()

    # --- edits ---

    def _edited(self, *_: object) -> None:
        self.copy_button.setText("Copy as command")
        self._judge()
        if self.workspace.project is not None and self.reason.isHidden():
            chosen = [arm for arm, box in self.arms.items() if box.isChecked()]
            self.remember(self.value(), arms=chosen)

    def _judge(self, *_: object) -> None:
        chosen = [arm for arm, box in self.arms.items() if box.isChecked() and box.isEnabled()]
        self.button.setText("Measure the gain" if set(chosen) & {"synthetic", "curated"} else "Train and test")
        self.button.setAccessibleDescription("Trains every arm in a process of its own; the window stays free.")
        problem = self.form.problem or self.member.problem
        if self.runner.running:
            self.allow("A comparison runs; stop it to change something.")
        elif not self._counts.get("train"):
            self.allow("There are no training pairs. Load and check pairs in Pairs.")
        elif not self._counts.get("test"):
            self.allow("No pair is put aside for the test. Mark some as test in Pairs, then train the generator again.")
        elif not chosen:
            self.allow("Check at least one set to train on.")
        else:
            self.allow(problem)
        self.estimate.setText(self._words_for_time(len(chosen)))
        self.estimate.setVisible(not self.runner.running)

    def _words_for_time(self, arms: int) -> str:
        """What the comparison will take, from the speed of the last one."""
        speeds = [arm["seconds"] / max(arm["steps"], 1) for arm in self.results.get("arms", {}).values()]
        test = f"Tested on {self._counts.get('test', 0)} images."
        if not speeds or not arms:
            return f"{test} The time is known after the first steps."
        seconds = float(np.mean(speeds)) * self.steps.value() * arms
        return f"{test} {words_for_seconds(seconds).capitalize()} here, as fast as last time."

    # --- run ---

    def run(self) -> None:
        """Start the comparison."""
        if self.workspace.project is not None and not self.runner.running:
            self.error.dismiss()
            self.runner.start("segment", self.workspace.project, self.value())

    def _started(self) -> None:
        folder = self.runner.folder
        self.warning.hide()
        self._running = None
        if folder is not None:
            try:
                self._running = SegmentSettings.from_file(folder.path / "settings.yaml")
            except UserError:
                self._running = None  # started by the command line with a recipe of its own
            self._take_results(folder.path)
        for arm, bar in self.bars.items():
            bar.setRange(0, 100)
            bar.setValue(0)
            bar.setVisible(self._running is not None and arm in self._running.arms)
            self.arm_notes[arm].setVisible(bar.isHidden())

    def _heed(self, event: Event) -> None:
        if isinstance(event, Progress) and self._running is not None:
            self._show_arms(event.step / max(self._running.steps, 1))
        elif isinstance(event, Started):
            self._show_arms(0.0)
        elif isinstance(event, Warned):
            said = self.warning.text().splitlines() if not self.warning.isHidden() else []
            self.warning.setText("\n".join([*said, f"! {event.text}"]))
            self.warning.show()
        elif isinstance(event, Added | Finished) and self.runner.folder is not None:
            self._take_results(self.runner.folder.path)

    def _show_arms(self, done: float) -> None:
        """Arms are trained one after the other; ``done`` counts them."""
        if self._running is not None:
            for number, arm in enumerate(self._running.arms):
                self.bars[arm].setValue(round(100 * min(max(done - number, 0.0), 1.0)))

    def _finished(self, reason: str) -> None:
        self._hide_bars()
        if reason == "completed":
            self.workspace.notify(self.results.get("sentence") or "The comparison is done.")
        self._judge()

    def _failed(self, failed: Failed) -> None:
        self._hide_bars()
        self.show_error(failed)

    def _hide_bars(self) -> None:
        for arm, bar in self.bars.items():
            bar.hide()
            self.arm_notes[arm].show()

    # --- results ---

    def _take_results(self, folder: Path | None) -> None:
        """Show the ``results.json`` of a comparison; nothing where there is none."""
        self.folder, self.results = folder, {}
        if folder is not None:
            try:
                self.results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                self.results = {}
        arms: dict[str, Any] = self.results.get("arms", {})
        self.panel.setVisible(bool(arms))
        self._judge()
        if not arms:
            return
        self.sentence.setText(self.results.get("sentence", ""))
        self.sentence.setVisible(bool(self.results.get("sentence")))
        self.plot.show_arms({arm: [one["dice"] for one in score["per_image"].values()] for arm, score in arms.items()})
        self._fill_table(arms)
        for combo, items in ((self.image, self.results.get("test", [])), (self.arm, list(arms))):
            chosen = combo.currentText()
            with QSignalBlocker(combo):
                combo.clear()
                combo.addItems(items)
                combo.setCurrentIndex(max(combo.findText(chosen), 0))
        warnings = self.results.get("warnings", [])
        self.warning.setText("\n".join(f"! {text}" for text in warnings))
        self.warning.setVisible(bool(warnings))

    def _fill_table(self, arms: dict[str, Any]) -> None:
        scores = [key for key in SCORES if any(key in one for one in arms.values())]
        shown = {key: [f"{one[key]:.3f}" if key in one else "" for one in arms.values()] for key in scores}
        self.table.setColumnCount(len(scores))
        self.table.setRowCount(len(arms))
        self.table.setHorizontalHeaderLabels([SCORES[key][0] for key in scores])
        self.table.setVerticalHeaderLabels(list(arms))
        header: Any = self.table.horizontalHeader()
        for column, key in enumerate(scores):
            title: Any = self.table.horizontalHeaderItem(column)
            title.setToolTip(SCORES[key][1])
            for row, text in enumerate(shown[key]):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                if text == max(shown[key]) and len(set(shown[key])) > 1:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                    item.setToolTip("The best of the arms.")
                self.table.setItem(row, column, item)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(30)
        height = header.sizeHint().height() + 4
        height += sum(self.table.rowHeight(row) for row in range(len(arms)))
        self.table.setFixedHeight(height)

    # --- layers ---

    def show_layers(self) -> None:
        """Open the chosen test image with its truth, prediction and errors; files are read in the background."""
        from napari.qt.threading import create_worker

        table = self.workspace.pairs
        if self.folder is None or table is None or not self.image.currentText():
            return
        arm, image = self.arm.currentText(), self.image.currentText()
        worker: Any = create_worker(
            read_prediction, self.folder, arm, image, table, _start_thread=False, _ignore_errors=True
        )
        worker.returned.connect(lambda found: show_prediction(self.viewer, found))
        worker.errored.connect(self.show_error)
        worker.start()

    def _layers_open(self) -> bool:
        return "errors" in self.viewer.layers

    def _copy(self) -> None:
        if self.workspace.project is not None:
            self.copy_text(command_text("segment", self.workspace.project, self.value()), self.copy_button)


def swatch(colour: tuple[int, int, int]) -> str:
    """A square in a colour of the overlay, for a legend."""
    return f'<span style="color: rgb{colour}">■</span>'
