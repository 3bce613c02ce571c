"""The monitor: what its numbers are, when it warns, when it stops, and that resuming changes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.distances import kernel_distance
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Saved, Warned
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.tiling import list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.training import meter as meter_module
from napari_organoid_synth.core.training.dataset import PairDataset
from napari_organoid_synth.core.training.monitor import (
    CHUNK,
    COLLAPSED,
    SAMPLES,
    Assessment,
    Monitor,
    Scale,
    features,
    mean_distance,
)
from napari_organoid_synth.core.training.train import train
from simulated import em_project

RECIPE = Recipe.parse(
    {
        "gan": {"name": "dcgan", "generator_channels": 8, "discriminator_channels": 8, "max_channels": 16},
        "tiles": {"size": 64},
        "train": {"steps": 8, "batch": 2, "preview_every": 2, "checkpoint_every": 2, "previews": 1, "threads": 1,
                  "precision": "float32", "device": "cpu"},
    }
)  # fmt: skip


def scores(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The kernel distance as its definition says, one pair of rows after the other."""

    def kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    m, n = len(x), len(y)
    first = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    second = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return first + second - 2 * sum(kernel(a, b) for a in x for b in y) / (m * n)


class Drawer:
    """A stand-in for a generator: draws what a function gives for each random stream."""

    kind = "joint"
    class_conditional = False
    device = torch.device("cpu")
    look_passes = 1

    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def look(self, rng: Sequence[torch.Generator], **told: Any) -> Tensor:
        return self.sample(rng, **told)

    def sample(self, rng: Sequence[torch.Generator], **_: Any) -> Tensor:
        return torch.stack([self.draw(stream) for stream in rng])


@pytest.fixture(scope="module")
def dataset() -> PairDataset:
    pairs = [em(seed, 96) for seed in range(3)]
    return PairDataset(pairs, list_tiles(pairs, TileSettings(size=64)), Codec.fit(pairs), "joint")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return em_project(tmp_path_factory.mktemp("project"), 3)


def monitor_on(dataset: PairDataset, draw: Any, **train: Any) -> Monitor:
    recipe = RECIPE.replace(train=RECIPE.train.replace(**train))
    return Monitor(Drawer(draw), dataset, recipe)  # type: ignore[arg-type]


def real(dataset: PairDataset) -> Any:
    tiles = dataset.batch(range(len(dataset))).joint
    return lambda rng: tiles[int(torch.randint(len(tiles), (), generator=rng))]


def collapsed(dataset: PairDataset) -> Any:
    tile = dataset.batch([5]).joint[0]
    return lambda rng: tile + 0.02 * torch.randn(tile.shape, generator=rng)


def test_features_of_a_tile_in_closed_form() -> None:
    tile = torch.zeros(1, 1, 64, 64)
    tile[..., 32:, :] = 1.0  # a step in the middle, from up to down
    layout, shares, texture = (group[0].tolist() for group in features(tile))
    assert layout == [0.0] * 32 + [1.0] * 32
    assert shares == [0.0, 0.0, 0.0, 0.5, 0.5]  # half the pixels are 0, below 0.4 and 0.8; the other half is above
    for octave in range(5):
        down, across, spread = texture[3 * octave : 3 * octave + 3]
        assert down == pytest.approx(1 / (64 // 2**octave - 1))  # one of the rows of differences
        assert across == 0
        assert spread == 0.5


@pytest.mark.parametrize("side", [32, 64, 1024])
def test_features_have_the_same_number_for_every_tile_size(side: int) -> None:
    assert [group.shape for group in features(torch.rand(2, 3, side, side))] == [(2, 192), (2, 15), (2, 45)]


def test_scaled_features_have_mean_0_and_square_1() -> None:
    rng = random_stream(torch.device("cpu"), 1)
    offset = torch.rand(30, 2, 1, 1, generator=rng) * 2 - 1
    tiles = offset + torch.rand(30, 2, 1, 1, generator=rng) * torch.randn(30, 2, 64, 64, generator=rng)
    scaled = Scale(tiles.split(7))
    np.testing.assert_allclose(scaled.real.mean(0), 0, atol=1e-9)
    assert scaled.real.shape == (30, 2 * (64 + 5 + 15))
    for group in np.split(scaled.real, [128, 138], axis=1):  # layout, values, texture: each a third of the square
        assert (group**2).sum() / scaled.real.size == pytest.approx(1 / 3, abs=1e-4)
    np.testing.assert_allclose(scaled([tiles[3:5]]), scaled.real[3:5], atol=1e-6)


def test_kernel_distance_is_that_of_a_double_loop() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 11)), rng.normal(0.5, 1.5, size=(9, 11))
    assert kernel_distance(x, y) == pytest.approx(scores(x, y), rel=1e-12)
    assert kernel_distance(np.ones((2, 1)), np.zeros((2, 1))) == 7.0  # 2³ + 1³ - 2 · 1³


def test_kernel_distance_is_unbiased_and_sees_a_shift() -> None:
    rng = np.random.default_rng(1)
    same = [kernel_distance(*(rng.normal(size=(8, 5)) for _ in range(2))) for _ in range(2000)]
    error = np.std(same) / math.sqrt(len(same))
    assert abs(np.mean(same)) < 4 * error
    assert min(same) < 0  # not clipped
    shifted = [kernel_distance(rng.normal(0.8, 1, (8, 5)), rng.normal(size=(8, 5))) for _ in range(200)]
    assert np.mean(shifted) > 40 * error


def test_mean_distance_is_that_of_a_double_loop() -> None:
    x = np.random.default_rng(2).normal(size=(6, 4))
    loop = [float(np.linalg.norm(x[i] - x[j])) / 2 for i in range(6) for j in range(6) if i != j]
    assert mean_distance(x) == pytest.approx(np.mean(loop), rel=1e-12)
    groups = np.arange(len(x)) % 2
    loop = [
        math.dist(a, b) / math.sqrt(x.shape[1])
        for i, a in enumerate(x)
        for j, b in enumerate(x)
        if i != j and (i - j) % 2 == 0
    ]
    assert mean_distance(x, groups) == pytest.approx(np.mean(loop), rel=1e-12)
    assert mean_distance(x, np.arange(len(x))) == 0


def test_one_picture_for_each_class_is_a_collapse(dataset: PairDataset) -> None:
    """Two classes that differ much, and within each of them nothing: all together that would look diverse."""
    pairs = [pair.replace(image_class=name) for pair, name in zip(dataset.pairs, ("a", "b", "a"), strict=True)]
    graded = PairDataset(pairs, dataset.tiles, Codec.fit(pairs), "joint")
    real = torch.cat([graded.batch([index]).joint for index in range(2)])

    class OneForEach(Drawer):
        class_conditional = True

        def sample(self, rng: Sequence[torch.Generator], **told: Any) -> Tensor:
            return torch.where(told["image_class"][:, None, None, None] == 0, real[:1], -real[:1])

    told = Monitor(OneForEach(None), graded, RECIPE).assess(2).diversity  # type: ignore[arg-type]
    mixed = Monitor(Drawer(lambda rng: real[0] if torch.rand(1, generator=rng) < 0.5 else -real[0]), graded, RECIPE)  # type: ignore[arg-type]
    assert told == pytest.approx(0, abs=1e-6)
    assert (mixed.assess(2).diversity or 0) > 0.4


def test_real_tiles_are_diverse_and_collapsed_samples_are_not(dataset: PairDataset) -> None:
    good, bad = (monitor_on(dataset, draw(dataset)).assess(2) for draw in (real, collapsed))
    assert good.diversity is not None
    assert 0.8 < good.diversity < 1.2
    assert bad.diversity is not None
    assert bad.diversity < 0.1
    assert good.distance is not None
    assert bad.distance is not None
    assert abs(good.distance) < 0.2 * bad.distance


def test_real_tiles_never_trigger_the_alarm(dataset: PairDataset) -> None:
    monitor = monitor_on(dataset, real(dataset))
    assert [monitor.assess(step).warning for step in range(2, 42, 2)] == [""] * 20


def test_a_collapse_is_said_once_per_episode_with_what_to_do(dataset: PairDataset) -> None:
    good, bad = real(dataset), collapsed(dataset)
    monitor = monitor_on(dataset, good, checkpoint_every=4)
    said = {}
    for step, draw in enumerate([good, good, bad, bad, bad, good, bad, bad], 1):
        monitor.generator.draw = draw  # type: ignore[attr-defined]
        monitor._every = 2
        if warning := monitor.assess(2 * step).warning:
            said[2 * step] = warning
    assert list(said) == [6, 14]
    number = monitor.assess(16).diversity
    assert number is not None
    assert said[6] == (
        f"The samples look nearly alike (diversity {100 * number:.0f} % of the real tiles): the generator has "
        "collapsed. Go back to the checkpoint of step 4, lower the learning rate or use augmentation."
    )


def test_samples_that_never_varied_are_given_time(dataset: PairDataset) -> None:
    monitor = monitor_on(dataset, collapsed(dataset))
    warnings = [monitor.assess(step).warning for step in range(2, 42, 2)]
    assert [bool(warning) for warning in warnings] == [False] * 9 + [True] + [False] * 10
    assert "the generator does not learn to vary. Lower the learning rate" in warnings[9]


def test_two_pictures_are_a_collapse_however_much_they_differ(dataset: PairDataset) -> None:
    tiles = [pair for seed in range(24) for pair in [em(seed, 64)]]
    many = PairDataset(tiles, list_tiles(tiles, TileSettings(size=64, turn=False, flip=False)), dataset.codec, "joint")
    pictures = [many.batch([index]).joint[0] for index in (0, 13)]

    def two(rng: torch.Generator) -> Tensor:
        picture = pictures[int(torch.rand(1, generator=rng) < 0.5)]
        return picture + 0.01 * torch.randn(picture.shape, generator=rng)

    good, bad = monitor_on(many, real(many)), monitor_on(many, two)
    assert [good.assess(step).warning for step in range(2, 42, 2)] == [""] * 20
    warnings = [bad.assess(step) for step in range(2, 42, 2)]
    assert (warnings[0].diversity or 0) > COLLAPSED  # the mean distance alone would not tell
    assert [bool(one.warning) for one in warnings] == [False] * 9 + [True] + [False] * 10
    assert "like copies of few pictures (different ones: 1" in warnings[9].warning


def test_samples_that_are_not_finite_and_tiles_that_are_all_alike_give_no_number(dataset: PairDataset) -> None:
    broken = monitor_on(dataset, lambda rng: torch.full((3, 64, 64), math.nan)).assess(2)
    assert broken == Assessment()
    assert broken.stats == {}
    pair = em(0, 64)
    alike = PairDataset(
        [pair], list_tiles([pair], TileSettings(size=64, turn=False, flip=False)), dataset.codec, "joint"
    )
    assert monitor_on(alike, real(dataset)).assess(2) == Assessment()


def test_how_often_it_looks_follows_from_the_recipe(dataset: PairDataset) -> None:
    drawn: list[int] = []

    def draw(rng: torch.Generator) -> Tensor:
        drawn.append(1)
        return torch.rand(3, 64, 64, generator=rng)

    monitor = monitor_on(dataset, draw, batch=4, preview_every=20, checkpoint_every=150)
    assert [step for step in range(1, 301) if monitor.due(step)] == [60, 120, 150, 180, 240, 300]
    counts = []
    for step in (60, 150):
        drawn.clear()
        monitor.assess(step)
        counts.append(len(drawn))
    assert counts == [SAMPLES, 25]
    assert monitor.assess(150) == monitor.assess(150)
    assert len(drawn) == 25  # the same step is drawn once
    assert CHUNK < 25


def test_waiting_counts_checkpoints_and_improvement_resets_them(
    dataset: PairDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_organoid_synth.core.training import monitor as module

    values = iter([5.0, 3.0, 3.0, 4.0, 2.0, 2.5, 2.1])
    monkeypatch.setattr(module, "kernel_distance", lambda x, y: next(values))
    monitor = monitor_on(dataset, real(dataset), stop_after=2)
    found = []
    for step in range(2, 16, 2):
        monitor.assess(step)
        found.append((monitor.best_step, monitor.waited, monitor.should_stop))
    assert found == [
        (2, 0, False), (4, 0, False), (4, 1, False), (4, 2, True), (10, 0, False), (10, 1, False), (10, 2, True),
    ]  # fmt: skip


def test_what_it_remembers_comes_back(dataset: PairDataset) -> None:
    draws = [real(dataset)] * 2 + [collapsed(dataset)] * 4
    whole = monitor_on(dataset, None)
    halves = [monitor_on(dataset, None) for _ in range(2)]
    for step, draw in enumerate(draws, 1):
        for monitor in (whole, halves[step > 3]):
            monitor.generator.draw = draw  # type: ignore[attr-defined]
            found = monitor.assess(2 * step)
        if step == 3:
            numbers = json.loads(json.dumps({**halves[0].numbers, **found.stats}))
            halves[1].restore(numbers, 6)
    assert whole.numbers == halves[1].numbers
    assert whole.numbers["watch/alarmed"] == 1


# ---------------------------------------------------------------------------------------------- inside the training


def progress(events: list[Event], name: str) -> dict[int, float]:
    return {event.step: event.stats[name] for event in events if isinstance(event, Progress) and name in event.stats}


def scripted(monkeypatch: pytest.MonkeyPatch, values: dict[int, float]) -> None:
    """Let the kernel distance of checkpoints be what a test says."""
    plain = Monitor.assess

    def assess(self: Monitor, step: int, at_checkpoint: bool = False) -> Assessment:
        from napari_organoid_synth.core.training import monitor as module

        monkeypatch.setattr(module, "kernel_distance", lambda x, y: values[step])
        return plain(self, step, at_checkpoint)

    monkeypatch.setattr(Monitor, "assess", assess)


def test_curves_and_checkpoints_hold_the_numbers(project: Project, tmp_path: Path) -> None:
    events = list(train(project, RECIPE.override("train.keep=9"), Control(), tmp_path / "run"))
    curve, distances = progress(events, "diversity"), progress(events, "kernel_distance")
    assert set(curve) == set(distances) == {2, 4, 6, 8}
    run = Run(tmp_path / "run")
    for step in run.steps():
        header = json.loads(run.checkpoint_path(step).with_suffix(".json").read_text())
        assert header["numbers"]["kernel_distance"] == distances[step]
        assert header["numbers"]["diversity"] == curve[step]
    assert run.best() == min(distances, key=distances.__getitem__)
    assert isinstance(events[-1], Finished)
    assert events[-1].result["best"] == run.best()


def test_the_watch_does_not_touch_the_training(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(train(project, RECIPE, Control(), tmp_path / "watched"))
    monkeypatch.setattr(Monitor, "assess", lambda *_, **__: Assessment())
    list(train(project, RECIPE, Control(), tmp_path / "alone"))
    first, second = (Run(tmp_path / name).read()[1] for name in ("watched", "alone"))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_it_stops_early_keeps_the_best_and_stays_stopped(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, {2: 0.5, 4: 0.2, 6: 0.3, 8: 0.2, 10: 0.9, 12: 0.1, 14: 1, 16: 1, 18: 1, 20: 1})
    recipe = RECIPE.override("train.steps=20", "train.keep=1", "train.stop_after=3")
    events = list(train(project, recipe, Control(), tmp_path / "run"))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.step, finished.reason, finished.result["best"]) == (10, "completed", 4)
    (words,) = [event.text for event in events if isinstance(event, Warned) and "stopped" in event.text]
    assert words == "The last 3 checkpoints were no better than that of step 4: stopped after 10 of 20 steps."
    run = Run(tmp_path / "run")
    assert run.steps() == [4, 10]  # keep is 1: the newest, and the best
    assert (run.best(), run.pick("best"), run.pick("newest"), run.pick("10")) == (4, 4, None, 10)
    assert run.load(new_generator(run.recipe, run.spec), run.pick("best")).step == 4
    again = list(train(project, recipe, Control(), tmp_path / "run", resume=True))
    assert not any(isinstance(event, Saved) for event in again)
    more = list(train(project, recipe.override("train.stop_after=5"), Control(), tmp_path / "run", resume=True))
    assert more[-1].step == 20  # step 12 was better: the count was reset
    assert run.best() == 12


@pytest.mark.parametrize("cut", [3, 4, 5])
def test_a_resumed_training_warns_scores_and_stops_as_an_uninterrupted_one(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    recipe = RECIPE.override(
        "train.steps=12", "train.checkpoint_every=4", "train.preview_every=100", "train.keep=9", "train.stop_after=1"
    )
    monkeypatch.setattr(meter_module, "REPORT_SECONDS", 0.0)
    scripted(monkeypatch, {3: 9, 4: 0.1, 5: 9, 8: 0.2, 12: 0})
    whole = list(train(project, recipe, Control(), tmp_path / "whole"))
    control = Control()
    for event in train(project, recipe, control, tmp_path / "parts"):
        if isinstance(event, Progress) and event.step == cut:
            control.cancel()
    rest = list(train(project, recipe, Control(), tmp_path / "parts", resume=True))
    assert whole[-1].step == rest[-1].step == 8
    headers = [
        json.loads(Run(tmp_path / name).checkpoint_path(8).with_suffix(".json").read_text())
        for name in ("whole", "parts")
    ]
    assert headers[0]["numbers"] == headers[1]["numbers"]
    assert headers[0]["sha256"] == headers[1]["sha256"]
    assert progress(whole, "diversity")[8] == progress(rest, "diversity")[8]
