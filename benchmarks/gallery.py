"""How fast the gallery shows 1000 and 10,000 thumbnails, beside a montage; with ``--scale 100000`` the whole dock.

Run with a display, for example ``xvfb-run -a python benchmarks/gallery.py``. Measured in the thread of the window:

- first paint: from giving the ids to the column until its first paint has ended (grey tiles);
- pictures: until every visible tile has its thumbnail;
- scroll: time between the scroll bar being moved and the end of the paint that follows, 300 steps from top to bottom;
- verdict: what pressing A costs the window; the write to disk happens in the background and is timed there.

Every figure is of one process; load average before and after tells how quiet the machine was.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 256


SCORES = ("blur", "covered", "hf_energy", "mean_area", "nearest", "objects", "realism", "valid")
PICTURES = 24


def fill(path: Path, count: int, side: int = SIDE, files: bool = False) -> None:
    """A store of ``count`` samples with eight scores each; the pixel files, if wanted, are links to 24 pairs."""
    from napari_organoid_synth.core.pairs.ome_tiff import pair_paths, write_pair
    from napari_organoid_synth.core.pairs.thumbnail import Thumbnail
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.simulators.simulate import tissue

    pairs = [tissue(seed, side) for seed in range(PICTURES)]
    with SampleStore(path) as store, store.transaction():
        run = store._db.execute
        run("CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY, id TEXT)")
        names = [f"sample_{number:06d}" for number in range(count)]
        store._db.executemany("INSERT INTO numbers VALUES (?, ?)", enumerate(names))
        for place, pair in enumerate(pairs):
            values = (place, pair.n_objects, *pair.size, pair.mask_kind, PICTURES)
            run(
                "INSERT INTO samples (id, name, run, created, image, labels, n_objects, height, width, mask_kind)"
                " SELECT id, id, 'run', n, id || '.ome.tif', id || '_labels.ome.tif', ?2, ?3, ?4, ?5"
                " FROM numbers WHERE n % ?6 = ?1",
                values,
            )
            thumbnail = Thumbnail.of(pair).encode()
            run("INSERT INTO thumbnails SELECT id, ?, ?, ? FROM numbers WHERE n % ? = ?", (*thumbnail, PICTURES, place))
        for score in SCORES:
            run("INSERT INTO scores SELECT id, ?, random() / 18446744073709551616.0 + 0.5 FROM numbers", (score,))
        originals = [write_pair(path.parent / "originals", pair) for pair in pairs] if files else []
        for number, name in enumerate(names if files else ()):
            for link, file in zip(pair_paths(store.folder, name), originals[number % PICTURES], strict=True):
                os.link(file, link)


def percentiles(seconds: list[float]) -> str:
    low, high = np.percentile(seconds, [50, 99]) * 1e3
    return f"{low:.1f} / {high:.1f} / {max(seconds) * 1e3:.1f}"


def measure(path: Path) -> dict[str, Any]:
    """Time one column with all samples of a store."""
    from qtpy.QtWidgets import QApplication

    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.widgets.curate.gallery import GalleryView
    from napari_organoid_synth.widgets.shared.thumbnails import StoreThread, label_colours

    app = QApplication.instance() or QApplication([])
    label_colours()  # a running napari has loaded its colours
    painted: list[float] = []

    class Timed(GalleryView):
        def paintEvent(self, event: Any) -> None:
            super().paintEvent(event)
            painted.append(time.perf_counter())

    def until(done: Any, limit: float = 60) -> None:
        end = time.perf_counter() + limit
        while not done() and time.perf_counter() < end:
            app.processEvents()
            time.sleep(0.0005)

    with SampleStore(path) as store:
        ids = store.ids()
    thread = StoreThread(path)
    view = Timed("new", "")
    view.resize(900, 700)
    view.samples.source = thread
    thread.loaded.connect(view.repaint_tiles)
    view.show()
    until(lambda: painted)
    until(lambda: False, 0.3)

    def visible() -> list[str]:
        box = view.viewport().rect()
        places = enumerate(view.visualRect(view.samples.index(row)) for row in range(min(len(ids), 200)))
        return [ids[row] for row, place in places if place.intersects(box)]

    painted.clear()
    start = time.perf_counter()
    view.show_ids(ids)
    until(lambda: painted)
    first_paint = painted[0] - start
    until(lambda: all(thread._images.get((id, view.tiles.side, view.tiles.mode)) for id in visible()))
    pictures = time.perf_counter() - start

    def scroll() -> list[float]:
        bar, frames = view.verticalScrollBar(), []
        for value in np.linspace(0, bar.maximum(), 300).astype(int):
            painted.clear()
            begin = time.perf_counter()
            bar.setValue(int(value))
            until(lambda: painted, 1)
            if painted:
                frames.append(painted[0] - begin)
            until(lambda: False, 0.005)
        return frames

    cold, warm = scroll(), scroll()

    thread.close()
    view.close()
    gui, disk = verdicts(path, until)
    return {"first paint": first_paint, "pictures": pictures, "cold": cold, "warm": warm, "gui": gui, "disk": disk}


class NoLayers(list):
    """The dock opens nothing here."""


class NoViewer:
    """Stands in for napari."""

    layers = NoLayers()


def scale(path: Path) -> dict[str, Any]:
    """The whole dock on a large store: opening, memory, frames, a query, another order, a verdict.

    A frame is timed twice: on the clock, and as processor time of the window's thread, which other work on the machine
    does not lengthen. Memory is what the process needs more than with the same dock on ten samples.
    """
    import psutil
    from qtpy.QtWidgets import QApplication

    from napari_organoid_synth.widgets.curate.dock import CurateWidget
    from napari_organoid_synth.widgets.shared import project_folders
    from napari_organoid_synth.widgets.shared.workspace import Workspace

    app = QApplication.instance() or QApplication([])
    project_folders.config_folder = lambda: path.parent / "config"
    process, found = psutil.Process(), {}

    def until(done: Any, limit: float = 120) -> None:
        end = time.perf_counter() + limit
        while not done() and time.perf_counter() < end:
            app.processEvents()
            time.sleep(0.0005)

    viewer = NoViewer()
    workspace = Workspace.of(viewer)
    small = path.parent / "small"
    small.mkdir()
    fill(small / "samples.sqlite", 10, 64)
    workspace.setProject(small)
    dock = CurateWidget(viewer)
    dock._placed = True
    dock.resize(1280, 500)
    dock.show()
    new = dock.columns.views["new"]
    until(lambda: len(new.samples.ids) == 10)
    until(lambda: False, 1)
    before = process.memory_info().rss

    begin, used = time.perf_counter(), time.process_time()
    workspace.setProject(path.parent)
    until(lambda: len(new.samples.ids) > 10)
    app.processEvents()  # the paint
    found["open"], found["open used"] = time.perf_counter() - begin, time.process_time() - used
    ids = new.samples.ids
    print(f"opened {len(ids):,}: {found['open']:.2f} s, of it {found['open used']:.2f} s of processor time", flush=True)
    until(lambda: False, 1)

    for name, steps in (
        ("jumps", np.linspace(0, new.verticalScrollBar().maximum(), 300)),
        ("wheel", range(0, 24000, 60)),
    ):
        clock, own = [], []
        for value in steps:
            begin, used = time.perf_counter(), time.thread_time()
            new.verticalScrollBar().setValue(int(value))
            app.processEvents()
            own.append(time.thread_time() - used)
            clock.append(time.perf_counter() - begin)
            until(lambda: False, 0.01)
        found[name], found[f"{name} used"] = clock, own
        print(f"{name}: {percentiles(clock)} ms, of it {percentiles(own)} ms of processor time", flush=True)
    found["memory"] = (process.memory_info().rss - before) / 2**20
    print(f"memory: {found['memory']:.0f} MB more", flush=True)

    for name, call in {
        "query": lambda: dock.bar.filter.setText("objects > 0.5 and nearest < 0.8 and not flagged"),
        "order": lambda: (dock.bar.set_wanted("-realism", dock.bar.query), dock.refresh()),
    }.items():
        begin, used, shown = time.perf_counter(), time.thread_time(), dock._shown
        call()
        until(lambda shown=shown: dock._shown > shown)
        found[name], found[f"{name} used"] = time.perf_counter() - begin, time.thread_time() - used
        print(f"{name}: {found[name]:.2f} s until shown, {dock.bar.found.text()}", flush=True)
    gui, used = [], []
    for _ in range(20):
        begin, own = time.perf_counter(), time.thread_time()
        dock.decide("accepted", new.samples.ids[:1])
        app.processEvents()
        gui.append(time.perf_counter() - begin)
        used.append(time.thread_time() - own)
        until(lambda: False, 0.05)
    found["verdict"], found["verdict used"] = gui, used
    print(f"verdict: {percentiles(gui)} ms, of it {percentiles(used)} ms of processor time", flush=True)
    dock._thread.close()
    dock.close()
    return found


def verdicts(path: Path, until: Any) -> tuple[list[float], list[float]]:
    """Seconds that 50 accepted tiles cost the window, and seconds that each write took in the background."""
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.widgets.curate.dock import CurateWidget
    from napari_organoid_synth.widgets.shared import project_folders
    from napari_organoid_synth.widgets.shared.workspace import Workspace

    project_folders.config_folder = lambda: path.parent / "config"
    viewer = NoViewer()
    Workspace.of(viewer).setProject(path.parent)
    dock = CurateWidget(viewer)
    dock.resize(1200, 700)
    dock.show()
    new = dock.columns.views["new"]
    until(lambda: new.samples.ids)
    until(lambda: False, 1)
    decide, disk, gui = SampleStore.decide, [], []

    def timed(*arguments: Any) -> list[str]:
        begin = time.perf_counter()
        changed = decide(*arguments)
        disk.append(time.perf_counter() - begin)
        return changed

    SampleStore.decide = timed
    for _ in range(50):
        begin = time.perf_counter()
        dock.decide("accepted")
        gui.append(time.perf_counter() - begin)
        until(lambda: False, 0.05)
    until(lambda: len(disk) == 50)
    SampleStore.decide = decide
    dock._thread.close()
    dock.close()
    return gui, disk


def montage(path: Path, count: int) -> float:
    """The same pictures as one static scikit-image montage: seconds, nothing on the screen yet."""
    from skimage.util import montage as skimage_montage

    from napari_organoid_synth.core.samples.store import SampleStore

    with SampleStore(path) as store:
        ids = store.ids()[:count]
        start = time.perf_counter()
        skimage_montage([store.thumbnail(id)[0][::2, ::2] for id in ids], channel_axis=-1)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--scale", type=int, help="measure the whole dock with so many samples, such as 100000")
    parser.add_argument("--side", type=int, default=SIDE, help="px of the images of --scale; thumbnails have up to 192")
    parser.add_argument("--keep", type=Path, help="folder for the store of --scale; used again when it is there")
    arguments = parser.parse_args()
    import qtpy
    import skimage
    from qtpy.QtCore import qVersion

    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"{qtpy.API_NAME}, Qt {qVersion()}, scikit-image {skimage.__version__}, load {os.getloadavg()[0]:.1f}"
    )
    if arguments.scale:
        with tempfile.TemporaryDirectory() as folder:
            path = (arguments.keep or Path(folder)) / "project" / "samples.sqlite"
            if not path.exists():
                path.parent.mkdir(parents=True)
                begin = time.perf_counter()
                fill(path, arguments.scale, arguments.side, files=True)
                print(f"filled in {time.perf_counter() - begin:.0f} s, {path.stat().st_size / 2**20:.0f} MB")
            shutil.rmtree(path.parent / "small", ignore_errors=True)
            scale(path)
        return
    print("\n| thumbnails | first paint, ms | all visible, ms | scroll first time, ms: median / 99 % / worst | again | "
          "verdict in the window | verdict on disk | montage, ms |\n|" + "---|" * 8)  # fmt: skip
    for count in arguments.counts:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.sqlite"
            fill(path, count)
            found = measure(path)
            static = montage(path, count)
        cells = [f"{count:,}", f"{found['first paint'] * 1e3:.0f}", f"{found['pictures'] * 1e3:.0f}"]
        cells += [percentiles(found[key]) for key in ("cold", "warm", "gui", "disk")]
        print(f"| {' | '.join(cells)} | {static * 1e3:.0f} |")
    print(f"\nload afterwards {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
