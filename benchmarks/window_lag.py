"""How late the window answers while a generator trains on the same cores.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/window_lag.py --project DIR [--seconds 60]

A precise 5 ms timer in the window process notes how late each of its ticks comes, first idle, then while a training
of pix2pix runs in a child process, with its curves and live samples shown, then while short trainings are compared in
as many processes as there are cores, with plots and table filling, and last while four jobs run at once (a training, a
comparison, pairs that are made, scores) and the pairs are checked again: they must come, with their pictures. It
is the real napari window with all steps; ``DIR`` is a project with checked pairs; without one, simulated EM is used.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

INTERVAL_MS = 5


class Lag:
    """Lateness of a precise timer, ms."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.late: list[float] = []
        self._due = 0.0
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter() * 1000
        if self._due:
            self.late.append(max(0.0, now - self._due))
        self._due = now + INTERVAL_MS

    def measure(self, seconds: float) -> dict[str, float]:
        """Let the window live for so long and sum up."""
        from qtpy.QtCore import QEventLoop, QTimer

        self.late, self._due = [], 0.0
        self.timer.start(INTERVAL_MS)
        loop = QEventLoop()
        QTimer.singleShot(int(seconds * 1000), loop.quit)
        loop.exec()
        self.timer.stop()
        late = np.asarray(self.late)
        p50, p99 = np.percentile(late, (50, 99))
        return {"ticks": len(late), "p50_ms": round(p50, 2), "p99_ms": round(p99, 2), "max_ms": round(late.max(), 1)}


def simulated(path: Path) -> None:
    """A project of eight simulated EM pairs."""
    from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.simulators.simulate import em

    for seed in range(8):
        write_pair(path / "real", em(seed, 512))
    check_pairs(find_pairs(path / "real")).to_file(Project(path).pairs_path)


def four_jobs(workspace: Any, recipe: Any, lag: Lag, seconds: float, viewer: Any) -> None:
    """Run four jobs beside each other; check the pairs meanwhile, on their page."""
    from napari_organoid_synth.core.metrics.settings import ScoreSettings
    from napari_organoid_synth.core.synthesis.settings import GenerateSettings
    from napari_organoid_synth.widgets.shared.menus import open_dock

    project = workspace.project
    workspace.runner("train").start("train", project, recipe)
    workspace.runner("generate").start("generate", project, GenerateSettings(run="analogy", number=10_000))
    workspace.runner("score").start("score", project, ScoreSettings(sets="none"))
    pairs = open_dock(viewer, "Pairs")
    lag.measure(5)
    pairs.run()
    began = time.monotonic()
    while not pairs.verdict.text().startswith("Ready"):
        lag.measure(0.5)
        assert time.monotonic() - began < 300, "the pairs are not read beside four jobs"
    print(f"pairs checked and drawn beside {len(workspace.running())} jobs in {time.monotonic() - began:.1f} s")
    print("four jobs", json.dumps(lag.measure(seconds)), flush=True)
    print("load average", os.getloadavg(), "running", [runner.verb for runner in workspace.running()])
    for runner in workspace.running():
        runner.cancel()
        runner.wait(60)


def main() -> None:
    """Measure and print one line of JSON for each state."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--preview-every", type=int, default=10, help="Steps between live samples.")
    parser.add_argument("--screenshot", type=Path)
    options = parser.parse_args()
    path = options.project or Path(tempfile.mkdtemp())
    if options.project is None:
        simulated(path)

    import napari
    from imageio.v3 import imwrite
    from qtpy import API_NAME
    from qtpy.QtWidgets import QApplication

    from napari_organoid_synth.core.gain.settings import GainSettings
    from napari_organoid_synth.widgets.shared.menus import open_dock
    from napari_organoid_synth.widgets.shared.window import open_project_window

    viewer = napari.Viewer()
    workspace = open_project_window(viewer, path)
    dock = open_dock(viewer, "Train")
    lag = Lag()
    lag.measure(5)  # the window settles
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}; Python {platform.python_version()}, napari {napari.__version__}, {API_NAME}")
    print("idle     ", json.dumps(lag.measure(options.seconds / 3)), flush=True)

    shown = f"train.preview_every={options.preview_every}"
    recipe = dock.value().override("gan=pix2pix", "tiles.size=128", "train.steps=1000000", shown)
    dock.setValue(recipe)
    dock.run()
    runner = workspace.runner("train")
    began = time.monotonic()
    folder = None
    while folder is None or not any(folder.glob("previews/*.npz")):
        lag.measure(0.5)
        folder = workspace.project.runs()[-1] if workspace.project.runs() else None
        assert time.monotonic() - began < 180, "the training did not start"
    print("training ", json.dumps(lag.measure(options.seconds)), flush=True)
    print("load average", os.getloadavg(), "previews", len(list(folder.glob("previews/*.npz"))))
    if options.screenshot:
        imwrite(options.screenshot, viewer.screenshot(canvas_only=False))
    runner.cancel()
    runner.wait(60)
    QApplication.processEvents()

    arms = ("raw", "classical-tissue", "classical-organoid")
    unet = {"name": "unet", "channels": 8, "tile": 128, "batch": 4}
    segment = open_dock(viewer, "Measure")
    segment.setValue(GainSettings(arms=arms, folds=2, repeats=100, steps=40, segmenter=unet))
    segment.run()
    runner, began = workspace.runner("gain"), time.monotonic()
    while segment.panel.table.rowCount() < len(arms):
        lag.measure(0.5)
        assert runner.running, "the comparison did not start"
        assert time.monotonic() - began < 600, "no first results"
    print("comparing", json.dumps(lag.measure(options.seconds)), flush=True)
    print("load average", os.getloadavg(), "trainings", len(list(path.glob("segment/*/tasks/*/result.json"))))
    if options.screenshot:
        imwrite(
            options.screenshot.with_stem(f"{options.screenshot.stem}-comparing"), viewer.screenshot(canvas_only=False)
        )
    four_jobs(workspace, recipe, lag, options.seconds, viewer)
    sys.stdout.flush()
    os._exit(0)  # no question about closing


if __name__ == "__main__":
    main()
