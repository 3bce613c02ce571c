"""The Studies dock: a published study run whole on images of one's own."""

from __future__ import annotations

from pathlib import Path

import napari
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QLineEdit, QPushButton

from napari_organoid_synth.core.job import Event, Finished
from napari_organoid_synth.core.studies.catalog import STUDIES, Study, settings_in
from napari_organoid_synth.core.studies.settings import PAGE, PROJECT, Size, StudySettings
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, folder_row, named
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

PURPOSE = "A published study again, whole, on your images: its tables and figures beside the published ones."
SIZES: dict[Size, str] = {"small": "small, to see how it works", "published": "as published"}


class StudiesWidget(ColumnDock):
    """Choose a study, run it, open its page.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "studies", PURPOSE)
        self.runner = self.workspace.runner("study")
        self._page = ""
        self._build()
        self.runner.event.connect(self._follow)
        self.runner.failed.connect(self.show_error)
        self.runner.stateChanged.connect(self._judge)
        self.workspace.projectChanged.connect(self._open)
        self._open()

    # --- build ---

    def _build(self) -> None:
        self.study, self.size = combo_box(), combo_box()
        for name, study in STUDIES.items():
            self.study.addItem(study.title, name)
        for size, text in SIZES.items():
            self.size.addItem(text, size)
        self.data, self.out = QLineEdit(), QLineEdit()
        self.question, self.needs = WrapLabel(), WrapLabel()
        form = rows()
        add_row(form, "Study", self.study, "Which of the published studies is run.")
        self.column.addLayout(form)
        self.column.addWidget(self.question)
        form = rows()
        tip = "Folder of the images of the study; below it says what it must hold."
        add_row(form, "Images", folder_row(self.data, "folder of images", tip), tip)
        add_row(
            form, "Size", self.size, "Small ends within an hour on two processor cores; published is as in the paper."
        )
        tip = "Folder that gets the page, the tables and an ordinary project. Choose the same again to go on."
        add_row(form, "Results", folder_row(self.out, "beside the images", tip), tip)
        self.column.addLayout(form)
        self.column.addWidget(self.needs)
        self.progress = ProgressCard(self.runner, "Stop and keep", "%")
        self.page_button, self.project_button = QPushButton("Open the page"), QPushButton("Open its project")
        named(self.page_button, "Open the page", "Shows tables and figures in your browser.")
        named(self.project_button, "Open its project", "Opens generators, pairs and comparisons of the study here.")
        self.page_button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(self._page)))
        self.project_button.clicked.connect(lambda: self.guard(self._open_project))
        for widget in (self.progress, self.outcome, self.page_button, self.project_button):
            self.column.addWidget(widget)
        for box in (self.study, self.size):
            box.currentIndexChanged.connect(self._edited)
        for edit in (self.data, self.out):
            edit.textChanged.connect(self._edited)

    # --- what is chosen ---

    @property
    def chosen(self) -> Study:
        """The study that is chosen."""
        return STUDIES[str(self.study.currentData())]

    @property
    def folder(self) -> Path:
        """Folder of the results."""
        name, text = str(self.study.currentData()), self.out.text().strip()
        return Path(text or Path(self.data.text().strip()).expanduser().parent / f"{name}-study").expanduser()

    def value(self) -> StudySettings:
        """Return the settings; those of a ``study.yaml`` in the folder stay.

        Raises
        ------
        UserError
            If the folder holds another study, or the same one at another size.
        """
        name, size = str(self.study.currentData()), self.size.currentData()
        return settings_in(self.folder, name, self.data.text().strip(), size)

    def _open(self, _: object = None) -> None:
        self._restoring = True
        stored = self.workspace.remembered(self.key)
        for box, name in ((self.study, "study"), (self.size, "size")):
            box.setCurrentIndex(max(0, box.findData(stored.get(name))))
        for edit, name in ((self.data, "data"), (self.out, "out")):
            edit.setText(str(stored.get(name, "")))
        self._restoring = False
        self._judge()

    def _edited(self, *_: object) -> None:
        if not self._restoring and self.workspace.project is not None:
            chosen = {"study": self.study.currentData(), "size": self.size.currentData()}
            self.workspace.remember(self.key, chosen | {"data": self.data.text(), "out": self.out.text()})
        self._judge()

    def _judge(self, *_: object) -> None:
        self.show_body("")
        study, size = self.chosen, self.size.currentData()
        self.question.setText(f"{study.question}\n{study.paper}.")
        self.needs.setText(f"Images: {study.data}.\nComputer: {study.needs[size]}; {study.takes[size]}.")
        page = self.folder / PAGE
        there = bool(self.data.text().strip() or self.out.text().strip()) and page.is_file()
        self._page = str(page) if there else ""
        for button in (self.page_button, self.project_button):
            button.setVisible(there)
        going_on = (self.folder / "parts").is_dir() and not there
        self.button.setText("Go on" if going_on else "Run the study again" if there else "Run the study")
        self.button.setAccessibleDescription("Runs in a separate process; what is done already is not repeated.")
        if self.runner.running:
            self.allow("A study is running.")
        elif not self.data.text().strip():
            self.allow("Choose the folder of images.")
        elif not Path(self.data.text().strip()).expanduser().is_dir():
            self.allow("There is no such folder of images.")
        else:
            self.allow("")

    # --- run ---

    def run(self) -> None:
        """Start the study, or go on with it."""
        if self.runner.running:
            return
        self.error.dismiss()
        self.show_outcome("")
        self.runner.start_study(self.folder, self.value())

    def _follow(self, event: Event) -> None:
        if isinstance(event, Finished):
            done = event.reason == "completed"
            self.show_outcome("The page is written." if done else "Stopped. The same folder goes on where it was.")
            self._judge()

    def _open_project(self) -> None:
        self.workspace.setProject(self.folder / PROJECT)
