"""The quick try on the Pairs page, with a real job: samples, a first number, the gallery."""

from __future__ import annotations

import re

import pytest

from napari_organoid_synth.core.try_settings import TrySettings
from napari_organoid_synth.widgets.pairs import quick_try as module
from napari_organoid_synth.widgets.shared.menus import open_dock
from simulated import em_project


@pytest.mark.timeout(240)
def test_one_click_ends_with_samples_and_a_first_number(viewer, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(module, "TrySettings", lambda: TrySettings(number=2, steps=2))
    viewer.window._qt_window.show()
    pairs = open_dock(viewer, "Pairs")
    assert pairs.quick.button.isHidden()
    pairs.workspace.setProject(em_project(tmp_path / "p", 2))
    assert not pairs.quick.button.isHidden()
    pairs.quick.button.click()
    assert pairs.quick.button.isHidden()
    with qtbot.waitSignal(pairs.quick.runner.finished, timeout=200_000) as ended:
        pass
    assert ended.args == ["completed"]
    qtbot.waitUntil(lambda: not pairs.quick.result.isHidden())
    assert pairs.quick.result.text().startswith("With synthetic pairs Dice is 0.")
    assert "A first look: one short training of each, 2 steps." in pairs.quick.result.text()
    gallery = viewer.window.dock_widgets["Gallery and map (Organoid Synth)"].page("Curate")
    qtbot.waitUntil(lambda: len(gallery.columns.views["new"].samples.ids) == 2)
    steps = viewer.window.dock_widgets["All steps (Organoid Synth)"]
    assert steps.title == "Pairs"  # the number stays in view
    qtbot.waitUntil(lambda: steps.states.states[4].text != "ready")
    assert re.fullmatch(r"no verdict|use none|[+-]0\.\d\d", steps.states.states[4].text)
