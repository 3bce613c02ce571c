"""How quickly the image follows the brush, in the real window, by real events of the mouse.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/paint.py --project DIR [--sides 256 1024] [--seconds 30]

A brush is drawn over the mask in strokes, an event of the mouse every 33 ms. For each event it is measured how long it
takes until the canvas of the window was drawn with the pixels that the renderer painted for it; meanwhile a timer of
5 ms notes how late the window answers. Every stroke paints where nothing was painted before. ``DIR`` is a project with
pairs, whose painter without training is used, or the run that ``--run`` names; without one, simulated tissue is used.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from window_lag import Lag

EVENT_MS = 33
"""Time between two events of the mouse."""
STEP, BRUSH = 5, 14
"""Way between two events, and diameter of the brush, px of the mask."""


def simulated(path: Path) -> None:
    """A project of three simulated pairs with instances."""
    from napari_organoid_synth.core.pairs.adding import add_pair
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.simulators.simulate import tissue

    project = Project(path)
    for seed in range(3):
        add_pair(project, tissue(seed, 256).replace(name=f"tissue_{seed}"), "instances")


def strokes(side: int, rng: np.random.Generator) -> Iterator[list[tuple[int, int]]]:
    """Yield rows and columns of strokes of about a dozen events, on a way that crosses none of the earlier ones."""
    length = min(12, side // STEP // 3)
    for row in range(20, side - 20, BRUSH + 6):
        for first in range(16, side - 16 - STEP * length, STEP * length + BRUSH + 6):
            bend = rng.integers(-2, 3)
            yield [(row + bend * (number % 2), first + STEP * number) for number in range(length)]


class Hand:
    """A mouse on napari's canvas, and a clock from each of its events to the frame that shows the answer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    session : PaintSession
    """

    def __init__(self, viewer: Any, session: Any) -> None:
        self.viewer, self.session = viewer, session
        self.canvas = viewer.window._qt_viewer.canvas
        self.native = self.canvas._scene_canvas.native
        self.delays: list[float] = []
        self._events: list[tuple[float, int]] = []  # time, and the first request after it (0: none yet)
        self._answered = 0
        ask = session.renderer.change

        def change(*arguments: Any) -> int:
            serial = ask(*arguments)
            self._events = [(at, number or serial) for at, number in self._events]
            return int(serial)

        session.renderer.change = change
        session.renderer.painted.connect(self._answer)
        self.canvas._scene_canvas.events.draw.connect(self._drawn, position="last")

    def _answer(self, message: Any) -> None:
        self._answered = max(self._answered, message.serial)

    def _drawn(self, _: Any) -> None:
        now = time.perf_counter()
        shown = [at for at, serial in self._events if 0 < serial <= self._answered]
        self._events = [(at, serial) for at, serial in self._events if not 0 < serial <= self._answered]
        self.delays += [1000 * (now - at) for at in shown]

    def event(self, kind: str, place: tuple[int, int]) -> None:
        """Send one event of the mouse: ``press``, ``move`` or ``release``."""
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        world = self.session.labels.data_to_world(place)
        point = self.canvas.view.scene.transform.map([world[1], world[0], 0, 1])[:2]
        at = QPointF(*(float(value) / self.native.devicePixelRatioF() for value in point))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        kinds = {"press": QEvent.Type.MouseButtonPress, "move": QEvent.Type.MouseMove}
        button = none if kind == "move" else left
        held = none if kind == "release" else left
        kinds["release"] = QEvent.Type.MouseButtonRelease
        event = QMouseEvent(kinds[kind], at, self.native.mapToGlobal(at), button, held, Qt.KeyboardModifier.NoModifier)
        if kind != "release":
            self._events.append((time.perf_counter(), 0))
        QApplication.sendEvent(self.native, event)


def wait(milliseconds: float) -> None:
    """Let the window live."""
    from qtpy.QtCore import QEventLoop, Qt, QTimer

    loop = QEventLoop()
    QTimer.singleShot(max(1, int(milliseconds)), Qt.TimerType.PreciseTimer, loop.quit)
    loop.exec()


def until(condition: Any, seconds: float, what: str) -> None:
    """Wait for something, at most so long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen in {seconds:.0f} s"
        wait(20)


def measure(viewer: Any, dock: Any, side: int, seconds: float) -> dict[str, Any]:
    """Paint on an empty canvas for so long, and sum up."""
    panel = dock.painting.panel
    panel.form.kind.setCurrentIndex(panel.form.kind.findData("empty"))
    panel.form.width_box.setValue(side)
    panel.form.height_box.setValue(side)
    began = time.perf_counter()
    first: list[float] = []
    panel.start()
    until(lambda: panel.session is not None, 60, "the painting")
    session = panel.session
    session.pictured.connect(lambda: first.append(time.perf_counter() - began))
    until(lambda: first and session.renderer.state == "ready", 120, "the first picture")
    viewer.reset_view()
    session.labels.brush_size = BRUSH
    wait(1500)
    hand, lag = Hand(viewer, session), Lag()
    lag.timer.start(5)
    end, number = time.monotonic() + seconds, 0
    for stroke in strokes(side, np.random.default_rng(0)):
        if time.monotonic() > end:
            break
        number += 1
        hand.event("press", stroke[0])
        for place in stroke[1:]:
            wait(EVENT_MS)
            hand.event("move", place)
        wait(EVENT_MS)
        hand.event("release", stroke[-1])
        wait(300)
    until(lambda: session.renderer.state == "ready", 30, "the last answer")
    wait(200)
    lag.timer.stop()
    middle, high = np.percentile(hand.delays, (50, 95))
    late = np.percentile(lag.late, (50, 99))
    result = {
        "side": side, "generator": session.model["generator"], "first_picture_s": round(first[0], 2), "strokes": number,
        "events": len(hand.delays), "p50_ms": round(middle), "p95_ms": round(high), "max_ms": round(max(hand.delays)),
        "lag_p50_ms": round(late[0], 1), "lag_p99_ms": round(late[1], 1), "lag_max_ms": round(max(lag.late), 1),
    }  # fmt: skip
    return result


def main() -> None:
    """Measure and print one line of JSON for each side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--run", default="", help="run that paints; default: the painter without training")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 1024], help="of the canvas, px")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--screenshot", type=Path)
    options = parser.parse_args()
    path = options.project or Path(tempfile.mkdtemp())
    if options.project is None:
        simulated(path)

    import napari
    from imageio.v3 import imwrite
    from qtpy import API_NAME

    from napari_organoid_synth.widgets.shared.menus import open_dock
    from napari_organoid_synth.widgets.shared.window import open_project_window

    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1400, 900)
    open_project_window(viewer, path)
    dock = open_dock(viewer, "Generate")
    if options.run:
        dock.run_combo.setCurrentIndex(dock.run_combo.findData(options.run))
    wait(3000)  # the window settles
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}; Python {platform.python_version()}, napari {napari.__version__}, {API_NAME}")
    for side in options.sides:
        print(json.dumps(measure(viewer, dock, side, options.seconds)), flush=True)
        if options.screenshot:
            name = options.screenshot.with_stem(f"{options.screenshot.stem}-{side}")
            imwrite(name, viewer.screenshot(canvas_only=False))
        dock.painting.panel.session.end()
        viewer.layers.clear()
        wait(300)
    print("load average", os.getloadavg())
    os._exit(0)  # no question about closing


if __name__ == "__main__":
    main()
