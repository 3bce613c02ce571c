"""Pairs without a project: from a run, from a model file, onto given masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.runs.sharing import write_model_file
from napari_organoid_synth.core.simulators.organoid_brightfield import organoid_brightfield
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.synthesis.mask_sources import generated_masks, masks_of
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

PAINTER = {"gan": {"name": "pix2pix", "generator_channels": 8, "discriminator_channels": 8}, "tiles": {"size": 64}}
JOINT = {"gan": {"name": "progan", "channels": 8, "max_channels": 8}, "tiles": {"size": 64}, "draws": "images"}
SETTINGS = GenerateSettings(seed=3, device="cpu")


def untrained(path: Path, values: dict[str, object], pair: SamplePair | None = None) -> Run:
    """A run with a checkpoint of its initial weights."""
    recipe = Recipe.parse(values)
    run = Run.create(path, recipe, Codec.fit([pair or em(0, 96)], recipe.codec))
    generator = new_generator(recipe, run.spec)
    generator.images_seen = 1000
    run.save(generator, 7, seen=1000.0)
    run.update_metadata(data={"em0": "ab"})
    return run


@pytest.mark.parametrize("values", [PAINTER, JOINT])
def test_a_model_file_gives_the_same_pixels_as_its_run(tmp_path: Path, values: dict[str, object]) -> None:
    run = untrained(tmp_path / "a-train", values)
    write_model_file(run, tmp_path / "a-train.synth", ShareSettings(licence="MIT"))
    drawn = []
    for source in (run, run.path, str(tmp_path / "a-train.synth")):
        model = TrainedGenerator.open(source, device="cpu")
        assert (model.step, model.name, set(model.data.values())) == (7, "a-train", {"ab"})
        sampler = Sampler(model, SETTINGS)
        pairs = sampler.paint([em(1, 64).labels]) if model.shape == "painter" else sampler.draw(range(1))
        drawn.append(pairs[0])
    for pair in drawn[1:]:
        np.testing.assert_array_equal(pair.image, drawn[0].image)
        assert pair.name == drawn[0].name


def test_masks_of_any_size_are_painted(tmp_path: Path) -> None:
    model = TrainedGenerator.open(untrained(tmp_path / "run", PAINTER), device="cpu")
    masks = [em(1, 64).labels, em(2, 160).labels[:100, :150]]
    pairs = Sampler(model, SETTINGS).paint(masks)
    assert [pair.image.shape for pair in pairs] == [(1, 64, 64), (1, 100, 150)]
    for pair, labels in zip(pairs, masks, strict=True):
        np.testing.assert_array_equal(pair.labels, labels)
        assert pair.image.dtype == np.uint8
        assert pair.source.provenance["mask"] == {"kind": "given", "digest": content_hash(pair.labels)}
    (again,) = Sampler(model, SETTINGS).paint(masks[:1])
    np.testing.assert_array_equal(again.image, pairs[0].image)
    (other,) = Sampler(model, SETTINGS.replace(seed=4)).paint(masks[:1])
    assert not np.array_equal(other.image, pairs[0].image)


def test_real_pairs_give_masks_without_a_project(tmp_path: Path) -> None:
    model = TrainedGenerator.open(untrained(tmp_path / "run", PAINTER), device="cpu")
    settings = SETTINGS.replace(masks="real")
    (pair,) = Sampler(model, settings, masks_of(model, [em(0, 96)], settings)).draw([0])
    np.testing.assert_array_equal(pair.labels, em(0, 96).labels[:64, :64])
    with pytest.raises(UserError, match="There are no real pairs whose masks could be real"):
        masks_of(model, [], settings)
    with pytest.raises(UserError, match="Generated masks need the run that draws them"):
        masks_of(model, [], SETTINGS.replace(masks="generated"))


def test_what_a_model_cannot_do_is_said(tmp_path: Path) -> None:
    painter = TrainedGenerator.open(untrained(tmp_path / "painter", PAINTER), device="cpu")
    joint = TrainedGenerator.open(untrained(tmp_path / "joint", JOINT), device="cpu")
    with pytest.raises(UserError, match=r"painter paints images onto masks\. Expected masks"):
        Sampler(painter, SETTINGS).draw(range(1))
    with pytest.raises(UserError, match="joint is a progan, which draws from noise"):
        Sampler(joint, SETTINGS).paint([em(1, 64).labels])
    with pytest.raises(UserError, match="Mask 1 is empty: every pixel is 0"):
        Sampler(painter, SETTINGS).paint([em(1, 64).labels, np.zeros((64, 64), np.int32)])
    with pytest.raises(UserError, match="Mask 0 has the label 9"):
        Sampler(painter, SETTINGS).paint([np.full((64, 64), 9, np.uint8)])


@pytest.mark.parametrize("masks", ["warped", "real", "simulated"])
def test_a_painter_makes_pairs_of_the_size_that_is_asked_for(tmp_path: Path, masks: str) -> None:
    model = TrainedGenerator.open(untrained(tmp_path / "run", PAINTER), device="cpu")
    for size, expected in ((0, 64), (64, 64), (150, 150), (40, 40)):
        settings = SETTINGS.replace(masks=masks, size=size)
        first, second = Sampler(model, settings, masks_of(model, [em(0, 256)], settings)).draw(range(2))
        assert first.image.shape == (1, expected, expected)
        assert first.labels.shape == (expected, expected)
        assert not np.array_equal(first.image, second.image)
        assert first.source.provenance["settings"]["size"] == size


def test_fitted_masks_have_the_size_that_is_asked_for(tmp_path: Path) -> None:
    binary = organoid_brightfield(0, 256)
    model = TrainedGenerator.open(untrained(tmp_path / "run", PAINTER, binary), device="cpu")
    settings = SETTINGS.replace(masks="fitted", size=128)
    (pair,) = Sampler(model, settings, masks_of(model, [binary], settings)).draw([0])
    assert pair.labels.shape == (128, 128)


def test_what_draws_from_noise_has_one_size(tmp_path: Path) -> None:
    joint = TrainedGenerator.open(untrained(tmp_path / "joint", JOINT), device="cpu")
    with pytest.raises(UserError, match="joint draws from noise, always 64 px; 128 px cannot be asked for"):
        Sampler(joint, SETTINGS.replace(size=128))
    assert Sampler(joint, SETTINGS.replace(size=64)).draw(range(1))[0].image.shape == (1, 64, 64)
    painter = TrainedGenerator.open(untrained(tmp_path / "painter", PAINTER), device="cpu")
    masks = untrained(tmp_path / "masks", {**JOINT, "draws": "masks"})
    with pytest.raises(UserError, match="masks draws from noise, always 64 px"):
        generated_masks(painter, masks, [em(0, 96)], SETTINGS.replace(masks="generated", size=128))


def test_large_masks_are_painted_with_the_variety_that_is_asked_for(tmp_path: Path) -> None:
    """Without noise every seed paints a mask alike, in tiles as in one piece."""
    model = TrainedGenerator.open(untrained(tmp_path / "run", PAINTER), device="cpu")
    for side in (64, 100):
        labels = em(1, side).labels
        still, again, other = (
            Sampler(model, SETTINGS.replace(seed=seed, variety=variety)).paint([labels])[0].image
            for seed, variety in ((1, 0), (2, 0), (2, 1))
        )
        np.testing.assert_array_equal(still, again)
        assert not np.array_equal(again, other)
