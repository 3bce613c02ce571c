"""The page Studies: what it asks for, what it starts, and a study that was begun elsewhere."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.studies.catalog import STUDIES, study_settings
from napari_organoid_synth.core.studies.settings import PAGE, PROJECT, write_settings
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.workspace import Workspace


@pytest.fixture
def dock(make_napari_viewer):
    viewer = make_napari_viewer()
    yield open_dock(viewer, "Studies")
    Workspace.of(viewer).close()


def choose(dock, name):
    dock.study.setCurrentIndex(dock.study.findData(name))


def test_it_needs_no_project_and_says_what_each_study_wants(dock, tmp_path):
    assert not dock.body.isHidden()
    assert dock.reason.text() == "Choose the folder of images."
    for name, study in STUDIES.items():
        choose(dock, name)
        assert study.question in dock.question.text()
        assert study.data in dock.needs.text()
        assert study.takes["small"] in dock.needs.text()
    dock.data.setText(str(tmp_path / "nowhere"))
    assert dock.reason.text() == "There is no such folder of images."
    dock.data.setText(str(tmp_path))
    assert dock.button.isEnabled()
    assert dock.folder == tmp_path.parent / f"{list(STUDIES)[-1]}-study"


def test_a_folder_of_another_size_is_refused_in_words(dock, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    write_settings(folder, study_settings("organoid", str(tmp_path), "published"), "A study.")
    choose(dock, "organoid")
    dock.data.setText(str(tmp_path))
    dock.out.setText(str(folder))
    dock.button.click()
    assert "holds this study at the size 'published'" in dock.error.found.text()
    assert not dock.runner.running


def test_the_command_gets_name_images_folder_and_size(dock, tmp_path, fake_job, qtbot):
    choose(dock, "organoid")
    dock.data.setText(str(tmp_path))
    dock.out.setText(str(tmp_path / "results"))
    with qtbot.waitSignal(dock.runner.finished, timeout=20_000):
        dock.button.click()
    (job,) = Project(tmp_path / "results" / PROJECT).jobs("study")
    arguments = job.info["arguments"]
    assert arguments[:2] == ["organoid", str(tmp_path)]
    assert arguments[arguments.index("--out") + 1] == str(tmp_path / "results")
    assert arguments[arguments.index("--size") + 1] == "small"


def test_a_page_that_is_there_is_opened_with_its_project(dock, tmp_path):
    folder = tmp_path / "results"
    Project(folder / PROJECT)
    dock.data.setText(str(tmp_path))
    dock.out.setText(str(folder))
    assert dock.page_button.isHidden()
    (folder / PAGE).write_text("<html></html>")
    dock.size.currentIndexChanged.emit(0)
    assert not dock.page_button.isHidden()
    assert dock.button.text() == "Run the study again"
    dock.project_button.click()
    assert dock.workspace.project.path == folder / PROJECT


def test_a_study_is_followed_when_another_project_is_opened(dock, tmp_path, fake_job, qtbot):
    dock.data.setText(str(tmp_path))
    dock.out.setText(str(tmp_path / "results"))
    with qtbot.waitSignal(dock.runner.finished, timeout=20_000):
        dock.button.click()
        dock.workspace.setProject(tmp_path / "other")
        assert dock.runner.running
