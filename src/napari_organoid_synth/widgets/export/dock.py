"""The Export dock: the accepted pairs as files that other programs train on, verified after writing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import napari
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLineEdit, QPushButton, QSlider, QToolButton

from napari_organoid_synth.core.export.manifest import ExportResult
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.job import Event, Finished, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.settings import ReportSettings
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.shared.controls import add_row, named, row_of
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.store_dock import StoreDock
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

PURPOSE = "The accepted pairs become files for other programs; every file is read back and compared."
REPORT = "Write report…"
KEPT_OUT = ("folder", "copies", "validation")
"""Settings that are asked for again each time."""
FORMATS = {
    "ome-tiff": ("OME-TIFF", "Image and labels with pixel size and full provenance; opens here and in Fiji."),
    "cellpose": ("Cellpose", "NAME_img.tif and NAME_masks.tif in train and test."),
    "stardist": ("StarDist", "train/images and train/masks, and the same below test; equal names."),
    "nnunet": ("nnU-Net", "imagesTr, labelsTr and dataset.json of nnU-Net v2; single objects as core and border."),
    "biapy": ("BiaPy", "train/x and train/y, and the same below test; equal names."),
    "coco": ("COCO", "Images in train and test, and their objects in annotations/train.json and test.json."),
}


def tests_text(n_real: int, percent: int) -> str:
    """Say what the test folders will hold, with a warning where synthetic pairs are among it."""
    real = f"your {plural(n_real, 'test image')}" if n_real else ""
    if percent:
        held = " and ".join(filter(None, (real, f"{percent} % of the synthetic pairs")))
        return f"! Test folders: {held}. Scores on synthetic pairs say little about real images."
    return f"Test folders: {real}." if real else "Test folders stay empty: mark test images in Pairs to fill them."


@dataclass(frozen=True)
class Accepted:
    """Numbers of pairs by verdict, and of accepted pairs that are copies of real images."""

    counts: dict[str, int]
    copies: int

    def usable(self, with_copies: bool) -> int:
        """Return the number of accepted pairs that will be exported."""
        return self.counts["accepted"] - (0 if with_copies else self.copies)


def count_accepted(store: SampleStore) -> Accepted:
    """Count pairs and copies; runs in the background because it reads every accepted row."""
    from napari_organoid_synth.core.export.selection import is_copy

    return Accepted(store.counts(), sum(map(is_copy, store.rows("accepted"))))


class ExportWidget(StoreDock):
    """Write the accepted pairs.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "export", PURPOSE, {"Look at samples": lambda: open_dock(self.viewer, "Curate")})
        self.runner = self.workspace.runner("export")
        self.reporter = self.workspace.runner("report")
        self.accepted = Accepted({"new": 0, "accepted": 0, "rejected": 0}, 0)
        self.folder: Path | None = None
        self._build()
        self.runner.event.connect(self._show_event)
        self.runner.failed.connect(self.show_error)
        self.runner.stateChanged.connect(self._update)
        self.reporter.event.connect(self._show_report_event)
        self.reporter.failed.connect(self.show_error)
        self.reporter.stateChanged.connect(self._show_reporting)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.samplesChanged.connect(self.read)
        self.workspace.pairsChanged.connect(self._update)
        self._open(self.workspace.project)

    # --- build ---

    def _build(self) -> None:
        self.summary = WrapLabel()
        font = self.summary.font()
        font.setBold(True)
        self.summary.setFont(font)
        self.column.addWidget(self.summary)
        self._build_formats()
        self._build_choices()
        self._build_places()
        self._build_results()
        self.setValue(ExportSettings())

    def _build_formats(self) -> None:
        self.column.addWidget(PlainLabel("Formats"))
        self.formats: dict[str, QCheckBox] = {}
        for key, (text, tip) in FORMATS.items():
            box = self.formats[key] = QCheckBox(text)
            named(box, text, tip)
            box.toggled.connect(self._edited)
            self.column.addWidget(box)

    def _build_choices(self) -> None:
        """Build the choice of real pairs, and of copies with the reason for them."""
        self.real = QCheckBox("with real pairs")
        named(self.real, "With real pairs", "Also export your own training pairs, so that one folder is the whole set.")
        self.copies, self.reason_edit = QCheckBox(), QLineEdit()
        named(
            self.copies,
            "Include copies",
            "A segmenter learns nothing new from copies of real images, and in a test set they make scores too good. "
            "Your reason is kept in the manifest of the export.",
        )
        self.reason_edit.setPlaceholderText("Reason, kept in the manifest")
        named(self.reason_edit, "Reason to export copies", "One sentence for people who use the set later.")
        self.real.toggled.connect(self._edited)
        self.copies.toggled.connect(self._edited)
        self.reason_edit.textChanged.connect(self._edited)
        for widget in (self.real, self.copies, self.reason_edit):
            self.column.addWidget(widget)

    def _build_places(self) -> None:
        """Build the share for testing, the folder and the other settings."""
        form = rows()
        self.split, self.split_label = QSlider(Qt.Orientation.Horizontal), PlainLabel()
        self.split.setRange(0, 50)
        self.split.setSingleStep(5)
        self.split.setPageStep(10)
        guard_wheel(self.split)
        self.split_label.setMinimumWidth(44)
        tip = (
            "Share of the synthetic pairs that go into the test folders, beside your own test images. Scores on "
            "synthetic pairs say little about real images: leave it at 0 for results. Pairs of one image stay together."
        )
        add_row(form, "Synthetic tests", row_of(self.split, self.split_label), tip)
        named(self.split, "Share of the synthetic pairs for testing, per cent", tip)
        self.tests_label = WrapLabel()
        self.path = QLineEdit()
        self.path.setPlaceholderText("exports in the project")
        self.browse = QToolButton()
        self.browse.setText("…")
        named(self.browse, "Choose a folder", "Choose another folder; it must be new or empty.")
        self.browse.clicked.connect(self._choose)
        tip = "Folder of the files. Empty: a new folder below 'exports' in the project."
        add_row(form, "Folder", row_of(self.path, self.browse), tip)
        named(self.path, "Folder", tip)
        self.column.addLayout(form)
        self.column.addWidget(self.tests_label)
        self.form = settings_form(
            ExportSettings, shown=(), hidden=("folder", "formats", "include_real", "validation", "copies")
        )
        self.column.addWidget(self.form.native)
        self.split.valueChanged.connect(self._edited)
        self.path.textChanged.connect(self._edited)
        self.form.changed.connect(self._edited)

    def _build_results(self) -> None:
        """Build progress, result and report."""
        self.progress = ProgressCard(self.runner, "Stop, write nothing", "pair")
        self.progress.stop_button.setToolTip("Ends at once; no partial export is left.")
        self.open_button = QPushButton("Open folder")
        named(self.open_button, "Open folder", "Show the exported files in the file manager.")
        self.open_button.clicked.connect(self._open_folder)
        self.open_button.hide()
        self.report_button = QPushButton(REPORT)
        named(
            self.report_button,
            "Write report",
            "One HTML file with data, settings, curves, samples, tables, curation and segmentation. It is saved as"
            " report.html in the project and opens in your browser. Press again to stop while it is written.",
        )
        self.report_button.clicked.connect(self._report)
        self.copy_button = self.command_button(lambda: ("export", self.value()))
        for widget in (self.progress, self.outcome, self.open_button, self.report_button, self.copy_button):
            self.column.addWidget(widget)

    # --- value ---

    def value(self) -> ExportSettings:
        """Return the settings as shown."""
        values = self.form.value.model_dump() | {
            "folder": self.path.text().strip(),
            "formats": self._formats(),
            "include_real": self.real.isChecked(),
            "validation": self.split.value() / 100,
            "copies": self.reason_edit.text().strip() if self.copies.isChecked() and self.accepted.copies else "",
        }
        return ExportSettings.parse(values)

    def setValue(self, settings: ExportSettings) -> None:
        """Show settings."""
        self.form.show_value(settings)
        self.path.setText(settings.folder)
        for key, box in self.formats.items():
            box.setChecked(key in settings.formats)
        self.real.setChecked(settings.include_real)
        self.split.setValue(round(settings.validation * 100))
        self.copies.setChecked(bool(settings.copies))
        self.reason_edit.setText(settings.copies)
        self._update()

    def _formats(self) -> list[str]:
        return [key for key, box in self.formats.items() if box.isChecked()]

    # --- what there is ---

    def _open(self, project: Project | None) -> None:
        self.error.hide()
        self.show_outcome("")
        self.open_button.hide()
        self.close_store()
        self.accepted = Accepted({"new": 0, "accepted": 0, "rejected": 0}, 0)
        self.restore(ExportSettings, self.setValue, without=KEPT_OUT)
        self.read()

    def read(self, *_: object) -> None:
        """Count the pairs again."""
        super().read()
        self._update()

    def look(self, store: SampleStore, project: Project) -> Accepted:
        """Count the pairs of the database."""
        return count_accepted(store)

    def take(self, accepted: Accepted) -> None:
        """Show the counts."""
        self.accepted = accepted
        self._update()

    # --- edits ---

    def _edited(self, *_: object) -> None:
        self._update()
        if not self.form.problem and self._formats():
            self.remember(self.value(), without=KEPT_OUT)

    def _update(self, *_: object) -> None:
        accepted, table = self.accepted, self.workspace.pairs
        n_real = len(table.train) if table is not None else 0
        self.real.setText(f"with {plural(n_real, 'real pair')}" if n_real else "with real pairs")
        self.real.setEnabled(n_real > 0)
        summary = f"{accepted.counts['accepted']:,} accepted"
        copies, wanted = plural(accepted.copies, "copy", "copies"), self.copies.isChecked()
        self.copies.setText(f"include {copies} of {'a real image' if accepted.copies == 1 else 'real images'}")
        self.copies.setVisible(accepted.copies > 0)
        self.reason_edit.setVisible(accepted.copies > 0 and wanted)
        if accepted.copies and not wanted:
            summary += f" · {copies} left out"
        usable = accepted.usable(wanted)
        n_tests = sum(bool(entry.masks) for entry in table.test) if table is not None else 0
        with_real = n_real if self.real.isChecked() else 0
        parts = [summary]
        parts += [f"{plural(with_real, 'real pair')}"] if with_real else []
        parts += [f"{plural(n_tests, 'test pair')}"] if n_tests else []
        self.summary.setText(" + ".join(parts))
        self.split_label.setText(f"{self.split.value()} %")
        self.tests_label.setText(tests_text(n_tests, self.split.value()))
        count = usable + n_tests + with_real
        self.button.setText(f"Export {plural(count, 'pair')}" if usable else "Export")
        self.button.setAccessibleDescription(
            "Writes the files in a separate process, reads them back and compares them."
        )
        if self.runner.running:
            self.allow("An export is running.")
        elif not accepted.counts["accepted"]:
            waiting = accepted.counts["new"]
            hint = f" {waiting:,} are waiting in Curate." if waiting else " Make some in Generate."
            self.allow("Nothing is accepted yet." + hint)
        elif not usable:
            self.allow("Every accepted pair is flagged as a copy of a real image. Accept others in Curate.")
        elif accepted.copies and wanted and not self.reason_edit.text().strip():
            self.allow("Give a reason to export copies of real images.")
        elif not self._formats():
            self.allow("Select at least one format.")
        else:
            self.allow(self.form.problem)

    def _choose(self) -> None:
        project = self.workspace.project
        start = self.path.text() or (str(project.path) if project is not None else "")
        path = QFileDialog.getExistingDirectory(self, "Export to a new or empty folder", start)
        if path:
            self.path.setText(path)

    # --- run ---

    def run(self) -> None:
        """Start the export."""
        if self.workspace.project is not None and not self.runner.running:
            self.error.dismiss()
            self.show_outcome("")
            self.open_button.hide()
            self.runner.start("export", self.workspace.project, self.value())

    def _show_event(self, event: Event) -> None:
        if not isinstance(event, Finished):
            return
        if event.reason != "completed":
            self.show_outcome("Stopped; nothing was written.")
            return
        result = ExportResult.parse(event.result)
        self.folder = Path(result.folder)
        self.show_outcome(result.sentence)
        self.open_button.show()

    def _open_folder(self) -> None:
        if self.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder)))

    # --- report ---

    def _report(self) -> None:
        """Write the report of the project, or stop writing it."""
        if self.reporter.running:
            self.reporter.cancel()
        elif self.workspace.project is not None:
            self.error.dismiss()
            self.reporter.start("report", self.workspace.project, ReportSettings())

    def _show_report_event(self, event: Event) -> None:
        if isinstance(event, Progress) and self.reporter.running:
            self.report_button.setText(f"Writing report: {event.note or 'page'} ({event.step} of {event.total})")
        elif isinstance(event, Finished) and event.reason != "completed":
            self.show_outcome("Stopped; the report was not written.")
        elif isinstance(event, Finished):
            self.show_outcome(f"Report: {event.result['report']}, {event.result['bytes'] / 1e6:,.1f} MB")
            QDesktopServices.openUrl(QUrl.fromLocalFile(event.result["report"]))

    def _show_reporting(self, state: str) -> None:
        self.report_button.setText(REPORT if state == "idle" else "Writing report…")
