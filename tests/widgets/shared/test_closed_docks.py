"""A dock that is closed is gone: its threads, its place in memory, and the pages inside it."""

from __future__ import annotations

import gc
import weakref

import pytest
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.widgets.shared import menus
from napari_organoid_synth.widgets.shared.dock import ColumnDock, Dock
from napari_organoid_synth.widgets.shared.workspace import Workspace
from simulated import em_project


@pytest.fixture
def viewer(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer(show=True)  # pages read only while they are seen
    project = em_project(tmp_path / "p", 2)
    with SampleStore(project.samples_path) as store:
        store.add_many((em(seed, 64) for seed in range(3)), run="simulated")
    Workspace.of(viewer).setProject(project)
    yield viewer
    Workspace.of(viewer).close()


def settle(qtbot) -> None:
    """Let what is planned happen, deletions too."""
    qtbot.wait(20)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def open_and_close(viewer, qtbot, title: str) -> weakref.ref:
    widget = menus._add(viewer, title)
    settle(qtbot)
    if title in menus.WHOLE:
        widget.go("Generate" if title == menus.ALL_STEPS else "Map")
        settle(qtbot)
    viewer.window.remove_dock_widget(viewer.window.dock_widgets[f"{title} ({menus.DISPLAY_NAME})"])
    settle(qtbot)
    return weakref.ref(widget)


def test_closed_docks_are_collected(viewer, qtbot):
    refs = {title: open_and_close(viewer, qtbot, title) for title in [*menus.DOCKS, *menus.WHOLE]}

    def none_alive() -> None:
        settle(qtbot)
        gc.collect()
        assert [title for title, ref in refs.items() if ref() is not None] == []

    qtbot.waitUntil(none_alive, timeout=20_000)  # a thread may still be reading for one


@pytest.mark.parametrize("ms", [0, 400])
def test_pages_are_collected_also_if_they_are_closed_while_a_worker_reads(viewer, qtbot, ms):
    widget = menus._add(viewer, menus.ALL_STEPS)
    refs = {}
    for title in ("Pairs", "Generate"):
        widget.go(title)
        qtbot.wait(ms)  # checks and thumbnails are read meanwhile
        refs |= {type(one).__name__: weakref.ref(one) for one in widget.findChildren(Dock)}
    assert {"PairsWidget", "GenerateWidget"} <= refs.keys()
    del widget
    viewer.window.remove_dock_widget(viewer.window.dock_widgets[f"{menus.ALL_STEPS} ({menus.DISPLAY_NAME})"])

    def none_alive() -> None:
        settle(qtbot)
        gc.collect()
        assert [name for name, ref in refs.items() if ref() is not None] == []

    qtbot.waitUntil(none_alive, timeout=5000)


def test_a_dock_that_is_moved_stays(viewer, qtbot):
    dock = menus._add(viewer, "Generate")
    place = QWidget()
    qtbot.addWidget(place)
    QVBoxLayout(place).addWidget(dock)
    dock.setParent(None)
    place.layout().addWidget(dock)
    settle(qtbot)
    assert dock.parentWidget() is place
    dock.strip.show_store(Workspace.of(viewer).project.samples_path)  # its threads live


def test_pages_are_closed_with_the_dock_around_them(viewer, qtbot):
    closed = []

    class Page(ColumnDock):
        def closeEvent(self, a0):
            closed.append(self.key)
            super().closeEvent(a0)

    around = Dock(viewer)
    pages = QStackedWidget()
    QVBoxLayout(around).addWidget(pages)
    for key in ("one", "two"):
        pages.addWidget(Page(viewer, key, "What this is for."))
    viewer.window.add_dock_widget(around, name="around")
    settle(qtbot)
    assert closed == []
    viewer.window.remove_dock_widget(around)
    gone = weakref.ref(around), weakref.ref(pages.widget(0))
    del around, pages

    def none_alive() -> None:
        settle(qtbot)
        gc.collect()
        assert sorted(closed) == ["one", "two"]
        assert [ref() for ref in gone] == [None, None]

    qtbot.waitUntil(none_alive, timeout=5000)
