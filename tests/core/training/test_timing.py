"""Speed and memory of a training: measured once, kept in the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_organoid_synth.core.generators.pix2pix import Pix2Pix
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.training import timing as timing_module
from napari_organoid_synth.core.training.estimate import MAX_KEPT, StepTiming, read_timing, write_timing
from napari_organoid_synth.core.training.timing import estimate
from napari_organoid_synth.core.training.train import train
from simulated import em_project

RECIPE = Recipe.parse(
    {
        "gan": {"name": "pix2pix", "generator_channels": 8, "discriminator_channels": 8},
        "tiles": {"size": 64},
        "train": {"steps": 10, "batch": 2, "threads": 1, "device": "cpu"},
    }
)
TIMING = StepTiming(precision="float32", seconds_per_step=2.0, gflop_per_image=3.0, needed_gb=1.0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return em_project(tmp_path / "p", 1)


def test_an_estimate_leaves_no_run_behind(project: Project) -> None:
    found = estimate(project, RECIPE)
    assert 0.1 < found.needed_gb < 16
    assert found.fits is (found.needed_gb <= found.free_gb)
    assert found.seconds_per_step > 0
    assert found.minutes == pytest.approx(found.seconds_per_step * 10 / 60, abs=0.06)
    assert project.runs() == []
    assert found.steps == 10
    assert estimate(project, RECIPE.override("train.epochs=3", "train.batch=32"), keep=False).steps == 3


def test_a_training_uses_the_speed_that_its_estimate_measured(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.override("train.steps=1")
    found = estimate(project, recipe)
    steps: list[int] = []
    plain = Pix2Pix.step
    monkeypatch.setattr(Pix2Pix, "step", lambda *args: steps.append(1) or plain(*args))  # type: ignore[func-returns-value]
    again = estimate(project, recipe)
    list(train(project, recipe, Control(), tmp_path / "run"))
    assert len(steps) == 1  # that of the training
    assert (again.seconds_per_step, again.needed_gb) == (found.seconds_per_step, found.needed_gb)
    assert Run(tmp_path / "run").metadata.seconds_per_step == pytest.approx(found.seconds_per_step, abs=1e-4)


def test_other_settings_are_measured_again(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def measure(*_: object) -> StepTiming:
        measured.append(1)
        return TIMING

    monkeypatch.setattr(timing_module, "measure_steps", measure)
    for number, change in enumerate(("train.steps=1", "train.steps=1", "train.seed=5", "train.batch=3")):
        list(train(project, RECIPE.override("train.steps=1", change), Control(), tmp_path / f"run{number}"))
    assert len(measured) == 2  # the seed changes no speed
    metadata = Run(tmp_path / "run3").metadata
    assert (metadata.precision, metadata.seconds_per_step, metadata.gflop_per_image) == ("float32", 2.0, 3.0)


def test_the_oldest_measurement_is_dropped_and_a_damaged_file_is_empty(project: Project) -> None:
    for number in range(MAX_KEPT + 1):
        write_timing(project, f"key{number}", TIMING.replace(seconds_per_step=number))
    assert read_timing(project, "key0") is None
    assert read_timing(project, "key1") == TIMING.replace(seconds_per_step=1.0)
    (project.path / "runs" / "timings.json").write_text("{")
    assert read_timing(project, "key1") is None
