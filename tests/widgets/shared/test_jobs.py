"""The runner: start, follow, steer, crash, take up again; never blocking."""

from __future__ import annotations

import itertools
import threading
import time

import psutil
import pytest
from napari.qt.threading import create_worker
from qtpy.QtCore import QThreadPool

from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.job import Failed, Finished, Heartbeat, JobFolder, Previewed, Progress, Started, to_line
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.widgets.shared.command_text import command_text
from napari_organoid_synth.widgets.shared.job_process import follow, preview_path
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread


@pytest.fixture
def runner(qtbot):
    runner = JobRunner("train")
    yield runner
    if runner.running:
        runner.detach()
    runner.wait()


def collect(runner):
    every, painted = [], []
    runner.events.connect(every.extend)
    runner.event.connect(painted.append)
    return every, painted


def test_a_job_runs_to_its_end(qtbot, runner, fake_job, project):
    every, painted = collect(runner)
    states = []
    runner.stateChanged.connect(states.append)
    begun = time.perf_counter()
    with qtbot.waitSignal(runner.finished, timeout=20000) as end:
        folder = runner.start("train", project, Recipe().override("train.steps=40"))
        assert time.perf_counter() - begun < 0.3  # the process starts in the worker thread
    assert end.args == ["completed"]
    assert states == ["running", "idle"]
    assert runner.result == {"step": 40}
    assert isinstance(every[0], Started)
    assert isinstance(every[-1], Finished)
    assert [event.step for event in every if isinstance(event, Progress)] == list(range(1, 41))
    assert sum(isinstance(event, Previewed) for event in every) == 4
    assert sum(isinstance(event, Progress) for event in painted) <= 6  # at most five a second
    assert [event.step for event in painted if isinstance(event, Progress)][-1] == 40
    assert Recipe.from_file(folder.path / "settings.yaml").train.steps == 40
    assert folder.info["verb"] == "train"
    assert every[0].info["arguments"][:4] == [
        "train",
        str(project.path),
        "--recipe",
        str(folder.path / "settings.yaml"),
    ]


def test_pause_resume_and_stop(qtbot, runner, fake_job, project):
    fake_job.setenv("FAKE_STEPS", "100000")
    every, _ = collect(runner)
    folder = runner.start("train", project, Recipe())
    qtbot.waitUntil(lambda: any(isinstance(event, Progress) for event in every), timeout=10000)
    assert psutil.Process(folder.info["pid"]).nice() == 10
    runner.pause()
    assert runner.state == "paused"
    qtbot.waitUntil(lambda: type(every[-1]).__name__ == "Heartbeat", timeout=5000)
    step = every[-1].step
    runner.resume()
    qtbot.waitUntil(lambda: every[-1].step > step + 2, timeout=5000)
    with qtbot.waitSignal(runner.finished, timeout=5000) as end:
        runner.cancel()
    assert end.args == ["canceled"]
    assert not runner.running


def test_stop_pressed_before_the_process_exists_is_obeyed(qtbot, runner, fake_job, project):
    every, _ = collect(runner)
    with qtbot.waitSignal(runner.finished, timeout=10000) as end:
        folder = runner.start("train", project, Recipe())
        runner.cancel()
    assert end.args == ["canceled"]
    assert not any(isinstance(event, Progress) for event in every)
    assert folder.read_events()[0] == every


def test_a_job_that_is_stopped_first_needs_no_process(project):
    folder = project.job("generate")
    folder.control.cancel()
    left, done = threading.Event(), threading.Event()
    ended = [Finished(0, "canceled")]
    assert list(follow(folder, ("/no/such/python",), ("generate",), left, done)) == [(left, ended, True)]
    assert folder.read_events()[0] == ended  # a later window sees how it ended


def test_pause_pressed_before_the_process_exists_is_obeyed(qtbot, runner, fake_job, project):
    every, _ = collect(runner)
    runner.start("train", project, Recipe())
    runner.pause()
    qtbot.waitUntil(lambda: any(isinstance(event, Heartbeat) for event in every), timeout=10000)
    assert runner.state == "paused"
    assert not any(isinstance(event, Progress) for event in every)
    with qtbot.waitSignal(runner.finished, timeout=10000) as end:
        runner.resume()
    assert end.args == ["completed"]


def test_stop_of_a_resumed_run_is_not_taken_for_the_earlier_one(qtbot, runner, fake_job, project):
    folder = project.job("train")
    folder.control.cancel()
    runner.start("train", project, resume=folder)
    assert folder.control.request() == "run"  # forgotten before a person could press Stop again
    with qtbot.waitSignal(runner.finished, timeout=10000) as end:
        runner.cancel()
    assert end.args == ["canceled"]


def test_a_pause_asked_elsewhere_is_noticed(qtbot, runner, fake_job, project):
    fake_job.setenv("FAKE_STEPS", "100000")
    folder = runner.start("train", project, Recipe())
    qtbot.waitUntil(lambda: runner.last_progress is not None, timeout=10000)
    folder.control.pause()
    qtbot.waitUntil(lambda: runner.state == "paused", timeout=5000)
    folder.control.resume()
    qtbot.waitUntil(lambda: runner.state == "running", timeout=5000)


def test_a_failure_keeps_its_words(qtbot, runner, fake_job, project):
    fake_job.setenv("FAKE_JOB", "fail")
    with qtbot.waitSignal(runner.failed, timeout=10000) as end:
        runner.start("train", project, Recipe())
    assert end.args[0].found == "All 14 tiles are empty."
    assert not runner.running


def test_a_crash_becomes_a_failure_with_the_log(qtbot, runner, fake_job, project):
    fake_job.setenv("FAKE_JOB", "crash")
    with qtbot.waitSignal(runner.failed, timeout=10000) as end:
        runner.start("train", project, Recipe())
    assert "exit code 3" in end.args[0].found
    assert "the dog ate the memory" in end.args[0].report


def test_a_command_that_cannot_start_is_a_failure(qtbot, runner, monkeypatch, project):
    monkeypatch.setattr(JobRunner, "COMMAND", ("/no/such/python",))
    with qtbot.waitSignal(runner.failed, timeout=10000) as end:
        runner.start("train", project, Recipe())
    assert "Cannot start" in end.args[0].found
    assert not runner.running


def test_a_left_job_goes_on_and_is_taken_up_with_its_history(qtbot, runner, fake_job, project):
    fake_job.setenv("FAKE_STEPS", "100000")
    folder = runner.start("train", project, Recipe())
    qtbot.waitUntil(lambda: runner.last_progress is not None, timeout=10000)
    runner.detach()
    runner.wait()
    assert folder.alive
    step = runner.last_progress.step
    other = JobRunner("train")
    every, _ = collect(other)
    other.attach(JobFolder(folder.path))
    qtbot.waitUntil(lambda: any(event.step > step + 3 for event in every), timeout=10000)
    steps = [event.step for event in every if isinstance(event, Progress)]
    assert steps == list(range(1, steps[-1] + 1))  # nothing lost, nothing twice
    with qtbot.waitSignal(other.finished, timeout=5000):
        other.cancel()


def test_a_run_goes_on_after_its_old_end(qtbot, runner, fake_job, project):
    folder = project.job("train")
    folder.events_path.write_text(to_line(Started(0)) + to_line(Finished(5, "canceled")))
    folder.control.cancel()
    every, _ = collect(runner)
    with qtbot.waitSignal(runner.finished, timeout=10000) as end:
        runner.start("train", project, resume=folder)
    assert end.args == ["completed"]  # neither the old end nor the old request counts
    assert every[0].info["arguments"][2:4] == ["--resume", folder.path.name]


def test_a_long_history_arrives_in_slices(qtbot, runner, fake_job, project):
    folder = project.job("train")
    folder.path.joinpath("events.jsonl").write_text(
        "".join(to_line(Progress(step, 3000)) for step in range(1, 3001)) + to_line(Finished(3000))
    )
    slices = []
    runner.events.connect(lambda events: slices.append(len(events)))
    with qtbot.waitSignal(runner.finished, timeout=10000):
        runner.attach(folder)
    assert sum(slices) == 3001
    assert max(slices) <= 500


def test_a_dead_job_without_an_end_is_a_failure(qtbot, runner, project):
    folder = project.job("train")
    folder.events_path.write_text(to_line(Progress(3, 10)))
    with qtbot.waitSignal(runner.failed, timeout=10000) as end:
        runner.attach(folder)
    assert isinstance(end.args[0], Failed)


def test_only_one_job_at_a_time(qtbot, runner, fake_job, project):
    fake_job.setenv("FAKE_STEPS", "100000")
    runner.start("train", project, Recipe())
    with pytest.raises(RuntimeError, match="already"):
        runner.start("train", project, Recipe())


def test_command_text_says_only_what_differs(project):
    assert command_text("train", project, Recipe()) == f"organoid-synth train '{project.path}'"
    text = command_text("train", project, Recipe().override("tiles.size=128", "gan=pix2pix", "gan.scales=3"))
    assert text.endswith("--set gan.scales=3 --set tiles.size=128")
    recipe = Recipe().replace(gan=DcganConfig(latent=50))
    import shlex

    words = shlex.split(command_text("train", project, recipe))
    again = Recipe().override(*[word for flag, word in itertools.pairwise(words) if flag == "--set"])
    assert again == recipe


def test_previews_are_found_in_a_moved_run(tmp_path):
    (tmp_path / "previews").mkdir()
    (tmp_path / "previews" / "step_1.npz").touch()
    assert preview_path(JobFolder(tmp_path), "/old/place/previews/step_1.npz") == tmp_path / "previews" / "step_1.npz"


def test_eight_jobs_at_once_leave_threads_for_reading(qtbot, fake_job, project):
    """Followers use no thread of Qt's global pool, and thumbnails and napari's own workers answer meanwhile."""
    fake_job.setenv("FAKE_STEPS", "100000")
    with SampleStore(project.samples_path) as store:
        ids = store.add_many((em(seed, 32) for seed in range(3)), run="simulated")
    runners = [JobRunner("train") for _ in range(8)]
    thread = StoreThread(project.samples_path)
    try:
        for runner in runners:
            runner.start("train", project, Recipe())
        qtbot.waitUntil(lambda: all(runner.last_progress for runner in runners), timeout=60_000)
        assert QThreadPool.globalInstance().activeThreadCount() == 0
        assert len({runner.folder.info["pid"] for runner in runners}) == 8
        qtbot.waitUntil(lambda: all(thread.image(id, 64, "none") for id in ids), timeout=5000)
        answers = []
        create_worker(lambda: 7, _connect={"returned": answers.append})
        qtbot.waitUntil(lambda: answers == [7], timeout=5000)
        assert all(runner.running for runner in runners)
    finally:
        thread.close()
        for runner in runners:
            runner.cancel()
        qtbot.waitUntil(lambda: not any(runner.running for runner in runners), timeout=30_000)
