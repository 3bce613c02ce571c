"""The Runs dock: every training of the project in a list; name, compare, resume, share, delete, bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
)

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Event, JobFolder, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.runs.catalog import MAX_NAME, RunRecord, delete_run, rename, restore_run
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.forms.plain_text import literal, plain
from napari_organoid_synth.widgets.runs.course import Courses
from napari_organoid_synth.widgets.runs.reading import (
    Course,
    Listing,
    newest_until,
    read_course,
    read_listing,
    read_picture,
    size_words,
)
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import add_row, named
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.runs import describe_run

if TYPE_CHECKING:
    import napari

PURPOSE = "All trainings of this project: how each went, what it made, and which one is better."
READ_MS = 300
"""Changes that come one after the other are read together."""


class RunsWidget(ColumnDock):
    """List the runs of the project, and change the list.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "runs", PURPOSE, {"Train a generator": lambda: open_dock(self.viewer, "Train")})
        self.runner = self.workspace.runner("train")
        self.background = Background(self)
        self.listing = Listing()
        self._courses: list[tuple[str, Course]] = []
        self._asked = 0
        self._deleted = ""  # the folder of the run that was deleted last
        self._reading = QTimer(self)
        self._reading.setSingleShot(True)
        self._reading.setInterval(READ_MS)
        self._reading.timeout.connect(self.read)
        self._build()
        self.runner.event.connect(self._follow)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.runsChanged.connect(self._reading.start)
        self.workspace.samplesChanged.connect(self._reading.start)
        self._open(self.workspace.project)

    # --- build ---

    def _build(self) -> None:
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setWordWrap(True)
        self.list.setSpacing(2)
        self.list.setMinimumHeight(180)
        named(
            self.list, "Runs", "Select one to see it, two to compare them (Ctrl+click). Delete moves a run to the bin."
        )
        self.list.itemSelectionChanged.connect(lambda: self._selected())
        self.column.addWidget(self.list)
        form = rows()
        self.name = QLineEdit()
        self.name.setMaxLength(MAX_NAME)
        add_row(form, "Name", self.name, "Shown wherever this run is listed. Empty: by its number. Enter keeps it.")
        self.name.editingFinished.connect(lambda: self.guard(self._rename))
        self.name_row = form
        self.column.addLayout(form)
        buttons = QGridLayout()
        self.resume_button, self.share_button = QPushButton("Resume"), QPushButton("Share…")
        self.delete_button, self.bin_button = QPushButton("Delete"), QPushButton("In the bin")
        named(self.resume_button, "Resume", "Continues the stopped training, in Train.")
        named(self.share_button, "Share", "Writes the trained generator as one file for others.")
        named(self.delete_button, "Delete", "Moves the run to the bin of the project. Its pairs stay.")
        named(self.bin_button, "Bring back from the bin", "Brings a deleted run back as it was.")
        self.bin_menu = QMenu(self.bin_button)
        self.bin_button.setMenu(self.bin_menu)
        for place, button in enumerate((self.resume_button, self.share_button, self.delete_button, self.bin_button)):
            buttons.addWidget(button, place // 2, place % 2)
        self.resume_button.clicked.connect(lambda: self.guard(self._resume))
        self.share_button.clicked.connect(lambda: self.guard(self._share))
        self.delete_button.clicked.connect(lambda: self.guard(self._delete))
        self.column.addLayout(buttons)
        self.column.addWidget(self.outcome)
        self.undo_button = QPushButton("Undo")
        named(self.undo_button, "Undo", "Brings the run back that was deleted last.")
        self.undo_button.clicked.connect(lambda: self.guard(lambda: self._restore(self._deleted)))
        self.undo_button.hide()
        self.column.addWidget(self.undo_button)
        self.courses = Courses()
        self.courses.stepChosen.connect(self._show_samples)
        self.courses.hide()
        self.column.addWidget(self.courses)
        self.button.setText("Make pairs with it")
        self.button.setAccessibleDescription("Chooses this run in Generate.")

    # --- read ---

    def _open(self, project: Project | None) -> None:
        self.error.hide()
        self.show_outcome("")
        self.undo_button.hide()
        self._take(Listing())
        self.read() if project is not None else self.show_body(PURPOSE + " Open a project first.")

    def read(self) -> None:
        """Read the list again, in the background."""
        if (project := self.workspace.project) is not None:
            self.background.do(lambda: (project, read_listing(project)), self._take_listing, self.show_error)

    def _take_listing(self, answer: tuple[Project, Listing]) -> None:
        project, listing = answer
        if project is self.workspace.project:
            self._take(listing)
            there = bool(listing.runs or listing.deleted)
            self.show_body("" if there else PURPOSE + " This project has none yet.")
            self._judge()

    def _take(self, listing: Listing) -> None:
        """Show the list; the selection stays."""
        chosen = {one.folder for one in self.selection()}
        current = self.list.currentItem()
        here = current.data(Qt.ItemDataRole.UserRole) if current is not None else None
        self.listing = listing
        with QSignalBlocker(self.list):
            self.list.clear()
            for record in listing.runs:
                item = QListWidgetItem()
                item.setData(Qt.ItemDataRole.UserRole, record.folder)
                item.setToolTip(plain(f"{record.name}\n{record.status}"))
                self.list.addItem(item)
                self._write(item, record)
                if record.folder == here:
                    self.list.setCurrentItem(item, QItemSelectionModel.SelectionFlag.NoUpdate)
                item.setSelected(record.folder in chosen)
        self.bin_menu.clear()
        for folder, name in listing.deleted:
            action: Any = self.bin_menu.addAction(literal(f"Bring back {name}"))
            action.triggered.connect(lambda _=False, folder=folder: self.guard(lambda: self._restore(folder)))
        self.bin_button.setText(f"In the bin: {len(listing.deleted)}")
        self.bin_button.setVisible(bool(listing.deleted))
        self._selected(again=chosen == {one.folder for one in self.selection()})

    def _write(self, item: QListWidgetItem, record: RunRecord, progress: str = "") -> None:
        """Write a run in two lines."""
        head = " · ".join(filter(None, (record.name, record.generator)))
        status = f"running {progress}".strip() if record.state == "running" else record.status
        parts = [status, plural(record.samples, "pair"), size_words(record.size)]
        if record.distance is not None:
            parts.insert(1, f"distance {record.distance:.3g}")
        item.setText(f"{head}\n{' · '.join(parts)}")

    def _follow(self, event: Event) -> None:
        """Show how far the running training is."""
        if not isinstance(event, Progress) or not event.total or self.runner.folder is None:
            return
        for place, record in enumerate(self.listing.runs):
            item = self.list.item(place)
            if record.folder == self.runner.folder.path.name and record.state == "running" and item is not None:
                self._write(item, record, f"{event.share:.0%}")

    # --- the selection ---

    def selection(self) -> list[RunRecord]:
        """Return the selected runs, at most two, as listed."""
        folders = {item.data(Qt.ItemDataRole.UserRole) for item in self.list.selectedItems()}
        return [one for one in self.listing.runs if one.folder in folders][:2]

    def _one(self) -> RunRecord | None:
        chosen = self.selection()
        return chosen[0] if len(chosen) == 1 else None

    def _selected(self, again: bool = False) -> None:
        """Show the selected runs, or ``again`` the same ones; what they are compared by is read in the background."""
        chosen, project = self.selection(), self.workspace.project
        one = self._one()
        if not (again and self.name.isModified()):  # a name that is being typed stays
            with QSignalBlocker(self.name):
                self.name.setText(one.name if one is not None else "")
        self._judge()
        self._asked += 1
        number = self._asked
        if project is None or not chosen:
            self._courses = []
            self.courses.hide()
            return

        def read() -> tuple[int, list[tuple[str, Course]]]:
            return number, [(record.name, read_course(project, record)) for record in chosen]

        self.background.do(read, self._show_courses, self.show_error)

    def _show_courses(self, answer: tuple[int, list[tuple[str, Course]]]) -> None:
        number, courses = answer
        if number == self._asked:
            self._courses = courses
            self.courses.show_courses(courses)
            self.courses.show()

    def _show_samples(self, step: int) -> None:
        """Read and show the samples of a step; the newest wish wins."""
        paths, number = [newest_until(course.previews, step) for _, course in self._courses], self._asked

        def show(pictures: list[Any]) -> None:
            if number == self._asked and step == self.courses.step:
                for place, pixels in enumerate(pictures):
                    self.courses.pictures[place].show_pixels(pixels)

        self.background.do(lambda: [read_picture(path) for path in paths], show, self.show_error)

    def _judge(self) -> None:
        one = self._one()
        ended = one is not None and one.state != "running"
        self.name.setEnabled(one is not None)
        self.resume_button.setEnabled(
            one is not None and one.state in ("stopped", "failed") and one.step > 0 and not self.runner.running
        )
        self.share_button.setEnabled(one is not None and one.step > 0)
        self.delete_button.setEnabled(ended)
        reason = "" if one is not None and one.step > 0 else "Select one run."
        if one is not None and not one.step:
            reason = "Nothing is saved yet." if one.state == "running" else "Nothing was saved."
        self.allow(reason)

    # --- change ---

    def run(self) -> None:
        """Choose the run in Generate."""
        if (one := self._one()) is not None:
            open_dock(self.viewer, "Generate").use_run(one.folder)

    def _rename(self) -> None:
        one, project = self._one(), self.workspace.project
        if one is None or project is None or self.name.text().strip() == one.name:
            return
        try:
            rename(project, one.folder, self.name.text())
        except UserError:
            with QSignalBlocker(self.name):
                self.name.setText(one.name)
            raise
        self.error.dismiss()
        self.workspace.runsChanged.emit()

    def _resume(self) -> None:
        if (one := self._one()) is not None and self.workspace.project is not None:
            folder = JobFolder(self.workspace.project.path / "runs" / one.folder)
            open_dock(self.viewer, "Train").resume_run(folder)

    def _share(self) -> None:
        if (one := self._one()) is not None and self.workspace.project is not None:
            info = describe_run(self.workspace.project.path / "runs" / one.folder, one.name)
            open_dock(self.viewer, "Train").share(info)

    def _delete(self) -> None:
        one, project = self._one(), self.workspace.project
        if one is None or project is None:
            return
        delete_run(project, one.folder)
        self._deleted = one.folder
        stayed = f" Its {plural(one.samples, 'pair')} stayed." if one.samples else ""
        self.show_outcome(f"{one.name} is in the bin.{stayed}")
        self.undo_button.show()
        self.workspace.runsChanged.emit()

    def _restore(self, folder: str) -> None:
        project = self.workspace.project
        if project is None:
            return
        restore_run(project, folder)
        self.show_outcome("")
        self.undo_button.hide()
        self.workspace.runsChanged.emit()

    def keyPressEvent(self, a0: Any) -> None:
        """Delete the selected run with the key Delete."""
        if a0 is not None and a0.key() == Qt.Key.Key_Delete and self.delete_button.isEnabled():
            self.guard(self._delete)
            return
        super().keyPressEvent(a0)

    def closeEvent(self, a0: Any) -> None:
        """Stop reading."""
        self.background.close()
        super().closeEvent(a0)
