"""What a comparison found: sentence, figures, table, and its predictions as layers; also while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QHeaderView,
    QPushButton,
    QTabBar,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.gain.figures import colour_of
from napari_organoid_synth.core.gain.table import ARMS as ARM_WORDS
from napari_organoid_synth.core.gain.table import SCORES as SCORE_WORDS
from napari_organoid_synth.core.gain.table import gain_verdict
from napari_organoid_synth.core.job import Progress
from napari_organoid_synth.core.pairs.pictures import FALSE_NEGATIVE, FALSE_POSITIVE, WRONG_CLASS
from napari_organoid_synth.core.segmentation.threshold_curves import FoldScores
from napari_organoid_synth.widgets.forms.containers import Fold, rows
from napari_organoid_synth.widgets.segment.arms import arm_name
from napari_organoid_synth.widgets.segment.gain_plot import ChangePlot, GainBars, GainPlot
from napari_organoid_synth.widgets.segment.interval_plot import IntervalPlot
from napari_organoid_synth.widgets.segment.predictions import read_prediction, show_prediction
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

SCORES = {
    "dice": ("Dice", "Overlap of prediction and truth, 0 to 1: 2 TP / (2 TP + FP + FN)."),
    "precision": ("Precision", "Share of what was marked that is right."),
    "recall": ("Recall", "Share of what is there that was marked."),
    "ap": ("AP", "Objects found one to one, averaged over overlap thresholds."),
}
CHANGE = (
    "Difference to real pairs alone, same images; in brackets its 95 % interval (below four images: single values)."
)


def swatch(colour: tuple[int, int, int]) -> str:
    """A square in a colour of the overlay, for a legend."""
    return f'<span style="color: rgb{colour}">■</span>'


def where(row: Mapping[str, Any], several: Mapping[str, bool]) -> list[str]:
    """The share of the images and the ratio of a row, each where there are several."""
    return [f"{100 * row['subset']:.4g} %"] * several["subset"] + [f"1 : {row['ratio']:g}"] * several["ratio"]


def how_tested(results: Mapping[str, Any]) -> list[str]:
    """Folds, images and steps of a comparison in folds."""
    design, table = results.get("design", {}), results.get("table")
    if not table or "groups" not in design:
        return []
    folds, repeats = len(design["folds"]), design["repeats"]
    words = f"Tested in {folds} fold{'s' * (folds > 1)}, {repeats} time{'s' * (repeats > 1)}: {design['groups']}."
    return ["", f"{words} {table[0]['steps']:,} optimiser steps for each training."]


class WholeTable(QTableWidget):
    """A table to read that shows all of its rows and all of their text, whatever its width."""

    def __init__(self) -> None:
        super().__init__(0, 0)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(True)

    def fit(self) -> None:
        """Make every row as high as its text, and the table as high as its rows."""
        header: Any = self.horizontalHeader()
        self.resizeRowsToContents()
        height = header.sizeHint().height() + 4
        self.setFixedHeight(height + sum(self.rowHeight(row) for row in range(self.rowCount())))

    def resizeEvent(self, e: Any) -> None:
        """Narrower columns wrap more."""
        super().resizeEvent(e)
        if e.size().width() != e.oldSize().width():
            self.fit()


class ComparisonPanel(QWidget):
    """The results of ``segment`` or ``gain``.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where predictions open as layers.
    pairs : callable
        Gives the table of real pairs.
    show_error : callable
        Told what goes wrong.
    """

    def __init__(self, viewer: Any, pairs: Callable[[], Any], show_error: Callable[[Any], None]) -> None:
        super().__init__()
        self.viewer, self._pairs, self._show_error = viewer, pairs, show_error
        self.folder: Path | None = None
        self.results: dict[str, Any] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.state = WrapLabel()
        self.sentence = WrapLabel()
        font = self.sentence.font()
        font.setBold(True)
        self.sentence.setFont(font)
        self.changes, self.plot, self.bars, self.intervals = ChangePlot(), GainPlot(), GainBars(), IntervalPlot("Dice")
        self.figures: tuple[QWidget, ...] = (self.changes, self.plot, self.bars, self.intervals)
        self.tabs = QTabBar()
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        named(self.tabs, "Figures", "The same scores in several pictures.")
        for title, tip in (
            ("Change", "What each arm changed against the real pairs alone."),
            ("Images", "Dice of every test image."),
            ("Shares", "Scores for each share of the training images."),
            ("Reach", "How many images reach each Dice: real pairs alone, and what is chosen below in 'Trained on'."),
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(title), tip)
        self.tabs.currentChanged.connect(self._turn)
        self._turn(0)
        self.table = WholeTable()
        named(self.table, "Scores", "Means over the test images.")
        self.words = WrapLabel()
        self.in_words = Fold("In words, and how it was tested")
        self.in_words.addWidget(self.words)
        self.image, self.arm = combo_box(), combo_box()
        self.show_button = QPushButton("Show errors")
        tip = (
            "Opens image, truth, prediction and errors as layers, those of the real pairs alone to the left: magenta "
            "was marked but is not there, cyan was missed."
        )
        named(self.show_button, "Show errors", tip)
        self.show_button.clicked.connect(self.show_layers)
        form = rows()
        add_row(form, "Image", self.image, "The test image to look at.")
        add_row(form, "Trained on", self.arm, "The arm whose prediction is shown.")
        legend = WrapLabel(
            f"{swatch(FALSE_POSITIVE)} marked, but not there &nbsp; {swatch(FALSE_NEGATIVE)} there, but missed &nbsp; "
            f"{swatch(WRONG_CLASS)} marked as another class"
        )
        self.sides = WrapLabel()
        for widget in (self.state, self.sentence, self.tabs, *self.figures, self.table, self.in_words):
            column.addWidget(widget)
        column.addLayout(form)
        for widget in (self.show_button, self.sides, legend):
            column.addWidget(widget)
        for combo in (self.image, self.arm):
            combo.activated.connect(lambda _: self._show_again())
        self.hide()

    def _show_again(self) -> None:
        """Follow the choice in the figure, and where its layers are open."""
        self._show_reach()
        self._say_sides()
        if self.layers_open():
            self.show_layers()

    def _turn(self, chosen: int) -> None:
        """Show one figure."""
        for number, figure in enumerate(self.figures):
            figure.setVisible(number == chosen)

    # --- show ---

    def show_results(self, folder: Path | None, results: Mapping[str, Any]) -> None:
        """Show the results of a folder, whole or so far; nothing where there are none."""
        self.folder, self.results = folder, dict(results)
        arms: dict[str, Any] = self.results.get("arms", {})
        self.setVisible(bool(arms))
        if not arms:
            return
        gain = bool(self.results.get("table"))
        self.sentence.setText(gain_verdict(self.results))
        self.sentence.setVisible(bool(self.sentence.text()))
        self._say_state()
        self.in_words.setVisible(gain)
        self.words.setText("\n".join([*self.results.get("sentences", ()), *how_tested(self.results)]))
        self.plot.show_arms({arm: [one["dice"] for one in score["per_image"].values()] for arm, score in arms.items()})
        if gain:
            self._fill_gain(self.results["table"], self.results["score"])
        else:
            self._fill_scores(arms)
        self._choose(arms)
        changed = gain and self._show_changes(self.results["table"], self.results["score"])
        several = gain and len({row["subset"] for row in self.results["table"]}) > 1
        if several:
            name = SCORES[self.results["score"]][0]
            self.bars.show_rows(self.results["table"], self.results["score"], name)
        self._show_reach()
        for number, there in enumerate((changed, True, several, gain)):
            self.tabs.setTabVisible(number, there)
        self.tabs.setVisible(gain)
        if not self.tabs.isTabVisible(self.tabs.currentIndex()):
            self.tabs.setCurrentIndex(0 if changed else 1)
        self._turn(self.tabs.currentIndex())
        self._say_sides()

    def _choose(self, arms: Mapping[str, Any]) -> None:
        """Offer test images and arms; at first the arm with synthetic pairs, and the image that it changed most."""
        before = self.arm.currentData(), self.image.currentText()
        names = list(arms)
        arm = "synthetic" if "synthetic" in arms else names[min(1, len(names) - 1)]
        base, other = (arms[one]["per_image"] for one in (names[0], arm))
        both = [name for name in self.results.get("test", []) if name in base and name in other]
        image = max(both, key=lambda name: abs(other[name]["dice"] - base[name]["dice"]), default="")
        with QSignalBlocker(self.image), QSignalBlocker(self.arm):
            self.arm.clear()
            for one in names:
                self.arm.addItem(arm_name(one), one)
            self.image.clear()
            self.image.addItems(self.results.get("test", []))
            self.arm.setCurrentIndex(self.arm.findData(before[0] if before[0] in arms else arm))
            self.image.setCurrentIndex(max(self.image.findText(before[1] or image), 0))

    def _show_changes(self, table: Sequence[Mapping[str, Any]], score: str) -> bool:
        """Draw what each row changed; whether there is anything."""
        several = {key: len({row[key] for row in table}) > 1 for key in ("subset", "ratio")}
        rows = [
            (row["arm"], ", ".join([arm_name(row["arm"]), *where(row, several)]), row["gain"][score])
            for row in table
            if row.get("gain", {}).get(score)
        ]
        self.changes.show_rows(rows, SCORES[score][0] if score in SCORES else score)
        return bool(rows)

    def _show_reach(self) -> None:
        """Draw the share of images over thresholds for the first arm and the chosen one."""
        if self.results.get("table"):
            curves = fold_scores(self.results)
            shown = list(dict.fromkeys([next(iter(curves)), self.arm.currentData()]))
            self.intervals.show_curves({arm_name(arm): curves[arm] for arm in shown}, [colour_of(arm) for arm in shown])

    def _say_sides(self) -> None:
        """What stands left and right when layers are shown, with its Dice."""
        arms, image = self.results.get("arms", {}), self.image.currentText()
        sides = list(dict.fromkeys([next(iter(arms), ""), self.arm.currentData()]))
        scores = {arm: arms[arm]["per_image"].get(image) for arm in sides if arm in arms}
        said = [f"{arm_name(arm)} (Dice {one['dice']:.3f})" for arm, one in scores.items() if one]
        self.sides.setText(f"Left {said[0]}, right {said[1]}" if len(said) > 1 else "".join(said))

    def _say_state(self) -> None:
        """How much of a comparison in folds the table holds."""
        tasks = self.results.get("tasks", {})
        unfinished = tasks.get("done", 0) + tasks.get("failed", 0) < tasks.get("total", 0)
        words = f"So far, after {tasks.get('done')} of {tasks.get('total')} trainings:" if unfinished else ""
        if failed := tasks.get("failed"):
            words = (
                f"{words} {failed} of {tasks.get('total')} trainings failed: see above why. Go on tries again.".strip()
            )
        self.state.setText(words)
        self.state.setVisible(bool(words))

    def _fill_scores(self, arms: Mapping[str, Any]) -> None:
        """Means of each arm, the best of each score in bold."""
        scores = [key for key in SCORES if any(key in one for one in arms.values())]
        columns = [[f"{one[key]:.3f}" if key in one else "" for one in arms.values()] for key in scores]
        best = [[text == max(column) and len(set(column)) > 1 for text in column] for column in columns]
        self._fill([arm_name(arm) for arm in arms], [SCORES[key] for key in scores], columns, best)

    def _fill_gain(self, table: Sequence[Mapping[str, Any]], score: str) -> None:
        """Mean and deviation of each row, its change with the interval, and on how many images it was better."""
        names, means, changes, better, bold = [], [], [], [], []
        several = {key: len({row[key] for row in table}) > 1 for key in ("subset", "ratio")}
        for row in table:
            names.append("\n".join([arm_name(row["arm"]).replace(" ", "\n"), *where(row, several)]))
            found, gain = row["scores"][score], row.get("gain", {}).get(score)
            means.append(f"{found['mean']:.3f}\n± {found['sd']:.3f}")
            changes.append(f"{gain['mean']:+.3f}\n[{gain['low']:.3f}, {gain['high']:.3f}]" if gain else "")
            better.append(f"{gain['better']} of\n{gain['images']}" if gain else "")
            bold.append(bool(gain) and gain["interval"] == "bootstrap" and not gain["low"] <= 0 <= gain["high"])
        short = SCORES[score][0] if score in SCORES else score
        heads = [
            (short, f"{SCORE_WORDS.get(score, score)}: mean ± standard deviation over images."),
            ("Change", CHANGE + " Bold where zero is outside."),
            ("Better", "Images on which it was better than with the real pairs alone."),
        ]
        no = [False] * len(names)
        self._fill(names, heads, [means, changes, better], [no, bold, no])
        for number, row in enumerate(table):
            head: Any = self.table.verticalHeaderItem(number)
            head.setToolTip(ARM_WORDS.get(row["arm"], row["arm"]) + (f", {c}" if (c := row.get("curation")) else ""))
        for column in (0, 2):
            self.table.horizontalHeader().setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.fit()

    def _fill(
        self,
        names: Sequence[str],
        heads: Sequence[tuple[str, str]],
        columns: Sequence[Sequence[str]],
        bold: Sequence[Sequence[bool]],
    ) -> None:
        self.table.setColumnCount(len(heads))
        self.table.setRowCount(len(names))
        self.table.setHorizontalHeaderLabels([head for head, _ in heads])
        self.table.setVerticalHeaderLabels(list(names))
        header: Any = self.table.horizontalHeader()
        for column, texts in enumerate(columns):
            title: Any = self.table.horizontalHeaderItem(column)
            title.setToolTip(heads[column][1])
            for row, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                font = item.font()
                font.setBold(bold[column][row])
                item.setFont(font)
                self.table.setItem(row, column, item)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(30)
        self.table.fit()

    # --- layers ---

    def show_layers(self) -> None:
        """Open the chosen test image with its truth, prediction and errors; files are read in the background."""
        from napari.qt.threading import create_worker

        table = self._pairs()
        if self.folder is None or table is None or not self.image.currentText():
            return
        what = (self.folder, self.arm.currentData(), self.image.currentText(), table, next(iter(self.results["arms"])))
        worker: Any = create_worker(read_prediction, *what, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(lambda found: show_prediction(self.viewer, found))
        worker.errored.connect(self._show_error)
        worker.start()

    def layers_open(self) -> bool:
        """Whether a prediction is shown."""
        return "errors" in self.viewer.layers


def fold_scores(results: Mapping[str, Any]) -> dict[str, FoldScores]:
    """Dice of the test images of each fold, for each arm."""
    folds = [set(fold["test"]) for fold in results["design"]["folds"]]
    found = {}
    for arm, scores in results["arms"].items():
        values = [[one["dice"] for name, one in scores["per_image"].items() if name in fold] for fold in folds]
        found[arm] = FoldScores.of([fold for fold in values if fold])
    return found


def share_done(event: Progress, arms: int, steps: int) -> list[float]:
    """How much of each of several arms that are trained one after the other is done."""
    done = event.step / max(steps, 1)
    return [min(max(done - number, 0.0), 1.0) for number in range(arms)]
