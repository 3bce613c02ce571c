"""Boxes keep every number, and their arrows step through sensible ones."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_organoid_synth.widgets.forms.boxes import CheckBoxes, FloatBox, IntBox


@pytest.fixture
def float_box(qtbot):
    box = FloatBox()
    qtbot.addWidget(box)
    return box


@pytest.mark.parametrize("value", [2e-4, 1e-3, 0.1, 1 / 3, 99.9, 1e-9, 123456.789, 0.0, 5e-5])
def test_floats_keep_all_their_digits(float_box, value):
    float_box.set_bounds(0, 1e6, optional=False)
    float_box.put(value)
    assert float_box.get() == value
    assert float(float_box.text()) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("start", "steps", "expected"), [(2e-4, 1, 3e-4), (1e-4, -1, 9e-5), (9e-5, 1, 1e-4), (0.5, 1, 0.6), (0.95, 1, 1.0)]
)
def test_arrows_change_the_first_digit(float_box, start, steps, expected):
    float_box.set_bounds(0, 1, optional=False)
    float_box.put(start)
    float_box.stepBy(steps)
    assert float_box.get() == pytest.approx(expected, rel=1e-12)


def test_a_number_may_be_automatic(float_box):
    float_box.set_bounds(0.5, 10, optional=True)
    float_box.put(None)
    assert (float_box.get(), float_box.text()) == (None, "automatic")
    float_box.stepBy(1)
    assert float_box.get() == 0.5
    float_box.stepBy(-1)
    assert float_box.get() is None
    float_box.put(2e-4)
    assert (float_box.get(), float_box.text()) == (2e-4, "0.0002")


def test_arrows_of_whole_numbers_stop_at_the_bounds(qtbot):
    box = IntBox()
    qtbot.addWidget(box)
    box.set_bounds(0, 20, optional=False)
    box.put(19)
    box.stepBy(5)
    assert box.get() == 20
    box.put(4000)  # typed: out of bounds, but shown as it is
    assert box.get() == 4000


def test_check_boxes_return_values_in_the_order_they_were_put(qtbot):
    boxes = CheckBoxes(["a", "b", "c"])
    qtbot.addWidget(boxes)
    with qtbot.waitSignal(boxes.edited) as signal:
        boxes.put(["c", "a"])
    assert boxes.get() == ("c", "a")
    boxes.boxes["b"].setChecked(True)
    assert boxes.get() == ("c", "a", "b")
    assert signal.args is not None


@pytest.mark.parametrize(("cls", "other"), [(IntBox, 7), (FloatBox, 0.25)])
def test_a_word_stands_for_zero_and_is_read_back(qtbot, cls, other):
    box = cls()
    qtbot.addWidget(box)
    box.set_bounds(0, 10, optional=False)
    box.put(0)
    box.set_zero("automatic")
    assert (box.get(), box.text()) == (0, "automatic")
    box.put(other)
    assert (box.get(), box.text()) == (other, str(other))
    box.selectAll()
    qtbot.keyClicks(box, "auto")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert (box.get(), box.text()) == (0, "automatic")
    box.selectAll()
    qtbot.keyClicks(box, "3")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert (box.get(), box.text()) == (3, "3")
    box.put(0)
    box.stepBy(1)
    assert box.get() > 0
