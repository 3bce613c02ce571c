"""The section in the Generate dock paints with what is chosen above; the gallery opens it with a sample."""

from __future__ import annotations

import json

import napari
import pytest

from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.simulators.simulate import SIMULATORS
from napari_organoid_synth.widgets.generate.dock import GenerateWidget
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.workspace import Workspace


@pytest.fixture
def dock(qtbot, tmp_path):
    for seed in range(2):
        write_pair(tmp_path / "pairs", SIMULATORS["tissue"](seed, 96).replace(name=f"p{seed}"))
    project = Project(tmp_path / "project")
    check_pairs(find_pairs(tmp_path / "pairs"), "instances").to_file(project.pairs_path)
    make_run(project, "20260101-000000-train", "gan=pix2pix", image_classes=["healthy", "ill"])
    make_run(project, "20260102-000000-train", "gan=dcgan", "tiles.size=64")
    viewer = napari.components.ViewerModel()
    dock = GenerateWidget(viewer)
    qtbot.addWidget(dock)
    Workspace.of(viewer).setProject(project)
    yield dock
    dock.close()
    Workspace.of(viewer).close()


def make_run(project, name, *changes, **codec):
    path = project.path / "runs" / name
    (path / "checkpoints").mkdir(parents=True)
    Recipe().override(*changes).to_file(path / "recipe.yaml")
    (path / "codec.json").write_text(json.dumps({"low": [0], "high": [255], "dtype": "uint8", **codec}))
    for ending in (".json", ".safetensors"):
        (path / "checkpoints" / f"step_00000100{ending}").write_text("{}")


def choose(dock, name):
    dock.run_combo.setCurrentIndex(dock.run_combo.findData(name))


def test_it_paints_with_the_chosen_run_seed_class_and_variety(dock):
    panel, project = dock.painting.panel, dock.workspace.project
    choose(dock, "20260101-000000-train")
    assert panel.launcher.model.path == project.path / "runs" / "20260101-000000-train"
    dock.seed.setValue(9)
    dock.variety.setValue(50)
    dock.class_combo.setCurrentIndex(dock.class_combo.findData("ill"))
    options = panel.launcher._options
    assert (options.seed, options.image_class, options.variety) == (9, 1, 0.5)
    assert panel.start_button.isEnabled()


def test_without_training_it_paints_with_the_project_itself(dock):
    choose(dock, "analogy")
    assert dock.painting.panel.launcher.model.path == dock.workspace.project.path


def test_a_joint_generator_cannot_follow_a_brush_and_it_says_what_to_choose(dock):
    choose(dock, "20260102-000000-train")
    panel = dock.painting.panel
    assert panel.launcher.model.path is None
    assert "choose 'no training'" in panel.purpose.text()
    assert panel.start_button.isHidden()


def test_nothing_runs_before_it_is_started(dock):
    assert dock.workspace.renderer.state == "stopped"
    assert not dock.painting.isExpanded()


def test_the_gallery_opens_it_with_a_sample(make_napari_viewer, project):
    viewer = make_napari_viewer(show=True)
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    id = workspace.store.add(SIMULATORS["tissue"](0, 48))
    curate = open_dock(viewer, "Curate")
    curate.columns.chosen = lambda: [id]
    action = curate.commands["Change this one…"]
    assert action in curate.columns.views["new"].actions()
    action.trigger()
    generate = open_dock(viewer, "Generate")
    assert generate.painting.isExpanded()
    assert generate.painting.panel.form.choice().name == id
    assert generate.painting.panel.form.hint.text() == f"Sample {id}"
    for dock in (curate, generate):
        dock.close()
    workspace.close()


def test_the_painter_ends_when_napari_closes_the_dock(make_napari_viewer, qtbot):
    """napari only takes the widget out of the window; it gets no event that it closes."""
    viewer = make_napari_viewer()
    dock, widget = viewer.window.add_plugin_dock_widget("napari-organoid-synth", "Generate")
    renderer = widget.workspace.renderer
    renderer.prepare()
    assert renderer.pid
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: renderer.state == "stopped", timeout=5000)
    assert not renderer.pid
