"""Film how pairs are curated: the real window, built-in data, keys and clicks.

    xvfb-run -a -s "-screen 0 1700x1100x24" python benchmarks/curate_film.py SCREENS docs/_static/curate.gif

SCREENS is the folder of `screens.py`, whose simulated project is made there if it is not yet. Pairs are sorted by how
real they look, accepted, rejected, opened on the canvas beside their nearest real image, and one step is undone.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screens import PAINTED, Studio, projects

MILLISECONDS = 100
"""Time that a picture is shown."""
COLOURS = 128
WIDTH = 900
"""Width of the film, px."""
LOOK = "dark-1280x800"


class Film:
    """Pictures of the whole window."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.pictures: list[NDArray[np.uint8]] = []

    def hold(self, seconds: float) -> None:
        """Show the window as it is now for some seconds."""
        self.studio.wait(0.4)
        picture = self.studio.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        self.pictures += [picture] * round(seconds * 1000 / MILLISECONDS)

    def write(self, path: Path) -> None:
        """Write a GIF whose pictures share one palette; equal ones are one."""
        from PIL import Image

        frames: list[Any] = []
        times: list[int] = []
        for number, picture in enumerate(self.pictures):
            if number and picture is self.pictures[number - 1]:
                times[-1] += MILLISECONDS
                continue
            image = Image.fromarray(picture)
            frames.append(image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS))
            times.append(MILLISECONDS)
        palette = frames[-1].quantize(COLOURS)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)


def curate(film: Film, dock: Any) -> None:
    """Sort, accept, reject, look, undo."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    def press(key: Any, seconds: float) -> None:
        QTest.keyClick(dock.columns.active, key)
        film.hold(seconds)

    film.hold(1.5)
    dock.bar.preset.setCurrentIndex(dock.bar.preset.findData("realistic"))
    dock.bar.preset.activated.emit(dock.bar.preset.currentIndex())
    film.hold(1.5)
    dock.columns.active.setFocus()
    for key in "aaraar":
        press(key, 0.7)
    press(Qt.Key.Key_Space, 2.0)
    press("u", 1.0)
    press("a", 1.5)


def main() -> None:
    """Open the window, curate, and write the film."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("screens", type=Path)
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    done = projects(options.screens, ["done"])["done"]
    assert done is not None
    filmed = done.with_name("filmed") / PAINTED
    shutil.rmtree(filmed.parent, ignore_errors=True)
    shutil.copytree(done, filmed)

    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.samples.store import SampleStore

    with SampleStore(Project(filmed).samples_path) as store:
        store.decide(store.ids(), "new")
    studio = Studio(options.screens, LOOK)
    studio.open(filmed)
    dock = studio.show("Curate")
    studio.wait(2.0)
    film = Film(studio)
    curate(film, dock)
    film.write(options.path)
    print(f"{options.path}: {len(film.pictures)} pictures, {options.path.stat().st_size / 1e6:.1f} MB")
    os._exit(0)  # no question about closing


if __name__ == "__main__":
    main()
