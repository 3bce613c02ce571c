"""What a dry run tells is near what the comparison takes, and it leaves nothing behind."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import terminal
from napari_organoid_synth.core.gain.dry_run import dry_run
from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.loading import PairTable, add_pair, split_table
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

RECIPE = Recipe().override(
    "tiles.size=64", "train.steps=8", "train.batch=1", "train.threads=1", "train.precision=float32", "train.device=cpu",
    "gan=pix2pix", "gan.generator_channels=8", "gan.discriminator_channels=8",
)  # fmt: skip
SETTINGS = GainSettings(
    segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=2), design="k-fold", folds=2, steps=20, pairs=2,
    repeats=1, ratios=(1.0,), arms=("raw", "classical-tissue"), generator="recipe.yaml", scheduler="here",
    device="cpu", threads=1,
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "p")
    for seed in range(4):
        image = np.random.default_rng(seed).integers(0, 99, (1, 96, 96), np.uint8)
        labels = np.zeros((96, 96), np.int32)
        labels[10 + seed : 50, 20:60] = 1
        add_pair(project, SamplePair(f"i{seed}", image + 100 * labels[None].astype(np.uint8), labels), "binary")
    RECIPE.to_file(project.path / "recipe.yaml")
    return project


def files(project: Project) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in project.path.rglob("*")}


def test_the_time_of_a_comparison_is_near_what_it_takes(project: Project) -> None:
    before = files(project)
    told = dry_run(project, SETTINGS)
    assert files(project) == before
    assert told.work == {"folds": 2, "trainings of a segmenter": 4}
    assert told.sentence.startswith("2 folds, 4 trainings of a segmenter: less than a minute; ")
    began = time.perf_counter()
    list(gain(project, SETTINGS, Control()))
    taken = time.perf_counter() - began
    assert 0.1 < 60 * told.minutes / taken < 4
    assert 0.1 < told.needed_gb < 16


def test_generators_are_measured_and_counted_without_leaving_their_speed(project: Project) -> None:
    before = files(project)
    few = dry_run(project, SETTINGS.replace(arms=("raw", "raw+synthetic"), steps=1, generator_steps=10))
    many = dry_run(project, SETTINGS.replace(arms=("raw", "raw+synthetic"), steps=1, generator_steps=2000))
    assert few.work == many.work == {"folds": 2, "trainings of a segmenter": 4, "trainings of a generator": 2}
    assert many.minutes > 5 * few.minutes
    assert files(project) == before


def test_the_commands_tell_it_and_refuse_what_the_comparison_refuses(project: Project) -> None:
    before = files(project)
    small = ["segmenter.channels=8", "segmenter.depth=2", "segmenter.tile=64", "segmenter.batch=2", "device=cpu"]
    sets = [part for one in [*small, "arms=[raw]"] for part in ("--set", one)]
    done = terminal.run("gain", project.path, "--dry-run", *sets, "--json")
    assert terminal.result(done.out)["work"] == {"folds": 4, "trainings of a segmenter": 12}  # three repeats
    refused = terminal.run("segment", project.path, "--dry-run", *sets)
    assert (refused.code, refused.out) == (1, "")
    assert "None of the 4 pairs is put aside for the test." in refused.err
    assert files(project) == before
    split_table(PairTable.from_file(project.pairs_path), ["i0"]).to_file(project.pairs_path)
    told = terminal.result(terminal.run("segment", project.path, "--dry-run", *sets, "--json").out)
    assert told["work"] == {"folds": 1, "trainings of a segmenter": 1}
    trained = terminal.run("train", project.path, "--recipe", project.path / "recipe.yaml", "--dry-run", "--json")
    assert terminal.result(trained.out)["seconds_per_step"] > 0
    assert not list(project.path.glob("runs/*"))
    assert not (project.path / "segment").exists()


def test_scoring_tells_its_samples_tiles_and_sets(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        for seed in range(8):
            image = np.random.default_rng(90 + seed).integers(0, 200, (1, 64, 64), np.uint8)
            store.add(SamplePair(f"s{seed}", image, (image[0] > 150).astype(np.int32)), run="r")
    sets = ["--set", "extractor=random", "--set", "device=cpu"]
    before = files(project)
    told = terminal.result(terminal.run("score", project.path, "--dry-run", *sets, "--json").out)
    assert files(project) == before
    assert told["work"]["samples"] == 8
    assert told["work"]["sets"] == 1
    began = time.perf_counter()
    assert terminal.run("score", project.path, *sets).code == 0
    taken = time.perf_counter() - began
    assert 0 < 60 * told["minutes"] < 4 * taken
    again = terminal.result(terminal.run("score", project.path, "--dry-run", *sets, "--json").out)
    assert (again["work"]["samples"], again["work"]["sets"]) == (0, 0)
