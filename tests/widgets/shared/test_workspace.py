"""The workspace: one per viewer, projects, remembered settings, running jobs, closing."""

from __future__ import annotations

import json

import pytest
from napari._qt.dialogs.qt_notification import NapariQtNotification
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QPushButton, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.widgets.shared import workspace as _workspace
from napari_organoid_synth.widgets.shared.project_choice import short
from napari_organoid_synth.widgets.shared.project_folders import new_project_folder, recent_projects
from napari_organoid_synth.widgets.shared.workspace import Workspace


@pytest.fixture
def workspace(qtbot):
    workspace = Workspace()
    yield workspace
    workspace.close()


def test_one_per_viewer_also_behind_a_proxy(make_napari_viewer_proxy, make_napari_viewer):
    proxy = make_napari_viewer_proxy()
    other = make_napari_viewer()
    assert Workspace.of(proxy) is Workspace.of(proxy.__wrapped__)
    assert Workspace.of(proxy) is not Workspace.of(other)


def test_a_project_brings_its_pairs_and_is_offered_again(qtbot, workspace, tmp_path):
    project = Project(tmp_path / "one")
    PairTable(entries=(PairEntry(name="a", image="a.tif"),)).to_file(project.pairs_path)
    heard = []
    workspace.projectChanged.connect(lambda p: heard.append(p.path.name))
    workspace.pairsChanged.connect(lambda t: heard.append([e.name for e in t.entries] if t else None))
    workspace.setProject(project.path)
    workspace.setProject(tmp_path / "two")
    assert heard == ["one", ["a"], "two", None]
    assert recent_projects() == [tmp_path / "two", tmp_path / "one"]


def test_a_bad_project_leaves_the_old_one_open(workspace, tmp_path):
    workspace.setProject(tmp_path / "one")
    (tmp_path / "file").write_text("x")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "organoid-synth.json").write_text('{"version": 1}')
    (tmp_path / "torn" / "pairs.json").write_text("{")
    for bad in ("file", "torn"):
        with pytest.raises(UserError):
            workspace.setProject(tmp_path / bad)
        assert workspace.project.path.name == "one"


def test_settings_are_remembered_per_project(qtbot, workspace, tmp_path):
    workspace.setProject(tmp_path / "one")
    workspace.remember("train", {"steps": 7})
    workspace.setProject(tmp_path / "two")  # written before it leaves
    assert workspace.remembered("train") == {}
    workspace.remember("train", {"steps": 9})
    qtbot.waitUntil(lambda: (tmp_path / "two" / "window.json").exists(), timeout=3000)
    assert json.loads((tmp_path / "two" / "window.json").read_text()) == {"train": {"steps": 9}}
    workspace.setProject(tmp_path / "one")
    assert workspace.remembered("train") == {"steps": 7}
    (tmp_path / "two" / "window.json").write_text("[torn")
    workspace.setProject(tmp_path / "two")
    assert workspace.remembered("train") == {}


def test_pairs_are_written_to_the_project(workspace, tmp_path):
    workspace.setProject(tmp_path / "one")
    workspace.setPairs(PairTable(entries=(PairEntry(name="b"),)))
    assert PairTable.from_file(tmp_path / "one" / "pairs.json").entry("b").name == "b"


def test_a_new_project_gets_a_free_name(workspace, tmp_path):
    assert workspace.ensure_project("my data").path == tmp_path / "documents" / "my_data"
    assert new_project_folder("my data").name == "my_data-2"
    assert workspace.ensure_project("other").path.name == "my_data"  # the open one


def test_running_jobs_are_taken_up_and_left(qtbot, workspace, fake_job, project, tmp_path):
    fake_job.setenv("FAKE_STEPS", "100000")
    workspace.setProject(project)
    runner = workspace.runner("train")
    folder = runner.start("train", project, Recipe())
    qtbot.waitUntil(lambda: runner.last_progress is not None, timeout=10000)
    workspace.setProject(tmp_path / "two")
    assert not runner.running
    assert folder.alive
    workspace.setProject(project)
    assert runner.running
    assert runner.folder.path == folder.path
    with qtbot.waitSignal(runner.finished, timeout=5000):
        runner.cancel()


class Close(QEvent):
    """A close event made by hand."""

    def __init__(self, by_hand=True):
        super().__init__(QEvent.Type.Close)
        self._by_hand = by_hand

    def spontaneous(self):
        return self._by_hand


@pytest.mark.parametrize(("answer", "lives"), [("leave", True), ("stop", False), ("stay", True)])
def test_closing_asks_about_a_running_job(qtbot, workspace, fake_job, project, monkeypatch, answer, lives):
    fake_job.setenv("FAKE_STEPS", "100000")
    workspace.setProject(project)
    runner = workspace.runner("train")
    folder = runner.start("train", project, Recipe())
    qtbot.waitUntil(lambda: runner.last_progress is not None, timeout=10000)
    window = QWidget()
    qtbot.addWidget(window)
    asked = []
    monkeypatch.setattr(_workspace, "ask_about", lambda running, parent: asked.append(running) or answer)
    event = Close()
    assert workspace.eventFilter(window, event)
    assert asked == [[runner]]
    assert runner.running == (answer == "stay")
    assert not event.isAccepted()
    if lives:
        qtbot.wait(200)
        assert folder.alive
    else:
        qtbot.waitUntil(lambda: not folder.alive, timeout=5000)


def test_closing_without_jobs_or_by_program_asks_nothing(qtbot, workspace, fake_job, project, monkeypatch):
    monkeypatch.setattr(_workspace, "ask_about", lambda *_: pytest.fail("asked"))
    workspace.setProject(project)
    window = QWidget()
    qtbot.addWidget(window)
    assert not workspace.eventFilter(window, Close())
    fake_job.setenv("FAKE_STEPS", "100000")
    workspace.setProject(project)
    folder = workspace.runner("train").start("train", project, Recipe())
    qtbot.waitUntil(lambda: workspace.runner("train").last_progress is not None, timeout=10000)
    assert not workspace.eventFilter(window, Close(by_hand=False))
    assert folder.alive  # it goes on


def test_long_names_are_shortened_in_the_middle():
    assert short("a" * 10) == "a" * 10
    assert len(short("a" * 40 + "z", 24)) == 24
    assert short("a" * 40 + "z").endswith("z")


def test_one_notification_when_work_ends(qtbot, make_napari_viewer, fake_job, project):
    """Whatever page is open; a later one takes the place of the one before, and the button leads to the work."""
    viewer = make_napari_viewer(show=True)
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    window = viewer.window._qt_window

    def shown() -> list[str]:
        return [one.message.text() for one in window.findChildren(NapariQtNotification) if one.isVisible()]

    train = workspace.runner("train")
    with qtbot.waitSignal(train.finished, timeout=20_000):
        train.start("train", project, Recipe().override("gan=pix2pix"))
    assert shown() == ["Run 1 is trained."]
    with qtbot.waitSignal(train.finished, timeout=20_000):
        train.start("train", project, Recipe().override("gan=pix2pix"))
    qtbot.waitUntil(lambda: shown() == ["Run 2 is trained."], timeout=5000)
    note = next(one for one in window.findChildren(NapariQtNotification) if one.isVisible())
    (button,) = note.row2_widget.findChildren(QPushButton)
    assert button.text() == "Look at the run"
    button.click()
    steps = viewer.window.dock_widgets["All steps (Organoid Synth)"]
    assert steps.title == "Runs"
    workspace.close()
