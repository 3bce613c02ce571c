"""Ask for name, licence and file of a model file before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLineEdit,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box
from napari_organoid_synth.widgets.shared.runs import RunInfo, saved_states
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

ABOUT = (
    "One file with the trained generator, for a colleague or another computer. It contains the networks, their "
    "settings and a picture of some samples (a painter's on outlines of your masks), but neither your images nor "
    "their names."
)
WITH_IMAGES = (
    "⚠ This file will contain your real images and masks: the painter puts new images together from them, and "
    "everybody who has the file can see them. Share it only if the images themselves may be shared. The names of their "
    "files are left out."
)
CHOOSE = "Choose the licence under which others may use it."


class ShareDialog(QDialog):
    """Edits `ShareSettings` for one run and asks for the file.

    Parameters
    ----------
    info : RunInfo
        The run, with a checkpoint.
    """

    def __init__(self, info: RunInfo, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from napari_organoid_synth.core.runs.card import LICENCES

        self.info = info
        self.path: Path | None = None
        self.setWindowTitle(f"Share {info.title}")
        self.setMinimumWidth(420)
        column = QVBoxLayout(self)
        self.about = WrapLabel(ABOUT if info.trains else WITH_IMAGES)
        column.addWidget(self.about)
        form = rows()
        self.name, self.authors, self.note = QLineEdit(), QLineEdit(), QPlainTextEdit()
        self.name.setText(info.card.name if info.card is not None else "")
        self.name.setPlaceholderText(info.name)
        self.name.setMaxLength(100)
        self.authors.setText(info.card.authors if info.card is not None else "")
        self.authors.setPlaceholderText("you, your group")
        self.note.setPlaceholderText("tissue, stain, microscope, pixel size, how to cite")
        self.note.setFixedHeight(64)
        self.note.setTabChangesFocus(True)
        self.licence, self.state = QComboBox(), combo_box()
        self.licence.setEditable(True)
        self.licence.addItems(LICENCES)
        self.licence.setCurrentIndex(-1)
        self.licence.setEditText("")
        edit: Any = self.licence.lineEdit()
        edit.setPlaceholderText("choose")
        for value, words in saved_states(info):
            self.state.addItem(words, value)
        self.state.setCurrentIndex(max(self.state.findData("best"), 0))
        add_row(form, "Name", self.name, "Name of the generator where it is used.")
        add_row(
            form,
            "Licence",
            self.licence,
            "Choose one, or type another SPDX identifier. CC-BY: others must give credit.",
        )
        add_row(form, "Authors", self.authors, "Whom others give credit to.")
        add_row(form, "Notes", self.note, "Tissue, stain, microscope, pixel size, how to cite.")
        add_row(form, "Checkpoint", self.state, "The checkpoint of the run that is written into the file.")
        column.addLayout(form)
        self.reason = WrapLabel(CHOOSE)
        column.addWidget(self.reason)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.save: Any = buttons.addButton("Save as…", QDialogButtonBox.ButtonRole.ActionRole)
        self.save.setToolTip("Choose the file and write it.")
        buttons.rejected.connect(self.reject)
        self.save.clicked.connect(self._save)
        column.addWidget(buttons)
        self.licence.editTextChanged.connect(self._judge)
        self._judge()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def value(self) -> ShareSettings:
        """Return the settings as shown."""
        return ShareSettings(
            run=self.info.name,
            checkpoint=self.state.currentData() or "newest",
            licence=self.licence.currentText().strip(),
            name=self.name.text().strip(),
            authors=self.authors.text().strip()[:1000],
            note=self.note.toPlainText().strip()[:10_000],
        )

    def _judge(self, *_: object) -> None:
        chosen = bool(self.licence.currentText().strip())
        self.save.setEnabled(chosen)
        self.reason.setVisible(not chosen)

    def _save(self) -> None:
        from napari_organoid_synth.core.project import file_stem
        from napari_organoid_synth.core.runs.model_file import SUFFIX

        name = file_stem(self.name.text().strip() or self.info.name)
        text, _ = QFileDialog.getSaveFileName(self, "Write a model file", f"{name}{SUFFIX}", f"Model files (*{SUFFIX})")
        if text:
            path = Path(text)
            self.path = path if path.suffix.lower() == SUFFIX else path.with_name(path.name + SUFFIX)
            self.accept()
