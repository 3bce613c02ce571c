"""Docks open under the name by which napari toggles them, and layers are handed to them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.shared import menus as _menus
from napari_organoid_synth.widgets.shared.workspace import Workspace


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    yield viewer
    for widget in list(viewer.window.dock_widgets.values()):
        if hasattr(widget, "strip"):
            widget.strip.close_store()
    Workspace.of(viewer).close()


def test_a_dock_is_made_once_and_under_its_menu_name(viewer):
    first = _menus.open_dock(viewer, "Export")
    assert _menus.open_dock(viewer, "Export") is first
    assert "Export (Organoid Synth)" in viewer.window.dock_widgets


def test_a_closed_dock_comes_back(viewer):
    widget = _menus.open_dock(viewer, "Segment")
    dock = _menus._dock_of(widget)
    dock.hide()
    assert not dock.isVisible()
    viewer.window._qt_window.show()
    _menus.open_dock(viewer, "Segment")
    assert not dock.isHidden()


def test_an_image_and_a_mask_go_to_the_pairs_dock(viewer):
    viewer.add_labels(np.zeros((4, 4), int), name="other mask")
    viewer.add_image(np.zeros((4, 4)), name="other image")
    image = viewer.add_image(np.zeros((4, 4)), name="cells")
    mask = viewer.add_labels(np.ones((4, 4), int), name="outlines")
    viewer.layers.selection.active = image
    _menus.use_as_image(viewer)
    viewer.layers.selection.active = mask
    _menus.use_as_mask(viewer)
    pairs = viewer.window.dock_widgets["Pairs (Organoid Synth)"]
    assert pairs.incoming.image_choice.value is image
    assert pairs.incoming.mask_choice.value is mask


def test_generate_like_this_paints_on_the_layer(viewer, tmp_path):
    Workspace.of(viewer).setProject(Project(tmp_path / "p"))
    mask = viewer.add_labels(np.ones((4, 4), int), name="drawn")
    viewer.layers.selection.active = mask
    _menus.generate_like_this(viewer)
    generate = viewer.window.dock_widgets["Generate (Organoid Synth)"]
    assert generate.mask_choice.value is mask
    assert generate.value().masks == "file"


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
    assert "Pairs (Organoid Synth)" in viewer.window.dock_widgets


@pytest.mark.parametrize("title", ["Pairs", "Train", "Generate", "Curate", "Scores", "Segment", "Export"])
def test_napari_itself_can_open_every_dock_with_its_proxy_of_the_viewer(viewer, title):
    viewer.add_labels(np.ones((4, 4), int))
    _, widget = viewer.window.add_plugin_dock_widget("napari-organoid-synth", title)
    viewer.add_image(np.ones((4, 4)))
    assert _menus.open_dock(viewer, title) is widget


@pytest.mark.parametrize("by_menu", [True, False])
def test_docks_become_tabs_with_short_titles(viewer, qtbot, by_menu):
    window = viewer.window._qt_window
    window.show()
    docks = []
    for title in ("Pairs", "Train", "Export"):
        if by_menu:
            docks.append(viewer.window.add_plugin_dock_widget("napari-organoid-synth", title)[0])
        else:
            docks.append(_menus._dock_of(_menus.open_dock(viewer, title)))
    qtbot.waitUntil(lambda: set(window.tabifiedDockWidgets(docks[0])) == set(docks[1:]))
    assert [dock.windowTitle() for dock in docks] == ["Pairs", "Train", "Export"]
    assert docks[1].toggleViewAction().text() == docks[1].name  # in the menu Window the whole name stays
    assert docks[1].name in viewer.window.dock_widgets
