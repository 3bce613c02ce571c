"""No painter leaves the grid of its upsampling in what it paints, as the published pix2pix does."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.generators.untrained import UntrainedPainter
from napari_organoid_synth.core.metrics.texture import grid_peak
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

SIDE, LEARNED, UNSEEN = 64, 6, 12
SMALL = {"generator_channels": 8, "discriminator_channels": 8, "channels": 16, "max_channels": 32}
STEPS = {"cyclegan": 30, "flow": 100}  # long enough to have a texture of its own; 60 where nothing is said
PAINTERS = [name for name in GENERATORS.names() if generator_config(name).kind == "painter"]
SEEN = 3.0
"""Peak from which a grid can be seen."""


@cache
def tiles() -> list[SamplePair]:
    """Cut tiles of simulated tissue."""
    return [tissue(seed, SIDE, n_cells=14) for seed in range(LEARNED + UNSEEN)]


def paint(name: str, **changes: Any) -> list[NDArray[Any]]:
    """Train a painter with its default settings, but narrow, and paint the masks of the unseen tiles."""
    fields = generator_config(name).model_fields
    small = {key: value for key, value in SMALL.items() if key in fields}
    recipe = Recipe.parse({"gan": {"name": name, **small, **changes}, "tiles": {"size": SIDE}})
    learned, unseen = tiles()[:LEARNED], tiles()[LEARNED:]
    codec = Codec.fit(learned)
    network = build_generator(recipe.gan, codec.spec(SIDE, "painter"))
    if isinstance(network, UntrainedPainter):
        network.keep(learned)
    parts = [(codec.encode_image(pair.image), codec.encode_condition(pair.labels)) for pair in learned]
    image, mask = (torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True))
    steps = 0 if isinstance(network, UntrainedPainter) else STEPS.get(name, 60)
    for step in range(steps):
        chosen = torch.arange(2 * step, 2 * step + 2) % LEARNED
        batch = Batch(image[chosen], mask[chosen], torch.zeros(2, dtype=torch.int64))
        network.step(batch, random_stream(torch.device("cpu"), "step", step), step / steps)
    model = TrainedGenerator("run", recipe, codec, network, steps, "")
    streams = [random_stream(torch.device("cpu"), "paint", index) for index in range(UNSEEN)]
    return [painted.image for painted in model.paint([tile.labels for tile in unseen], streams, [0] * UNSEEN)]


@cache
def peak(name: str, upsample: str = "") -> float:
    """Return the peak of the grid in what a painter paints."""
    changes = {"upsample": upsample} if upsample else {}
    return grid_peak(paint(name, **changes), [tile.image for tile in tiles()[LEARNED:]])


@pytest.mark.parametrize("name", PAINTERS)
def test_no_grid_in_a_default_sample(name: str) -> None:
    assert peak(name) < SEEN


def test_the_published_pix2pix_leaves_one_that_is_seen() -> None:
    """The bound is worth something: the network as it was before does not keep it."""
    assert peak("pix2pix", "transposed") > SEEN


def test_nearest_pixels_leave_more_of_it_than_bilinear_ones() -> None:
    """How much depends on the processor: 2.9 on one, more than 3 on others, and 1.8 by default."""
    assert peak("cyclegan", "resize") > 1.25 * peak("cyclegan")
