"""The result of a comparison: sentence, figures, table, and its predictions as layers; also while it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QPushButton, QTabBar, QVBoxLayout, QWidget

from napari_organoid_synth.core.gain.curve_figure import curve_lines
from napari_organoid_synth.core.gain.figures import colour_of
from napari_organoid_synth.core.gain.headlines import plain_verdict
from napari_organoid_synth.core.gain.results import GainResult, rival_of, varied
from napari_organoid_synth.core.gain.sentences import OPTIMISTIC, gain_verdict
from napari_organoid_synth.core.pairs.pictures import FALSE_NEGATIVE, FALSE_POSITIVE, WRONG_CLASS
from napari_organoid_synth.core.segmentation.arms import RAW, needs_generator
from napari_organoid_synth.core.segmentation.threshold_curves import FoldScores
from napari_organoid_synth.widgets.forms.containers import Fold, rows
from napari_organoid_synth.widgets.segment.arms import arm_name
from napari_organoid_synth.widgets.segment.curve_plot import TrainingCurvePlot
from napari_organoid_synth.widgets.segment.gain_plot import ChangePlot, GainBars, GainPlot
from napari_organoid_synth.widgets.segment.interval_plot import IntervalPlot
from napari_organoid_synth.widgets.segment.predictions import read_prediction, show_prediction
from napari_organoid_synth.widgets.segment.result_table import SHORT_NAMES, ResultTable, where
from napari_organoid_synth.widgets.shared.background import start_worker
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

TABS = (
    ("Change", "What each arm changed: with a generator against the best without one, else against real pairs alone."),
    ("Images", "Dice of every test image."),
    ("Shares", "Scores for each share of the training images."),
    ("Curves", "How the trainings went: held-back score against steps."),
    ("How many", "How many test images are at least so good: real pairs alone, and what is chosen below."),
)
SENTENCE_END = re.compile(r"(?<=[.!]) (?=[A-Z])|\n")
MIN_IMAGES = 4
"""Test images below which shares of them say nothing that the images themselves do not say better."""
SHOW_TIP = (
    "Opens image, truth, prediction and errors as layers, those of the real pairs alone to the left: magenta was "
    "marked but is not there, cyan was missed."
)


def swatch(colour: tuple[int, int, int]) -> str:
    """Return a square in a colour of the overlay, for a legend."""
    return f'<span style="color: rgb{colour}">■</span>'


def how_tested(result: GainResult) -> list[str]:
    """Return folds, images and steps of a comparison in words."""
    design = result.design
    folds, repeats = len(design.folds), design.repeats
    text = f"Tested in {folds} fold{'s' * (folds > 1)}, {repeats} time{'s' * (repeats > 1)}"
    text += f": {design.groups}." if design.groups else "."
    few, many = min(row.steps for row in result.table), max(row.steps for row in result.table)
    steps = f"{few:,}" if few == many else f"{few:,} to {many:,}"
    return ["", f"{text} {steps} optimiser steps in a training, mean of an arm."]


class ComparisonPanel(QWidget):
    """The result of a comparison.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where predictions open as layers.
    pairs : callable
        Gives the table of real pairs.
    show_error : callable
        Called with every error.
    """

    def __init__(self, viewer: Any, pairs: Callable[[], Any], show_error: Callable[[Any], None]) -> None:
        super().__init__()
        self.viewer, self._pairs, self._show_error = viewer, pairs, show_error
        self.result: GainResult | None = None
        self.state, self.words, self.sides = WrapLabel(), WrapLabel(), WrapLabel()
        self.verdict, self.sentence = WrapLabel(), WrapLabel()
        font = self.verdict.font()
        font.setBold(True)
        self.verdict.setFont(font)
        self.changes, self.plot, self.bars = ChangePlot(), GainPlot(), GainBars()
        self.intervals = IntervalPlot("Dice", "overlap with the truth (Dice)")
        self.curves = TrainingCurvePlot()
        self.figures: tuple[QWidget, ...] = (self.changes, self.plot, self.bars, self.curves, self.intervals)
        self.tabs = self._build_tabs()
        self.table = ResultTable()
        self.numbers = Fold("Numbers, and how it was tested")
        self.numbers.addWidget(self.table)
        self.numbers.addWidget(self.words)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.state, self.verdict, self.sentence, self.tabs, *self.figures, self.numbers):
            column.addWidget(widget)
        self._build_choice(column)
        self.hide()

    def _build_tabs(self) -> QTabBar:
        tabs = QTabBar()
        tabs.setExpanding(False)
        tabs.setDrawBase(False)
        named(tabs, "Figures", "The same scores in several pictures.")
        for title, tip in TABS:
            tabs.setTabToolTip(tabs.addTab(title), tip)
        tabs.currentChanged.connect(self._turn)
        self._turn(0)
        return tabs

    def _build_choice(self, column: QVBoxLayout) -> None:
        """Build the choice of the prediction to show as layers."""
        self.image, self.arm = combo_box(), combo_box()
        self.show_button = QPushButton("Show errors")
        named(self.show_button, "Show errors", SHOW_TIP)
        self.show_button.clicked.connect(self.show_layers)
        form = rows()
        add_row(form, "Image", self.image, "The test image to look at.")
        add_row(form, "Trained on", self.arm, "The arm whose prediction is shown.")
        legend = WrapLabel(
            f"{swatch(FALSE_POSITIVE)} marked, but not there &nbsp; {swatch(FALSE_NEGATIVE)} there, but missed &nbsp; "
            f"{swatch(WRONG_CLASS)} marked as another class"
        )
        legend.setTextFormat(Qt.TextFormat.RichText)
        column.addLayout(form)
        for widget in (self.show_button, self.sides, legend):
            column.addWidget(widget)
        for combo in (self.image, self.arm):
            combo.activated.connect(lambda _: self._show_again())

    def _show_again(self) -> None:
        """Follow the choice in the figure, and where its layers are open."""
        self._show_reach()
        self._show_sides()
        if self.layers_open():
            self.show_layers()

    def _turn(self, chosen: int) -> None:
        """Show one figure."""
        for number, figure in enumerate(self.figures):
            figure.setVisible(number == chosen)

    # --- show ---

    def show_result(self, result: GainResult | None) -> None:
        """Show a result, whole or so far; hide where there is none or no arm was tested."""
        self.result = result if result is not None and result.arms else None
        self.setVisible(self.result is not None)
        if self.result is None:
            return
        result = self.result
        first, *rest = SENTENCE_END.split(gain_verdict(result))
        while rest and (first == OPTIMISTIC or rest[0].startswith("Set steps")):  # never folded
            first = f"{first} {rest.pop(0)}"
        plain_words = plain_verdict(result)
        self.verdict.setText(plain_words or first)
        self.sentence.setText(first if plain_words else "")
        for label in (self.verdict, self.sentence):
            label.setVisible(bool(label.text()))
        self._show_state(result)
        sentences = [*rest, *(text for text in result.sentences if text not in (first, *rest))]
        self.words.setText("\n".join([*sentences, *how_tested(result)]))
        self.table.show_result(result)
        self._offer_predictions(result)
        self._show_figures(result)
        self._show_sides()

    def _show_figures(self, result: GainResult) -> None:
        """Draw every figure that has something to show, and offer its tab."""
        score, name = result.score, SHORT_NAMES[result.score]
        names = varied(result.table)
        is_there = self._show_changes(result, name)
        lines = curve_lines(result.curves)
        self.curves.show_lines(lines)
        self.plot.show_arms(
            {arm: [scores["dice"] for scores in one.per_image.values()] for arm, one in result.arms.items()}
        )
        if "subset" in names:
            self.bars.show_rows(result.table, score, name)
        self._show_reach()
        enough = len(result.test) >= MIN_IMAGES and bool(self.intervals.curves)
        for number, is_shown in enumerate((is_there, True, "subset" in names, bool(lines), enough)):
            self.tabs.setTabVisible(number, is_shown)
        if not self.tabs.isTabVisible(self.tabs.currentIndex()):
            self.tabs.setCurrentIndex(0 if is_there else 1)
        self._turn(self.tabs.currentIndex())

    def _show_changes(self, result: GainResult, name: str) -> bool:
        """Draw the changes: of arms with a generator against the best without one; without such against real pairs."""
        score, names = result.score, varied(result.table)
        over_best = [row for row in result.table if score in row.over_best]
        shown = over_best or [row for row in result.table if score in row.gain]
        rivals = {row.subset: rival_of(result.table, score, row.subset) for row in over_best}
        known = {rival.arm for rival in rivals.values() if rival is not None}
        rising = [bool(row.rising or ((rival := rivals.get(row.subset)) and rival.rising)) for row in shown]
        changes = [
            (
                row.arm,
                ", ".join([arm_name(row.arm), *where(row, names)]),
                row.over_best[score] if over_best else row.gain[score],
            )
            for row in shown
        ]
        self.changes.show_rows(changes, name, " or ".join(map(arm_name, sorted(known))), rising)
        return bool(changes)

    def _offer_predictions(self, result: GainResult) -> None:
        """Offer test images and arms; at first the arm with synthetic pairs, and the image that it changed most."""
        arms, before = result.arms, (self.arm.currentData(), self.image.currentText())
        names = list(arms)
        arm = next(filter(needs_generator, names), names[min(1, len(names) - 1)])
        base, other = (arms[one].per_image for one in (names[0], arm))
        common = [name for name in result.test if name in base and name in other]
        image = max(common, key=lambda name: abs(other[name]["dice"] - base[name]["dice"]), default="")
        with QSignalBlocker(self.image), QSignalBlocker(self.arm):
            self.arm.clear()
            for one in names:
                self.arm.addItem(arm_name(one), one)
            self.image.clear()
            self.image.addItems(list(result.test))
            self.arm.setCurrentIndex(self.arm.findData(before[0] if before[0] in arms else arm))
            self.image.setCurrentIndex(max(self.image.findText(before[1] or image), 0))

    def _show_reach(self) -> None:
        """Draw the share of images over thresholds for the first arm and the chosen one."""
        if self.result is not None:
            curves = fold_scores(self.result)
            shown = list(dict.fromkeys([next(iter(curves)), self.arm.currentData()]))
            self.intervals.show_curves({arm_name(arm): curves[arm] for arm in shown}, [colour_of(arm) for arm in shown])

    def _show_sides(self) -> None:
        """Name the arms on the left and right of the open layers, with their Dice."""
        arms, image = self.result.arms if self.result else {}, self.image.currentText()
        sides = list(dict.fromkeys([next(iter(arms), ""), self.arm.currentData()]))
        scores = {arm: arms[arm].per_image.get(image) for arm in sides if arm in arms}
        texts = [f"{arm_name(arm)} (Dice {one['dice']:.3f})" for arm, one in scores.items() if one]
        self.sides.setText(f"Left {texts[0]}, right {texts[1]}" if len(texts) > 1 else "".join(texts))

    def _show_state(self, result: GainResult) -> None:
        """Show how much of the comparison is finished."""
        tasks = result.tasks
        text = f"So far, after {tasks.done} of {tasks.total} trainings:" if tasks.unfinished else ""
        if tasks.failed:
            failed = f"{tasks.failed} of {tasks.total} trainings failed: see above why. Resume tries again."
            text = f"{text} {failed}".strip()
        self.state.setText(text)
        self.state.setVisible(bool(text))

    # --- layers ---

    def show_layers(self) -> None:
        """Open the chosen test image with its truth, prediction and errors; files are read in the background."""
        from napari.qt.threading import create_worker

        table, image, result = self._pairs(), self.image.currentText(), self.result
        if result is None or not result.folder or table is None or not image:
            return
        beside = next(iter(result.arms), RAW)
        what = (Path(result.folder), self.arm.currentData(), image, table, beside)
        worker: Any = create_worker(read_prediction, *what, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(lambda prediction: show_prediction(self.viewer, prediction))
        worker.errored.connect(self._show_error)
        start_worker(worker)

    def layers_open(self) -> bool:
        """Return whether a prediction is open as layers."""
        return "errors" in self.viewer.layers


def fold_scores(result: GainResult) -> dict[str, FoldScores]:
    """Return the Dice of the test images of each fold, for each arm."""
    curves = {}
    for name, arm in result.arms.items():
        values = [
            [arm.per_image[one]["dice"] for one in fold.test if one in arm.per_image] for fold in result.design.folds
        ]
        curves[name] = FoldScores.of([fold for fold in values if fold])
    return curves
