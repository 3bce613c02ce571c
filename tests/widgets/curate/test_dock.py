"""The Curate dock in a real viewer: keys, drops, undo across restarts, changes by other processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeySequence
from qtpy.QtWidgets import QApplication, QMainWindow, QTabWidget, QWidget

from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.importing import import_pairs
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.curate import dock as curate_widget
from napari_organoid_synth.widgets.curate.dock import CurateWidget
from napari_organoid_synth.widgets.curate.gallery import GalleryView
from napari_organoid_synth.widgets.curate.tile_drag import drag_data
from napari_organoid_synth.widgets.map.dock import MapWidget
from napari_organoid_synth.widgets.shared.store_tasks import list_samples
from napari_organoid_synth.widgets.shared.workspace import Workspace
from qt_bindings import WORKER_FAILS

N = 6


def pair(number: int, **changes: Any) -> SamplePair:
    rng = np.random.default_rng(number)
    labels = np.zeros((48, 40), np.int32)
    labels[10:30, 8:20] = 1
    image = rng.integers(0, 255, (1, 48, 40)).astype(np.uint8)
    return SamplePair(f"sample_{number}", image, labels, source=Source("synthetic")).replace(**changes)


@pytest.fixture
def filled(project: Project) -> Project:
    with SampleStore(project.samples_path) as store:
        store.add_many([pair(number) for number in range(N)], "run 1")
        for number, id in enumerate(store.ids()):
            store.rate(id, {"sharpness": float(number % 3)}, note="sharp" if number % 2 else "blurred")
    return project


@pytest.fixture
def viewer(make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def no_question(*_: Any, **__: Any) -> None:
        pytest.fail("napari asked which reader to use")

    monkeypatch.setattr("napari._qt.qt_viewer.handle_gui_reading", no_question)
    return make_napari_viewer(show=True)


@pytest.fixture
def dock(viewer: Any, filled: Project, qtbot: Any) -> Iterator[CurateWidget]:
    workspace = Workspace.of(viewer)
    workspace.setProject(filled)
    widget = CurateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Curate", area="right")
    widget.show()
    widget.columns.views["new"].setFocus()
    qtbot.waitUntil(lambda: len(widget.columns.views["new"].samples.ids) == N)
    qtbot.waitUntil(lambda: widget._placed and not widget._settling.isActive())
    thread = widget._thread
    yield widget
    thread.close()


def verdicts(project: Project) -> dict[str, list[str]]:
    with SampleStore(project.samples_path) as store:
        return {verdict: store.ids(verdict) for verdict in ("new", "accepted", "rejected")}


def shown(dock: CurateWidget) -> dict[str, list[str]]:
    return {verdict: list(view.samples.ids) for verdict, view in dock.columns.views.items()}


def settled(qtbot: Any, dock: CurateWidget, project: Project) -> None:
    """Wait until what is shown is what is saved."""
    qtbot.waitUntil(lambda: shown(dock) == verdicts(project), timeout=5000)


def drop(widget: Any, data: QMimeData) -> QDropEvent:
    """Deliver a drag from elsewhere to a widget, or to the viewport of a column, as Qt does."""
    target = widget.viewport() if isinstance(widget, GalleryView) else widget
    where = QPoint(20, 20)
    actions, buttons, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(where, actions, data, buttons, keys)
    QApplication.sendEvent(target, enter)
    event = QDropEvent(QPointF(where), actions, data, buttons, keys)
    if enter.isAccepted():
        QApplication.sendEvent(target, event)
    else:
        event.ignore()
    return event


# --------------------------------------------------------------------------------------------------------------- keys


def test_a_whole_set_is_curated_by_keyboard(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    before = shown(dock)["new"]
    for key in "araaaa":
        qtbot.keyClick(dock.columns.active, key)
    assert shown(dock) == {"new": [], "accepted": [before[0], *before[2:]], "rejected": [before[1]]}
    settled(qtbot, dock, filled)
    assert verdicts(filled)["rejected"] == [before[1]]
    qtbot.keyClick(dock.columns.active, "r")  # nothing is selected: nothing happens to what was accepted
    qtbot.wait(50)
    assert len(verdicts(filled)["accepted"]) == N - 1


def test_selection_moves_to_the_next_tile(qtbot: Any, dock: CurateWidget) -> None:
    ids, new = shown(dock)["new"], dock.columns.views["new"]
    new.select([ids[2]])
    qtbot.keyClick(new, "a")
    assert new.selected() == [ids[3]]
    new.select([ids[5]])
    qtbot.keyClick(new, "r")
    assert new.selected() == [ids[4]]


def test_several_tiles_at_once_are_one_decision(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    new = dock.columns.views["new"]
    qtbot.keyClick(new, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert len(new.selected()) == N
    qtbot.keyClick(new, "a")
    settled(qtbot, dock, filled)
    assert len(verdicts(filled)["accepted"]) == N
    qtbot.keyClick(dock.columns.active, "u")
    qtbot.waitUntil(lambda: len(shown(dock)["new"]) == N)
    assert verdicts(filled)["accepted"] == []
    assert sorted(dock.columns.active.selected()) == sorted(verdicts(filled)["new"])


def test_back_to_new_and_one_selection_in_the_dock(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    ids = shown(dock)["new"]
    dock.decide("accepted", ids[:2])
    dock.columns.views["accepted"].select([ids[1]])
    assert dock.columns.views["new"].selected() == []
    qtbot.keyClick(dock.columns.views["accepted"], "n")
    settled(qtbot, dock, filled)
    assert verdicts(filled)["accepted"] == [ids[0]]


def test_undo_and_redo_survive_a_restart(qtbot: Any, viewer: Any, filled: Project) -> None:
    Workspace.of(viewer).setProject(filled)
    first = CurateWidget(viewer)
    qtbot.addWidget(first)
    qtbot.waitUntil(lambda: len(shown(first)["new"]) == N)
    ids = shown(first)["new"]
    first.decide("accepted", ids[:1])
    first.decide("rejected", ids[1:3])
    first._thread.close()  # as closing the window does; nothing waited for

    again = CurateWidget(viewer)
    qtbot.addWidget(again)
    qtbot.waitUntil(lambda: shown(again)["rejected"] == ids[1:3])
    new = again.columns.views["new"]
    qtbot.keyClick(new, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: shown(again)["rejected"] == [])
    qtbot.keyClick(new, "u")
    qtbot.waitUntil(lambda: shown(again)["new"] == ids)
    qtbot.keyClick(new, "y")
    qtbot.waitUntil(lambda: shown(again)["accepted"] == ids[:1])
    qtbot.keyClick(new, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: shown(again)["rejected"] == ids[1:3])
    qtbot.keyClick(new, "y")
    qtbot.waitUntil(lambda: again.message.text() == "Nothing to redo.")
    again._thread.close()


def test_enter_opens_image_and_labels(qtbot: Any, dock: CurateWidget, viewer: Any) -> None:
    new = dock.columns.views["new"]
    new.select([shown(dock)["new"][3]])
    qtbot.keyClick(new, Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=8000)
    np.testing.assert_array_equal(viewer.layers[0].data, pair(3).image[0])
    np.testing.assert_array_equal(viewer.layers[1].data, pair(3).labels)


def test_o_goes_through_the_masks_and_space_says_what_is_missing(qtbot: Any, dock: CurateWidget) -> None:
    new = dock.columns.views["new"]
    seen = []
    for _ in range(3):
        qtbot.keyClick(new, "o")
        seen.append(new.tiles.mode)
    assert seen == ["fill", "none", "outline"]
    qtbot.keyClick(new, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: "Score the samples first" in dock.message.text())


def test_space_shows_the_nearest_real_place_beside(
    qtbot: Any, dock: CurateWidget, viewer: Any, filled: Project, tmp_path: Path
) -> None:
    import imageio.v3 as iio

    from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs

    rng = np.random.default_rng(9)
    real = rng.integers(0, 255, (96, 80)).astype(np.uint8)
    mask = np.zeros((96, 80), np.uint8)
    mask[30:60, 20:50] = 255
    for folder, pixels in (("images", real), ("masks", mask)):
        (tmp_path / folder).mkdir()
        iio.imwrite(tmp_path / folder / "section.png", pixels)
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "masks"))
    table.to_file(filled.pairs_path)
    with SampleStore(filled.samples_path) as store:
        store.rate("sample_2", {"nearest": 0.9}, nearest=TilePlace("section", 8, 16))
    dock.columns.views["new"].select(["sample_2"])
    qtbot.keyClick(dock.columns.views["new"], Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=10000)
    np.testing.assert_array_equal(viewer.layers[0].data, pair(2).image[0])
    shown_real = viewer.layers[2]
    height, width = shown_real.data.shape
    np.testing.assert_array_equal(shown_real.data, real[8 : 8 + height, 16 : 16 + width])
    assert viewer.layers[2].translate[-1] == viewer.layers[3].translate[-1] > 40  # right of the sample, 40 px wide


def test_letters_can_be_typed_into_the_filter(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    dock.bar.filter.setFocus()
    qtbot.keyClicks(dock.bar.filter, "sharp")
    qtbot.waitUntil(lambda: len(shown(dock)["new"]) == 3)
    assert shown(dock)["new"] == ["sample_1", "sample_3", "sample_5"]
    assert verdicts(filled)["accepted"] == []


def test_a_query_is_answered_and_its_mistakes_are_told(qtbot: Any, dock: CurateWidget) -> None:
    dock.bar.filter.setFocus()
    qtbot.keyClicks(dock.bar.filter, "sharpness >= 1 and name != sample_5")
    qtbot.waitUntil(lambda: shown(dock)["new"] == ["sample_1", "sample_2", "sample_4"])
    assert dock.bar.found.text() == "3 of 6"
    dock.bar.filter.setText("sharpnes > 1")
    qtbot.waitUntil(lambda: dock.bar.wrong.isVisible())
    assert "There is no score 'sharpnes'. Known: sharpness, verdict, run" in dock.bar.wrong.text()
    assert "Did you mean 'sharpness'?" in dock.bar.wrong.text()
    assert (shown(dock)["new"], dock.error.isHidden()) == (["sample_1", "sample_2", "sample_4"], True)
    dock.decide("accepted", ["sample_1"])
    dock.bar.filter.setText("sharpness > 1")
    qtbot.waitUntil(lambda: shown(dock)["accepted"] == [])
    assert dock.export.text() == "Export 1 pair"  # found or not
    dock.decide("new", ["sample_1"])
    dock.bar.filter.clear()
    qtbot.waitUntil(lambda: len(shown(dock)["new"]) == N)
    assert (dock.bar.wrong.isHidden(), dock.bar.found.text()) == (True, "6 of 6")


def test_names_are_completed_by_keyboard(qtbot: Any, dock: CurateWidget) -> None:
    dock.bar.filter.setFocus()
    qtbot.waitUntil(lambda: "sharpness" in dock.bar.filter.toolTip())
    qtbot.keyClicks(dock.bar.filter, "verdict == new and sharpn")
    popup = dock.bar.filter.offers.popup()
    qtbot.waitUntil(popup.isVisible)
    qtbot.keyClick(popup, Qt.Key.Key_Down)
    qtbot.keyClick(popup, Qt.Key.Key_Return)
    assert dock.bar.filter.text() == "verdict == new and sharpness"
    qtbot.keyClicks(dock.bar.filter, " > 1 and name == 'sha")
    assert not popup.isVisible()  # no names inside quotes


def test_query_and_order_are_remembered_in_the_project(qtbot: Any, dock: CurateWidget, viewer: Any) -> None:
    dock.bar.filter.setText("sharpness < 2")
    dock.bar.set_wanted({"sort": "-sharpness", "query": dock.bar.typed})
    dock.bar.sort.activated.emit(dock.bar.sort.currentIndex())
    qtbot.waitUntil(lambda: shown(dock)["new"] == ["sample_1", "sample_4", "sample_0", "sample_3"])
    again = CurateWidget(viewer)
    qtbot.addWidget(again)
    qtbot.waitUntil(lambda: shown(again)["new"] == ["sample_1", "sample_4", "sample_0", "sample_3"])
    assert (again.bar.filter.text(), again.bar.sort.currentData()) == ("sharpness < 2", "-sharpness")
    again._thread.close()


def test_it_fits_a_narrow_dock(qtbot: Any, viewer: Any, filled: Project) -> None:
    Workspace.of(viewer).setProject(filled)
    widget = CurateWidget(viewer)
    qtbot.addWidget(widget)
    widget._placed = True  # stays by itself
    widget.resize(320, 900)
    widget.show()
    qtbot.waitUntil(lambda: len(shown(widget)["new"]) == N)
    qtbot.wait(50)
    assert widget.minimumSizeHint().width() <= 320
    assert widget.width() == 320
    columns = widget.columns
    assert [view.isVisible() for view in columns.views.values()] == [True, False, False]
    columns.chips.chips["accepted"].click()
    assert [view.isVisible() for view in columns.views.values()] == [False, True, False]
    assert columns.active is columns.views["accepted"]
    widget.bar.open_finder()
    for part in (widget.bar.filter, widget.bar.preset, widget.bar.found, widget.bar.contrast, widget.export):
        assert 0 <= part.mapTo(widget, QPoint(0, 0)).x() <= 320 - part.width()
    widget.resize(1200, 500)
    qtbot.wait(50)
    tops = {
        widget.columns.views[verdict].mapTo(widget, QPoint(0, 0)).y() for verdict in ("new", "accepted", "rejected")
    }
    assert len(tops) == 1
    assert columns.chips.isHidden()
    assert min(view.width() for view in columns.views.values()) > 300
    gap = columns.mapTo(widget, QPoint(0, 0)).y() - widget.bar.mapTo(widget, QPoint(0, widget.bar.height())).y()
    assert gap <= 6
    widget._thread.close()


def test_two_rows_are_in_view_in_the_bottom_of_a_laptop(qtbot: Any, viewer: Any, filled: Project) -> None:
    Workspace.of(viewer).setProject(filled)
    widget = CurateWidget(viewer)
    qtbot.addWidget(widget)
    widget._placed = True
    for width, height in ((560, 270), (900, 270), (1240, 262)):
        widget.resize(width, height)
        widget.show()
        qtbot.waitUntil(lambda: len(shown(widget)["new"]) == N)
        qtbot.wait(50)
        view = widget.columns.views["new"]
        tile, room = view.sizeHintForIndex(view.samples.index(0)).height(), view.viewport().height()
        assert 2 * tile <= room, (width, tile, room)
    widget.bar.zoom.setValue(150)  # a person's choice stays
    widget.resize(600, 300)
    qtbot.wait(50)
    assert view.tiles.side == 150
    widget._thread.close()


def test_tiles_are_decided_by_chips_and_keys_where_there_is_one_column(
    qtbot: Any, dock: CurateWidget, filled: Project
) -> None:
    ids, chips = shown(dock)["new"], dock.columns.chips.chips
    assert (dock.columns.is_wide, dock.columns.chips.isVisible()) == (False, True)
    assert drop(chips["rejected"], drag_data(filled.samples_path, ids[1:3])).isAccepted()
    settled(qtbot, dock, filled)
    assert verdicts(filled)["rejected"] == ids[1:3]
    assert [chip.text() for chip in chips.values()] == ["New 4", "Accepted 0", "Rejected 2"]
    assert not drop(chips["accepted"], drag_data(filled.path / "other.sqlite", ids[:1])).isAccepted()
    new = dock.columns.views["new"]
    new.select(ids[:1])
    qtbot.keyClick(new, "a")
    assert new.selected() == [ids[3]]  # the next one has the keys
    qtbot.keyClick(new, "u")
    qtbot.waitUntil(lambda: dock.columns.active.selected() == ids[:1])
    assert dock.columns.active is new


def test_pages_of_another_dock_stay_where_it_is(qtbot: Any, viewer: Any, filled: Project) -> None:
    Workspace.of(viewer).setProject(filled)
    tabs = QTabWidget()
    pages = [CurateWidget(viewer), MapWidget(viewer)]
    for page in pages:
        tabs.addTab(page, type(page).__name__)
    dock = viewer.window.add_dock_widget(tabs, name="wide", area="right")
    for place, page in enumerate(pages):
        tabs.setCurrentIndex(place)
        qtbot.waitUntil(lambda page=page: page._placed and not page._settling.isActive())
    qtbot.wait(50)
    window: QMainWindow = viewer.window._qt_window
    assert window.dockWidgetArea(dock) == Qt.DockWidgetArea.RightDockWidgetArea
    for page in pages:
        page._thread.close()


# --------------------------------------------------------------------------------------- words, contrast, bin, keys


def test_orders_and_filters_in_words(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    preset = dock.bar.preset
    assert not preset.model().item(preset.findData("realistic")).isEnabled()  # not scored yet
    with SampleStore(filled.samples_path) as store:
        for number, id in enumerate(store.ids()):
            store.rate(id, {"realism": number / 10}, flagged="copy" if number in (1, 4) else None)
    qtbot.waitUntil(lambda: preset.model().item(preset.findData("realistic")).isEnabled())

    def choose(name: str) -> None:
        preset.setCurrentIndex(preset.findData(name))
        preset.activated.emit(preset.currentIndex())

    choose("realistic")
    qtbot.waitUntil(lambda: shown(dock)["new"] == [f"sample_{number}" for number in (5, 4, 3, 2, 1, 0)])
    choose("copies")
    qtbot.waitUntil(lambda: shown(dock)["new"] == ["sample_1", "sample_4"])
    dock.bar.filter.setText("name == sample_4")  # in addition
    qtbot.waitUntil(lambda: shown(dock)["new"] == ["sample_4"])
    dock.workspace.queryAsked.emit("flagged == copy")  # from another page: this alone
    qtbot.waitUntil(lambda: shown(dock)["new"] == ["sample_1", "sample_4"])
    assert preset.currentData() == "oldest"


def test_the_contrast_is_the_one_of_the_project_for_tiles_and_layers(
    qtbot: Any, dock: CurateWidget, viewer: Any
) -> None:
    assert dock.contrast.limits == ((0.0, 255.0),)
    new = dock.columns.views["new"]
    new.select(["sample_3"])
    qtbot.keyClick(new, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=8000)
    image, mask = viewer.layers
    assert (list(image.contrast_limits), mask.opacity) == ([0, 255], 1.0)
    key = ("sample_3", new.tiles.side, new.tiles.mode)
    qtbot.waitUntil(lambda: dock._thread.image(*key) is not None)
    before = dock._thread.image(*key)
    dock.bar.contrast._popup.aboutToShow.emit()
    (slider,) = dock.bar.contrast.sliders
    slider.setValue((100.0, 255.0))
    assert dock.contrast.chosen == ((100.0, 255.0),)
    assert list(image.contrast_limits) == [100, 255]
    qtbot.waitUntil(lambda: dock._thread.image(*key) not in (None, before), timeout=8000)
    assert dock.workspace.remembered("contrast") == {"limits": [[100.0, 255.0]]}
    dock.bar.contrast.reset.click()
    assert dock.contrast.limits == ((0.0, 255.0),)
    qtbot.keyClick(new, "o")
    assert (mask.contour, round(mask.opacity, 2)) == (0, 0.43)  # the texture shows through


def test_pairs_are_deleted_to_the_bin_and_brought_back(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    new = dock.columns.views["new"]
    new.select(["sample_1", "sample_2"])
    image = filled.path / "samples" / "sample_1.ome.tif"
    qtbot.keyClick(new, Qt.Key.Key_Delete)
    assert "sample_1" not in shown(dock)["new"]
    assert dock.message.text() == "2 pairs moved to the bin. Press U to undo."
    assert new.selected() == ["sample_3"]
    qtbot.waitUntil(lambda: (filled.path / "bin" / "samples" / "sample_1.ome.tif").exists())
    assert not image.exists()
    qtbot.keyClick(new, "u")
    qtbot.waitUntil(lambda: len(shown(dock)["new"]) == N)
    assert image.exists()


KEYS = ("Ctrl+Y", "Ctrl+Z", "Ctrl+Shift+Z", "Ctrl+A", "Ctrl+R", "Ctrl+G", "Ctrl+E", "Ctrl+T", "W", "5")


def test_keys_stay_on_the_page_that_has_the_focus(qtbot: Any, dock: CurateWidget, viewer: Any) -> None:
    def state() -> Any:
        scene = getattr(viewer, "scene", viewer)
        dims, layer = viewer.dims, viewer.layers[0]
        return dims.ndisplay, dims.order, dims.current_step, scene.camera.zoom, layer.mode, layer.visible

    image = viewer.add_image(np.zeros((3, 8, 8)))
    viewer.layers.selection = {image}
    getattr(viewer, "scene", viewer).camera.zoom = 3.0
    before = state()
    window = viewer.window._qt_window
    window.activateWindow()
    for target in (dock.columns.views["new"], dock.bar.zoom, dock.bar.more):
        target.setFocus()
        qtbot.waitUntil(target.hasFocus)
        for key in KEYS:
            press_through_window(window, QKeySequence.fromString(key)[0])
            assert state() == before, (key, target)


def test_more_like_a_pair_is_asked_of_its_generator(
    qtbot: Any, dock: CurateWidget, filled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(dock.workspace.runner("generate"), "start", lambda *values: started.append(values))
    new = dock.columns.views["new"]
    new.select(["sample_1"])
    qtbot.keyClick(new, "l")
    qtbot.waitUntil(lambda: dock.more.isVisible())
    assert dock.more.whose.text() == "More like sample_1:"
    dock.more.number.setValue(4)
    qtbot.keyClick(dock.more.number.lineEdit(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not dock.error.isHidden())  # no run made it
    assert "'sample_1' was not drawn by a generator of this project." in dock.error.found.text()
    drawn = pair(9, name="drawn")
    settings = GenerateSettings(run="some-train", seed=3).model_dump(mode="json")
    record = {"run": "some-train", "checkpoint": 40, "seed": 3, "index": 0, "latent_seed": "1", "settings": settings}
    (filled.path / "runs" / "some-train").mkdir(parents=True)
    (filled.path / "runs" / "some-train" / "recipe.yaml").write_text("{}")
    with SampleStore(filled.samples_path) as store:
        store.add(drawn.replace(source=Source("synthetic", provenance=record)), "some-train")
    dock.make_more("drawn", 4, 0.2)
    qtbot.waitUntil(lambda: len(started) == 1)
    verb, project, asked = started[0]
    assert (verb, project) == ("generate", filled)
    assert (asked.run, asked.checkpoint, asked.number, asked.near, asked.distance, asked.seed) == (
        *("some-train", "40", 4, "drawn", 0.2, 3),
    )
    assert dock.message.text() == "Making 4 pairs like drawn…"


def press_through_window(window: Any, combination: Any) -> None:
    """Press a key as the window system does: shortcuts of the window see it first, then the widget with the focus."""
    from qtpy.QtTest import QTest

    QTest.keyClick(window.windowHandle(), combination.key(), combination.keyboardModifiers())


# --------------------------------------------------------------------------------------------------------------- drops


def test_tiles_dropped_on_a_column_get_its_verdict(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    ids = shown(dock)["new"]
    event = drop(dock.columns.views["rejected"], drag_data(filled.samples_path, ids[1:3]))
    assert event.isAccepted()
    assert event.dropAction() == Qt.DropAction.CopyAction
    settled(qtbot, dock, filled)
    assert verdicts(filled)["rejected"] == ids[1:3]


def test_the_column_lights_up_while_a_drag_hovers(dock: CurateWidget, filled: Project) -> None:
    from qtpy.QtGui import QDragLeaveEvent

    target, data = dock.columns.views["accepted"], drag_data(filled.samples_path, shown(dock)["new"][:1])
    before = target.viewport().grab().toImage()
    actions, buttons, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(target.viewport(), QDragEnterEvent(QPoint(9, 9), actions, data, buttons, keys))
    lit = target.viewport().grab().toImage()
    assert lit.pixelColor(2, 2).name() == "#009e73"
    QApplication.sendEvent(target.viewport(), QDragLeaveEvent())
    assert target.viewport().grab().toImage() == before
    assert lit != before


def test_tiles_of_another_project_are_refused(dock: CurateWidget, tmp_path: Path) -> None:
    data = drag_data(tmp_path / "other" / "samples.sqlite", ["sample_1"])
    assert not drop(dock.columns.views["rejected"], data).isAccepted()
    assert shown(dock)["rejected"] == []


def test_a_pair_dropped_from_a_file_manager_is_taken_in(
    qtbot: Any, dock: CurateWidget, filled: Project, tmp_path: Path
) -> None:
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair

    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in write_pair(tmp_path / "in", pair(77, name="from outside"))])
    assert drop(dock.columns.views["accepted"], data).isAccepted()
    qtbot.waitUntil(lambda: len(shown(dock)["accepted"]) == 1, timeout=8000)
    settled(qtbot, dock, filled)
    with SampleStore(filled.samples_path) as store:
        (id,) = store.ids("accepted")
        np.testing.assert_array_equal(store.pair(id).image, pair(77).image)


def test_any_other_file_gets_a_sentence(qtbot: Any, dock: CurateWidget, filled: Project, tmp_path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "holiday.jpg"))])
    drop(dock.columns.views["accepted"], data)
    qtbot.waitUntil(lambda: not dock.error.isHidden())
    assert "holiday.jpg" in dock.error.found.text()
    assert len(verdicts(filled)["new"]) == N


def test_a_foreign_ome_tiff_is_refused_and_nothing_added(filled: Project, tmp_path: Path) -> None:
    import tifffile

    from napari_organoid_synth.core.errors import UserError

    tifffile.imwrite(tmp_path / "x.ome.tif", np.zeros((8, 8), np.uint8))
    with SampleStore(filled.samples_path) as store:
        with pytest.raises(UserError):
            import_pairs(store, [tmp_path / "x.ome.tif"], "accepted")
        assert sum(store.counts().values()) == N


def test_the_canvas_opens_what_a_drag_carries(qtbot: Any, dock: CurateWidget, viewer: Any, filled: Project) -> None:
    window: QMainWindow = viewer.window._qt_window
    canvas = next(widget for widget in window.centralWidget().findChildren(QWidget) if widget.acceptDrops())
    assert drop(canvas, drag_data(filled.samples_path, ["sample_2"])).isAccepted()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=8000)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels"]
    np.testing.assert_array_equal(viewer.layers[0].data, pair(2).image[0])
    np.testing.assert_array_equal(viewer.layers[1].data, pair(2).labels)


# ------------------------------------------------------------------------------------------------------ what is shown


def test_sorting_by_a_score(qtbot: Any, dock: CurateWidget) -> None:
    dock.bar.sort.setCurrentIndex(dock.bar.sort.findData("-sharpness"))
    dock.refresh()
    expected = ["sample_2", "sample_5", "sample_1", "sample_4", "sample_0", "sample_3"]
    qtbot.waitUntil(lambda: shown(dock)["new"] == expected)


def test_listing_agrees_with_the_store(filled: Project) -> None:
    with SampleStore(filled.samples_path) as store:
        store.decide(["sample_4"], "accepted")
        listing = list_samples(store, "-created", "BLURRED run")
    assert listing.ids == {"new": ["sample_2", "sample_0"], "accepted": ["sample_4"], "rejected": []}
    assert (sorted(listing.places, key=listing.places.__getitem__), listing.metrics) == (
        [f"sample_{n}" for n in reversed(range(N))],
        ["sharpness"],
    )


def test_samples_of_another_process_appear_and_the_selection_stays(
    qtbot: Any, dock: CurateWidget, filled: Project
) -> None:
    new = dock.columns.views["new"]
    new.select(["sample_1", "sample_3"])
    code = (
        "import sys, numpy as np\n"
        "from napari_organoid_synth.core.samples.store import SampleStore\n"
        "from napari_organoid_synth.core.pairs.pair import SamplePair\n"
        "image = np.zeros((1, 8, 8), np.uint8); image[0, 2:5] = 9\n"
        "with SampleStore(sys.argv[1]) as store:\n"
        "    store.add(SamplePair('late', image, np.ones((8, 8), np.int32)))\n"
        "    store.decide(['sample_0'], 'rejected')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(filled.samples_path)], check=True, timeout=60)
    qtbot.waitUntil(lambda: "late" in shown(dock)["new"] and shown(dock)["rejected"] == ["sample_0"], timeout=5000)
    assert new.selected() == ["sample_1", "sample_3"]


def test_titles_count_and_export_waits_for_an_accepted_pair(qtbot: Any, dock: CurateWidget) -> None:
    assert not dock.export.isEnabled()
    assert "first" in dock.export.toolTip()
    dock.decide("accepted", ["sample_1"])
    assert "ACCEPTED <b>1</b>" in dock.columns.titles["accepted"].text()
    assert "NEW <b>5</b>" in dock.columns.titles["new"].text()
    assert (dock.export.text(), dock.export.isEnabled()) == ("Export 1 pair", True)


def test_a_failed_write_is_told_and_taken_back(qtbot: Any, dock: CurateWidget, monkeypatch: Any) -> None:
    from napari_organoid_synth.core.errors import UserError

    def fail(*_: object) -> list[str]:
        raise UserError("The disk is full.")

    monkeypatch.setattr(SampleStore, "decide", fail)
    before = shown(dock)
    dock.decide("accepted", ["sample_1"])
    qtbot.waitUntil(lambda: not dock.error.isHidden())
    assert "disk is full" in dock.error.found.text()
    qtbot.waitUntil(lambda: shown(dock) == before)


def test_tiles_that_cannot_be_read_are_told(qtbot: Any, viewer: Any, filled: Project) -> None:
    with SampleStore(filled.samples_path) as store, store.transaction():
        store._db.execute("UPDATE thumbnails SET image = x'00' WHERE id IN ('sample_1', 'sample_4')")
    Workspace.of(viewer).setProject(filled)
    widget = CurateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Curate")
    qtbot.waitUntil(lambda: not widget.error.isHidden(), timeout=5000)
    thread, tiles = widget._thread, widget.columns.views["new"].tiles
    key = ("sample_1", tiles.side, tiles.mode)
    qtbot.waitUntil(lambda: thread.image(*key) is not None)
    assert thread.image(*key).isNull()
    qtbot.waitUntil(lambda: thread.image("sample_0", tiles.side, tiles.mode) is not None)
    assert not thread.image("sample_0", tiles.side, tiles.mode).isNull()
    thread.close()


def test_a_verdict_never_waits_for_the_database(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    """While another process writes, the window's share of a verdict stays below a frame."""
    with SampleStore(filled.samples_path) as other, other.transaction():
        started = time.perf_counter()
        dock.decide("accepted", ["sample_1"])
        took = time.perf_counter() - started
        assert shown(dock)["accepted"] == ["sample_1"]
    assert took < 0.1  # 16 ms on a quiet machine, see benchmarks/gallery.py; one write lock lasts up to 30 s
    settled(qtbot, dock, filled)


def test_closing_the_window_waits_for_the_last_verdict(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    """Another process holds the write lock when A is pressed, and the window is closed at once."""
    with SampleStore(filled.samples_path) as other:
        locked, release = threading.Event(), threading.Event()

        def hold() -> None:
            with other.transaction():
                locked.set()
                release.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        locked.wait(5)
        dock.decide("accepted", ["sample_1"])
        threading.Timer(0.5, release.set).start()
        dock.viewer.close()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        holder.join()
    assert verdicts(filled)["accepted"] == ["sample_1"]


def test_empty_project_offers_ways_out(qtbot: Any, viewer: Any, project: Project) -> None:
    Workspace.of(viewer).setProject(project)
    widget = CurateWidget(viewer)
    qtbot.addWidget(widget)
    qtbot.wait(50)
    assert widget.pages.currentIndex() == 0
    assert [button.text() for button in widget.empty.buttons] == [
        "Open a project…",
        "Generate pairs",
        "Try with simulated pairs",
    ]
    assert widget.export.isHidden()
    widget.add_simulated()
    qtbot.waitUntil(lambda: len(shown(widget)["new"]) == 12, timeout=30000)
    assert widget.pages.currentIndex() == 1
    widget._thread.close()


def test_it_moves_to_the_bottom_area(qtbot: Any, dock: CurateWidget, viewer: Any) -> None:
    window: QMainWindow = viewer.window._qt_window
    area = dock
    while area.parent() is not window:
        area = area.parent()
    qtbot.waitUntil(lambda: window.dockWidgetArea(area) == Qt.DockWidgetArea.BottomDockWidgetArea)


def test_every_control_has_a_tooltip_and_a_name(dock: CurateWidget) -> None:
    from qtpy.QtWidgets import QComboBox, QLineEdit, QPushButton, QSlider

    controls = [w for kind in (QComboBox, QLineEdit, QSlider, QPushButton) for w in dock.findChildren(kind)]
    assert len(controls) >= 15
    for control in controls:
        assert control.accessibleName() or getattr(control, "text", str)(), control
    for button in dock.pages.widget(1).findChildren(QPushButton):
        assert button.toolTip(), button.text()


def test_the_window_imports_no_torch() -> None:
    code = "import sys, napari_organoid_synth.widgets.curate.dock; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_a_verdict_lists_nothing_again_unless_the_store_disagrees(
    qtbot: Any, dock: CurateWidget, filled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(curate_widget, "list_samples", lambda *a: (asked.append(a[1]), list_samples(*a))[1])
    before = shown(dock)["new"]
    dock.decide("accepted", [before[3]])
    dock.decide("accepted", [before[1]])
    with qtbot.waitSignal(dock.workspace.samplesChanged):
        dock.decide("rejected", [before[0]])
    assert shown(dock) == {"new": [before[2], *before[4:]], "accepted": [before[1], before[3]], "rejected": [before[0]]}
    qtbot.waitUntil(lambda: shown(dock) == verdicts(filled))  # the signal may have been that of an earlier verdict
    assert asked == []
    dock._decided([before[2]], [])  # as when somebody else had decided before
    qtbot.waitUntil(lambda: asked != [])


def test_a_verdict_outlives_a_listing_that_was_on_its_way(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    first = shown(dock)["new"][0]
    dock.refresh()
    dock.decide("accepted", [first])
    qtbot.waitUntil(lambda: dock._asked == dock._shown)
    assert shown(dock)["accepted"] == [first]


def test_a_damaged_list_is_rebuilt_at_the_press_of_a_button(
    qtbot: Any, viewer: Any, filled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ending in ("-wal", "-shm"):
        filled.samples_path.with_name(filled.samples_path.name + ending).unlink(missing_ok=True)
    filled.samples_path.write_bytes(b"no database " * 500)
    workspace = Workspace.of(viewer)
    said: list[str] = []
    monkeypatch.setattr(workspace, "notify", lambda text, *_: said.append(text))
    workspace.setProject(filled)
    widget = CurateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Curate", area="right")
    qtbot.waitUntil(lambda: not widget.error.isHidden())
    shows: list[int] = []
    monkeypatch.setattr(widget.error, "show_error", lambda error: shows.append(1))
    qtbot.wait(300)
    assert shows == []  # said once
    monkeypatch.undo()
    monkeypatch.setattr(workspace, "notify", lambda text, *_: said.append(text))
    assert widget.error.correct_button.text() == "Rebuild the list"
    assert not widget.error.correct_button.isHidden()
    widget.error.correct_button.click()
    qtbot.waitUntil(lambda: len(widget.columns.views["new"].samples.ids) == N, timeout=10000)
    assert widget.error.isHidden()
    assert workspace.project.path == filled.path
    assert said[0].startswith(f"{N} samples recovered")
    assert list((filled.path / "bin").glob("samples-*/samples.sqlite"))
    widget._thread.close()


# ----------------------------------------------------------------------------------- tags, notes, masks, the best ones


def row_of(project: Project, id: str) -> Any:
    with SampleStore(project.samples_path) as store:
        return store.row(id)


def test_tags_and_note_by_keyboard_and_back(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    new = dock.columns.views["new"]
    new.select(["sample_1", "sample_2"])
    qtbot.keyClick(new, "t")
    qtbot.waitUntil(dock.tagger.isVisible)
    assert dock.tagger.whose.text() == "2 pairs"
    qtbot.keyClicks(dock.tagger.tags, "wall, Blurred")
    qtbot.keyClick(dock.tagger.tags, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: row_of(filled, "sample_2").tags == ("Blurred", "wall"))
    assert dock.tagger.isHidden()
    assert dock.focusWidget() is new
    new.select(["sample_2"])
    qtbot.keyClick(new, "m")
    qtbot.waitUntil(dock.tagger.isVisible)
    assert dock.tagger.tags.text() == "Blurred, wall"
    dock.tagger.tags.setText("wall")
    qtbot.keyClicks(dock.tagger.remark, "look again, a and r")
    qtbot.keyClick(dock.tagger.remark, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: row_of(filled, "sample_2").remark == "look again, a and r")
    assert row_of(filled, "sample_2").tags == ("wall",)
    assert row_of(filled, "sample_1").tags == ("Blurred", "wall")
    assert verdicts(filled)["new"] == [f"sample_{number}" for number in range(N)]  # no letter was a command
    dock.bar.filter.setText("tag == blurred or note")
    qtbot.waitUntil(lambda: shown(dock)["new"] == ["sample_1", "sample_2"])
    qtbot.waitUntil(lambda: "Note: look again" in str(new.samples.index(1).data(Qt.ItemDataRole.ToolTipRole)))
    assert "tags wall, note" in str(new.samples.index(1).data(Qt.ItemDataRole.AccessibleTextRole))
    qtbot.keyClick(new, "u")
    qtbot.waitUntil(lambda: row_of(filled, "sample_2").tags == ("Blurred", "wall"))
    assert row_of(filled, "sample_2").remark == ""
    new.select(["sample_1"])
    qtbot.keyClick(new, "t")
    qtbot.waitUntil(dock.tagger.isVisible)
    qtbot.keyClick(dock.tagger.tags, Qt.Key.Key_Escape)
    assert dock.tagger.isHidden()


def test_a_mask_is_edited_saved_and_brought_back(qtbot: Any, dock: CurateWidget, viewer: Any, filled: Project) -> None:
    new = dock.columns.views["new"]
    with SampleStore(filled.samples_path) as store:
        store.rate("sample_3", {"objects": 1.0})
    new.select(["sample_3"])
    qtbot.keyClick(new, "s")
    assert "Open a pair first" in dock.message.text()
    qtbot.keyClick(new, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=8000)
    image, mask = viewer.layers
    assert (mask.contour, mask.visible) == (1, True)  # as on the tiles
    qtbot.keyClick(new, "s")
    qtbot.waitUntil(lambda: dock.message.text() == "No open mask was changed.")
    key = ("sample_3", new.tiles.side, new.tiles.mode)
    qtbot.waitUntil(lambda: dock._thread.image(*key) is not None)
    before = dock._thread.image(*key)
    mask.brush_size = 5
    mask.paint((40, 30), 2)
    drawn = np.array(mask.data)
    assert (drawn == 2).any()
    qtbot.keyClick(new, "s")
    qtbot.waitUntil(lambda: dock.message.text().startswith("1 mask saved. Score again"))
    row = row_of(filled, "sample_3")
    assert (row.edited, row.scores) == (True, {"sharpness": 0.0})
    with SampleStore(filled.samples_path) as store:
        np.testing.assert_array_equal(store.pair("sample_3").labels, drawn > 0)  # a binary mask stays one
    qtbot.waitUntil(lambda: dock._thread.image(*key) not in (None, before), timeout=8000)
    qtbot.keyClick(new, "u")
    qtbot.waitUntil(lambda: not row_of(filled, "sample_3").edited)
    assert row_of(filled, "sample_3").scores == {"sharpness": 0.0, "objects": 1.0}
    qtbot.waitUntil(lambda: np.array_equal(mask.data, pair(3).labels), timeout=8000)
    qtbot.waitUntil(lambda: dock._thread.image(*key) == before, timeout=8000)
    # the switch holds for tile and layers alike
    qtbot.keyClick(new, "o")
    assert (mask.contour, mask.visible) == (0, True)
    qtbot.keyClick(new, "o")
    assert mask.visible is False
    assert list(image.contrast_limits) == [0, 255]


def test_the_best_are_accepted_in_one_step(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    with SampleStore(filled.samples_path) as store:
        for number, id in enumerate(store.ids()):
            store.rate(id, {"realism": 1 - number / 10}, flagged="copy" if number == 1 else None)
    new = dock.columns.views["new"]
    qtbot.keyClick(new, "b")
    assert dock.accepter.isVisible()
    assert "flagged pairs are left out" in dock.accepter.why.text()
    assert dock.accepter.why.isVisible()
    dock.accepter.number.setValue(2)
    qtbot.keyClick(dock.accepter.number.lineEdit(), Qt.Key.Key_Return)
    assert dock.accepter.isHidden()
    qtbot.waitUntil(lambda: len(verdicts(filled)["accepted"]) == 2, timeout=10000)
    assert "sample_0" in verdicts(filled)["accepted"]
    assert "sample_1" not in verdicts(filled)["accepted"]
    qtbot.keyClick(dock.columns.active, "u")
    qtbot.waitUntil(lambda: verdicts(filled)["accepted"] == [])


@WORKER_FAILS
def test_the_best_of_a_far_set_are_accepted_only_anyway(qtbot: Any, dock: CurateWidget, filled: Project) -> None:
    with SampleStore(filled.samples_path) as store:
        for number in range(6, 9):  # at least eight of a run make a set
            store.add(pair(number).replace(name=f"more_{number}"), store.row("sample_0").run)
        for number, id in enumerate(store.ids()):
            store.rate(id, {"realism": 0.001 * number})
    qtbot.keyClick(dock.columns.views["new"], "b")
    assert dock.accepter.anyway.isHidden()
    dock.accepter.number.setValue(2)
    qtbot.keyClick(dock.accepter.number.lineEdit(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dock.message.text() == "None was accepted.", timeout=10000)
    assert dock.accepter.isVisible()
    assert "9 of 9 pairs have a realism below 0.05" in dock.accepter.why.text()
    assert verdicts(filled)["accepted"] == []
    dock.accepter.close_panel()
    qtbot.keyClick(dock.columns.views["new"], "b")
    assert "flagged pairs are left out" in dock.accepter.why.text()  # the words are those of before
    assert dock.accepter.anyway.isHidden()
    qtbot.keyClick(dock.accepter.number.lineEdit(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dock.accepter.anyway.isVisible(), timeout=10000)
    qtbot.mouseClick(dock.accepter.anyway, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(verdicts(filled)["accepted"]) == 2, timeout=10000)


def test_two_windows_see_each_others_verdicts_tags_and_masks(
    qtbot: Any, dock: CurateWidget, viewer: Any, filled: Project
) -> None:
    other = CurateWidget(viewer)
    qtbot.addWidget(other)
    other.resize(1000, 500)
    other.show()
    qtbot.waitUntil(lambda: len(shown(other)["new"]) == N)
    dock.decide("accepted", ["sample_1"])
    other.decide("rejected", ["sample_4"])
    wanted = {
        "new": ["sample_0", "sample_2", "sample_3", "sample_5"],
        "accepted": ["sample_1"],
        "rejected": ["sample_4"],
    }
    qtbot.waitUntil(lambda: shown(dock) == shown(other) == wanted, timeout=8000)
    with SampleStore(filled.samples_path) as store:  # a third one
        store.edit_mask("sample_2", np.ones((48, 40), np.int32))
    key = ("sample_2", other.columns.views["new"].tiles.side, other.columns.views["new"].tiles.mode)
    qtbot.waitUntil(lambda: other._thread.row("sample_2") and other._thread.row("sample_2").edited, timeout=8000)
    qtbot.waitUntil(lambda: dock._thread.row("sample_2").edited, timeout=8000)
    qtbot.waitUntil(lambda: other._thread.image(*key) is not None, timeout=8000)
    other._walk(SampleStore.undo, "undo")  # the newest change, no matter who made it
    qtbot.waitUntil(lambda: not row_of(filled, "sample_2").edited, timeout=8000)
    qtbot.waitUntil(lambda: not dock._thread.row("sample_2").edited, timeout=8000)
    other._thread.close()


def test_samples_deleted_in_a_terminal_leave_the_gallery_and_undo_brings_them_back(
    qtbot: Any, dock: CurateWidget, filled: Project
) -> None:
    qtbot.waitUntil(lambda: len(shown(dock)["new"]) == N)
    ids = shown(dock)["new"]
    with SampleStore(filled.samples_path) as store:
        store.delete(ids[:2])
    qtbot.waitUntil(lambda: shown(dock)["new"] == ids[2:], timeout=10_000)
    view = dock.columns.views["new"]
    qtbot.keyClick(view, "u")
    qtbot.waitUntil(lambda: shown(dock)["new"] == ids, timeout=10_000)
    assert not list((filled.path / "bin").rglob("*.tif"))
    qtbot.keyClick(view, "y")
    qtbot.waitUntil(lambda: shown(dock)["new"] == ids[2:], timeout=10_000)
    assert not dock.error.isVisibleTo(dock)
