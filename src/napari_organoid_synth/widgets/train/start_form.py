"""The start of a training: from scratch, from a run of the project, or from a model file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QToolButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.recipe import StartSettings
from napari_organoid_synth.widgets.forms.boxes import IntBox, guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows, show_row
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of
from napari_organoid_synth.widgets.shared.runs import RunInfo, saved_states
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

SCRATCH = "scratch"
MAX_FROZEN = 20


class StartForm(QWidget):
    """A form for `StartSettings`: a choice of runs.

    Signals
    -------
    valueChanged()
    problemChanged()
    fileChosen(Path)
        A model file is to be imported into the project; select its run with `choose` once it is there.
    """

    valueChanged = Signal()
    problemChanged = Signal()
    fileChosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: Sequence[RunInfo] = ()
        self._generator = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.form = rows()
        column.addLayout(self.form)
        self.run, self.state = combo_box(), combo_box()
        self.freeze = IntBox()
        self.freeze.set_bounds(0, MAX_FROZEN, optional=False)
        self.freeze.set_zero("none")
        guard_wheel(self.freeze)
        self.file_button = QToolButton()
        self.file_button.setText("…")
        named(self.file_button, "Start from a model file", "Imports a .synth file into the project and starts from it.")
        tip = "A training can continue from what another one has learned: it takes less time and fewer images."
        self.row = row_of(self.run, self.file_button)
        add_row(self.form, "Start from", self.row, tip)
        named(self.run, "Start from", tip)
        add_row(self.form, "As saved at", self.state, "Which saved state of that run: the newest, the best, or a step.")
        tip = (
            "Layers of the discriminator, counted from the image, that stay as they were in that run; 2 "
            "to 4 help when there are few images."
        )
        add_row(self.form, "Fixed layers", self.freeze, tip)
        self.message = WrapLabel()
        column.addWidget(self.message)
        self._fill("")
        self._fill_states("newest")
        self._show()
        self.run.currentIndexChanged.connect(self._chosen)
        self.state.currentIndexChanged.connect(lambda _: self.valueChanged.emit())
        self.freeze.edited.connect(self._edited)
        self.file_button.clicked.connect(self._choose_file)

    # --- value ---

    def value(self) -> StartSettings:
        """The settings as shown.

        Raises
        ------
        UserError
            If a number is out of bounds.
        """
        return StartSettings.parse(
            {
                "run": self.run.currentData() or "",
                "checkpoint": self.state.currentData() or "newest",
                "freeze": self.freeze.get(),
            }
        )

    def setValue(self, start: StartSettings) -> None:
        """Show settings; a run or file that is not in the project is shown by its name."""
        with QSignalBlocker(self.run), QSignalBlocker(self.state), QSignalBlocker(self.freeze):
            self._fill(start.run)
            self._fill_states(start.checkpoint)
            self.freeze.put(start.freeze)
        self._show()

    @property
    def problem(self) -> str:
        """The sentence about invalid settings; empty if they are valid."""
        try:
            self.value()
        except UserError as error:
            return str(error)
        return ""

    # --- runs ---

    def offer(self, runs: Sequence[RunInfo], generator: str) -> None:
        """Offer the runs of a project that this generator can start from; a choice that no longer fits is dropped."""
        self._runs, self._generator = runs, generator
        before = self.run.currentData() or ""
        info = self._info(before)
        with QSignalBlocker(self.run), QSignalBlocker(self.state):
            self._fill("" if info is not None and info.generator != generator else before)
            self._fill_states(self.state.currentData() or "newest")
        self._show()
        if (self.run.currentData() or "") != before:
            self.valueChanged.emit()

    def choose(self, name: str) -> bool:
        """Choose a run to start from; return whether it is offered."""
        index = int(self.run.findData(name))
        if index >= 0:
            self.run.setCurrentIndex(index)
        return index >= 0

    def _info(self, name: str) -> RunInfo | None:
        return next((run for run in self._runs if name and run.name == name), None)

    def _fill(self, chosen: str) -> None:
        self.run.clear()
        self.run.addItem(SCRATCH, "")
        for run in self._runs:
            if run.generator == self._generator and run.steps:
                self.run.addItem(run.title, run.name)
                self.run.setItemData(self.run.count() - 1, run.name, Qt.ItemDataRole.ToolTipRole)
        if self.run.findData(chosen) < 0:
            self.run.addItem(Path(chosen).name, chosen)
            self.run.setItemData(self.run.count() - 1, chosen, Qt.ItemDataRole.ToolTipRole)
        self.run.setCurrentIndex(self.run.findData(chosen))

    def _fill_states(self, chosen: str) -> None:
        self.state.clear()
        for value, label in saved_states(self._info(self.run.currentData() or "")):
            self.state.addItem(label, value)
        if self.state.findData(chosen) < 0:
            self.state.addItem(f"step {chosen}", chosen)
        self.state.setCurrentIndex(self.state.findData(chosen))

    # --- edits ---

    def _chosen(self, _: int) -> None:
        with QSignalBlocker(self.state):
            self._fill_states("newest")
        self._show()
        self.valueChanged.emit()

    def _edited(self, *_: object) -> None:
        self.problemChanged.emit()
        if not self.problem:
            self.valueChanged.emit()

    def _show(self) -> None:
        chosen = self.run.currentData() or ""
        show_row(self.form, self.state, bool(chosen) and self.state.count() > 1)
        show_row(self.form, self.freeze, bool(chosen))
        others = sorted({run.generator for run in self._runs if run.steps and run.generator != self._generator})
        if chosen:
            sentence = "Continues from what that run has learned; parts that do not fit start from scratch."
        elif others and self.run.count() == 1:
            sentence = f"{self._generator} cannot start from runs of {' and '.join(others)}."
        else:
            sentence = ""
        self.message.setText(sentence)
        self.message.setVisible(bool(sentence))
        self.run.setToolTip(plain(f"{self.run.currentText()}\n{self.run.accessibleDescription()}"))

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Start from a model file", "", "Model files (*.synth)")
        if path:
            self.fileChosen.emit(Path(path))
