"""A job that needs memory waits for another one where both would not fit."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core import memory_queue
from napari_organoid_synth.core.job import Finished, Progress
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.training.estimate import StepTiming, write_timing
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard


@pytest.fixture
def runners(qtbot, fake_job, project, monkeypatch):
    """A training that runs, and another command that was started beside it with 2.5 GB free."""
    monkeypatch.setattr(memory_queue, "free_gb", lambda: 2.5)
    monkeypatch.setattr(memory_queue, "has_graphics_card", lambda: False)
    fake_job.setenv("FAKE_STEPS", "100000")
    first, second = JobRunner("train"), JobRunner("generate")
    first.start("train", project, Recipe())
    qtbot.waitUntil(lambda: first.last_progress is not None, timeout=20_000)
    yield first, second
    for runner in (first, second):
        runner.cancel()
        runner.detach()
        runner.wait(20)


def wait_for(qtbot, runner: JobRunner, state: str) -> None:
    qtbot.waitUntil(lambda: runner.state == state, timeout=20_000)


def test_it_waits_says_for_what_and_starts_by_itself(qtbot, runners, project):
    first, second = runners
    card = ProgressCard(second)
    qtbot.addWidget(card)
    folder = second.start("generate", project)  # 1 GB, and the training may still take 2 of the 2.5
    wait_for(qtbot, second, "waiting")
    assert second.waits.startswith("Waits for run 1: about 1.0 GB of memory are needed, 0.5 GB are free beside it.")
    assert card.message.text() == second.waits
    assert card.pause_button.text() == "Start now anyway"
    assert folder.info == {}  # no process
    first.cancel()
    qtbot.waitUntil(lambda: second.last_progress is not None, timeout=20_000)
    assert (second.state, card.pause_button.text()) == ("running", "Pause")


def test_it_can_be_stopped_while_it_waits(qtbot, runners, project):
    _, second = runners
    every = []
    second.events.connect(every.extend)
    second.start("generate", project)
    wait_for(qtbot, second, "waiting")
    with qtbot.waitSignal(second.finished, timeout=20_000) as end:
        second.cancel()
    assert (end.args, every) == (["canceled"], [Finished(0, "canceled")])


def test_it_can_be_started_anyway(qtbot, runners, project):
    first, second = runners
    second.start("generate", project)
    wait_for(qtbot, second, "waiting")
    second.start_now()
    qtbot.waitUntil(lambda: second.last_progress is not None, timeout=20_000)
    assert first.running


def test_small_commands_and_those_that_fit_do_not_wait(qtbot, runners, project, monkeypatch):
    _, second = runners
    assert memory_queue.waits_for(project, "score", project.job("score")) == ""
    monkeypatch.setattr(memory_queue, "free_gb", lambda: 3.5)
    states = []
    second.stateChanged.connect(states.append)
    second.start("generate", project)
    qtbot.waitUntil(lambda: second.last_progress is not None, timeout=20_000)
    assert states == ["running"]


def test_a_measured_training_counts_as_measured(runners, project):
    timing = StepTiming(precision="float32", seconds_per_step=1.0, gflop_per_image=1.0, needed_gb=0.25)
    write_timing(project, "key", timing)
    assert memory_queue.needed_gb(project, "train") == 0.25
    assert memory_queue.waits_for(project, "generate", project.job("generate")) == ""


def test_activity_shows_friendly_titles(runners):
    first, _ = runners
    assert first._worker.pbar.desc.startswith("run 1 · training")
    assert isinstance(first.last_progress, Progress)
