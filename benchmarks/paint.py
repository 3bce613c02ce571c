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
import psutil

from window_lag import Lag

EVENT_MS = 33
"""Time between two events of the mouse."""
STEP, BRUSH = 5, 14
"""Way between two events, and diameter of the brush, px of the mask."""
PART, RENDER_MS = 64, 25
"""Side, px, of the part of an image that a timer changes in napari alone, and its delay after the label."""


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
    """A mouse on napari's canvas, and clocks from each of its events to the frames that show what came of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    labels : napari.layers.Labels
        Which is painted on.

    Attributes
    ----------
    own : list of float
        Time, ms, from each event until the canvas was drawn with the label that it painted.
    follows : list of float
        Time, ms, until the canvas was drawn with the image that follows.
    """

    def __init__(self, viewer: Any, labels: Any) -> None:
        self.viewer, self.labels = viewer, labels
        self.canvas = viewer.window._qt_viewer.canvas
        self.native = self.canvas._scene_canvas.native
        self.own: list[float] = []
        self.follows: list[float] = []
        self.frames = 0
        self._painted: list[float] = []  # events whose label is not drawn yet
        self._events: list[tuple[float, int]] = []  # time, and the first request after it (0: none yet)
        self._serial = self._answered = 0
        self.canvas._scene_canvas.events.draw.connect(self._drawn, position="last")

    def follow(self, session: Any) -> None:
        """Listen to what is asked of the renderer of a painting, and to what it answers."""
        ask = session.renderer.change

        def change(*arguments: Any) -> int:
            serial = int(ask(*arguments))
            self.asked(serial)
            return serial

        session.renderer.change = change
        session.renderer.painted.connect(self._take)

    def _take(self, message: Any) -> None:
        self.answered(message.serial)

    @property
    def waiting(self) -> int:
        """Events whose pixels were never drawn; they are in no percentile."""
        return len(self._events)

    def asked(self, serial: int) -> None:
        """Note that a request was sent for all events so far."""
        self._events = [(at, number or serial) for at, number in self._events]

    def answered(self, serial: int) -> None:
        """Note that an answer is on the layer, and that the next frame shows it."""
        self._answered = max(self._answered, serial)

    def _drawn(self, _: Any) -> None:
        now = time.perf_counter()
        self.frames += 1
        self.own += [1000 * (now - at) for at in self._painted]
        self._painted = []
        shown = [at for at, serial in self._events if 0 < serial <= self._answered]
        self._events = [(at, serial) for at, serial in self._events if not 0 < serial <= self._answered]
        self.follows += [1000 * (now - at) for at in shown]

    def event(self, kind: str, place: tuple[int, int]) -> None:
        """Send one event of the mouse: ``press``, ``move`` or ``release``."""
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        world = self.labels.data_to_world(place)
        point = self.canvas.view.scene.transform.map([world[1], world[0], 0, 1])[:2]
        at = QPointF(*(float(value) / self.native.devicePixelRatioF() for value in point))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        kinds = {"press": QEvent.Type.MouseButtonPress, "move": QEvent.Type.MouseMove}
        button = none if kind == "move" else left
        held = none if kind == "release" else left
        kinds["release"] = QEvent.Type.MouseButtonRelease
        event = QMouseEvent(kinds[kind], at, self.native.mapToGlobal(at), button, held, Qt.KeyboardModifier.NoModifier)
        began = time.perf_counter()
        if kind != "release":
            self._events.append((began, 0))
        QApplication.sendEvent(self.native, event)
        if kind != "release":
            self._painted.append(began)


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


def paint(hand: Hand, seconds: float) -> dict[str, Any]:
    """Paint strokes for so long, and sum up."""
    lag, own_process = Lag(), time.process_time()
    lag.timer.start(5)
    end, number, began = time.monotonic() + seconds, 0, time.perf_counter()
    for stroke in strokes(hand.labels.data.shape[0], np.random.default_rng(0)):
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
    wait(1000)
    lag.timer.stop()
    summed = {"strokes": number, "events": len(hand.follows), "unanswered": hand.waiting}
    for name, delays in (("label", hand.own), ("image", hand.follows)):
        p50, p95 = np.percentile(delays, (50, 95))
        summed |= {f"{name}_p50_ms": round(p50), f"{name}_p95_ms": round(p95), f"{name}_max_ms": round(max(delays))}
    late = np.percentile(lag.late, (50, 99))
    share = (time.process_time() - own_process) / (time.perf_counter() - began)
    summed |= {"lag_p50_ms": round(late[0], 1), "lag_p99_ms": round(late[1], 1), "lag_max_ms": round(max(lag.late), 1)}
    return summed | {"frames": hand.frames, "window_cores": round(share, 2)}


def napari_alone(viewer: Any, side: int, seconds: float) -> dict[str, Any]:
    """Paint on a labels layer above an image layer, of which a timer changes a part where the renderer would."""
    from qtpy.QtCore import Qt, QTimer

    image = viewer.add_image(np.zeros((side, side), np.uint8), contrast_limits=(0, 255))
    labels = viewer.add_labels(np.zeros((side, side), np.int32), opacity=0.3)
    labels.brush_size, labels.mode, labels.selected_label = BRUSH, "paint", 1
    viewer.layers.selection = {labels}
    viewer.reset_view()
    wait(1500)
    hand, rng = Hand(viewer, labels), np.random.default_rng(0)
    serial = 0

    def change(number: int, row: int, column: int) -> None:
        image.data[row : row + PART, column : column + PART] = rng.integers(0, 256, dtype=np.uint8)
        image.refresh()
        hand.answered(number)

    def see(event: Any) -> None:
        nonlocal serial
        serial += 1
        hand.asked(serial)
        asked, row, column = serial, *(max(0, int(value) - PART // 2) for value in event.offset)
        QTimer.singleShot(RENDER_MS, Qt.TimerType.PreciseTimer, lambda: change(asked, row, column))

    labels.events.labels_update.connect(see)
    return {"side": side, "what": "napari alone"} | paint(hand, seconds)


def painting(viewer: Any, dock: Any, side: int, seconds: float) -> dict[str, Any]:
    """Paint on an empty canvas, whose image the renderer paints."""
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
    hand = Hand(viewer, session.labels)
    hand.follow(session)
    process = psutil.Process(session.renderer.pid)
    before, clock = process.cpu_times(), time.perf_counter()
    result = {"side": side, "what": session.model["generator"], "first_picture_s": round(first[0], 2)}
    result |= paint(hand, seconds)
    used, clock = process.cpu_times(), time.perf_counter() - clock
    result["renderer_cores"] = round((used.user + used.system - before.user - before.system) / clock, 2)
    session.end()
    return result


def main() -> None:
    """Measure and print one line of JSON for each side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--run", default="", help="run that paints; default: the painter without training")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 1024], help="of the canvas, px")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--turns", type=int, default=2, help="of napari alone and painting")
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
        for _ in range(options.turns):
            alone = napari_alone(viewer, side, options.seconds)
            print(json.dumps(alone), flush=True)
            viewer.layers.clear()
            wait(300)
            ours = painting(viewer, dock, side, options.seconds)
            print(json.dumps(ours), flush=True)
            names = [name for name in alone if name.endswith(("p50_ms", "p95_ms", "p99_ms"))]
            ratios = {name: round(ours[name] / max(alone[name], 1), 2) for name in names if name != "lag_p50_ms"}
            print(json.dumps({"side": side, "what": "ratio"} | ratios), flush=True)
            if options.screenshot:
                name = options.screenshot.with_stem(f"{options.screenshot.stem}-{side}")
                imwrite(name, viewer.screenshot(canvas_only=False))
            viewer.layers.clear()
            wait(300)
    print("load average", os.getloadavg())
    os._exit(0)  # no question about closing


if __name__ == "__main__":
    main()
