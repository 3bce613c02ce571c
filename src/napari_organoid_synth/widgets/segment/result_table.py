"""The table of a comparison: scores, changes with their interval, and on how many images an arm was better."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from napari_organoid_synth.core.gain.results import GainResult, TableRow, varied
from napari_organoid_synth.core.segmentation.arms import SCORES, title_of
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.segment.arms import arm_name
from napari_organoid_synth.widgets.shared.controls import named

SHORT_NAMES = {"dice": "Dice", "precision": "Precision", "recall": "Recall", "f": "F", "ap": "AP", "ap95": "AP 95"}
CHANGE = (
    "Difference to real pairs alone, same images; in brackets its 95 % interval (below four images: single values). "
    "Bold where zero is outside."
)
BETTER = "Images on which it was better than with the real pairs alone."
FALSE = "False objects per test image without objects, mean."


def where(row: TableRow, names: Collection[str]) -> list[str]:
    """Return the share of the images and the ratio of a row, those of them that ``names`` holds."""
    return [f"{100 * row.subset:.4g} %"] * ("subset" in names) + [f"1 : {row.ratio:g}"] * ("ratio" in names)


class ResultTable(QTableWidget):
    """A table to read that shows all of its rows and all of their text, whatever its width."""

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
        heads = {
            SHORT_NAMES[score]: f"{SCORES[score]}: mean ± standard deviation over images.",
            "Change": CHANGE,
            "Better": BETTER,
        }
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
            self._fill_row(number, row, score)
        header: Any = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(30)
        for column in {*range(len(heads))} - {1}:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.fit()

    def _fill_row(self, number: int, row: TableRow, score: str) -> None:
        spread, change = row.scores[score], row.gain.get(score)
        texts = (
            f"{spread.mean:.3f}\n± {spread.sd:.3f}",
            f"{change.mean:+.3f}\n[{change.low:.3f}, {change.high:.3f}]" if change else "",
            f"{change.better} of\n{change.images}" if change else "",
            *[f"{row.false_objects:.3g}" if row.empty_fields else ""] * (self.columnCount() > 3),
        )
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            font = item.font()
            font.setBold(column == 1 and change is not None and change.is_clear)
            item.setFont(font)
            self.setItem(number, column, item)
        head: Any = self.verticalHeaderItem(number)
        head.setToolTip(plain(title_of(row.arm) + (f", {row.curation}" if row.curation else "")))

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
