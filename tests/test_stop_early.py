"""A command that is stopped or paused before it has begun: nothing is made, and it says that it was stopped."""

from __future__ import annotations

import sys
import time
from subprocess import DEVNULL, Popen

import pytest

from napari_organoid_synth.core.job import Finished, Heartbeat, JobFolder, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.verbs import VERBS
from simulated import em_project
from terminal import run


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_request_before_the_first_step_counts(verb, tmp_path):
    project = Project(tmp_path / "p")
    job = project.job(verb)
    job.control.cancel()
    where = ["organoid", tmp_path, "--out", tmp_path / "study"] if verb == "study" else [project.path]
    done = run(verb, *where, "--job", job.path)
    assert (done.code, job.read_events()[0]) == (130, [Finished(0, "canceled")])
    assert done.err.strip().splitlines()[-1].startswith("Stopped;")
    assert not project.samples_path.exists()


def begin(project: Project, verb: str, *settings: str) -> tuple[Popen[bytes], JobFolder]:
    """Start a command in a process, as the window does."""
    job = project.job(verb)
    options = [part for one in settings for part in ("--set", one)]
    command = [sys.executable, "-P", "-m", "napari_organoid_synth", verb, str(project.path), *options]
    return Popen([*command, "--job", str(job.path)], stdout=DEVNULL, stderr=DEVNULL), job


@pytest.mark.slow
def test_real_processes_are_stopped_and_paused_while_they_start(tmp_path):
    project = em_project(tmp_path / "p", 2)
    jobs = [begin(project, "generate", "number=3"), begin(project, "train", "tiles.size=64", "train.steps=3")]
    paused, waiting = begin(project, "generate", "number=1")
    for _, job in jobs:
        job.control.cancel()
    waiting.control.pause()
    try:
        for process, job in jobs:
            assert process.wait(120) == 130
            assert job.read_events()[0][-1].reason == "canceled"
        assert project.runs() == []
        assert not project.samples_path.exists()
        while not (events := waiting.read_events()[0]):
            assert paused.poll() is None
            time.sleep(0.05)
        assert {type(event) for event in events} == {Heartbeat}
        waiting.control.resume()
        assert paused.wait(120) == 0
        assert any(isinstance(event, Progress) for event in waiting.read_events()[0])
        with SampleStore(project.samples_path) as store:
            assert sum(store.counts().values()) == 1
    finally:
        for process in (paused, *(process for process, _ in jobs)):
            process.kill()
            process.wait()
