"""A map by the codes of the autoencoder itself."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, run_to_end
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.studies.own_features import mapping_by_own
from napari_organoid_synth.core.studies.parts import Results
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.training.train import train

GENERATORS = {
    "aae": {"name": "aae", "channels": 8, "max_channels": 16, "width": 16, "image_critic": "off"},
    "gan": {"name": "gan", "width": 16},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("own") / "p")
    y, x = np.mgrid[:60, :60]
    for seed in range(6):
        rng = np.random.default_rng(seed)
        disc = ((y - 30) ** 2 + (x - 30) ** 2 < rng.integers(100, 300)).astype(np.int32)
        image = (180 - 90 * disc + rng.normal(0, 9, disc.shape)).clip(0, 255).astype(np.uint8)
        add_pair(project, SamplePair(f"disc{seed}", image[None], disc), "binary")
    for run, gan in GENERATORS.items():
        recipe = Recipe.parse(
            {
                "gan": gan,
                "tiles": {"size": 64, "whole": 60, "turn": False, "flip": False},
                "train": {"steps": 1, "batch": 2, "device": "cpu", "precision": "float32"},
            }
        )
        run_to_end(train(project, recipe, Control(), folder=project.path / "runs" / run))
        run_to_end(generate(project, GenerateSettings(run=run, number=4, device="cpu"), Control()))
    return project


def test_each_original_and_sample_has_a_place(project):
    part = mapping_by_own(project, "aae", MapSettings(restarts=2, device="cpu"), Control(), "map-aae", "map aae")
    found = run_to_end(part.work(Results(), "key"))
    assert (len(found["places"][""]), len(found["places"]["aae"])) == (6, 4)
    assert found["kl"] > 0
    assert found["perplexity"] == 3


def test_a_generator_without_codes_is_refused(project):
    part = mapping_by_own(project, "gan", MapSettings(restarts=1, device="cpu"), Control(), "map-gan", "map gan")
    with pytest.raises(UserError, match=r"gan has no codes.*Set features to 'ours'"):
        run_to_end(part.work(Results(), "key"))
