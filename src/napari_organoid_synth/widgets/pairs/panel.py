"""The table of pairs: classes, pictures, rows, and actions for the selected rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSignalBlocker, QSize, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.groups import groups_of
from napari_organoid_synth.core.pairs.pair import MASK_KINDS, MaskKind
from napari_organoid_synth.core.pairs.split import split_table, with_siblings
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.forms.boxes import CheckBoxes
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.pairs.model import PairModel, PairView, can_crop, describe, reading_text
from napari_organoid_synth.widgets.pairs.reading_choice import ReadingChoice
from napari_organoid_synth.widgets.pairs.split_choice import SplitChoice
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

PICTURE_SIDE = 84  # px


class PairPanel(QWidget):
    """Show a table and let a person change it.

    Signals
    -------
    edited(PairTable)
        Rows were skipped, are used again, are chosen for testing, grouped, or are used at another size.
    cropWanted(list of PairEntry)
        Save copies of these, cut to the size that image and mask both have.
    classesChosen(dict of str to list of Path)
        Use only these masks.
    kindChosen()
        Another kind of mask was chosen; see `kind`.
    readingChosen()
        Stacks or colours are to be read in another way; see ``reading``.
    opened(str)
        The name of a pair to show as layers.
    failed(UserError)
        The action is impossible.
    """

    edited = Signal(object)
    cropWanted = Signal(list)
    classesChosen = Signal(dict)
    kindChosen = Signal()
    readingChosen = Signal()
    opened = Signal(str)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: PairTable | None = None
        self._classes: dict[str, list[Path]] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.summary, self.detail = WrapLabel(), WrapLabel()
        self.classes, self.pictures = QVBoxLayout(), QHBoxLayout()
        self.class_boxes: CheckBoxes | None = None
        self.picture_buttons: list[QToolButton] = []
        self.pictures.setSpacing(4)
        self.model = PairModel(self)
        self.view = PairView(self.model)
        self.view.selectionModel().selectionChanged.connect(self._show_row)
        self.view.doubleClicked.connect(lambda index: self.opened.emit(self.model.entry(index.row()).name))
        column.addWidget(self.summary)
        column.addLayout(self.classes)
        column.addLayout(self.pictures)
        column.addWidget(self.view)
        column.addWidget(self.detail)
        column.addLayout(self._build_actions())
        self.kinds = combo_box()
        self.kinds.addItem("detected", None)
        for name in MASK_KINDS:
            self.kinds.addItem(name, name)
        self.kinds.activated.connect(lambda _: self.kindChosen.emit())
        form = rows()
        tip = "binary: object or not. classes: a name for each value. instances: each object has its own number."
        add_row(form, "Masks are", self.kinds, tip)
        self.percent = QDoubleSpinBox()
        self.percent.setRange(1, 100)
        self.percent.setDecimals(1)
        self.percent.setSuffix(" %")
        self.percent.setValue(100)
        self.percent.setKeyboardTracking(False)
        self.percent.valueChanged.connect(self._scale)
        tip = (
            "Shrinks images and masks when they are read, so that a whole organoid fits a tile. Files are not changed."
        )
        add_row(form, "Use at size", self.percent, tip)
        self.reading = ReadingChoice(form, self)
        self.reading.chosen.connect(self.readingChosen)
        column.addLayout(form)
        self.split = SplitChoice(self)
        self.split.edited.connect(self.edited)
        self.split.failed.connect(self.failed)
        column.addWidget(self.split)
        self.grid = QCheckBox("Show the tile grid")
        self.grid.setToolTip("Draws the tiles of the training on the open image.")
        column.addWidget(self.grid)

    def _build_actions(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.skip_button, self.crop_button, self.test_button = QPushButton("Skip"), QPushButton("Crop"), QPushButton()
        for button, tip, action in (
            (self.skip_button, "Leaves the selected pairs out; press again to use them.", self._skip),
            (
                self.crop_button,
                "Saves a copy in the project, cut to the size of the smaller of image and mask.",
                self._crop,
            ),
            (
                self.test_button,
                "Nothing is learned from test pairs; they measure the gain. Images of a sample stay together.",
                self._test,
            ),
        ):
            button.setToolTip(tip)
            button.clicked.connect(action)
            row.addWidget(button)
        return row

    # --- what is shown ---

    def show_table(self, table: PairTable | None) -> None:
        """Show another table; the selected row stays selected."""
        selected = self.view.rows()
        self._table = table
        self.model.setTable(table)
        self.reading.show_table(table)
        self.split.show_table(table)
        if table is not None and table.entries:
            row = selected[0] if selected and selected[0] < len(table.entries) else self.model.first_problem()
            self.view.selectRow(row)
            self.summary.setText(" ".join(filter(None, (table.summary(), reading_text(table)))))
            self.kinds.setItemText(0, f"{table.mask_kind} (detected)" if table.mask_kind else "detected")
            if table.kind_by_hand:
                self.kinds.setItemText(0, "detect again")
            self.kinds.setCurrentIndex(max(self.kinds.findData(table.mask_kind), 0) if table.kind_by_hand else 0)
            with QSignalBlocker(self.percent):
                self.percent.setValue(100 * table.scale)
            self.view.setFixedHeight(min(184, 30 + 22 * max(3, len(table.entries))))
        self._show_classes()
        self._show_row()

    def kind(self) -> MaskKind | None:
        """Return the chosen kind; None if it is to be detected."""
        kind: MaskKind | None = self.kinds.currentData()
        return kind

    def scale(self) -> float:
        """Return the share of their size at which the images of the table are used; 1 without images."""
        return self._table.scale if self._table is not None else 1.0

    def show_pictures(self, pictures: list[tuple[str, NDArray[np.uint8]]]) -> None:
        """Show overlays, (Y, X, 3) uint8 each, that open their pair when clicked."""
        for button in self.picture_buttons:
            self.pictures.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.picture_buttons = []
        for name, picture in pictures:
            height, width = picture.shape[:2]
            pixels = np.ascontiguousarray(picture).tobytes()
            image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
            button = QToolButton()
            button.setIcon(QIcon(QPixmap.fromImage(image)))
            button.setIconSize(QSize(PICTURE_SIDE, PICTURE_SIDE))
            button.setToolTip(plain(f"{name}\nClick to open image and mask as layers."))
            button.setAccessibleName(f"Open {name}")
            button.clicked.connect(lambda _=False, name=name: self.opened.emit(name))
            self.pictures.addWidget(button)
            self.picture_buttons.append(button)

    def _show_row(self, *_: object) -> None:
        entries = [self.model.entry(row) for row in self.view.rows()]
        self.detail.setText(describe(entries[0]) if len(entries) == 1 else f"{plural(len(entries), 'pair')} selected.")
        usable = [entry for entry in entries if entry.status in ("matched", "skipped")]
        self.skip_button.setEnabled(bool(usable))
        all_skipped = bool(usable) and all(entry.status == "skipped" for entry in usable)
        self.skip_button.setText("Use again" if all_skipped else "Skip")
        self.crop_button.setVisible(any(map(can_crop, entries)))
        matched = [entry for entry in entries if entry.status == "matched"]
        self.test_button.setEnabled(bool(matched))
        testing = bool(matched) and all(entry.split == "test" for entry in matched)
        self.test_button.setText("Use for training" if testing else "Use for testing")

    # --- classes ---

    def _show_classes(self) -> None:
        """Show check boxes when an image has several masks."""
        entries = self._table.entries if self._table is not None else ()
        named: dict[str, list[Path]] = {}
        for entry in entries:
            for name, path in entry.masks.items():
                named.setdefault(name, []).append(Path(path))
        if set(named) <= set(self._classes) and len(self._classes) > 1 and entries and self.class_boxes is not None:
            return  # a selection of the classes that are already shown
        self._classes = named
        if self.class_boxes is not None:
            self.class_boxes.deleteLater()
            self.class_boxes = None
        if len(named) > 1:
            self.class_boxes = CheckBoxes(list(named))
            self.class_boxes.put(list(named))
            self.class_boxes.setToolTip("The masks to use; each is a class. A single one makes a binary mask.")
            self.class_boxes.edited.connect(self._choose_classes)
            self.classes.addWidget(self.class_boxes)

    def _choose_classes(self, *_: object) -> None:
        assert self.class_boxes is not None
        if chosen := self.class_boxes.get():
            self.classesChosen.emit({name: self._classes[name] for name in chosen})

    # --- rows ---

    def _selected(self) -> list[str]:
        return [self.model.entry(row).name for row in self.view.rows()]

    def _skip(self) -> None:
        assert self._table is not None
        names = set(self._selected())
        before, after = ("skipped", "matched") if self.skip_button.text() == "Use again" else ("matched", "skipped")
        entries = tuple(
            entry.replace(status=after, reason="") if entry.name in names and entry.status == before else entry
            for entry in self._table.entries
        )
        self.edited.emit(self._table.replace(entries=entries))

    def _test(self) -> None:
        assert self._table is not None
        usable = {entry.name for entry in self._table.matched}
        test = {entry.name for entry in self._table.test}
        try:
            names = with_siblings(sorted(usable & set(self._selected())), groups_of(self._table))
            test = test - names if self.test_button.text() == "Use for training" else test | names
            table = split_table(self._table, sorted(test))
        except UserError as error:
            self.failed.emit(error)
        else:
            self.edited.emit(table)

    def _scale(self) -> None:
        if self._table is not None:
            self.edited.emit(self._table.scaled(float(self.percent.value()) / 100))

    def _crop(self) -> None:
        assert self._table is not None
        self.cropWanted.emit([entry for name in self._selected() if can_crop(entry := self._table.entry(name))])
