"""Tiles dragged with a real mouse: another process moves the pointer, the window system delivers the drag."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.core.curation import SampleStore
from napari_organoid_synth.core.pair import SamplePair, Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.simulate import SIMULATORS
from napari_organoid_synth.widgets._workspace import Workspace
from napari_organoid_synth.widgets.curate_widget import CurateWidget

pytestmark = pytest.mark.skipif(
    not (shutil.which("xdotool") and shutil.which("openbox") and os.environ.get("DISPLAY")),
    reason="needs xdotool, the window manager openbox and an X display",
)


def mouse(*words: str | int) -> None:
    subprocess.run(["xdotool", *map(str, words)], check=True, timeout=10)


@pytest.fixture
def window_manager() -> Iterator[None]:
    manager = subprocess.Popen(["openbox"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    yield
    manager.terminate()
    manager.wait(5)


@pytest.fixture
def dock(
    window_manager: None, make_napari_viewer: Any, project: Project, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CurateWidget]:
    def no_question(*_: Any, **__: Any) -> None:
        pytest.fail("napari asked which reader to use")

    monkeypatch.setattr("napari._qt.qt_viewer.handle_gui_reading", no_question)
    with SampleStore(project.samples_path) as store:
        pairs = [simulate(seed, 128) for simulate in list(SIMULATORS.values())[:3] for seed in range(3)]
        store.add_many(pair.replace(source=Source("synthetic")) for pair in pairs)
    viewer = make_napari_viewer(show=True)
    if QGuiApplication.platformName() != "xcb":
        pytest.skip("the windows are not on the X display")
    viewer.window.resize(1280, 800)
    Workspace.of(viewer).setProject(project)
    widget = CurateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Curate")
    new = widget.columns["new"]
    qtbot.waitUntil(lambda: len(new.samples.ids) == 9)
    qtbot.waitUntil(lambda: all(new.samples.source.row(id) for id in new.samples.ids[:3]), timeout=10000)
    qtbot.wait(500)
    yield widget
    widget._thread.close()


def centre_of_tile(dock: CurateWidget, verdict: Any, id: str) -> QPoint:
    view = dock.columns[verdict]
    place = view.visualRect(view.samples.index(view.samples.row_of(id)))
    return view.viewport().mapToGlobal(place.center())


def drag(qtbot: Any, start: QPoint, end: QPoint, shot: Path, drop: bool = True) -> None:
    """Move the pointer from another thread, because the window waits inside the drag; take a picture on the way."""

    def move() -> None:
        mouse("mousemove", start.x(), start.y(), "mousedown", 1)
        for share in np.linspace(0.05, 1, 12):
            mouse("mousemove", *(round(a + share * (b - a)) for a, b in ((start.x(), end.x()), (start.y(), end.y()))))
            time.sleep(0.04)
        time.sleep(0.5)
        mouse(*(() if drop else ("key", "Escape", "sleep", "0.2")), "mouseup", 1)

    def look() -> None:
        screen = QGuiApplication.primaryScreen()
        shot.parent.mkdir(parents=True, exist_ok=True)
        screen.grabWindow(0).save(str(shot))

    thread = threading.Thread(target=move, daemon=True)
    timer = QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(look)
    timer.start(900)
    thread.start()
    qtbot.waitUntil(lambda: not thread.is_alive(), timeout=15000)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where pictures go; set ORGANOID_SYNTH_SHOTS to keep them."""
    return Path(os.environ.get("ORGANOID_SYNTH_SHOTS", tmp_path))


def test_drag_between_columns(qtbot: Any, dock: CurateWidget, project: Project, shots: Path) -> None:
    new, target = dock.columns["new"], dock.columns["accepted"].viewport()
    dragged = new.samples.ids[:3]
    new.setFocus()
    new.select(dragged)
    drag(qtbot, centre_of_tile(dock, "new", dragged[1]), target.mapToGlobal(target.rect().center()), shots / "drag.png")
    qtbot.waitUntil(lambda: dock.columns["accepted"].samples.ids == dragged)
    with SampleStore(project.samples_path) as store:
        qtbot.waitUntil(lambda: store.ids("accepted") == dragged)


def test_escape_cancels(qtbot: Any, dock: CurateWidget, project: Project, shots: Path) -> None:
    id, target = dock.columns["new"].samples.ids[0], dock.columns["rejected"]
    end = target.viewport().mapToGlobal(target.viewport().rect().center())
    drag(qtbot, centre_of_tile(dock, "new", id), end, shots / "escape.png", drop=False)
    qtbot.wait(300)
    assert len(dock.columns["new"].samples.ids) == 9
    assert not target._lit
    with SampleStore(project.samples_path) as store:
        assert store.counts()["new"] == 9


def test_drag_onto_the_canvas(qtbot: Any, dock: CurateWidget, project: Project, shots: Path) -> None:
    viewer = dock.viewer
    canvas: QWidget = viewer.window._qt_window.centralWidget()
    id = dock.columns["new"].samples.ids[0]
    end = canvas.mapToGlobal(QPoint(canvas.width() // 2, canvas.height() // 2))
    drag(qtbot, centre_of_tile(dock, "new", id), end, shots / "canvas.png")
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10000)
    qtbot.wait(300)
    viewer.screenshot(str(shots / "opened.png"), canvas_only=False, flash=False)
    with SampleStore(project.samples_path) as store:
        pair: SamplePair = store.pair(id)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels"]
    np.testing.assert_array_equal(viewer.layers[0].data, pair.image[0])
    np.testing.assert_array_equal(viewer.layers[1].data, pair.labels)
    assert dock.columns["new"].samples.ids[0] == id  # it is opened, not moved
