"""Tiny comparisons: a short recipe, small networks, a project of some images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.plan import make_plan
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import pick_recipes
from napari_organoid_synth.core.job import Control, Finished
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

RECIPE = Recipe().override(
    "gan=pix2pix",
    "gan.generator_channels=8",
    "gan.discriminator_channels=8",
    "tiles.size=64",
    "train.steps=3",
    "train.batch=1",
    "train.precision=float32",
    "train.checkpoint_every=1",
)
SETTINGS = GainSettings(
    repeats=1,
    ratios=(1.0,),
    segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2),
    design="k-fold",
    folds=2,
    steps=3,
    pairs=4,
    generator="recipe.yaml",
    scheduler="here",
    device="cpu",
)


def strip(seed: int) -> SamplePair:
    """Draw an image that is long enough to give a band: a row of discs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :200]
    labels = np.zeros((64, 200), np.int32)
    for cx in range(20, 200, 40):
        labels |= ((y - rng.integers(24, 40)) ** 2 + (x - cx) ** 2 < 11**2).astype(np.int32)
    image = (100 + 60 * labels + rng.normal(0, 8, labels.shape)).clip(0, 255).astype(np.uint8)
    return SamplePair(f"strip{seed}", image[None], labels)


def make_project(path: Path, pairs: list[SamplePair]) -> Project:
    project = Project(path)
    for pair in pairs:
        add_pair(project, SamplePair(pair.name, pair.image, pair.labels), "binary")
    RECIPE.to_file(project.path / "recipe.yaml")
    return project


def run(project, settings=SETTINGS, control=None, folder=None, **more):
    return list(gain(project, settings, control or Control(), folder, **more))


def result_of(events) -> GainResult:
    assert isinstance(events[-1], Finished)
    return GainResult.parse(events[-1].result)


def plan_of(project, settings):
    return make_plan(project, settings, pick_recipes(project, settings))
