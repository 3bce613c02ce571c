"""The walk panel: the pad with mouse and keys, what each generator offers, variations and films."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox, QSpinBox
from superqt import QLabeledDoubleSlider

from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.widgets.live.walk_pad import WalkPad
from napari_organoid_synth.widgets.live.walk_panel import ONLY_SEEDS, STILL, WalkPanel

ALL = ("seed", "between", "pad", "near", "variety", "classes", "styles")
PLACE = WalkSettings(
    seed=5, other_seed=9, share=0.25, pad_x=-0.5, pad_y=0.125, distance=0.5, variety=0.75, class_from=1, class_to=2,
    class_share=0.5, style_seed=7, style_first=2, style_last=6,
)  # fmt: skip


@pytest.fixture
def panel(qtbot):
    panel = WalkPanel()
    qtbot.addWidget(panel)
    panel.offer(ALL, ("healthy", "ill", "dead"), 10)
    return panel


@pytest.fixture
def pad(qtbot):
    pad = WalkPad()
    qtbot.addWidget(pad)
    pad.resize(300, 168)
    pad.show()
    return pad


def test_the_pad_follows_the_mouse(qtbot, pad):
    with qtbot.waitSignal(pad.moved) as signal:
        qtbot.mousePress(pad, Qt.MouseButton.LeftButton, pos=QPoint(150 + 77 // 2, 84))
    assert signal.args == pytest.approx([0.5, 0.0], abs=0.02)
    qtbot.mouseMove(pad, QPoint(299, 2))
    qtbot.mousePress(pad, Qt.MouseButton.LeftButton, pos=QPoint(299, 2))
    assert pad.value_at() == (1.0, -1.0)  # stays in the square
    qtbot.mouseDClick(pad, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    assert pad.value_at() == (0.0, 0.0)


def test_the_pad_follows_the_arrow_keys(qtbot, pad):
    for key, modifier, expected in (
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, (0.05, 0.0)),
        (Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier, (0.05, 0.25)),
        (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier, (0.05, 0.2)),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier, (0.0, 0.2)),
        (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier, (0.0, 0.0)),
    ):
        qtbot.keyClick(pad, key, modifier)
        assert pad.value_at() == pytest.approx(expected)
    assert "0.00" in pad.accessibleName()
    for _ in range(30):
        qtbot.keyClick(pad, Qt.Key.Key_Left)
    assert pad.value_at()[0] == -1


def test_an_untouched_panel_is_the_first_sample(qtbot):
    panel = WalkPanel()
    qtbot.addWidget(panel)
    for walks in ((), ("seed",), ALL[:4], ALL[:5]):
        panel.offer(walks)
        assert panel.value() == WalkSettings()
        assert panel.value().is_plain


def test_values_are_shown_and_told_once(panel):
    heard = []
    panel.valueChanged.connect(heard.append)
    panel.setValue(PLACE)
    panel.setValue(PLACE)
    assert heard == [PLACE]
    panel.seed.setValue(6)
    panel.pad.move_to(0.1, 0.2)
    panel.ways.variety.setValue(1.5)
    panel.ways.style_on.setChecked(False)
    expected = PLACE.replace(seed=6)
    assert heard[1:3] == [expected, expected.replace(pad_x=0.1, pad_y=0.2)]
    assert heard[-1].style_seed is None
    assert len(heard) == 5


def test_only_what_is_offered_is_shown_and_told(panel):
    panel.setValue(PLACE)
    panel.offer(["seed", "between", "pad", "near"])
    assert panel.value() == WalkSettings(seed=5, other_seed=9, share=0.25, pad_x=-0.5, pad_y=0.125, distance=0.5)
    assert panel.more.isHidden()
    panel.offer(["seed"])
    assert panel.value() == WalkSettings(seed=5)
    assert panel.note.text() == ONLY_SEEDS
    assert panel.pad.isHidden()
    assert panel.film_button.isHidden()
    assert not panel.variations_button.isHidden()
    panel.offer([])
    assert panel.note.text() == STILL
    assert panel.variations_button.isHidden()


def test_variations_lie_around_the_place(qtbot, panel):
    panel.setValue(PLACE)
    with qtbot.waitSignal(panel.variationsAsked) as signal:
        panel.variations_button.click()
    assert signal.args[0] == [PLACE.replace(variation=number) for number in (1, 2, 3, 4)]


def test_films_show_the_chosen_way(qtbot, panel):
    panel.setValue(PLACE)
    panel.frames.setValue(3)
    assert [panel.film_combo.itemData(row) for row in range(3)] == ["between", "circle", "classes"]
    with qtbot.waitSignal(panel.filmAsked) as signal:
        panel.film_button.click()
    assert signal.args == [[PLACE.replace(share=share) for share in (0, 0.5, 1)], True]
    panel.film_combo.setCurrentIndex(2)
    with qtbot.waitSignal(panel.filmAsked) as signal:
        panel.film_button.click()
    assert [place.class_share for place in signal.args[0]] == [0, 0.5, 1]


def test_a_sample_is_left_when_another_seed_is_chosen(panel):
    panel.setValue(WalkSettings(seed=3, index=7, attempt=1))
    assert (panel.value().index, panel.value().attempt) == (7, 1)
    panel.seed.setValue(4)
    assert (panel.value().index, panel.value().attempt) == (0, 0)


def test_every_control_has_a_name_and_a_tip(panel):
    kinds = (QLabeledDoubleSlider, QAbstractButton, QComboBox, QSpinBox, WalkPad)
    for widget in (one for kind in kinds for one in panel.findChildren(kind)):
        assert widget.accessibleName(), widget
        assert widget.toolTip() or widget is panel.more.toggleButton(), widget
