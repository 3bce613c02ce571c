"""Painters that paint tile by tile leave no trace of the tiles on a larger canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.canvas import TileStream
from napari_organoid_synth.core.pairs.tiling import TileGrid
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.trained_generator import OVERLAP, TrainedGenerator

SIDE = 64
LABELS = tissue(1, 517, n_cells=500).labels[:300]
NAMES = ("pix2pix", "cyclegan")
Image = NDArray[Any]


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> TrainedGenerator:
    """A painter after some steps on simulated tissue."""
    pair = tissue(0, SIDE, n_cells=12)
    small = {"generator_channels": 8, "discriminator_channels": 8, "learning_rate": 2e-3}
    recipe = Recipe.parse({"gan": {"name": request.param, **small}, "tiles": {"size": SIDE}})
    codec = Codec.fit([pair])
    network = build_generator(recipe.gan, codec.spec(SIDE, "painter"))
    image, mask = codec.encode_image(pair.image), codec.encode_condition(pair.labels)
    batch = Batch(*(torch.from_numpy(part[None]) for part in (image, mask)), torch.zeros(1, dtype=torch.int64))
    for step in range(15):
        network.step(batch, random_stream(torch.device("cpu"), step), 0.0)
    return TrainedGenerator("run", recipe, codec, network, 15, "")


def paint(model: TrainedGenerator, labels: Image, seed: int) -> Image:
    return model.paint([labels], [random_stream(model.device, seed)], [0])[0].image


def test_neighbouring_tiles_have_the_same_noise(model: TrainedGenerator) -> None:
    """Each would cancel that of the other where they are blended: what differs between seeds is alike in both.

    Looked at in the middle of what they share: near its border a tile sees padding in place of its neighbour.
    """
    condition = model.codec.encode_condition(LABELS[:SIDE, :96])

    def changes(x: int, canvas: bool) -> Image:
        tile, drawn = torch.from_numpy(condition[None, :, :, x : x + SIDE].copy()), []
        for seed in range(8):
            rng = TileStream(seed, 0, x, SIDE) if canvas else random_stream(model.device, seed, x)
            drawn.append(model.network.sample(rng, condition=tile)[0, 0].numpy())
        return drawn - np.mean(drawn, 0)

    alike = {}
    for canvas in (True, False):
        left, right = changes(0, canvas)[..., 40:56], changes(32, canvas)[..., 8:24]
        alike[canvas] = (left * right).sum() / np.sqrt((left**2).sum() * (right**2).sum())
    assert alike[True] > 0.4
    assert abs(alike[False]) < 0.2


def seam(image: Image, starts: tuple[int, ...], axis: int) -> float:
    """Compute the difference of neighbours across the borders of tiles, relative to that 4 and 8 px beside them."""
    steps = np.abs(np.diff(image.astype(float).mean(0), axis=axis)).mean(1 - axis)
    borders = np.array([first + end - 1 for first in starts for end in (0, SIDE)])
    borders = borders[(borders > 8) & (borders < len(steps) - 8)]
    return float(steps[borders].mean() / np.mean([steps[borders + shift] for shift in (-8, -4, 4, 8)]))


def test_borders_of_tiles_are_not_seen(model: TrainedGenerator) -> None:
    """Neighbouring pixels differ no more across the borders of tiles than elsewhere; in tiles side by side they do."""
    image, grid = paint(model, LABELS, 0), TileGrid(LABELS.shape, SIDE, OVERLAP)
    assert image.shape == (1, 300, 517)
    assert seam(image, grid.starts_y, 0) < 1.2
    assert seam(image, grid.starts_x, 1) < 1.2
    tiles = [paint(model, tile, seed) for seed, tile in enumerate(np.split(LABELS[:SIDE, :448], 7, 1))]
    assert seam(np.concatenate(tiles, 2), tuple(range(0, 448, SIDE)), 1) > 2


def test_a_canvas_can_be_painted_again(model: TrainedGenerator) -> None:
    labels = LABELS[:100, :130]
    assert np.array_equal(paint(model, labels, 3), paint(model, labels, 3))
    assert not np.array_equal(paint(model, labels, 3), paint(model, labels, 4))
