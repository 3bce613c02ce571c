"""flow from its checkpoint on: masks of any size, steps and guidance, sketches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.tones import Tones
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator
from napari_organoid_synth.core.training.dataset import PairDataset
from napari_organoid_synth.core.training.tiles import pick_tiles

SMALL = {"channels": 8, "max_channels": 16}
PAINTER = {"gan": {"name": "flow", **SMALL}, "tiles": {"size": 64}}
IMAGES = {"gan": {"name": "flow_joint", **SMALL}, "tiles": {"size": 64}, "draws": "images"}
SETTINGS = GenerateSettings(seed=3, device="cpu")


def trained(path: Path, values: dict[str, Any], steps: int = 2) -> Run:
    """A run with a checkpoint of a few steps."""
    recipe, pairs = Recipe.parse(values), [em(0, 96)]
    run = Run.create(path, recipe, Codec.fit(pairs, recipe.codec))
    generator = new_generator(recipe, run.spec)
    data = PairDataset(pairs, pick_tiles(pairs, recipe), run.codec, recipe.shape)
    for step in range(steps):
        generator.step(data.batch([0, 1]), random_stream(generator.device, step), 0.0)
    run.save(generator, steps)
    return run


def test_masks_of_any_size_are_painted_whole_and_a_checkpoint_repeats_them(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", PAINTER)
    masks = [em(1, 64).labels, em(2, 160).labels[:100, :150], em(3, 64).labels[:20, :33]]
    first = Sampler(TrainedGenerator.open(run, device="cpu"), SETTINGS).paint(masks)
    assert [pair.image.shape for pair in first] == [(1, 64, 64), (1, 100, 150), (1, 20, 33)]
    again = Sampler(TrainedGenerator.open(run, device="cpu"), SETTINGS).paint(masks)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert one.image.dtype == np.uint8


def test_steps_and_guidance_are_chosen_for_each_generation(tmp_path: Path) -> None:
    model = TrainedGenerator.open(trained(tmp_path / "run", PAINTER, steps=30), device="cpu")
    mask = [em(1, 64).labels]

    def painted(**changes: Any) -> np.ndarray:
        return Sampler(model, SETTINGS.replace(**changes)).paint(mask)[0].image

    plain = painted()
    for changes in ({"sampling_steps": 3}, {"guidance": 2.0}):
        assert not np.array_equal(painted(**changes), plain)
    np.testing.assert_array_equal(painted(sampling_steps=16, guidance=1.0), plain)
    np.testing.assert_array_equal(painted(), plain)  # the choices before leave nothing behind
    assert Sampler(model, SETTINGS.replace(guidance=2.0)).paint(mask)[0].source.provenance["settings"]["guidance"] == 2


def test_generators_without_steps_or_guidance_say_so(tmp_path: Path) -> None:
    gan = {"gan": {"name": "pix2pix", "generator_channels": 8, "discriminator_channels": 8}, "tiles": {"size": 64}}
    recipe = Recipe.parse(gan)
    run = Run.create(tmp_path / "gan", recipe, Codec.fit([em(0, 96)], recipe.codec))
    run.save(new_generator(recipe, run.spec), 1)
    model = TrainedGenerator.open(run, device="cpu")
    with pytest.raises(UserError, match=r"pix2pix draws in one pass\. Expected no sampling_steps"):
        Sampler(model, SETTINGS.replace(sampling_steps=4))
    with pytest.raises(UserError, match=r"pix2pix draws in one pass\. Expected no guidance"):
        Sampler(model, SETTINGS.replace(guidance=1.5))
    joint = TrainedGenerator.open(trained(tmp_path / "joint", IMAGES), device="cpu")
    with pytest.raises(UserError, match=r"flow_joint draws without a mask\. Expected no guidance"):
        Sampler(joint, SETTINGS.replace(guidance=1.5))


def test_a_sketch_becomes_an_image_that_keeps_its_tones_when_late(tmp_path: Path) -> None:
    model = TrainedGenerator.open(trained(tmp_path / "run", IMAGES), device="cpu")
    labels = np.zeros((70, 90), np.int32)
    labels[10:40, 20:60] = 1
    tones = Tones(np.array([[-0.7], [0.7]], np.float32), np.array([[0.0], [0.1]], np.float32))
    image = model.sketch(labels, tones, seed=1)
    assert (image.shape, image.dtype) == ((1, 70, 90), np.uint8)
    np.testing.assert_array_equal(image, model.sketch(labels, tones, seed=1))
    assert not np.array_equal(image, model.sketch(labels, tones, seed=2))
    late = model.sketch(labels, tones, seed=1, time=0.95)
    low, high = model.codec.decode_image(np.array([[[-0.7]], [[0.7]]], np.float32).reshape(1, 2, 1))[0, :, 0]
    assert late[0, 50:].mean() == pytest.approx(low, abs=12)
    assert late[0, 15:35, 25:55].mean() == pytest.approx(high, abs=25)


def test_what_cannot_start_from_a_sketch_says_so(tmp_path: Path) -> None:
    tones = Tones(np.zeros((2, 1), np.float32), np.zeros((2, 1), np.float32))
    both = TrainedGenerator.open(trained(tmp_path / "pairs", {**IMAGES, "draws": "pairs"}), device="cpu")
    with pytest.raises(UserError, match="Run pairs draws masks"):
        both.sketch(np.ones((64, 64), np.int32), tones, 0)
    wide = Tones(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32))
    images = TrainedGenerator.open(trained(tmp_path / "images", IMAGES), device="cpu")
    with pytest.raises(UserError, match=r"The tones have 3 channels\. Expected 1"):
        images.sketch(np.ones((64, 64), np.int32), wide, 0)
