"""The table of a comparison: scores, changes with their interval, and on how many images an arm was better."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontMetrics
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from napari_organoid_synth.core.gain.headlines import share_in_words
from napari_organoid_synth.core.gain.results import GainResult, PairedChange, TableRow, varied
from napari_organoid_synth.core.segmentation.arms import RAW, SCORES, has_ratio, title_of
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.segment.arms import arm_name
from napari_organoid_synth.widgets.shared.controls import named

SHORT_NAMES = {"dice": "Dice", "precision": "Precision", "recall": "Recall", "f": "F", "ap": "AP", "ap95": "AP 95"}
CHANGE = (
    "Difference to real pairs alone, same images; in brackets its 95 % interval (below four images: single values). "
    "Bold where zero is outside."
)
BETTER = "Images on which it was better than with the real pairs alone."
OVER_BEST = (
    "The same difference to the best arm without a generator: what the generator is worth. Bold where zero is outside."
)
ASIDE = "Score on the images that the project puts aside, on which nothing was trained."
FALSE = "False objects per test image without objects, mean."
MARGIN = 10
"""Room beside the text of a cell, px."""


def where(row: TableRow, names: Collection[str]) -> list[str]:
    """Return generator, share of the images and ratio of a row, those of them that ``names`` holds."""
    parts = [row.generator] * ("generator" in names and bool(row.generator))
    parts += [f"{100 * row.subset:.4g} %"] * ("subset" in names)
    if "ratio" in names and has_ratio(row.arm):
        parts.append("share chosen" if row.ratio is None else f"{row.ratio:g} : 1")
    return parts


def row_tip(row: TableRow) -> list[str]:
    """Return what a row adds to its name in words: shares chosen, steps, trainings that were still rising."""
    parts = [f"shares chosen in the folds: {', '.join(share_in_words(one) for one in row.chosen)}"] * bool(row.chosen)
    parts += [f"{row.steps:,} steps"] * bool(row.steps)
    return parts + [f"{row.rising} of {row.trainings} trainings were still rising"] * bool(row.rising)


def interval_text(change: PairedChange | None) -> str:
    """Return a change and its interval on two lines; empty for none."""
    return f"{change.mean:+.3f}\n[{change.low:.3f}, {change.high:.3f}]" if change else ""


class ResultTable(QTableWidget):
    """A table to read that shows all of its rows and no text cut; where it is narrow the last columns are left out.

    What is left out is in the tips of the rows.
    """

    def __init__(self) -> None:
        super().__init__(0, 3)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(True)
        named(self, "Scores", "Means over the test images.")

    def show_result(self, result: GainResult) -> None:
        """Fill it: mean and deviation of each row, its change with the interval, and where it was better."""
        rows, score, names = result.table, result.score, varied(result.table)
        heads = {SHORT_NAMES[score]: f"{SCORES[score]}: mean ± standard deviation over images."}
        if self._is_over_best(result):
            heads["Over best"] = OVER_BEST
        heads |= {"Change": CHANGE, "Better": BETTER}
        if any(row.images_aside for row in rows):
            heads["Aside"] = ASIDE
        if any(row.empty_fields for row in rows):
            heads["False"] = FALSE
        self.setColumnCount(len(heads))
        self.setRowCount(len(rows))
        self.setHorizontalHeaderLabels(list(heads))
        self.setVerticalHeaderLabels(
            ["\n".join([arm_name(row.arm).replace(" ", "\n"), *where(row, names)]) for row in rows]
        )
        for column, tip in enumerate(heads.values()):
            title: Any = self.horizontalHeaderItem(column)
            title.setToolTip(plain(tip))
        for number, row in enumerate(rows):
            self._fill_row(number, row, score, list(heads))
        header: Any = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setMinimumSectionSize(30)
        self.fit()

    def _is_over_best(self, result: GainResult) -> bool:
        """Return whether the best arm without a generator is another than the real pairs alone."""
        return result.rival not in ("", RAW) and any(result.score in row.over_best for row in result.table)

    def _fill_row(self, number: int, row: TableRow, score: str, heads: Sequence[str]) -> None:
        spread, change, over = row.scores[score], row.gain.get(score), row.over_best.get(score)
        aside = row.put_aside.get(score)
        texts = {
            heads[0]: f"{spread.mean:.3f}\n± {spread.sd:.3f}",
            "Change": interval_text(change),
            "Better": f"{change.better} of\n{change.images}" if change else "",
            "Over best": "still\nrising" if over and row.rising else interval_text(over),
            "Aside": f"{aside.mean:.3f}" if aside else "",
            "False": f"{row.false_objects:.3g}" if row.empty_fields else "",
        }
        for column, head in enumerate(heads):
            item = QTableWidgetItem(texts[head])
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            font, shown = item.font(), {"Change": change, "Over best": over}.get(head)
            font.setBold(shown is not None and shown.is_clear and not row.rising)
            item.setFont(font)
            self.setItem(number, column, item)
        title: Any = self.verticalHeaderItem(number)
        left_out = [f"{head.lower()}: {texts[head]}".replace("\n", " ") for head in heads[2:] if texts[head]]
        title.setToolTip(plain(", ".join([title_of(row.arm, row.curation), *row_tip(row), *left_out])))

    def fit(self) -> None:
        """Show the columns that there is room for, every row as high as its text, the table as high as its rows."""
        header: Any = self.horizontalHeader()
        self._show_columns(header)
        self.resizeRowsToContents()
        height = header.sizeHint().height() + 4
        self.setFixedHeight(height + sum(self.rowHeight(row) for row in range(self.rowCount())))

    def _show_columns(self, header: Any) -> None:
        """Hide the last columns as long as a word of the others would be cut, and deal the room out to the rest."""
        needs = [self._needed(column) for column in range(self.columnCount())]
        room: Any = self.viewport()
        shown = len(needs)
        while shown > 2 and sum(needs[:shown]) > room.width():
            shown -= 1
        more = max(0, room.width() - sum(needs[:shown])) // max(1, shown)
        for column, need in enumerate(needs):
            self.setColumnHidden(column, column >= shown)
            header.resizeSection(column, need + more)

    def _needed(self, column: int) -> int:
        """Return the width that no word of a column is cut at, px; cells that are not filled yet need none."""
        title = self.horizontalHeaderItem(column)
        widths = [QFontMetrics(self.font()).horizontalAdvance(title.text())] if title is not None else [0]
        for item in filter(None, (self.item(row, column) for row in range(self.rowCount()))):
            metrics = QFontMetrics(item.font())
            widths += [metrics.horizontalAdvance(word) for word in re.split(r"\n|(?<=,) ", item.text())]
        return max(widths) + MARGIN

    def resizeEvent(self, e: Any) -> None:
        """Narrower columns wrap more."""
        super().resizeEvent(e)
        if e.size().width() != e.oldSize().width():
            self.fit()
