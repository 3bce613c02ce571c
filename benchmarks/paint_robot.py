"""Somebody paints for half an hour and does everything else meanwhile: nothing may fail, nothing may grow.

    xvfb-run -a -s "-screen 0 1280x800x24" python benchmarks/paint_robot.py --project DIR --minutes 30 [--seed 0]

At random: strokes, erasing, fill, undo and redo, other starts, other runs and seeds, layers renamed and removed,
the dock closed and opened, the renderer killed. After every act the window is given time to settle; then the mask that
the renderer was sent must be the layer's, and the picture must be that of a canvas painted by the renderer (whole or in
parts), not an older one. After every 50 acts all layers are removed, with napari's memory of up to 100 steps of each,
and the memory of window and renderer is printed; at last what was done, exceptions, and the lag of the window.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from paint import Hand, simulated, until, wait
from window_lag import Lag

SETTLE_SECONDS = 120
KEPT_LAYERS = 6
"""Layers that may lie in the window before a person tidies up."""


class Robot:
    """Paints at random in the dock Generate.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    rng : numpy.random.Generator
    """

    def __init__(self, viewer: Any, rng: np.random.Generator) -> None:
        self.viewer, self.rng = viewer, rng
        self.done: Counter[str] = Counter()
        self.hand: Hand | None = None
        self.dock: Any = None
        self.open()

    @property
    def session(self) -> Any:
        """The painting, if there is one."""
        return self.dock.painting.panel.session

    # --- acts ---

    def open(self) -> None:
        """Open the dock, or bring it back."""
        from napari_organoid_synth.widgets.shared.menus import open_dock

        self.dock = open_dock(self.viewer, "Generate")

    def start(self) -> None:
        """Begin a painting on an empty canvas or a real pair, without the layers of earlier ones."""
        panel = self.dock.painting.panel
        if len(self.viewer.layers) > KEPT_LAYERS:
            self.viewer.layers.clear()
        kind = str(self.rng.choice(["empty", "pair"]))
        panel.form.kind.setCurrentIndex(panel.form.kind.findData(kind))
        for box in (panel.form.width_box, panel.form.height_box):
            box.setValue(int(self.rng.integers(8, 24)) * 16)
        panel.start()
        until(lambda: panel.session is not None or panel.error.isVisible(), SETTLE_SECONDS, "a painting")

    def stroke(self) -> None:
        """Paint, erase or fill."""
        session = self.session
        self.viewer.layers.selection.active = session.labels
        session.labels.mode = str(self.rng.choice(["paint", "paint", "paint", "erase", "fill"]))
        session.labels.brush_size = int(self.rng.integers(4, 24))
        height, width = session.labels.data.shape
        row, column = int(self.rng.integers(height)), int(self.rng.integers(width))
        assert self.hand is not None
        self.hand.event("press", (row, column))
        for _ in range(int(self.rng.integers(0, 8))):
            row = int(np.clip(row + self.rng.integers(-6, 7), 0, height - 1))
            column = int(np.clip(column + self.rng.integers(-6, 7), 0, width - 1))
            wait(25)
            self.hand.event("move", (row, column))
        self.hand.event("release", (row, column))

    def undo(self) -> None:
        """Take back, or do again."""
        act = self.session.labels.undo if self.rng.random() < 0.7 else self.session.labels.redo
        act()

    def seed(self) -> None:
        """Choose another seed."""
        self.dock.seed.setValue(int(self.rng.integers(1000)))

    def run(self) -> None:
        """Choose another run."""
        self.dock.run_combo.setCurrentIndex(int(self.rng.integers(self.dock.run_combo.count())))

    def rename(self) -> None:
        """Rename both layers."""
        session = self.session
        session.labels.name, session.layers.image.name = f"mask {self.rng.integers(99)}", "picture"

    def remove(self) -> None:
        """Remove a layer under it."""
        layers = [self.session.labels, self.session.layers.image]
        self.viewer.layers.remove(layers[int(self.rng.integers(2))])

    def kill(self) -> None:
        """Kill the renderer."""
        if pid := self.session.renderer.pid:
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """Close the dock, and open it again."""
        window = self.viewer.window
        for dock in list(window._dock_widgets.values()):
            if dock.isAncestorOf(self.dock):
                window.remove_dock_widget(dock)
        wait(200)
        self.open()

    def tidy(self) -> None:
        """End the painting and remove all layers, whose steps napari keeps for its undo."""
        if self.session is not None:
            self.session.labels.mode = "pan_zoom"
            self.dock.painting.panel.launcher.cancel()
        self.hand = None
        self.viewer.layers.clear()
        wait(300)
        gc.collect()

    # --- one after the other ---

    def act(self) -> None:
        """Do something that can be done now, let the window settle, and look whether the picture is the newest."""
        acts: list[tuple[Callable[[], None], float]] = [(self.start, 1.0)]
        if self.session is not None:
            acts = [(self.stroke, 20), (self.undo, 5), (self.seed, 1), (self.run, 0.5), (self.rename, 0.5),
                    (self.remove, 0.4), (self.kill, 0.4), (self.close, 0.3), (self.start, 0)]  # fmt: skip
        weights = np.array([weight for _, weight in acts])
        act = acts[int(self.rng.choice(len(acts), p=weights / weights.sum()))][0]
        if self.session is not None and (self.hand is None or self.hand.labels is not self.session.labels):
            self.hand = Hand(self.viewer, self.session.labels)
        act()
        self.done[act.__name__] += 1
        wait(20)
        if self.session is not None and self.rng.random() < 0.3:
            self.settle()

    def settle(self) -> None:
        """Wait until all is painted, and compare."""
        session = self.session
        until(
            lambda: (
                self.session is not session
                or (session.renderer.state == "ready" and not session.follower._notice.isActive())
            ),
            SETTLE_SECONDS,
            "the last answer",
        )
        if self.session is not session:
            return
        wait(450)
        until(lambda: session.renderer.state in ("ready", "stopped"), SETTLE_SECONDS, "the last answer")
        mask = np.asarray(session.labels.data)
        mask = (mask > 0).astype(np.int32) if session.mask_kind == "binary" else mask.astype(np.int32)
        assert np.array_equal(session.follower.sent, mask), "a mask that is not the layer's was painted"
        shown = np.moveaxis(np.asarray(session.layers.image.data), -1, 0) if session.layers.image.rgb else None
        if shown is None and session.layers.pixels.shape[0] == 1:
            shown = np.asarray(session.layers.image.data)[None]
        if shown is not None:
            assert np.array_equal(shown, session.layers.pixels), "the layer shows other pixels than were painted"


def memory(robot: Robot) -> dict[str, int]:
    """Return the memory of window and renderer, MB."""
    found = {"window": psutil.Process().memory_info().rss >> 20}
    pid = robot.dock.painting.panel.renderer.pid
    if pid:
        with suppress(psutil.Error):
            found["renderer"] = psutil.Process(pid).memory_info().rss >> 20
    return found


def main() -> None:
    """Paint for so long, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    path = options.project or Path(tempfile.mkdtemp())
    if options.project is None:
        simulated(path)

    import napari

    from napari_organoid_synth.widgets.shared.window import open_project_window

    errors: list[str] = []

    def note(kind: Any, error: Any, trace: Any) -> None:
        errors.append("".join(traceback.format_exception(kind, error, trace)))
        print(errors[-1], file=sys.stderr, flush=True)

    sys.excepthook = note
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 800)
    open_project_window(viewer, path)
    robot, lag = Robot(viewer, np.random.default_rng(options.seed)), Lag()
    until_time, first, samples = time.monotonic() + 60 * options.minutes, {}, []
    lag.timer.start(5)
    while time.monotonic() < until_time:
        try:
            robot.act()
        except Exception:
            note(*sys.exc_info())
        number = sum(robot.done.values())
        if number % 50 == 0:
            robot.tidy()
            samples.append(memory(robot))
            print(number, json.dumps(samples[-1]), len(errors), flush=True)
        if number == 100:
            first = samples[-1]
    robot.tidy()
    late = np.percentile(lag.late, (50, 99))
    print(json.dumps({
        "minutes": options.minutes, "acts": dict(robot.done), "errors": len(errors), "memory_after_100_acts": first,
        "memory": memory(robot), "lag_p50_ms": round(late[0], 1), "lag_p99_ms": round(late[1], 1),
        "lag_max_ms": round(max(lag.late)),
    }), flush=True)  # fmt: skip
    os._exit(1 if errors else 0)


if __name__ == "__main__":
    main()
