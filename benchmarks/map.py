"""How fast the map of 10,000 points is shown, panned and pointed at, in a real window.

Run with a display, for example ``xvfb-run -a python benchmarks/map.py``. Measured in the thread of the window:

- open: from giving the project to the dock until the first paint of its points has ended;
- frame: from a move of the mouse with the button held until the paint that follows has ended, 300 steps;
- hover: from a move of the mouse onto a point until its card (still grey) is painted;
- lasso: from releasing the button around all points until they are ringed.

Beside the time of the clock stands the processor time of that thread: on a busy machine only that is the map's own.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gallery import NoViewer, fill, percentiles

REAL_TILES = 400


def make(folder: Path, count: int) -> None:
    """A project with samples and a map of clouds."""
    from napari_organoid_synth.core.map.storage import MappedSample, MapRecord, SampleMap, write_map
    from napari_organoid_synth.core.pairs.tile_reading import TilePlace
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.samples.store import SampleStore

    project = Project(folder)
    fill(project.samples_path, count, 64)
    with SampleStore(project.samples_path) as store:
        ids = store.ids()
        store.decide(ids[::3], "accepted")
        store.decide(ids[1::7], "rejected")
    rng = np.random.default_rng(0)
    number = REAL_TILES + count
    places = 60 * rng.normal(size=(20, 2))[rng.integers(20, size=number)] + 8 * rng.normal(size=(number, 2))
    record = MapRecord(
        tiles=tuple(TilePlace("tile", place, 0) for place in range(REAL_TILES)),
        samples=tuple(MappedSample(id=id, run="run") for id in ids),
        method="tsne",
        extractor="encoder:1",
        kl=1.0,
        perplexity=30.0,
        regions=(tuple(range(40)), tuple(range(40, 70))),
        side=64,
    )
    write_map(project, SampleMap(places, record))


def measure(folder: Path, width: int, height: int) -> None:
    from qtpy.QtCore import QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    app: Any = QApplication.instance() or QApplication([])
    from napari_organoid_synth.widgets.map.dock import MapWidget
    from napari_organoid_synth.widgets.shared import project_folders
    from napari_organoid_synth.widgets.shared.thumbnails import label_colours

    project_folders.config_folder = lambda: folder.parent / "config"
    label_colours()

    def until(done: Callable[[], object], limit: float = 60) -> None:
        end = time.perf_counter() + limit
        while not done() and time.perf_counter() < end:
            app.processEvents()
            time.sleep(0.0005)

    viewer = NoViewer()
    dock = MapWidget(viewer)
    dock._placed = True
    dock.resize(width, height)
    dock.show()
    until(lambda: False, 0.5)
    view = dock.view
    begin, used = time.perf_counter(), time.process_time()
    dock.workspace.setProject(folder)
    until(lambda: len(dock.points.ids) > 0)
    app.processEvents()
    opened = time.perf_counter() - begin, time.process_time() - used
    points, wide, high = len(dock.points.ids), view.width(), view.height()
    print(f"opened {points:,} points, {wide} × {high} px: {opened[0]:.2f} s, {opened[1]:.2f} s used", flush=True)
    until(lambda: False, 1)
    port = view.viewport()
    kinds = QMouseEvent.Type

    def send(kind: Any, place: QPointF, held: Any = Qt.MouseButton.LeftButton, keys: Any = None) -> None:
        button = Qt.MouseButton.NoButton if kind == kinds.MouseMove else Qt.MouseButton.LeftButton
        keys = keys or Qt.KeyboardModifier.NoModifier
        app.sendEvent(port, QMouseEvent(kind, place, QPointF(port.mapToGlobal(place.toPoint())), button, held, keys))

    def timed(action: Callable[[], object]) -> tuple[float, float]:
        begin, used = time.perf_counter(), time.thread_time()
        action()
        port.repaint()
        return time.perf_counter() - begin, time.thread_time() - used

    for name, metric in (("verdict", "verdict"), ("score", "blur")):
        dock.colours.set_key(metric)
        asked = dock._asked
        dock._recolour()
        until(lambda asked=asked: dock._asked > asked and not dock._thread._tasks)
        until(lambda: False, 0.5)
        middle = QPointF(view.width() / 2, view.height() / 2)
        send(kinds.MouseButtonPress, middle)
        angles = np.linspace(0, 6 * np.pi, 300)
        spots = [middle + QPointF(60 * np.sin(a), 40 * np.sin(2 * a)) for a in angles]
        frames = []
        for spot in spots:
            frames.append(timed(lambda spot=spot: send(kinds.MouseMove, spot)))
            app.processEvents()
        send(kinds.MouseButtonRelease, spots[-1])
        clock, own = zip(*frames[5:], strict=True)
        print(f"frame, by {name}: {percentiles(list(clock))} ms, {percentiles(list(own))} ms used", flush=True)
    view.fit()
    hovers = []
    for row in np.random.default_rng(1).integers(REAL_TILES, points, 200):
        place = view.pixel_of(int(row))
        hovers.append(timed(lambda place=place: send(kinds.MouseMove, place, Qt.MouseButton.NoButton)))
        until(lambda: False, 0.01)
    clock, own = zip(*hovers[5:], strict=True)
    print(f"hover: {percentiles(list(clock))} ms, {percentiles(list(own))} ms used", flush=True)
    corners = [(2, 2), (wide - 2, 2), (wide - 2, high - 2), (2, high - 2)]
    shift = Qt.KeyboardModifier.ShiftModifier
    send(kinds.MouseButtonPress, QPointF(2, 2), keys=shift)
    for corner in corners:
        send(kinds.MouseMove, QPointF(*corner), keys=shift)
    last = QPointF(*corners[-1])
    caught = timed(lambda: send(kinds.MouseButtonRelease, last, keys=shift))
    print(f"lasso of {len(view.chosen):,}: {caught[0] * 1e3:.0f} ms, {caught[1] * 1e3:.0f} ms used", flush=True)
    dock._thread.close()
    dock.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 500), metavar=("WIDTH", "HEIGHT"))
    arguments = parser.parse_args()
    import pyqtgraph
    import qtpy
    from qtpy.QtCore import qVersion

    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {qtpy.API_NAME}, "
        f"Qt {qVersion()}, pyqtgraph {pyqtgraph.__version__}, load {os.getloadavg()[0]:.1f}; median / 99 % / worst"
    )
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "project", arguments.count)
        measure(Path(folder) / "project", *arguments.size)


if __name__ == "__main__":
    main()
