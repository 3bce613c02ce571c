"""Test images by their share, and the groups that such a share keeps together."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFileDialog, QLineEdit, QPushButton, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.groups import FOLDER, NONE, groups_of, with_groups
from napari_organoid_synth.core.pairs.sheet import SHEET_ENDINGS
from napari_organoid_synth.core.pairs.split import split_sentence, split_table
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import Fold, rows
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

SHEET, PATTERN = "sheet", "pattern"
RULES = {
    "as found": "",
    "by folder": FOLDER,
    "none": NONE,
    "from a table (CSV)…": SHEET,
    "by a pattern": PATTERN,
}
SHARE = 20.0
"""Usual share of test images, %."""


class SplitChoice(Fold):
    """Choose test images by their share, and what belongs together.

    Signals
    -------
    edited(PairTable)
        Another split, or other groups.
    failed(UserError)
        The choice is impossible.
    """

    edited = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Test images and groups", parent)
        self._table: PairTable | None = None
        self._found: dict[tuple[str, int | None], str] = {}  # groups of the images before a rule was chosen
        form = rows(holder := QWidget())
        self.share = QDoubleSpinBox()
        self.share.setRange(0, 90)
        self.share.setDecimals(0)
        self.share.setSuffix(" %")
        self.share.setValue(SHARE)
        guard_wheel(self.share)
        self.choose_button = QPushButton("Choose test images")
        tip = "Puts this share of the images aside for testing, whole groups at a time; 0 % takes all marks back."
        add_row(form, "Share", self.share, tip)
        named(self.share, "Share of test images", tip)
        self.choose_button.setToolTip(tip)
        form.addRow(self.choose_button)
        self.choose_button.clicked.connect(self._choose_test)
        self.groups = combo_box()
        for text, rule in RULES.items():
            self.groups.addItem(text, rule)
        tip = (
            "Images that belong together, such as slices of a volume or images of an animal: the test never shares "
            "them with the training. As found: what stacks and names suggest."
        )
        add_row(form, "Groups", self.groups, tip)
        self.groups.activated.connect(self._choose_groups)
        self.pattern = QLineEdit()
        self.pattern.setPlaceholderText("such as ^(.*)_z")
        named(
            self.pattern,
            "Pattern of the groups",
            "A regular expression that finds the group in the name of each image; its part in brackets is the group.",
        )
        self.pattern.editingFinished.connect(self._read_pattern)
        form.addRow("", self.pattern)
        self.sentence = WrapLabel()
        form.addRow(self.sentence)
        self.addWidget(holder)

    def show_table(self, table: PairTable | None) -> None:
        """Show the groups and the test images of a table."""
        self._table = table
        rule = table.groups if table is not None else ""
        is_sheet = rule.lower().endswith(SHEET_ENDINGS)
        kind = SHEET if is_sheet else rule if rule in ("", FOLDER, NONE) else PATTERN
        self.groups.setCurrentIndex(self.groups.findData(kind))
        with QSignalBlocker(self.pattern):
            self.pattern.setText(rule if kind == PATTERN else "")
        self.pattern.setVisible(kind == PATTERN)
        self.sentence.setText(split_sentence(table, groups_of(table)) if table is not None else "")

    def _choose_test(self) -> None:
        self._edit(lambda table: split_table(table, self.share.value() / 100))

    def _choose_groups(self, _: int) -> None:
        rule = self.groups.currentData()
        self.pattern.setVisible(rule == PATTERN)
        if rule == PATTERN:
            self.pattern.setFocus()
            return
        if rule == SHEET:
            filter = f"Tables ({' '.join(f'*{ending}' for ending in SHEET_ENDINGS)})"
            rule = QFileDialog.getOpenFileName(self, "Groups of the images", filter=filter)[0]
            if not rule:
                self.show_table(self._table)
                return
        self._group(rule)
        if self.groups.currentData() != PATTERN:
            self.show_table(self._table)  # after a failure as it was; a pattern can be corrected

    def _read_pattern(self) -> None:
        if rule := self.pattern.text().strip():
            self._group(rule)

    def _group(self, rule: str) -> None:
        table = self._table
        if table is None or rule == table.groups:
            return
        if not table.groups:
            self._found = {(entry.image, entry.page): entry.group for entry in table.entries}
        if rule:
            self._edit(lambda table: with_groups(table, rule))
        else:
            self._edit(lambda table: self._as_found(with_groups(table, "")))

    def _as_found(self, table: PairTable) -> PairTable:
        """Return a table with the groups that file names gave its rows, which another rule replaced."""
        return table.replace(
            entries=tuple(
                entry.replace(group=self._found.get((entry.image, entry.page)) or entry.group)
                for entry in table.entries
            )
        )

    def _edit(self, change: Callable[[PairTable], PairTable]) -> None:
        if self._table is None:
            return
        try:
            table = change(self._table)
        except UserError as error:
            self.failed.emit(error)
        else:
            self.edited.emit(table)
