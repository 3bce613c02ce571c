"""New cells: a shape floats under the mouse, turns and grows with the wheel, and is dropped, undone, deleted."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.core.live.stamps import Stamp
from napari_organoid_synth.core.simulators.real_outlines import signed_distance
from napari_organoid_synth.widgets.paint.stamp import FLOAT_NAME, StampTool
from painting_stand_in import Painter, StandIn

BAR = Stamp(signed_distance(np.ones((8, 24), bool)), source="a")


def wheel(painter, place, notches, modifiers=Qt.KeyboardModifier.NoModifier):
    point = QPointF(painter.at(*place))
    event = QWheelEvent(
        point,
        painter.native.mapToGlobal(point),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(painter.native, event)


@pytest.fixture
def painter(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    one = Painter(viewer, StandIn(), qtbot)
    one.tool = StampTool(viewer, one.labels, "instances", one.session)
    yield one
    one.session.end()


def start(painter, *stamps):
    painter.tool.start(stamps or [BAR])
    painter.tool._angle = 0.0
    painter.tool.turn(0)


def move(painter, *place):
    painter.mouse(QEvent.Type.MouseMove, place, Qt.MouseButton.NoButton)


def click(painter, *place):
    painter.stroke(place)


def zoom_of(painter):
    """Return the zoom of the view, which napari learns when it draws."""
    painter.native.update()
    painter.qtbot.wait(150)
    return painter.viewer.scene.camera.zoom


def outline(painter):
    rows, columns = np.nonzero(painter.viewer.layers[FLOAT_NAME].data)
    return np.ptp(rows) + 1, np.ptp(columns) + 1


def test_a_click_drops_a_new_object_that_spares_others_and_undo_takes_it_back(painter):
    painter.labels.data_setitem(tuple(np.mgrid[56:72, 50:60].reshape(2, -1)), 5)
    painter.settle()
    start(painter)
    dropped = []
    painter.tool.dropped.connect(dropped.append)
    move(painter, 64, 64)
    assert outline(painter) == (8, 24)
    assert painter.viewer.layers.selection.active is painter.labels
    click(painter, 64, 64)
    assert dropped == [BAR]
    mask = painter.session.layers.mask
    assert np.count_nonzero(mask == 5) == 160
    assert 8 * 16 <= np.count_nonzero(mask == 6) <= 8 * 17
    assert painter.follows()[0, 64, 70] == 60
    painter.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert sorted(np.unique(painter.session.layers.mask)) == [0, 5]
    painter.follows()
    painter.tool.overwrite = True
    start_zoom = zoom_of(painter)
    painter.tool._angle = 0.0
    painter.tool.turn(0)
    click(painter, 64, 64)
    assert np.count_nonzero(painter.session.layers.mask == 6) == 192
    assert zoom_of(painter) == start_zoom


def test_the_wheel_turns_and_grows_and_does_not_zoom(painter):
    start(painter)
    move(painter, 64, 64)
    zoom = zoom_of(painter)
    wheel(painter, (64, 64), 6)
    assert outline(painter) == (24, 8)
    wheel(painter, (64, 64), 6, Qt.KeyboardModifier.ShiftModifier)
    height, width = outline(painter)
    assert height == pytest.approx(24 * 1.08**6, abs=2)
    assert width == pytest.approx(8 * 1.08**6, abs=2)
    wheel(painter, (64, 64), -6, Qt.KeyboardModifier.ControlModifier)
    assert outline(painter) == (24, 8)
    assert zoom_of(painter) == zoom
    painter.tool.stop()
    painter.labels.mode = "pan_zoom"
    wheel(painter, (64, 64), 1)
    assert zoom_of(painter) > zoom


def test_delete_removes_the_object_under_the_mouse_and_undo_brings_it_back(painter):
    painter.labels.data_setitem(tuple(np.mgrid[20:40, 20:40].reshape(2, -1)), 1)
    painter.settle()
    start(painter)
    move(painter, 30, 30)
    painter.key(Qt.Key.Key_Delete)
    assert not painter.session.layers.mask.any()
    assert painter.follows()[0, 30, 30] == 0
    painter.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert painter.follows()[0, 30, 30] == 10


def test_keys_and_the_right_button_take_the_next_shape_and_escape_ends(painter):
    square = Stamp(signed_distance(np.ones((12, 12), bool)))
    start(painter, BAR, square)
    move(painter, 64, 64)
    painter.tool._rng = np.random.default_rng(1)
    seen = set()
    for _ in range(12):
        painter.key(Qt.Key.Key_N)
        seen.add(painter.tool._stamp.depth.shape)
    assert len(seen) == 2
    before = painter.tool._angle
    painter.stroke((64, 64), button=Qt.MouseButton.RightButton)
    assert painter.tool._angle != before
    assert not painter.session.layers.mask.any()
    painter.key(Qt.Key.Key_Escape)
    assert not painter.tool.is_on
    assert [layer.name for layer in painter.viewer.layers] == ["painting", "painting mask"]
    assert painter.labels.mode == "paint"
    painter.stroke((30, 30), (30, 50))
    assert painter.follows()[0, 30, 40] == 10


def test_a_drag_moves_the_view_and_drops_nothing(painter):
    start(painter)
    centre = painter.viewer.scene.camera.center
    painter.stroke((64, 64), (64, 80), (64, 90))
    assert not painter.session.layers.mask.any()
    assert painter.viewer.scene.camera.center != centre


def test_a_double_click_drops_a_second_cell_instead_of_zooming(painter):
    start(painter)
    zoom = zoom_of(painter)
    click(painter, 30, 30)
    painter.mouse(QEvent.Type.MouseButtonDblClick, (90, 90))
    painter.release(90, 90)
    assert sorted(np.unique(painter.session.layers.mask)) == [0, 1, 2]
    assert zoom_of(painter) == zoom


def test_classes_get_the_label_of_the_shape(make_napari_viewer, qtbot):
    names = {"mask_kind": "classes", "class_names": ["membrane", "mitochondrion"]}
    painter = Painter(make_napari_viewer(show=True), StandIn(), qtbot, **names)
    tool = StampTool(painter.viewer, painter.labels, "classes", painter.session)
    tool.start([Stamp(BAR.depth, 2)])
    click(painter, 64, 64)
    assert sorted(np.unique(painter.session.layers.mask)) == [0, 2]
    tool.stop()
    painter.session.end()


def test_the_layer_may_go_while_a_shape_floats(painter):
    start(painter)
    move(painter, 64, 64)
    painter.viewer.layers.remove(painter.labels)
    painter.tool.stop()
    assert [layer.name for layer in painter.viewer.layers] == ["painting"]
    assert painter.session.over
