"""The dock Export on the real verb in a child process: its files are read back here too."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, split_table
from napari_organoid_synth.core.pairs.ome_tiff import read_pair, write_pair
from napari_organoid_synth.core.pairs.pair import Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.report.report import SECTIONS
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.widgets.export import dock as export_widget
from napari_organoid_synth.widgets.export.dock import ExportWidget
from napari_organoid_synth.widgets.shared import jobs as _jobs
from napari_organoid_synth.widgets.shared.workspace import Workspace

JOB = """
import sys
from pathlib import Path
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.export import export
from napari_organoid_synth.core.job import Failed, JobFolder
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.export.settings import ExportSettings

folder = JobFolder(Path(sys.argv[sys.argv.index("--job") + 1]))
def events():
    try:
        settings = ExportSettings.from_file(folder.path / "settings.yaml")
        yield from export(Project(sys.argv[2]), settings, folder.control)
    except UserError as error:
        yield Failed(0, error.found, error.expected, error.todo, "report")
for _ in folder.record(events()):
    pass
"""


SLOW_REPORT = """
import sys, time
from pathlib import Path
from napari_organoid_synth.core.job import JobFolder, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.report.report import report

folder = JobFolder(Path(sys.argv[sys.argv.index("--job") + 1]))
control, page = folder.control, Path(sys.argv[2]) / "report.html"
for event in folder.record(report(Project(sys.argv[2]), page, control)):
    until = time.monotonic() + 20 * isinstance(event, Progress)
    while not control.canceled and time.monotonic() < until:
        time.sleep(0.05)
"""


@pytest.fixture
def dock(make_napari_viewer, fake_job, project, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(JOB)
    fake_job.setattr(_jobs.JobRunner, "COMMAND", (sys.executable, str(script)))
    viewer = make_napari_viewer()
    with SampleStore(project.samples_path) as store:
        store.add_many([tissue(seed, 48).replace(name=f"s{seed}") for seed in range(4)])
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    dock = ExportWidget(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    dock.close_store()
    workspace.close()


def accept(dock, project, qtbot, count=3):
    with SampleStore(project.samples_path) as store:
        store.decide(store.ids()[:count], "accepted")
    dock.workspace.samplesChanged.emit()
    qtbot.waitUntil(lambda: dock.accepted.counts["accepted"] == count, timeout=10_000)


def test_without_samples_it_says_where_they_come_from(make_napari_viewer, project):
    dock = ExportWidget(make_napari_viewer())
    assert "Open a project" in dock.empty.sentence.text()
    dock.workspace.setProject(project)
    assert "Make some in Generate" in dock.empty.sentence.text()
    dock.workspace.close()


def test_nothing_accepted_is_said_beside_the_disabled_button(dock, qtbot):
    qtbot.waitUntil(lambda: dock.accepted.counts["new"] == 4, timeout=10_000)
    assert not dock.button.isEnabled()
    assert dock.reason.text() == "Nothing is accepted yet. 4 are waiting in Curate."
    assert not dock.reason.isHidden()


def test_an_untouched_dock_gives_the_defaults(dock):
    assert dock.value() == ExportSettings()


def test_accepted_pairs_are_written_and_checked(dock, project, qtbot, monkeypatch):
    accept(dock, project, qtbot)
    assert dock.summary.text() == "3 accepted"
    assert dock.button.text() == "Export 3 pairs"
    dock.formats["stardist"].setChecked(True)
    dock.split.setValue(30)
    wanted = dock.value()
    assert (wanted.formats, wanted.validation) == (("ome-tiff", "stardist"), 0.3)
    with qtbot.waitSignal(dock.runner.finished, timeout=60_000):
        dock.button.click()
    assert ExportSettings.from_file(project.jobs("export")[0].path / "settings.yaml") == wanted
    assert dock.outcome.text() == (
        "3 pairs exported and verified. No real image is for testing. 1 synthetic pair for testing: scores on them say "
        "little about real images."
    )
    assert dock.error.isHidden()
    manifest = json.loads((dock.folder / "manifest.json").read_text())
    assert [sample["name"] for sample in manifest["samples"]] == ["s0", "s1", "s2"]
    written = next((dock.folder / "ome-tiff").rglob("s1.ome.tif"))
    np.testing.assert_array_equal(read_pair(written).labels, tissue(1, 48).labels)
    opened = []
    monkeypatch.setattr(export_widget.QDesktopServices, "openUrl", lambda url: opened.append(Path(url.toLocalFile())))
    dock.open_button.click()
    assert opened == [dock.folder]


def test_the_exported_set_opens_as_two_stacks(dock, project, qtbot):
    from napari_organoid_synth.widgets.shared.reader import get_reader

    accept(dock, project, qtbot)
    with qtbot.waitSignal(dock.runner.finished, timeout=60_000):
        dock.button.click()
    manifest = str(dock.folder / "manifest.json")
    (images, *_), (labels, *_) = get_reader(manifest)(manifest)
    assert images.shape[0] == 3
    np.testing.assert_array_equal(labels[2], tissue(2, 48).labels)


def test_copies_are_counted_and_left_out(dock, project, qtbot):
    with SampleStore(project.samples_path) as store:
        store.rate(store.ids()[0], {}, note="a copy", flagged="copy")
    accept(dock, project, qtbot)
    assert dock.summary.text() == "3 accepted · 1 copy left out"
    assert dock.button.text() == "Export 2 pairs"
    assert dock.reason_edit.isHidden()
    dock.copies.setChecked(True)
    assert dock.button.text() == "Export 3 pairs"
    assert dock.reason.text() == "Give a reason to export copies of real images."
    assert not dock.button.isEnabled()
    dock.reason_edit.setText("to test the copy detector")
    assert dock.button.isEnabled()
    with qtbot.waitSignal(dock.runner.finished, timeout=60_000):
        dock.button.click()
    kept = json.loads((dock.folder / "manifest.json").read_text())
    assert kept["copies"] == {"reason": "to test the copy detector", "samples": ["s0"]}


def test_a_folder_that_is_not_empty_is_a_card(dock, project, qtbot, tmp_path):
    accept(dock, project, qtbot)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("x")
    dock.path.setText(str(tmp_path / "full"))
    with qtbot.waitSignal(dock.runner.failed, timeout=60_000):
        dock.button.click()
    assert "is not empty" in dock.error.found.text()
    assert dock.button.isEnabled()
    assert (tmp_path / "full" / "thesis.doc").read_text() == "x"


def test_no_format_is_a_reason(dock, project, qtbot):
    accept(dock, project, qtbot)
    dock.formats["ome-tiff"].setChecked(False)
    assert dock.reason.text() == "Select at least one format."
    assert not dock.button.isEnabled()


def test_choices_are_remembered_but_not_the_folder(dock, project, tmp_path):
    dock.formats["biapy"].setChecked(True)
    dock.split.setValue(10)
    dock.path.setText("/somewhere")
    dock.workspace.setProject(Project(tmp_path / "other"))
    assert dock.value() == ExportSettings()
    dock.workspace.setProject(Project(project.path))
    assert dock.value() == ExportSettings(formats=("ome-tiff", "biapy"), validation=0)  # asked each time


def test_the_test_folders_are_announced(dock, project, qtbot, tmp_path):
    assert dock.tests_label.text() == "Test folders stay empty: mark test images in Pairs to fill them."
    accept(dock, project, qtbot)
    for seed in range(3):
        write_pair(tmp_path / "real", tissue(seed + 9, 64).replace(name=f"r{seed}", source=Source("real")))
    table = split_table(check_pairs(find_pairs(tmp_path / "real")), ["r2"])
    dock.workspace.setPairs(table)
    assert dock.tests_label.text() == "Test folders: your 1 test image."
    assert dock.summary.text() == "3 accepted + 1 test pair"
    assert dock.button.text() == "Export 4 pairs"
    dock.real.setChecked(True)
    assert dock.summary.text() == "3 accepted + 2 real pairs + 1 test pair"
    assert dock.button.text() == "Export 6 pairs"
    dock.real.setChecked(False)
    dock.split.setValue(20)
    assert dock.tests_label.text() == (
        "! Test folders: your 1 test image and 20 % of the synthetic pairs. Scores on synthetic pairs say little about "
        "real images."
    )
    dock.split.setValue(0)
    dock.formats["coco"].setChecked(True)
    with qtbot.waitSignal(dock.runner.finished, timeout=60_000):
        dock.button.click()
    assert dock.outcome.text() == "4 pairs exported and verified. 1 real image for testing."
    assert [path.name for path in (dock.folder / "coco/test").iterdir()] == ["r2.png"]


def test_the_report_is_written_by_the_command_line_and_opened(dock, project, qtbot, fake_job, monkeypatch):
    command = (sys.executable, "-P", "-m", "napari_organoid_synth")
    fake_job.setattr(_jobs.JobRunner, "COMMAND", command)
    opened, texts = [], []
    monkeypatch.setattr(export_widget.QDesktopServices, "openUrl", lambda url: opened.append(Path(url.toLocalFile())))
    dock.reporter.event.connect(lambda _: texts.append(dock.report_button.text()))
    qtbot.waitUntil(lambda: dock.accepted.counts["new"] == 4, timeout=10_000)
    assert not dock.button.isEnabled()  # nothing is accepted; a report can be written all the same
    assert dock.report_button.isEnabled()
    with qtbot.waitSignal(dock.reporter.finished, timeout=60_000):
        dock.report_button.click()
        assert dock.report_button.text() == "Writing report…"
    page = project.path / "report.html"
    assert opened == [page]
    assert "4 synthetic pairs: 4 new." in page.read_text(encoding="utf-8")
    assert dock.outcome.text() == f"Report: {page}, {page.stat().st_size / 1e6:.1f} MB"
    assert dock.report_button.text() == export_widget.REPORT
    assert any(text.startswith("Writing report: ") and text.endswith(f" of {len(SECTIONS)})") for text in texts)
    assert dock.error.isHidden()


def test_a_report_that_fails_is_a_card_and_can_be_tried_again(dock, project, qtbot, fake_job, monkeypatch):
    command = (sys.executable, "-P", "-m", "napari_organoid_synth")
    fake_job.setattr(_jobs.JobRunner, "COMMAND", command)
    opened = []
    monkeypatch.setattr(export_widget.QDesktopServices, "openUrl", opened.append)
    (project.path / "report.html").mkdir()
    with qtbot.waitSignal(dock.reporter.failed, timeout=60_000):
        dock.report_button.click()
    assert "report.html is a folder" in dock.error.found.text()
    assert opened == []
    assert dock.report_button.text() == export_widget.REPORT
    assert dock.report_button.isEnabled()


def test_a_report_can_be_stopped(dock, project, qtbot, fake_job, monkeypatch, tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(SLOW_REPORT)
    fake_job.setattr(_jobs.JobRunner, "COMMAND", (sys.executable, str(script)))
    dock.report_button.click()
    qtbot.waitUntil(lambda: f"real data (0 of {len(SECTIONS)})" in dock.report_button.text(), timeout=30_000)
    with qtbot.waitSignal(dock.reporter.finished, timeout=30_000) as stopped:
        dock.report_button.click()
    assert stopped.args == ["canceled"]
    assert dock.outcome.text() == "Stopped; the report was not written."
    assert not (project.path / "report.html").exists()


def test_it_fits_320_px(dock):
    assert dock.body.minimumSizeHint().width() <= 306
    buttons = (dock.browse, dock.open_button, dock.report_button)
    for control in (*dock.formats.values(), dock.real, dock.split, dock.path, *buttons):
        assert control.toolTip()
        assert control.accessibleName()


def test_an_export_ends_although_the_pool_of_qt_is_full(dock, project, qtbot):
    """Followers of jobs need no thread of that pool, which has as many as the processor has cores."""
    accept(dock, project, qtbot)
    pool, release = QThreadPool.globalInstance(), threading.Event()
    for _ in range(2 * pool.maxThreadCount()):
        pool.start(lambda: release.wait(60))
    try:
        with qtbot.waitSignal(dock.runner.finished, timeout=60_000) as caught:
            dock.button.click()
    finally:
        release.set()
        pool.waitForDone(10_000)
    assert caught.args == ["completed"]
    assert "verified" in dock.outcome.text()
