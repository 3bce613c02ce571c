"""Sliders of light and noise: neutral at their defaults, exact values, looks read in the background."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton
from superqt import QLabeledDoubleSlider

from napari_organoid_synth.core.live.light import LightSettings
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.widgets.live.light_panel import SLIDERS, LightPanel


@pytest.fixture
def panel(qtbot):
    panel = LightPanel()
    qtbot.addWidget(panel)
    yield panel
    panel.close_thread()


@pytest.fixture
def table(tmp_path):
    for seed in range(2):
        write_pair(tmp_path, tissue(seed, 64, n_cells=8).replace(name=f"p{seed}"))
    return check_pairs(find_pairs(tmp_path))


def test_an_untouched_panel_changes_nothing(panel):
    assert panel.value() == LightSettings()
    assert panel.look is None
    assert not panel.reset_button.isEnabled()
    assert set(SLIDERS) == set(LightSettings.model_fields)


@pytest.mark.parametrize("field", SLIDERS)
def test_each_slider_holds_every_value_of_its_field(qtbot, panel, field):
    slider = panel.sliders[field].slider
    for value in (slider.minimum(), slider.maximum(), getattr(LightSettings(), field)):
        slider.setValue(value)
        assert getattr(panel.value(), field) == value
    with qtbot.waitSignal(panel.valueChanged) as signal:
        slider.setValue((3 * slider.maximum() + slider.minimum()) / 4)
    assert signal.args == [panel.value()]
    assert panel.reset_button.isEnabled() == (field != "angle")


def test_values_are_shown_and_reset_with_one_signal(qtbot, panel):
    heard = []
    panel.valueChanged.connect(heard.append)
    settings = LightSettings(brightness=0.2, gamma=0.7, gradient=0.5, angle=90)
    panel.setValue(settings)
    panel.setValue(settings)
    assert heard == [settings]
    assert not panel.sliders["angle"].isHidden()
    panel.reset_button.click()
    assert heard[1:] == [LightSettings()]
    assert panel.sliders["angle"].isHidden()


def test_the_look_of_a_real_image_is_read(qtbot, panel, table):
    panel.show_pairs(table)
    assert [panel.look_combo.itemText(row) for row in range(3)] == ["as painted", "p0", "p1"]
    with qtbot.waitSignal(panel.lookChanged, timeout=10_000):
        panel.look_combo.setCurrentIndex(2)
    assert np.array_equal(panel.look, tissue(1, 64, n_cells=8).image)
    with qtbot.waitSignal(panel.lookChanged) as signal:
        panel.reset_button.click()
    assert signal.args == [None]
    panel.show_pairs(table, channels=3)
    assert panel.look_combo.count() == 1
    assert panel.look_combo.isHidden()


def test_a_look_that_cannot_be_read_is_told(qtbot, panel, table, tmp_path):
    panel.show_pairs(table)
    for path in tmp_path.glob("p0*"):
        path.write_bytes(b"")
    panel.look_combo.setCurrentIndex(1)
    qtbot.waitUntil(lambda: not panel.problem.isHidden(), timeout=10_000)
    assert "empty" in panel.problem.text()
    assert panel.look_combo.currentIndex() == 0


def test_every_control_has_a_name_and_a_tip(panel):
    for widget in panel.findChildren(QLabeledDoubleSlider) + panel.findChildren(QPushButton) + [panel.look_combo]:
        assert widget.accessibleName(), widget
        assert widget.toolTip(), widget
