"""Training: its events, stopping and going on, what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.pix2pix import Pix2Pix
from napari_organoid_synth.core.job import (
    Control,
    Event,
    Finished,
    Heartbeat,
    Previewed,
    Progress,
    Saved,
    Started,
    Warned,
)
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.files import read_preview
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.training import session as session_module
from napari_organoid_synth.core.training.estimate import StepTiming
from napari_organoid_synth.core.training.tiles import in_steps
from napari_organoid_synth.core.training.train import train
from simulated import em_project

RECIPE = Recipe.parse(
    {
        "gan": {"name": "pix2pix", "generator_channels": 8, "discriminator_channels": 8},
        "tiles": {"size": 64},
        "train": {"steps": 10, "batch": 2, "preview_every": 4, "checkpoint_every": 5, "previews": 2, "threads": 1,
                  "precision": "float32", "device": "cpu"},
    }
)  # fmt: skip
JOINT = RECIPE.replace(gan={"name": "dcgan", "generator_channels": 8, "discriminator_channels": 8, "max_channels": 16})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return em_project(tmp_path_factory.mktemp("project"), 3)


def of(kind: type[Event], events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    run = Run(folder)
    gan = new_generator(run.recipe, run.spec)
    run.load(gan, step)
    return gan.state()[0]


def test_events_of_a_training(project: Project, tmp_path: Path) -> None:
    events = list(train(project, RECIPE, Control(), tmp_path / "run"))
    started, finished = events[0], events[-1]
    assert isinstance(started, Started)
    assert started.info["tiles"] == 96
    assert started.info["total"] == 10
    assert started.info["precision"] == "float32"
    assert set(started.info["parameters"]) == {"generator", "discriminator"}
    assert [event.step for event in of(Previewed, events)] == [0, 4, 8, 10]
    assert [event.step for event in of(Saved, events)] == [5, 10]
    progress = of(Progress, events)[-1]
    assert isinstance(progress, Progress)
    assert set(progress.stats) == {"discriminator", "generator", "difference", "diversity", "kernel_distance"}
    assert progress.rate > 0
    assert isinstance(finished, Finished)
    assert finished.reason == "completed"
    assert finished.result["steps"] == 10
    assert Path(finished.result["checkpoint"]).exists()
    assert finished.result["gflops_per_second"] > 0
    assert set(Run(tmp_path / "run").metadata.data) == {"em0", "em1", "em2"}


def test_previews_show_the_same_masks(project: Project, tmp_path: Path) -> None:
    list(train(project, RECIPE, Control(), tmp_path / "run"))
    shown = [read_preview(path) for _, path in Run(tmp_path / "run").previews()]
    assert len(shown) == 4
    for image, labels in shown:
        assert image.shape == (2, 1, 64, 64)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(labels, shown[0][1])
    assert (shown[-1][0] != shown[0][0]).mean() > 0.5


@pytest.mark.parametrize("recipe", [RECIPE, JOINT], ids=["pix2pix", "dcgan"])
def test_cancel_and_resume_equal_one_training(project: Project, tmp_path: Path, recipe: Recipe) -> None:
    list(train(project, recipe, Control(), tmp_path / "whole"))
    control = Control()
    for event in train(project, recipe, control, tmp_path / "parts"):
        if isinstance(event, Saved) and event.step == 5:
            control.cancel()
    assert isinstance(event, Finished)
    assert event.reason == "canceled"
    assert Run(tmp_path / "parts").steps()[-1] == 5
    events = list(train(project, recipe, Control(), tmp_path / "parts", resume=True))
    assert events[0].step == 5
    assert isinstance(events[-1], Finished)
    assert events[-1].result["steps"] == 10
    expected, got = weights(tmp_path / "whole", 10), weights(tmp_path / "parts", 10)
    for key, value in expected.items():
        assert torch.equal(value, got[key]), key
    first, second = (Run(tmp_path / name).previews()[-1][1] for name in ("whole", "parts"))
    np.testing.assert_array_equal(read_preview(first)[0], read_preview(second)[0])


def test_resuming_a_finished_training_does_nothing_and_more_steps_go_on(project: Project, tmp_path: Path) -> None:
    list(train(project, RECIPE, Control(), tmp_path / "run"))
    events = list(train(project, RECIPE, Control(), tmp_path / "run", resume=True))
    assert [type(event) for event in events] == [Started, Finished]
    events = list(train(project, RECIPE.override("train.steps=12"), Control(), tmp_path / "run", resume=True))
    assert events[-1].step == 12
    with pytest.raises(UserError, match="other settings of 'gan'"):
        list(train(project, RECIPE.override("gan.norm=none"), Control(), tmp_path / "run", resume=True))


def test_epochs_count_in_place_of_steps(project: Project, tmp_path: Path) -> None:
    recipe = RECIPE.override("train.epochs=1", "train.batch=32")
    events = list(train(project, recipe, Control(), tmp_path / "run"))
    started, finished = events[0], events[-1]
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert (started.info["tiles"], started.info["total"], started.info["epochs"]) == (96, 3, 1)
    assert finished.result["steps"] == 3
    run = Run(tmp_path / "run")
    assert (run.recipe.train.epochs, run.recipe.train.steps) == (1, 3)
    assert run.read()[0].images_seen == 96  # each tile once
    assert run.is_complete(recipe)
    two = recipe.override("train.epochs=2")
    assert not run.is_complete(two)
    events = list(train(project, two, Control(), tmp_path / "run", resume=True))
    assert (events[0].step, events[-1].step) == (3, 6)
    assert Run(tmp_path / "run").is_complete(two)


def test_epochs_of_progressive_growing_show_every_tile_as_often() -> None:
    config = {"name": "progan", "channels": 64, "max_channels": 16}
    recipe = Recipe.parse({"gan": config, "tiles": {"size": 64}, "train": {"batch": 2, "epochs": 5}})
    spec = PairSpec(64, 1, 1)
    gan = build_generator(recipe.gan, spec, 0)
    steps = in_steps(recipe.train, gan, 96).steps
    seen = sum(gan.batch_size(2, step / steps) for step in range(steps))
    assert seen == pytest.approx(5 * 96, abs=2 * 16)


def test_pause_holds_the_step(project: Project, tmp_path: Path) -> None:
    control = Control()
    events: Iterator[Event] = train(project, RECIPE.override("train.preview_every=2"), control, tmp_path / "run")
    for event in events:
        if isinstance(event, Previewed) and event.step == 2:
            control.pause()
            break
    beats = [next(events) for _ in range(3)]
    assert all(isinstance(beat, Heartbeat) and beat.step == 2 for beat in beats)
    time.sleep(0.5)
    control.resume()
    rest = list(events)
    assert rest[-1].step == 10
    assert isinstance(rest[-1], Finished)
    assert rest[-1].result["steps"] == 10


def test_the_pair_put_aside_is_not_trained_on(project: Project, tmp_path: Path) -> None:
    from napari_organoid_synth.core.pairs.loading import PairTable, split_table

    other = Project(tmp_path / "other")
    table = split_table(PairTable.from_file(project.pairs_path), test=["em1"])
    table.to_file(other.pairs_path)
    events = list(train(other, RECIPE.override("train.steps=1"), Control()))
    assert isinstance(events[0], Started)
    assert events[0].info["pairs"] == 2
    assert events[0].info["tiles"] == 64
    assert set(Run(other.run_path()).metadata.data) == {"em0", "em2"}


def test_full_memory_halves_the_batch(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_step = Pix2Pix.step

    def step(self: Pix2Pix, batch: object, *args: object) -> object:
        if len(batch.image) > 1 and self.images_seen:  # type: ignore[attr-defined]
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real_step(self, batch, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Pix2Pix, "step", step)
    timing = StepTiming(precision="float32", seconds_per_step=1, gflop_per_image=1, needed_gb=1)
    monkeypatch.setattr(session_module, "time_steps", lambda *_: timing)
    events = list(train(project, RECIPE, Control(), tmp_path / "run"))
    (warning,) = of(Warned, events)
    assert "Memory was full: continuing with 1 tile per step." in warning.text  # type: ignore[attr-defined]
    assert events[-1].step == 10
    run = Run(tmp_path / "run")
    assert run.load(new_generator(run.recipe, run.spec)).numbers["batch"] == 1


def test_divergence_is_said(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: Pix2Pix, *args: object) -> dict[str, torch.Tensor]:
        self.images_seen += 2
        return {"generator": torch.tensor(float("nan")), "bad": torch.tensor(1.0)}

    monkeypatch.setattr(Pix2Pix, "step", step)
    with pytest.raises(UserError, match="100 steps in a row"):
        list(train(project, RECIPE.override("train.steps=150", "train.preview_every=999"), Control(), tmp_path / "run"))


def test_no_pairs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no pairs"):
        next(train(Project(tmp_path / "empty"), RECIPE, Control()))


def test_no_usable_tile(project: Project, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="None of"):
        next(train(project, RECIPE.override("tiles.min_objects=50"), Control(), tmp_path / "run"))
    assert not (tmp_path / "run" / "recipe.yaml").exists()


def test_settings_and_names_load_no_torch() -> None:
    modules = ", ".join(f"napari_organoid_synth.core.{name}" for name in ("recipe", "pairs.loading", "runs.run"))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
