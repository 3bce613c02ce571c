"""Requests reach the job that a person sees, and failed tasks are not a success."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import terminal
from napari_organoid_synth.cli import app
from napari_organoid_synth.cli.running import finish
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.simulators.simulate import em


@pytest.fixture
def process() -> Iterator[int]:
    """A process that waits."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child.pid
    child.communicate(b"\n")


@pytest.fixture
def jobs(tmp_path: Path, process: int) -> dict[str, JobFolder]:
    """A pipeline with its first training finished and its second running, and a comparison in another process."""
    project = Project(tmp_path)
    made = {}
    for key, verb, arguments, pid in (
        ("gain", "gain", ["p"], process), ("pipeline", "pipeline", ["p"], None),
        ("masks", "train", ["pipeline"], None), ("painter", "train", ["pipeline"], None),
    ):  # fmt: skip
        made[key] = project.job(verb)
        made[key].begin(verb, arguments, pid)
    return made


def ask(project: Path, *arguments: str) -> tuple[dict[str, str], str]:
    done = CliRunner().invoke(app, ["control", str(project), *arguments, "--json"])
    if isinstance(done.exception, UserError):
        raise done.exception
    return json.loads(done.stdout), done.stderr


def requests(jobs: dict[str, JobFolder]) -> dict[str, str]:
    return {key: job.control.request() for key, job in jobs.items()}


def test_the_pipeline_is_asked_and_not_its_training(tmp_path: Path, jobs: dict[str, JobFolder]) -> None:
    answer, said = ask(tmp_path, "pause")
    assert (answer["job"], answer["verb"]) == (jobs["pipeline"].path.name, "pipeline")
    assert requests(jobs) == {"gain": "run", "pipeline": "pause", "masks": "run", "painter": "run"}
    assert said == (
        f"Asked the one that was begun last; also running: {jobs['gain'].path.name} (see --name).\n"
    )  # fmt: skip


@pytest.mark.parametrize("name", ["pipeline", "masks", "painter"])
def test_either_name_reaches_the_pipeline(name: str, tmp_path: Path, jobs: dict[str, JobFolder]) -> None:
    answer, said = ask(tmp_path, "cancel", "--name", jobs[name].path.name)
    outer = jobs["pipeline"].path.name
    assert answer["job"] == outer
    assert requests(jobs) == {"gain": "run", "pipeline": "cancel", "masks": "run", "painter": "run"}
    inner = f"{jobs[name].path.name} is a part of the pipeline {outer}, which was asked.\n"
    assert said == ("" if name == "pipeline" else inner)


def test_another_job_is_asked_by_name(tmp_path: Path, jobs: dict[str, JobFolder]) -> None:
    assert ask(tmp_path, "pause", "--name", jobs["gain"].path.name)[0]["verb"] == "gain"
    assert requests(jobs)["gain"] == "pause"
    assert requests(jobs)["pipeline"] == "run"


def test_a_misspelt_job_is_answered_with_the_nearest(tmp_path: Path, jobs: dict[str, JobFolder]) -> None:
    name = jobs["gain"].path.name
    with pytest.raises(UserError, match="No such job is running") as caught:
        ask(tmp_path, "pause", "--name", name.replace("gain", "gian"))
    assert f"Did you mean '{name}'?" in str(caught.value)
    assert jobs["masks"].path.name not in str(caught.value)


def test_failed_trainings_of_a_comparison_are_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    result = {"reason": "completed", "tasks": {"total": 9, "done": 7, "failed": 2}}
    with pytest.raises(typer.Exit) as stop:
        finish("gain", result, as_json=True)
    assert stop.value.exit_code == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] is False
    assert err.startswith("organoid-synth: 2 of 9 trainings failed; all others are done. Expected all of them.")
    finish("gain", result | {"tasks": {"total": 9, "done": 9, "failed": 0}}, as_json=True)


def test_a_demonstration_obeys(tmp_path: Path) -> None:
    sizes = ("size=64", "train=2", "test=2", "steps=1000000", "channels=8")
    command = [sys.executable, "-m", "napari_organoid_synth", "demo", "--project", str(tmp_path / "demo"), "--json"]
    command += [part for size in sizes for part in ("--set", size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            while child.poll() is None and not [*tmp_path.glob("demo/runs/*/job.json")]:
                time.sleep(0.05)
            answer, said = ask(tmp_path / "demo", "cancel")
            assert (answer["verb"], said) == ("demo", "")
            out, err = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 130, err
    assert json.loads(out)["ok"] is False


def test_a_comparison_with_a_failed_training_exits_with_1(tmp_path: Path) -> None:
    for seed in range(4):
        write_pair(tmp_path / "pairs", em(seed, 64))
    assert terminal.run("pair", tmp_path / "p", "--images", tmp_path / "pairs").code == 0
    recipe = Recipe().override("tiles.size=64", "tiles.min_objects=1000")  # no tile has as many
    recipe.to_file(tmp_path / "recipe.yaml")
    small = ("segmenter.channels=8", "segmenter.depth=2", "segmenter.tile=64", "segmenter.batch=1", "steps=1")
    where = (
        "scheduler=here",
        f"generator={tmp_path / 'recipe.yaml'}",
        "arms=[raw, raw+synthetic]",
        "repeats=1",
        "ratios=[1]",
    )
    settings = [f"--set={one}" for one in (*small, *where, "design=k-fold", "folds=2")]
    done = terminal.run("gain", tmp_path / "p", *settings, "--json")
    assert done.code == 1
    answer = json.loads(done.out)
    assert answer["ok"] is False
    assert answer["tasks"] == {"total": 6, "done": 2, "failed": 4}
    assert list(answer["arms"]) == ["raw"]
    assert "4 of 6 trainings failed; all others are done." in answer["error"]["found"]
    assert "organoid-synth: 4 of 6 trainings failed" in done.err
    assert "Traceback" not in done.err


def test_a_run_that_is_being_trained_is_not_resumed(tmp_path: Path, process: int) -> None:
    project = Project(tmp_path / "p")
    job = project.job("train")
    job.begin("train", ["p"], process)
    Recipe().to_file(job.path / "recipe.yaml")
    before = (job.path / "job.json").read_text()
    done = terminal.run("train", project.path, "--resume", job.path.name)
    assert done.code == 1
    assert f"{job.path.name} is running already, in process {process}." in done.err
    assert (job.path / "job.json").read_text() == before


def test_a_job_is_not_begun_in_a_project_that_is_gone(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.path.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is no longer there"):
        project.job("generate")
    assert not project.path.exists()
