"""Tile and size that are suggested for objects of known size."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.pairs.suggestion import FITTING, few_tiles, suggest


def disc_sides(diameters: list[float]) -> list[float]:
    """Sides of the boxes of discs, as they are drawn in a mask."""
    sides = []
    for diameter in diameters:
        y, x = np.mgrid[:512, :512] - 256
        inside = y**2 + x**2 <= (diameter / 2) ** 2
        sides.append(float(np.ptp(np.flatnonzero(inside.any(0))) + 1))
    return sides


@pytest.mark.parametrize(
    ("diameters", "image", "tile", "scale"),
    [
        ([20, 24, 30], (256, 320), 128, 1.0),  # nuclei
        ([20, 24, 30], (96, 96), 64, 1.0),  # in small images
        ([220] * 3, (1024, 1024), 128, 0.5),
        ([360] * 3, (512, 693), 256, 0.6),  # one organoid nearly fills the image
        ([480] * 3, (1028, 1232), 256, 0.45),
        ([480] * 3, (300, 600), 128, 0.2),  # shrunk for the large tile, images would be lower than it
        ([50] * 9 + [140] * 2, (768, 1024), 128, 1.0),  # small ones count more than the few large ones
    ],
)
def test_a_whole_object_fits(diameters: list[float], image: tuple[int, int], tile: int, scale: float) -> None:
    found = suggest(disc_sides(diameters), [image] * 3)
    assert found is not None
    assert (found.tile, found.scale) == (tile, scale)
    assert found.width == pytest.approx(np.median(diameters), abs=2)
    assert found.width * found.scale <= FITTING * found.tile


def test_sentences_say_why() -> None:
    large = suggest([220.0], [(1024, 1024)])
    some = suggest([50.0] * 8 + [140.0] * 2, [(1024, 1024)])
    small = suggest([20.0], [(300, 300)])
    assert [one.sentence for one in (large, some, small) if one is not None] == [
        "Your objects are about 220 px wide; at 50 % of that size a whole one fits a tile of 128 px.",
        "Your objects are about 50 px wide, some 140 px; a tile of 128 px holds most of them whole.",
        "Your objects are about 20 px wide; whole ones fit a tile of 128 px.",
    ]
    assert suggest([], [(300, 300)]) is None
    assert suggest([20.0], []) is None


def test_too_few_tiles_are_said_with_what_helps() -> None:
    assert few_tiles([(256, 256)] * 3, 256, 0.2, 20) == (
        "3 images give only 3 tiles of 256 px. More images help most, then tiles of 128 px; a painter without "
        "training needs none."
    )
    assert few_tiles([(256, 256)], 128, 0.2, 20).startswith("1 image gives only 9 tiles of 128 px.")
    assert few_tiles([(1024, 1024)] * 2, 128, 0.2, 20) == ""
