"""What is closed is gone: viewer, layers, workspace and renderer keep neither a painting nor its panel."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.core.live.stamps import Stamp
from napari_organoid_synth.widgets.live.sections import LiveSections
from napari_organoid_synth.widgets.paint.panel import PaintPanel
from napari_organoid_synth.widgets.shared.workspace import Workspace
from painting_stand_in import StandIn


def delete(widget: Any) -> None:
    """Delete a widget and all that Qt owes to its deletion."""
    widget.deleteLater()
    flush()


def flush() -> None:
    """Let Qt delete what is to be deleted, and what belonged to it."""
    for _ in range(3):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()


def left(refs: dict[str, weakref.ref[Any]]) -> dict[str, list[str]]:
    """Return what still lives, with what holds it."""
    gc.collect()
    alive = {name: ref() for name, ref in refs.items() if ref() is not None}
    return {name: [type(one).__name__ for one in gc.get_referrers(thing)] for name, thing in alive.items()}


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer()
    yield made
    Workspace.of(made).close()


def painting_panel(viewer: Any, qtbot: Any, folder: Path) -> PaintPanel:
    """Return a panel with a painting, a drawn object and a stamped one."""
    panel = PaintPanel(viewer, StandIn())
    panel.set_model(folder)
    panel.start()
    qtbot.waitUntil(lambda: panel.session is not None, timeout=5000)
    panel.session.labels.data_setitem((np.array([3]), np.array([4])), 2)
    qtbot.wait(50)
    stamp = panel.tools.stamp
    stamp.start([Stamp(np.ones((5, 5), bool))])
    stamp._place = (20.0, 20.0)
    stamp.drop()
    return panel


def test_a_painting_that_ended_is_gone(viewer, qtbot, tmp_path):
    panel = painting_panel(viewer, qtbot, tmp_path)
    layer = panel.session.labels
    refs = {name: weakref.ref(getattr(panel.session, name)) for name in ("follower", "strokes", "layers", "start")}
    refs |= {"session": weakref.ref(panel.session), "stamp": weakref.ref(panel.tools.stamp)}
    panel.launcher.end()
    flush()
    assert left(refs) == {}
    assert layer in viewer.layers  # it stays, with nothing of ours on it
    calls = [*layer.mouse_drag_callbacks, *layer.mouse_move_callbacks, *viewer.mouse_wheel_callbacks]
    assert not [call for call in [*calls, *layer.keymap.values()] if call.__module__.startswith("napari_organoid")]
    panel.close_painting()
    delete(panel)


def test_a_panel_that_closed_is_gone(viewer, qtbot, tmp_path):
    panel = painting_panel(viewer, qtbot, tmp_path)
    renderer, live = panel.renderer, LiveSections(viewer, panel)
    refs = {name: weakref.ref(getattr(panel, name)) for name in ("launcher", "tools", "session", "form", "keeper")}
    refs |= {name: weakref.ref(getattr(live, name)) for name in ("controls", "drawing", "light_panel", "walk_panel")}
    refs |= {"panel": weakref.ref(panel), "live": weakref.ref(live)}
    live.close_live()
    panel.close_painting()
    delete(live)
    delete(panel)
    del panel, live
    assert renderer.asked[-1] == ("stop",)
    assert left(refs) == {}
