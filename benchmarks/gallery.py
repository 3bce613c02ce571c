"""How fast the gallery shows 1000 and 10,000 thumbnails, beside a static montage of the same pictures.

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
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 256


def fill(path: Path, count: int) -> None:
    """A store of ``count`` thumbnails; the pixel files are not needed and not written."""
    from napari_organoid_synth.core.curation import SampleStore
    from napari_organoid_synth.core.simulate import tissue
    from napari_organoid_synth.core.thumbnail import make_thumbnail

    pairs = [tissue(seed, SIDE) for seed in range(24)]
    blobs = [make_thumbnail(pair) for pair in pairs]
    with SampleStore(path) as store, store.transaction():
        for number in range(count):
            pair, name = pairs[number % 24], f"sample_{number:05d}"
            files = (Path(f"{name}.ome.tif"), Path(f"{name}_labels.ome.tif"))
            store._insert(pair.replace(name=name), name, *files, *blobs[number % 24], run="run", created=float(number))


def percentiles(seconds: list[float]) -> str:
    low, high = np.percentile(seconds, [50, 99]) * 1e3
    return f"{low:.1f} / {high:.1f} / {max(seconds) * 1e3:.1f}"


def measure(path: Path) -> dict[str, Any]:
    """Time one column with all samples of a store."""
    from qtpy.QtWidgets import QApplication

    from napari_organoid_synth.core.curation import SampleStore
    from napari_organoid_synth.widgets._gallery import GalleryView
    from napari_organoid_synth.widgets._thumbnails import StoreThread, label_colours

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


def verdicts(path: Path, until: Any) -> tuple[list[float], list[float]]:
    """Seconds that 50 accepted tiles cost the window, and seconds that each write took in the background."""
    from napari_organoid_synth.core.curation import SampleStore
    from napari_organoid_synth.widgets import _workspace
    from napari_organoid_synth.widgets.curate_widget import CurateWidget

    class NoViewer:
        """The dock opens nothing here."""

    _workspace.config_folder = lambda: path.parent / "config"
    viewer = NoViewer()
    _workspace.Workspace.of(viewer).setProject(path.parent)
    dock = CurateWidget(viewer)
    dock.resize(1200, 700)
    dock.show()
    new = dock.columns["new"]
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

    from napari_organoid_synth.core.curation import SampleStore

    with SampleStore(path) as store:
        ids = store.ids()[:count]
        start = time.perf_counter()
        skimage_montage([store.thumbnail(id)[0][::2, ::2] for id in ids], channel_axis=-1)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000])
    arguments = parser.parse_args()
    import qtpy
    import skimage
    from qtpy.QtCore import qVersion

    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"{qtpy.API_NAME}, Qt {qVersion()}, scikit-image {skimage.__version__}, load {os.getloadavg()[0]:.1f}"
    )
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
