"""Small generators after a few steps, for tests."""

from __future__ import annotations

from functools import lru_cache

import torch

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

SIDE = 64
SMALL = {"generator_channels": 8, "discriminator_channels": 8, "channels": 8, "max_channels": 16, "width": 16}


@lru_cache
def small_model(name: str, steps: int = 3) -> TrainedGenerator:
    """Return a generator of a kind that has seen simulated tissue of two classes, 64 px."""
    pairs = [tissue(seed, SIDE, n_cells=12).replace(image_class=("healthy", "ill")[seed]) for seed in range(2)]
    recipe = Recipe.parse({"gan": {"name": name}, "tiles": {"size": SIDE}})
    fields = type(recipe.gan).model_fields
    gan = recipe.gan.replace(**{key: value for key, value in SMALL.items() if key in fields})
    recipe, codec = recipe.replace(gan=gan.model_dump()), Codec.fit(pairs)
    network = build_generator(recipe.gan, codec.spec(SIDE, recipe.shape))
    if name == "analogy":
        network.keep(pairs)  # type: ignore[attr-defined]
        return TrainedGenerator(name, recipe, codec, network, 0, "")
    images, masks = (
        torch.stack([torch.from_numpy(part) for part in parts])
        for parts in zip(*((codec.encode_image(p.image), codec.encode_condition(p.labels)) for p in pairs), strict=True)
    )
    if recipe.shape != "painter":
        masks = torch.stack([torch.from_numpy(codec.encode_mask(pair.labels)) for pair in pairs])
    for step in range(steps):
        network.step(Batch(images, masks, torch.arange(2)), random_stream(torch.device("cpu"), step), step / steps)
    for key, value in network.state()[0].items():
        if key.endswith("average/image_class.weight"):  # learned from almost 0 on: too little in a few steps
            network.load_state({**network.state()[0], key: 500 * value}, network.state()[1])
    return TrainedGenerator(name, recipe, codec, network, steps, "")
