"""A reason that names another page comes with a button that opens it."""

from __future__ import annotations

from napari_organoid_synth.widgets.shared.menus import open_dock
from simulated import em_project


def test_a_reason_offers_the_page_that_helps(viewer, tmp_path):
    viewer.window._qt_window.show()
    measure = open_dock(viewer, "Measure")
    workspace = measure.workspace
    workspace.setProject(em_project(tmp_path / "p", 2))
    table = workspace.pairs
    workspace.setPairs(table.replace(entries=tuple(entry.replace(split="test") for entry in table.entries)))
    assert measure.reason.text() == "There are no training pairs. Load and check pairs in Pairs."
    assert measure.way.isVisible()
    assert measure.way.text() == "Go to Pairs"
    measure.way.click()
    steps = viewer.window.dock_widgets["All steps (Organoid Synth)"]
    assert steps.title == "Pairs"
    workspace.setPairs(table)
    assert measure.way.isHidden()
