"""Docks open under the name by which napari toggles them, and layers are handed to them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.paint.launch import PaintLauncher
from napari_organoid_synth.widgets.shared import menus as _menus
from napari_organoid_synth.widgets.shared.workspace import Workspace


def menu(viewer, title):
    """Click an entry of this plugin in napari's menu."""
    from napari._app_model import get_app_model

    commands = {"All steps": "steps", "Pairs": "pairs", "Curate": "curate", "Train": "train"}
    get_app_model().commands.execute_command(f"napari-organoid-synth.{commands[title]}").result()


def test_pages_are_shown_in_the_dock_with_all_steps(viewer):
    export = _menus.open_dock(viewer, "Export")
    steps = viewer.window.dock_widgets["All steps (Organoid Synth)"]
    assert steps.stack.currentWidget() is export
    assert _menus.open_dock(viewer, "Measure") is steps.stack.currentWidget()
    assert _menus.open_dock(viewer, "Export") is export is steps.stack.currentWidget()
    assert list(viewer.window.dock_widgets) == ["All steps (Organoid Synth)"]


def test_a_page_in_a_dock_of_its_own_is_used_where_it_is_open(viewer):
    _, export = viewer.window.add_plugin_dock_widget("napari-organoid-synth", "Export")
    assert _menus.open_dock(viewer, "Export") is export
    assert "All steps (Organoid Synth)" not in viewer.window.dock_widgets


def test_the_gallery_and_the_map_share_a_dock_and_turn_to_their_step(viewer):
    _menus.open_dock(viewer, "Pairs")
    gallery, the_map = _menus.open_dock(viewer, "Curate"), _menus.open_dock(viewer, "Map")
    wide = viewer.window.dock_widgets["Gallery and map (Organoid Synth)"]
    assert wide.tabs.currentWidget().isAncestorOf(the_map)
    assert _menus.open_dock(viewer, "Curate") is gallery
    assert wide.tabs.currentWidget().isAncestorOf(gallery)
    assert viewer.window.dock_widgets["All steps (Organoid Synth)"].title == "Scores"


def test_a_closed_dock_comes_back(viewer):
    widget = _menus.open_dock(viewer, "Measure")
    viewer.window._qt_window.show()
    dock = _menus._dock_of(widget)
    dock.close()
    assert not dock.isVisible()
    assert _menus.open_dock(viewer, "Measure") is widget
    assert not dock.isHidden()


@pytest.mark.parametrize("title", ["All steps", "Pairs", "Curate"])
def test_a_second_click_in_the_menu_raises_a_dock_and_never_hides_it(viewer, qtbot, title):
    viewer.window._qt_window.show()
    menu(viewer, title)
    menu(viewer, "Train")
    dock = viewer.window._wrapped_dock_widgets[f"{title} (Organoid Synth)"]
    qtbot.waitUntil(lambda: dock.isVisible())
    qtbot.wait(50)
    menu(viewer, title)
    qtbot.wait(50)
    assert dock.isVisible()
    assert not dock.visibleRegion().isEmpty()  # not behind another tab


def test_an_image_and_a_mask_go_to_the_pairs_page(viewer):
    viewer.add_labels(np.zeros((4, 4), int), name="other mask")
    viewer.add_image(np.zeros((4, 4)), name="other image")
    image = viewer.add_image(np.zeros((4, 4)), name="cells")
    mask = viewer.add_labels(np.ones((4, 4), int), name="outlines")
    viewer.layers.selection.active = image
    _menus.use_as_image(viewer)
    viewer.layers.selection.active = mask
    _menus.use_as_mask(viewer)
    pairs = _menus.open_dock(viewer, "Pairs")
    assert pairs.incoming.image_choice.value is image
    assert pairs.incoming.mask_choice.value is mask


def test_generate_like_this_paints_on_the_layer(viewer, tmp_path):
    Workspace.of(viewer).setProject(Project(tmp_path / "p"))
    mask = viewer.add_labels(np.ones((4, 4), int), name="drawn")
    viewer.layers.selection.active = mask
    _menus.generate_like_this(viewer)
    generate = _menus.open_dock(viewer, "Generate")
    assert generate.mask_choice.value is mask
    assert generate.value().masks == "file"


def test_paint_on_this_opens_the_painting_on_the_layer(viewer, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(PaintLauncher, "start", lambda self, choice, own: started.append((choice, own)))
    Workspace.of(viewer).setProject(Project(tmp_path / "p"))
    other = viewer.add_labels(np.ones((8, 8), int), name="other")
    mask = viewer.add_labels(np.eye(16, dtype=int), name="drawn")
    assert other is not mask
    viewer.layers.selection.active = mask
    _menus.paint_on_this(viewer)
    painting = _menus.open_dock(viewer, "Generate").painting
    assert painting.isExpanded()
    ((choice, own),) = started
    assert (choice.kind, choice.name, own) == ("layer", "drawn", mask)
    np.testing.assert_array_equal(choice.labels, np.eye(16))
    viewer.layers.selection.active = viewer.add_labels(np.zeros((3, 8, 8), int), name="stack")
    _menus.paint_on_this(viewer)
    assert len(started) == 1
    assert "no labels layer of one image" in painting.panel.form.problem


def test_the_wrong_layer_is_a_sentence(viewer):
    with pytest.raises(UserError, match="No single layer is selected"):
        _menus.use_as_image(viewer)
    viewer.layers.selection.active = viewer.add_image(np.zeros((4, 4)), name="cells")
    with pytest.raises(UserError, match="'cells' is not a labels layer"):
        _menus.use_as_mask(viewer)


def test_commands_run_from_the_menu(viewer):
    """App-model gives the viewer by the type of the argument."""
    from napari._app_model import get_app_model

    mask = viewer.add_labels(np.ones((4, 4), int), name="outlines")
    viewer.layers.selection.active = mask
    get_app_model().injection_store.inject(_menus.use_as_mask)()
    assert viewer.window.dock_widgets["All steps (Organoid Synth)"].title == "Pairs"


@pytest.mark.parametrize("title", ["Pairs", "Train", "Generate", "Curate", "Scores", "Measure", "Export"])
def test_napari_itself_can_open_every_dock_with_its_proxy_of_the_viewer(viewer, title):
    viewer.add_labels(np.ones((4, 4), int))
    _, widget = viewer.window.add_plugin_dock_widget("napari-organoid-synth", title)
    viewer.add_image(np.ones((4, 4)))
    assert _menus.open_dock(viewer, title) is widget


def test_docks_become_tabs_with_short_titles(viewer, qtbot):
    window = viewer.window._qt_window
    window.show()
    docks = []
    for title in ("Pairs", "Train", "Export"):
        docks.append(viewer.window.add_plugin_dock_widget("napari-organoid-synth", title)[0])
    qtbot.waitUntil(lambda: set(window.tabifiedDockWidgets(docks[0])) == set(docks[1:]))
    assert [dock.windowTitle() for dock in docks] == ["Pairs", "Train", "Export"]
    assert docks[1].toggleViewAction().text() == docks[1].name  # in the menu Window the whole name stays
    assert docks[1].name in viewer.window.dock_widgets
