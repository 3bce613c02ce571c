"""The pictures of the generators: every generator has one, in the theme's colours, in its room, crisp at any scale."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from qtpy.QtGui import QColor, QImage, QPainter

from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.generators.picture import PIPELINE, Symbol
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.widgets.train.generator_picture import CAPTION, PAINTERS, SIDE, GeneratorPicture, paint

DARK, LIGHT = ("#f0f1f2", "#262930"), ("#3b3a39", "#efebe9")
ALL = {**{name: generator_config(name).picture_of() for name in GENERATORS.names()}, "pipeline": PIPELINE}


def painted(parts, ratio=1, colours=DARK, width=300, room=320):
    image = QImage(room * ratio, round(SIDE + CAPTION + 6) * ratio, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(QColor(colours[1]))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint(painter, parts, width, QColor(colours[0]), QColor(colours[1]))
    painter.end()
    bits = image.constBits()  # PySide6 gives a view of the memory, PyQt6 a pointer
    data = np.frombuffer(bits if isinstance(bits, memoryview) else bits.asarray(image.sizeInBytes()), np.uint8)
    return data.reshape(image.height(), image.width(), 4)[..., :3].astype(int)


def test_every_generator_has_a_picture_of_its_own_and_every_symbol_a_painter():
    assert len(set(ALL.values())) == len(ALL)
    assert {part.symbol for picture in ALL.values() for part in picture} == set(PAINTERS) == set(get_args(Symbol))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("colours", [DARK, LIGHT], ids=["dark", "light"])
def test_a_picture_keeps_to_the_two_colours_and_to_its_room(qapp, name, colours):
    pixels = painted(ALL[name], colours=colours)
    ink, ground = (np.array(QColor(colour).getRgb()[:3])[::-1] for colour in colours)  # stored as blue, green, red
    assert (pixels >= np.minimum(ink, ground) - 3).all()
    assert (pixels <= np.maximum(ink, ground) + 3).all()
    touched = np.abs(pixels - ground).sum(-1) > 0
    assert touched.mean() > 0.05
    assert not touched[:, 302:].any()
    contrast = np.abs(pixels - ground).max()
    assert contrast > 0.85 * np.abs(ink - ground).max()  # also the light theme is not pale


@pytest.mark.parametrize("name", ["pix2pix", "stylegan2_ada"])
def test_a_picture_has_more_detail_and_the_same_shapes_at_twice_the_pixels(qapp, name):
    once, twice = painted(ALL[name]).mean(-1), painted(ALL[name], 2).mean(-1)
    shrunk = twice.reshape(once.shape[0], 2, once.shape[1], 2).mean((1, 3))
    rows = slice(0, int(SIDE))  # letters are hinted by their pixels, lines are not
    assert np.abs(shrunk - once)[rows].mean() < 4
    blown_up = once.repeat(2, 0).repeat(2, 1)
    edges = [np.abs(np.diff(picture[: 2 * int(SIDE)], axis=1)).max() for picture in (twice, blown_up)]
    assert edges[0] >= 0.8 * edges[1]  # edges stay as steep: drawn again, not enlarged
    assert np.abs(twice - blown_up).mean() > 1


def test_a_narrow_dock_shrinks_the_picture(qapp):
    ground = np.array(QColor(DARK[1]).getRgb()[:3])[::-1]
    touched = np.abs(painted(ALL["stylegan2_ada"], width=150) - ground).sum(-1) > 0
    assert touched[:, :150].any()
    assert not touched[:, 152:].any()


def test_the_widget_paints_in_the_theme_of_napari(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    picture = GeneratorPicture(ALL["pix2pix"])
    qtbot.addWidget(picture)
    picture.resize(300, 60)
    assert picture.accessibleDescription() == "mask → image"
    seen = []
    for theme in ("dark", "light"):
        viewer.theme = theme
        image = picture.grab().toImage()
        seen.append({image.pixelColor(x, 22).lightness() for x in range(8, 30)})  # across the cells of the mask
    assert max(seen[0]) > 200
    assert min(seen[1]) < 90
