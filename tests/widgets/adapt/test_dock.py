"""The dock Adapt: what it asks for, the objects over an image, the settings that it starts."""

from __future__ import annotations

import pytest

import adapting
from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.adapt.sketch_settings import SketchSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.adapt.dock import NOTHING, PAIRS
from napari_organoid_synth.widgets.adapt.objects_view import IMAGE, OBJECTS
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.workspace import Workspace


@pytest.fixture
def images(tmp_path):
    return adapting.write_target(tmp_path / "images", range(10, 12))


@pytest.fixture
def dock(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    workspace = Workspace.of(viewer)
    workspace.setProject(adapting.source(tmp_path / "project", 1))
    yield open_dock(viewer, "Adapt")
    workspace.close()


def test_without_a_project_it_asks_for_one(make_napari_viewer):
    assert "Open a project" in open_dock(make_napari_viewer(), "Adapt").empty.sentence.text()


def test_with_annotated_pairs_it_asks_for_the_images_then_adapts(dock, images, tmp_path):
    assert dock.verb == PAIRS
    assert "Choose the folder" in dock.reason.text()
    dock.images.setText(str(tmp_path / "nowhere"))
    assert "no such folder of images" in dock.reason.text()
    dock.images.setText(str(images))
    assert dock.button.isEnabled()
    settings = dock.value()
    assert isinstance(settings, AdaptSettings)
    assert settings == AdaptSettings(target=(str(images),))
    assert "1 training of a segmenter" in dock.cost.text()
    dock.test.setText(str(images))
    assert "13 trainings" in dock.cost.text()  # four kinds of pairs, three seeds, and the one that marks


def test_from_nothing_objects_are_drawn_over_an_image_and_follow_the_numbers(dock, images, qtbot):
    dock.start.setCurrentIndex(dock.start.findData(NOTHING))
    dock.images.setText(str(images))
    assert dock.objects.native.isVisibleTo(dock)
    dock.show_button.click()
    layers = dock.viewer.layers
    assert layers[IMAGE].data.shape == layers[OBJECTS].data.shape == (144, 144)
    before = (layers[OBJECTS].data > 0).sum()
    dock.objects["radius"].value = (15.0, 20.0)
    qtbot.waitUntil(lambda: (layers[OBJECTS].data > 0).sum() > 1.3 * before, timeout=5000)
    settings = dock.value()
    assert isinstance(settings, SketchSettings)
    assert settings.objects.radius == (15, 20)


def test_a_project_of_images_alone_starts_from_nothing(dock, tmp_path):
    dock.workspace.setProject(Project(tmp_path / "empty"))
    assert dock.verb == NOTHING
    assert "Choose the folder" in dock.reason.text()


def test_choices_come_back_with_the_project(dock, images, tmp_path):
    path = dock.workspace.project.path
    dock.start.setCurrentIndex(dock.start.findData(NOTHING))
    dock.images.setText(str(images))
    dock.workspace.setProject(Project(tmp_path / "other"))
    assert dock.images.text() == ""
    dock.workspace.setProject(Project(path))
    assert (dock.verb, dock.images.text()) == (NOTHING, str(images))


def test_both_settings_come_back_as_they_were_shown(dock, images):
    for settings in (AdaptSettings(target=(str(images),), keep=0.3), SketchSettings(images=(str(images),), number=7)):
        dock.setValue(settings)
        assert dock.value() == settings
