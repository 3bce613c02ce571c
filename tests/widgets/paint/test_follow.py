"""The image follows the brush: real mouse events on napari's canvas, every tool, undo, and layers that go."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt

from napari_organoid_synth.core.boxes import changed_box, union
from napari_organoid_synth.widgets.paint.session import PaintOptions
from napari_organoid_synth.widgets.paint.start import Start, StartChoice
from napari_organoid_synth.widgets.paint.texture import draw_part
from painting_stand_in import SIDE, Painter, StandIn


@pytest.fixture
def renderer(qapp):
    return StandIn()


@pytest.fixture
def painter(make_napari_viewer, renderer, qtbot):
    viewer = make_napari_viewer(show=True)
    one = Painter(viewer, renderer, qtbot)
    yield one
    one.session.end()


def test_the_image_follows_the_mouse_and_each_stroke_is_a_new_object(painter):
    assert [layer.name for layer in painter.viewer.layers] == ["painting", "painting mask"]
    assert painter.viewer.layers.selection.active is painter.labels
    painter.stroke((30, 30), (30, 60))
    assert sorted(np.unique(painter.labels.data)) == [0, 1]
    painter.stroke((90, 30), (90, 60))
    assert sorted(np.unique(painter.labels.data)) == [0, 1, 2]
    picture = painter.follows()
    assert picture[0, 30, 45] == 10
    assert picture[0, 90, 45] == 20
    assert painter.session.deeds.strokes == 2
    painter.stroke((90, 60), (100, 70))  # begins on the selected object
    assert sorted(np.unique(painter.labels.data)) == [0, 1, 2]
    painter.session.strokes.new_ids = False
    painter.stroke((60, 100), (62, 100))
    assert sorted(np.unique(painter.labels.data)) == [0, 1, 2]
    painter.follows()


def test_it_is_fast_while_the_mouse_is_down_and_full_when_it_is_released(painter):
    painter.renderer.asked.clear()
    painter.stroke((40, 30), (40, 50), (40, 70), release=False)
    painter.qtbot.waitUntil(lambda: "change" in painter.renderer.kinds(), timeout=2000)
    assert {one[2] for one in painter.renderer.asked} == {"fast"}
    painter.release(40, 70)
    last = painter.renderer.asked[-1]
    assert last[2] == "full"
    box = last[1]
    assert box[1] < 30 < 70 < box[3]
    painter.follows()


def test_a_stroke_is_sent_before_the_window_is_drawn(painter):
    painter.renderer.asked.clear()
    painter.mouse(QEvent.Type.MouseButtonPress, (40, 30))
    assert painter.renderer.kinds() == ["change"]  # without a turn of the event loop
    painter.mouse(QEvent.Type.MouseMove, (40, 50))
    assert painter.renderer.kinds() == ["change", "change"]
    painter.release(40, 50)
    painter.follows()


def test_it_is_full_also_where_the_mouse_only_rests(painter):
    painter.stroke((40, 30), (40, 50), release=False)
    painter.qtbot.waitUntil(lambda: painter.renderer.asked[-1][-1] == "full", timeout=3000)
    painter.release(40, 50)
    painter.follows()


def test_undo_redo_fill_and_eraser_are_followed(painter):
    painter.stroke((30, 30), (30, 60))
    before = painter.follows().copy()
    painter.stroke((90, 30), (90, 60))
    painter.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(painter.follows(), before)
    painter.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert painter.follows()[0, 90, 45] == 20
    painter.labels.mode = "erase"
    painter.stroke((30, 40), (30, 50))
    assert painter.follows()[0, 30, 45] == 0
    painter.labels.mode = "fill"
    painter.labels.selected_label = 7
    painter.stroke((110, 110))
    assert painter.follows()[0, 110, 110] == 70


def test_a_polygon_gets_a_number_and_the_next_one_another(painter):
    painter.labels.selected_label = 4
    painter.labels.mode = "polygon"
    painter.labels.paint_polygon([(10, 10), (10, 40), (40, 40)], painter.labels.selected_label)
    painter.settle()
    assert painter.labels.selected_label == 5
    assert painter.follows()[0, 12, 35] == 40


def test_data_set_from_elsewhere_is_followed_also_in_another_size(painter):
    data = painter.labels.data.copy()
    data[5:9, 5:9] = 3
    painter.labels.data = data
    painter.settle()
    assert painter.follows()[0, 6, 6] == 30
    painter.labels.data = np.ones((50, 70), np.int32)
    painter.settle()
    assert painter.follows().shape == (1, 50, 70)
    painter.labels.data_setitem((np.array([3]), np.array([4])), 9)
    painter.settle()
    assert painter.follows()[0, 3, 4] == 90


def test_renamed_layers_are_followed_and_a_removed_one_ends_it(painter):
    told = []
    painter.session.ended.connect(told.append)
    painter.labels.name, painter.session.layers.image.name = "mine", "picture"
    painter.stroke((30, 30), (30, 60))
    painter.follows()
    painter.viewer.layers.remove(painter.session.layers.image)
    assert told == ["The layer 'picture' was removed."]
    painter.stroke((60, 30), (60, 60))
    assert painter.renderer.asked[-1] == ("close", painter.session.canvas)


def test_pixels_that_somebody_put_on_the_image_do_not_stay(painter):
    painter.session.layers.image.data = np.full((SIDE, SIDE), 99, np.uint8)
    painter.stroke((30, 30), (30, 60))
    assert painter.follows()[0, 30, 45] == 10


def test_classes_have_names_and_no_label_beyond_them(make_napari_viewer, qtbot):
    renderer = StandIn()
    names = {"mask_kind": "classes", "class_names": ["membrane", "mitochondrion"]}
    painter = Painter(make_napari_viewer(), renderer, qtbot, **names)
    assert list(painter.labels.features["class"]) == ["background", "membrane", "mitochondrion"]
    painter.labels.selected_label = 9
    assert painter.labels.selected_label == 2
    painter.session.end()


def test_a_real_pair_stays_real_where_its_mask_does(make_napari_viewer, qtbot):
    rng = np.random.default_rng(0)
    real = rng.integers(100, 200, (1, SIDE, SIDE)).astype(np.uint8)
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[10:30, 10:30] = 1
    choice = StartChoice("pair", "a")
    start = Start(choice, labels.copy(), image=real.copy(), real=real, limits=((0, 255),))
    painter = Painter(make_napari_viewer(show=True), StandIn(), qtbot, start)
    assert painter.viewer.layers[0].name == "a painted"
    painter.stroke((80, 30), (80, 60))
    picture = painter.follows()
    changed = painter.labels.data != labels
    assert changed.any()
    np.testing.assert_array_equal(picture[:, ~changed], real[:, ~changed])
    assert (picture[0][changed] == 20).all()
    painter.session.set_options(PaintOptions(seed=3))  # the whole image again: what was real is still real
    painter.settle()
    picture = painter.follows()
    np.testing.assert_array_equal(picture[:, ~changed], real[:, ~changed])
    assert (picture[0][changed] == 23).all()
    painter.session.end()


@pytest.mark.parametrize("kept", [True, False])
def test_a_real_mask_in_another_size_is_still_not_painted_with_its_own_image(make_napari_viewer, qtbot, kept):
    labels, image = np.eye(SIDE, dtype=np.int32), np.full((1, SIDE, SIDE), 9, np.uint8)
    start = Start(
        StartChoice("pair", "a", keep_real=kept), labels, image=image, limits=((0, 255),), pixel_size=(0.5, 0.5)
    )
    start = replace(start, real=image) if kept else replace(start, barred=("a",))
    painter = Painter(make_napari_viewer(), StandIn(), qtbot, start)
    painter.labels.data = labels[:90, :100].copy()
    painter.settle()
    assert painter.renderer.excluded == ("a",)
    assert painter.session.start.barred == ("a",)
    assert painter.session.start.pixel_size == (0.5, 0.5)
    assert painter.follows().shape == (1, 90, 100)
    painter.session.end()


@pytest.mark.parametrize(("channels", "dtype"), [(3, "uint8"), (2, "uint16"), (1, "float32")])
def test_colours_and_channels_are_shown_as_such(make_napari_viewer, qtbot, channels, dtype):
    renderer = StandIn(image_channels=channels, dtype=dtype)
    painter = Painter(make_napari_viewer(), renderer, qtbot, image_channels=channels, dtype=dtype)
    painter.labels.data_setitem((np.array([3]), np.array([4])), 2)
    painter.settle()
    assert painter.follows()[:, 3, 4].tolist() == [20] * channels
    assert painter.session.layers.image.rgb == (channels == 3)
    painter.session.end()


def brightness(painter, row, column):
    """Return what the canvas shows at a pixel, 0 to 255."""
    point = painter.at(row, column)
    picture = painter.viewer.screenshot(canvas_only=True, flash=False)
    return int(picture[round(point.y() * painter.native.devicePixelRatioF()), round(point.x()), 0])


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (1, "uint16"), (1, "float32"), (3, "uint8")])
def test_the_canvas_shows_what_was_painted_also_in_another_contrast(make_napari_viewer, qtbot, channels, dtype):
    model = {"image_channels": channels, "dtype": dtype}
    painter = Painter(make_napari_viewer(show=True), StandIn(**model), qtbot, **model)
    image = painter.session.layers.image
    assert brightness(painter, 64, 64) == 0
    begin = time.perf_counter()
    drawn = [draw_part(painter.viewer, image, (0, 0, 40, 40)) for _ in range(20)]
    assert all(drawn)  # the cheap way
    assert (time.perf_counter() - begin) / 20 < 0.01  # 0.1 ms on an idle core
    painter.labels.visible = False
    painter.labels.data_setitem(tuple(np.mgrid[50:80, 50:80].reshape(2, -1)), 12)
    painter.settle()
    assert brightness(painter, 64, 64) == pytest.approx(120, abs=1)
    assert brightness(painter, 30, 30) == 0
    if channels == 1:
        image.contrast_limits = (0, 127.5)
        assert brightness(painter, 64, 64) == pytest.approx(240, abs=2)
        image.contrast_limits = (0, 255)
    image.visible = False
    painter.labels.data_setitem(tuple(np.mgrid[50:80, 50:80].reshape(2, -1)), 20)
    painter.settle()
    image.visible = True
    assert brightness(painter, 64, 64) == pytest.approx(200, abs=1)
    painter.session.end()


def test_a_large_image_is_refreshed_in_a_few_milliseconds(make_napari_viewer, qtbot):
    start = Start(StartChoice(size=(1024, 1024)), np.zeros((1024, 1024), np.int32), limits=((0, 255),))
    painter = Painter(make_napari_viewer(), StandIn(), qtbot, start)
    layers, pixels = painter.session.layers, np.full((1, 40, 40), 9, np.uint8)
    times = []
    for _ in range(20):
        begin = time.thread_time()
        layers.show((500, 500, 540, 540), pixels)
        times.append(time.thread_time() - begin)
    assert np.median(times) < 0.02  # 2 to 5 ms where the canvas is not drawn yet, 0.1 ms after
    painter.session.end()


def test_boxes():
    before = np.zeros((5, 6), int)
    after = before.copy()
    after[1, 2] = after[3, 4] = 1
    assert changed_box(before, before) is None
    assert changed_box(before, after) == (1, 2, 4, 5)
    assert union(None, None) is None
    assert union((1, 2, 3, 4), (0, 3, 2, 9)) == (0, 2, 3, 9)
