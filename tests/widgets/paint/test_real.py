"""Painting with the real renderer in its process: it follows, also after the process was killed or went to rest."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from qtpy.QtCore import QEvent

from live_models import train_model
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.paint.panel import PaintPanel
from napari_organoid_synth.widgets.shared.workspace import Workspace
from painting_stand_in import Painter


class RealPainter(Painter):
    """The same mouse on the painting of a panel."""

    def __init__(self, viewer, panel, qtbot):
        self.viewer, self.panel, self.qtbot, self.renderer = viewer, panel, qtbot, panel.renderer
        self.session = panel.session
        self.labels = self.session.labels
        self.canvas = viewer.window._qt_viewer.canvas
        self.native = self.canvas._scene_canvas.native
        self.settle()

    def settle(self):
        follower = self.session.follower
        self.qtbot.waitUntil(lambda: not follower._notice.isActive(), timeout=10_000)
        self.qtbot.waitUntil(lambda: self.renderer.state == "ready", timeout=60_000)


@pytest.mark.slow
def test_the_picture_follows_also_after_the_painter_was_killed(make_napari_viewer, qtbot, tmp_path):
    run = train_model(tmp_path, "analogy")
    viewer = make_napari_viewer(show=True)
    workspace = Workspace.of(viewer)
    panel = PaintPanel(viewer)
    qtbot.addWidget(panel)
    workspace.setProject(Project(run.parent.parent))
    panel.set_model(run)
    panel.start()
    qtbot.waitUntil(lambda: panel.session is not None, timeout=60_000)
    painter = RealPainter(viewer, panel, qtbot)
    pixels = panel.session.layers.pixels
    empty = pixels.copy()
    assert empty.std() > 0

    painter.stroke((30, 30), (30, 60))
    assert (pixels[:, 27:34, 35:55] != empty[:, 27:34, 35:55]).mean() > 0.5
    assert pixels[:, 27:34, 35:55].mean() > empty[:, 27:34, 35:55].mean() + 20  # a bright nucleus
    one = pixels.copy()

    os.kill(workspace.renderer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: workspace.renderer.state != "ready", timeout=10_000)
    painter.stroke((70, 30), (70, 60))
    assert pixels[:, 67:74, 35:55].mean() > one[:, 67:74, 35:55].mean() + 20
    assert panel.error.isHidden()

    painter.labels.undo()
    painter.settle()
    np.testing.assert_array_equal(panel.session.follower.sent, panel.session.layers.mask)
    assert pixels[:, 67:74, 35:55].mean() < empty[:, 67:74, 35:55].mean() + 10

    panel.close_painting()
    assert workspace.renderer.state == "stopped"
    painter.mouse(QEvent.Type.MouseButtonPress, (20, 20))
    painter.mouse(QEvent.Type.MouseButtonRelease, (20, 20))  # nobody follows any more
    qtbot.wait(50)
    workspace.close()
