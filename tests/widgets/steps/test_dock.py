"""The dock with all steps in a real napari window: pages, tabs, the next step, closing."""

from __future__ import annotations

import pytest

from napari_organoid_synth.widgets.shared.menus import DOCKS, WIDE, open_dock
from napari_organoid_synth.widgets.steps.step_table import step_of
from simulated import add_made, em_project


@pytest.fixture
def steps(viewer):
    open_dock(viewer, "Pairs")
    return viewer.window.dock_widgets["All steps (Organoid Synth)"]


@pytest.fixture
def project(tmp_path):
    project = em_project(tmp_path / "p", 3)
    add_made(project, 3)
    return project


def test_pages_are_made_when_they_are_first_shown(steps):
    assert list(steps._pages) == ["Pairs"]
    steps.bar.buttons[2].click()
    assert list(steps._pages) == ["Pairs", "Generate"]
    assert steps.stack.currentWidget() is steps.page("Generate")


@pytest.mark.parametrize("title", [title for title in DOCKS if title not in WIDE])
def test_every_page_can_be_shown_and_marks_its_step(steps, title):
    assert steps.go(title) is steps.stack.currentWidget()
    assert steps.bar.buttons[step_of(title)].isChecked()


def test_a_step_with_several_pages_has_tabs_and_remembers_which_was_shown(steps, viewer):
    viewer.window._qt_window.show()
    assert [steps.tabs.tabText(i) for i in range(steps.tabs.count())] == ["With masks", "Without masks"]
    steps.tabs.tabBarClicked.emit(1)
    assert steps.title == "Adapt"
    steps.bar.buttons[5].click()
    assert steps.title == "Export"
    assert not steps.tabs.isVisible()
    steps.bar.buttons[0].click()
    assert steps.title == "Adapt"


def test_the_next_step_is_the_one_prominent_button(steps, viewer, project, qtbot):
    viewer.window._qt_window.show()
    pairs = steps.page("Pairs")
    assert not steps.next_button.isVisible()
    assert pairs.button._prominent
    steps.workspace.setProject(project)
    qtbot.waitUntil(steps.next_button.isVisible)
    qtbot.waitUntil(lambda: steps.next_button.text() == "Look at 3 new pairs →")
    assert not pairs.button._prominent
    steps.go("Generate")
    assert steps.next_button.text() == "Look at 3 new pairs →"
    steps.next_button.click()
    assert steps.title == "Scores"
    assert "Gallery and map (Organoid Synth)" in viewer.window.dock_widgets


def test_layers_are_offered_to_pages_that_are_not_shown(steps, viewer):
    import numpy as np

    generate = steps.page("Generate")
    layer = viewer.add_labels(np.ones((8, 8), int), name="drawn")
    assert layer in generate.mask_choice.choices


def test_closing_the_dock_closes_its_pages(steps, viewer, project, qtbot):
    steps.workspace.setProject(project)
    export = steps.go("Export")
    qtbot.waitUntil(lambda: export._thread is not None)
    viewer.window.remove_dock_widget(steps)
    qtbot.waitUntil(lambda: export._thread is None)


def test_tab_goes_from_the_bar_to_the_page_to_the_next_step(steps, viewer, project, qtbot):
    viewer.window._qt_window.show()
    steps.workspace.setProject(project)
    qtbot.waitUntil(steps.next_button.isVisible)
    steps.bar.buttons[0].setFocus()
    seen = [steps.bar.buttons[0]]
    for _ in range(60):
        steps.focusNextPrevChild(True)
        seen.append(viewer.window._qt_window.focusWidget())
        if seen[-1] is steps.next_button:
            break
    assert seen[1] is steps.bar.buttons[1]
    assert steps.next_button in seen
    assert steps.page("Pairs").button in seen[seen.index(steps.bar.buttons[5]) :]


def test_the_step_curate_comes_back_to_the_page_that_was_shown_last(steps, viewer, project, qtbot):
    steps.workspace.setProject(project)
    steps.go("Blind test")
    steps.bar.buttons[0].click()
    steps.bar.buttons[3].click()
    assert steps.title == "Blind test"
    assert "Gallery and map (Organoid Synth)" in viewer.window.dock_widgets


def test_an_error_is_shown_in_the_dock(steps, viewer):
    from napari_organoid_synth.core.errors import UserError

    steps.show_error(UserError("Nothing works."))
    assert steps.isAncestorOf(steps.error)
    assert not steps.error.isHidden()
