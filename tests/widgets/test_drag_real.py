"""Tiles, files and layers dragged with a real mouse: another process moves the pointer, the window system delivers."""

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
import tifffile
from qtpy.QtCore import QPoint, QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QTreeView, QWidget

from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import SIMULATORS
from napari_organoid_synth.widgets.curate.dock import CurateWidget
from napari_organoid_synth.widgets.pairs.dock import PairsWidget
from napari_organoid_synth.widgets.shared.workspace import Workspace

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
    new = widget.columns.views["new"]
    qtbot.waitUntil(lambda: len(new.samples.ids) == 9)
    qtbot.waitUntil(lambda: all(new.samples.source.row(id) for id in new.samples.ids[:3]), timeout=10000)
    qtbot.wait(500)
    yield widget
    widget._thread.close()


def centre_of_tile(dock: CurateWidget, verdict: Any, id: str) -> QPoint:
    view = dock.columns.views[verdict]
    place = view.visualRect(view.samples.index(view.samples.row_of(id)))
    return view.viewport().mapToGlobal(place.center())


def place_for(dock: CurateWidget, verdict: Any) -> QPoint:
    """Return where tiles are dropped to get a verdict: the middle of its column, or of its chip in a narrow window."""
    view = dock.columns.views[verdict]
    widget = view.viewport() if view.isVisible() else dock.columns.chips.chips[verdict]
    return widget.mapToGlobal(widget.rect().center())


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
    new = dock.columns.views["new"]
    dragged = new.samples.ids[:3]
    new.setFocus()
    new.select(dragged)
    drag(qtbot, centre_of_tile(dock, "new", dragged[1]), place_for(dock, "accepted"), shots / "drag.png")
    qtbot.waitUntil(lambda: dock.columns.views["accepted"].samples.ids == dragged)
    with SampleStore(project.samples_path) as store:
        qtbot.waitUntil(lambda: store.ids("accepted") == dragged)


def test_escape_cancels(qtbot: Any, dock: CurateWidget, project: Project, shots: Path) -> None:
    id = dock.columns.views["new"].samples.ids[0]
    drag(qtbot, centre_of_tile(dock, "new", id), place_for(dock, "rejected"), shots / "escape.png", drop=False)
    qtbot.wait(300)
    assert len(dock.columns.views["new"].samples.ids) == 9
    assert not any(view._lit for view in dock.columns.views.values())
    assert not any(chip.isDown() for chip in dock.columns.chips.chips.values())
    with SampleStore(project.samples_path) as store:
        assert store.counts()["new"] == 9


def test_drag_onto_the_canvas(qtbot: Any, dock: CurateWidget, project: Project, shots: Path) -> None:
    viewer = dock.viewer
    canvas: QWidget = viewer.window._qt_window.centralWidget()
    id = dock.columns.views["new"].samples.ids[0]
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
    assert dock.columns.views["new"].samples.ids[0] == id  # it is opened, not moved


# --- from and to the file manager, and out of the layer list ---------------------------------------------------------

needs_manager = pytest.mark.skipif(
    not all(map(shutil.which, ("xdotool", "openbox", "pcmanfm", "dbus-run-session"))) or not os.environ.get("DISPLAY"),
    reason="needs xdotool, openbox, the file manager pcmanfm, dbus-run-session and an X display",
)
FIRST_ICON = QPoint(55, 105)
"""In a window of the file manager without side pane, px."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder that the file manager shows."""
    folder = tmp_path / "shown"
    folder.mkdir()
    return folder


class FileManager:
    """A window of pcmanfm, 420 × 380 px, at the upper left of the screen."""

    def __init__(self, folder: Path, home: Path) -> None:
        settings = home / "pcmanfm" / "default" / "pcmanfm.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(
            "[ui]\nwin_width=420\nwin_height=380\nview_mode=icon\nside_pane_mode=hidden;places\nshow_statusbar=0\n"
        )
        self._process = subprocess.Popen(
            ["dbus-run-session", "--", "pcmanfm", str(folder)],
            env=os.environ | {"XDG_CONFIG_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        words = ["xdotool", "search", "--sync", "--onlyvisible", "--class", "pcmanfm"]
        self._window = subprocess.run(words, check=True, capture_output=True, text=True, timeout=20).stdout.split()[-1]
        mouse("windowmove", "--sync", self._window, 0, 0)
        time.sleep(1)

    def raise_(self) -> None:
        mouse("windowraise", self._window)
        time.sleep(0.3)

    def close(self) -> None:
        os.killpg(self._process.pid, 15)
        self._process.wait(10)


@pytest.fixture
def manager(window_manager: None, files: Path, tmp_path: Path) -> Iterator[FileManager]:
    found = FileManager(files, tmp_path / "home")
    yield found
    found.close()


def beside(viewer: Any, qtbot: Any) -> None:
    """Put napari's window right of the file manager."""
    window = viewer.window._qt_window
    window.showNormal()
    window.resize(1100, 860)
    window.move(440, 20)
    qtbot.wait(500)


def middle(widget: QWidget) -> QPoint:
    return widget.mapToGlobal(widget.rect().center())


def write_simulated(folder: Path, name: str) -> Any:
    pair = SIMULATORS["tissue"](99, 128).replace(name=name)
    ome_tiff.write_pair(folder, pair)
    return pair


@needs_manager
def test_a_folder_from_the_file_manager_becomes_pairs(
    qtbot: Any, make_napari_viewer: Any, files: Path, tmp_path: Path, window_manager: None, shots: Path
) -> None:
    for name in ("images", "masks"):
        (files / "set" / name).mkdir(parents=True)
    pair = SIMULATORS["tissue"](0, 128)
    tifffile.imwrite(files / "set" / "images" / "a.tif", pair.image[0])
    tifffile.imwrite(files / "set" / "masks" / "a.tif", pair.labels.astype(np.uint16))
    viewer = make_napari_viewer(show=True)
    Workspace.of(viewer).setProject(Project(tmp_path / "project"))
    widget = PairsWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Pairs")
    beside(viewer, qtbot)
    manager = FileManager(files, tmp_path / "home")
    try:
        drag(qtbot, FIRST_ICON, middle(widget.incoming.drop), shots / "folder.png")
        qtbot.waitUntil(
            lambda: (table := Workspace.of(viewer).pairs) is not None and len(table.matched) == 1, timeout=10000
        )
    finally:
        manager.close()
    (entry,) = Workspace.of(viewer).pairs.matched
    assert (entry.name, entry.n_objects) == ("a", pair.n_objects)
    assert (files / "set" / "images" / "a.tif").exists()  # used where it lies, not moved


@needs_manager
def test_pairs_from_the_file_manager_land_in_the_column(
    qtbot: Any, dock: CurateWidget, files: Path, tmp_path: Path, project: Project, shots: Path
) -> None:
    pair = write_simulated(files, "outside")
    beside(dock.viewer, qtbot)
    manager = FileManager(files, tmp_path / "home")
    try:
        mouse("mousemove", 300, 300, "click", 1, "key", "ctrl+a")
        time.sleep(0.5)
        drag(qtbot, FIRST_ICON, place_for(dock, "accepted"), shots / "in.png")  # its chip: the window is narrow
        qtbot.waitUntil(lambda: dock.columns.views["accepted"].samples.ids == ["outside"], timeout=10000)
    finally:
        manager.close()
    with SampleStore(project.samples_path) as store:
        assert store.ids("accepted") == ["outside"]
        np.testing.assert_array_equal(store.pair("outside").image, pair.image)


@needs_manager
def test_a_tile_dropped_on_the_file_manager_is_copied(
    qtbot: Any, dock: CurateWidget, files: Path, tmp_path: Path, project: Project, shots: Path
) -> None:
    beside(dock.viewer, qtbot)
    manager = FileManager(files, tmp_path / "home")
    id = dock.columns.views["new"].samples.ids[0]
    try:
        drag(qtbot, centre_of_tile(dock, "new", id), QPoint(250, 250), shots / "out.png")
        with SampleStore(project.samples_path) as store:
            row = store.row(id)
            copies = {path: files / path.name for path in (row.image_path, row.labels_path)}
            qtbot.waitUntil(
                lambda: all(
                    copy.exists() and copy.stat().st_size == path.stat().st_size for path, copy in copies.items()
                ),
                timeout=10000,
            )
            assert all(copy.read_bytes() == path.read_bytes() for path, copy in copies.items())
            assert row.verdict == "new"
            assert store.pair(id).n_objects == row.n_objects  # the sample is still whole in the project
    finally:
        manager.close()


@needs_manager
def test_layers_from_the_list_become_a_pair(
    qtbot: Any, make_napari_viewer: Any, tmp_path: Path, window_manager: None, shots: Path
) -> None:
    pair = SIMULATORS["tissue"](0, 128)
    viewer = make_napari_viewer(show=True)
    viewer.add_image(pair.image[0], name="cells")
    viewer.add_labels(pair.labels, name="cells mask")
    Workspace.of(viewer).setProject(Project(tmp_path / "project"))
    widget = PairsWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Pairs")
    beside(viewer, qtbot)
    viewer.layers.selection = set(viewer.layers)
    rows: QTreeView = viewer.window._qt_viewer.layers
    place = rows.visualRect(rows.model().index(0, 0)).center()
    drag(qtbot, rows.viewport().mapToGlobal(place), middle(widget.incoming.drop), shots / "layers.png")
    qtbot.waitUntil(
        lambda: (table := Workspace.of(viewer).pairs) is not None and len(table.matched) == 1, timeout=10000
    )
    assert Workspace.of(viewer).pairs.matched[0].n_objects == pair.n_objects
    assert len(viewer.layers) == 2
