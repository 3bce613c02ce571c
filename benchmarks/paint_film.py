"""Film how the image follows the brush: the real window, built-in data, events of the mouse.

    xvfb-run -a -s "-screen 0 1280x800x24" python benchmarks/paint_film.py docs/_static/paint.gif

Three simulated images of tissue are the examples. Cells are painted on an empty canvas with the brush, one is erased,
some are stamped. Beside the canvas with the mask stands the image alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paint import Hand, simulated, until, wait

SIDE = 192
EVERY = 2
"""Events between two pictures of the film."""
MILLISECONDS = 90
"""Time that a picture is shown."""
COLOURS = 96


def blob(row: int, column: int, radius: float) -> list[tuple[int, int]]:
    """Return the way of a brush that fills a round cell, from the middle outwards."""
    turns = np.linspace(0, 1, max(8, int(radius * 1.6)))
    angles = turns * 2 * np.pi * max(1.5, radius / 6)
    return [
        (round(row + radius * turn * np.sin(angle)), round(column + radius * turn * np.cos(angle)))
        for turn, angle in zip(turns, angles, strict=True)
    ]


class Film:
    """Pictures of the canvas with the mask, and of the image alone."""

    def __init__(self, viewer: Any, session: Any) -> None:
        self.viewer, self.session = viewer, session
        self.pictures: list[NDArray[np.uint8]] = []

    def shoot(self) -> None:
        """Take one picture: left what a person sees in napari, right the pixels of the image, enlarged."""
        canvas = self.viewer.screenshot(canvas_only=True)[..., :3]
        side = min(canvas.shape[:2])
        top, left = ((length - side) // 2 for length in canvas.shape[:2])
        shown = canvas[top : top + side, left : left + side]
        pixels, (low, high) = self.session.layers.pixels, self.session.layers.image.contrast_limits
        grey = np.clip((pixels[0].astype(float) - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
        picked = np.arange(side) * SIDE // side
        alone = np.repeat(grey[picked][:, picked][..., None], 3, axis=2)
        gap = np.full((side, 8, 3), 255, np.uint8)
        self.pictures.append(np.concatenate([shown, gap, alone], axis=1))

    def hold(self, number: int) -> None:
        """Show the last picture longer."""
        self.pictures += [self.pictures[-1]] * number

    def write(self, path: Path) -> None:
        """Write a GIF whose pictures share one palette."""
        from PIL import Image

        frames = [Image.fromarray(picture).reduce(2) for picture in self.pictures]
        palette = frames[-1].quantize(COLOURS)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        frames[0].save(
            path, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, optimize=True, disposal=1
        )


def draw(film: Film, hand: Hand, way: list[tuple[int, int]]) -> None:
    """Paint a stroke and film it."""
    hand.event("press", way[0])
    for number, place in enumerate(way[1:]):
        wait(40)
        hand.event("move", place)
        if number % EVERY == 0:
            film.shoot()
    wait(40)
    hand.event("release", way[-1])
    until(lambda: film.session.renderer.state == "ready", 60, "the last answer")
    wait(400)
    film.shoot()


def main() -> None:
    """Open the window, paint, and write the film."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    path = Path(tempfile.mkdtemp())
    simulated(path)

    import napari

    from napari_organoid_synth.widgets.shared.menus import open_dock
    from napari_organoid_synth.widgets.shared.window import open_project_window

    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 800)
    open_project_window(viewer, path)
    panel = open_dock(viewer, "Generate").painting.panel
    for dock in viewer.window._qt_window.findChildren(type(viewer.window._qt_viewer.dockLayerList)):
        if "Curate" in dock.windowTitle() or "Map" in dock.windowTitle():
            dock.hide()
    panel.form.width_box.setValue(SIDE)
    panel.form.height_box.setValue(SIDE)
    pictured: list[int] = []
    panel.start()
    until(lambda: panel.session is not None, 120, "the painting")
    session = panel.session
    session.pictured.connect(lambda: pictured.append(1))
    until(lambda: pictured and session.renderer.state == "ready", 240, "the first picture")
    viewer.reset_view(margin=0)
    wait(1500)
    film, hand = Film(viewer, session), Hand(viewer, session)
    session.labels.brush_size = 14
    film.shoot()
    film.hold(4)
    for row, column, radius in ((48, 50, 12), (62, 88, 9), (120, 60, 14), (96, 130, 11), (140, 112, 10)):
        draw(film, hand, blob(row, column, radius))
    session.labels.mode = "erase"
    draw(film, hand, blob(62, 88, 9))
    session.labels.mode = "paint"
    draw(film, hand, blob(50, 150, 13))
    film.hold(15)
    film.write(options.path)
    print(f"{options.path}: {len(film.pictures)} pictures, {options.path.stat().st_size / 1e6:.1f} MB")
    os._exit(0)  # no question about closing


if __name__ == "__main__":
    main()
