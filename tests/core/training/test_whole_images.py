"""Whole images as tiles: mirrored up to the side that networks take, and cut back in what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.generators.untrained import UntrainedPainter
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import used_whole
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.mask_sources import masks_of, refuse_size
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator
from napari_organoid_synth.core.training.dataset import PairDataset
from napari_organoid_synth.core.training.tiles import pick_tiles, tile_warnings

SMALL = {"generator_channels": 8, "discriminator_channels": 8, "channels": 8, "max_channels": 16, "width": 16}
PAIRS = [tissue(seed, 120).replace(name=f"t{seed}") for seed in range(3)]


def recipe_of(name: str, draws: str = "pairs", whole: int = 60) -> Recipe:
    fields = generator_config(name).model_fields
    gan = {"name": name, **{key: value for key, value in SMALL.items() if key in fields}}
    return Recipe.parse(
        {"gan": gan, "draws": draws, "tiles": {"size": 64, "whole": whole, "turn": False, "flip": False}}
    )


def model_of(recipe: Recipe, pairs: list[SamplePair]) -> TrainedGenerator:
    codec = Codec.fit(pairs)
    network = build_generator(recipe.gan, recipe.spec(codec), 0)
    if isinstance(network, UntrainedPainter):
        network.keep(pairs)
    return TrainedGenerator("new", recipe, codec, network, 0, "")


@pytest.mark.parametrize("name", GENERATORS.names())
def test_every_generator_draws_whole_images(name: str) -> None:
    recipe = recipe_of(name)
    pairs = used_whole(PAIRS, recipe.tiles)
    model = model_of(recipe, pairs)
    if model.shape == "painter":
        settings = GenerateSettings(masks="warped", warp=1.0)
        (pair,) = Sampler(model, settings, masks_of(model, pairs, settings)).draw([0])
        assert (pair.image.shape, pair.labels.shape) == ((1, 60, 60), (60, 60))
        return
    streams = [random_stream(torch.device("cpu"), 1)]
    ((image, labels),) = model.draw(streams, [0])
    assert image is not None
    assert labels is not None
    assert (image.shape, labels.shape) == ((1, 60, 60), (60, 60))
    tiles = recipe_of(name, whole=0)
    ((full, _),) = TrainedGenerator("tiles", tiles, model.codec, model.network, 0, "").draw(
        [random_stream(torch.device("cpu"), 1)], [0]
    )
    assert full is not None
    np.testing.assert_array_equal(image, full[:, 2:62, 2:62])


def test_a_whole_image_is_one_tile_with_mirrored_edges() -> None:
    recipe = recipe_of("dcgan")
    pairs = used_whole(PAIRS, recipe.tiles)
    assert [pair.size for pair in pairs] == 3 * [(60, 60)]
    tiles = pick_tiles(pairs, recipe)
    assert [(tile.name, tile.y, tile.x, tile.size) for tile in tiles] == [(f"t{seed}", 0, 0, 64) for seed in range(3)]
    codec = Codec.fit(pairs)
    image = PairDataset(pairs, tiles, codec, recipe.shape).batch([0]).image[0].numpy()
    np.testing.assert_allclose(image[:, 2:62, 2:62], codec.encode_image(pairs[0].image), atol=1e-3)
    np.testing.assert_array_equal(image[:, 1], image[:, 3])
    assert not [text for text in tile_warnings(pairs, 30, recipe) if "mirror" in text]


def test_masks_alone_are_cut_back_too() -> None:
    recipe = recipe_of("dcgan", "masks")
    model = model_of(recipe, used_whole(PAIRS, recipe.tiles))
    assert model.draw_fields([random_stream(torch.device("cpu"), 1)], [0]).shape == (1, 3, 60, 60)
    refuse_size(model, 60)
    with pytest.raises(UserError, match="always 60 px; 64 px cannot be asked for"):
        refuse_size(model, 64)


def test_images_that_are_not_larger_stay_as_they_are() -> None:
    (pair,) = used_whole([PAIRS[0].replace(image=PAIRS[0].image[:, :50, :60], labels=PAIRS[0].labels[:50, :60])],
                         recipe_of("dcgan").tiles)  # fmt: skip
    assert pair.size == (50, 60)


def test_whole_images_fit_into_a_tile() -> None:
    with pytest.raises(UserError, match="Whole images of 250 px do not fit into a tile of 64 px"):
        Recipe.parse({"gan": "dcgan", "tiles": {"size": 64, "whole": 250}})
    assert recipe_of("flow").aimed == 0
