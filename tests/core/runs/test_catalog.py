"""The list of runs: how each ended, names and numbers that stay, the bin."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Failed, Finished, JobFolder, Progress, to_line
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.catalog import catalog, delete_run, rename, restore_run
from napari_organoid_synth.core.runs.numbers import next_number
from napari_organoid_synth.core.runs.titles import find_runs, run_names, run_titles
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import em
from terminal import result, run


def add_run(
    project: Project, day: int, *events: object, steps: dict[int, float] | None = None, begun: bool = True
) -> str:
    """A run as training leaves it: its events, checkpoints with their distances."""
    path = project.path / "runs" / f"202601{day:02d}-000000-train"
    path.mkdir(parents=True)
    Recipe.parse({"gan": {"name": "pix2pix"}, "tiles": {"size": 64}}).to_file(path / "recipe.yaml")
    if begun:
        (path / "job.json").write_text(json.dumps({"verb": "train", "pid": 2**22 + 1, "pid_started": 0.0}))
        (path / "events.jsonl").write_text("".join(map(to_line, events)))
    (path / "checkpoints").mkdir()
    for step, distance in (steps or {}).items():
        stem = path / "checkpoints" / f"step_{step:08d}"
        stem.with_suffix(".safetensors").write_bytes(bytes(1000))
        stem.with_suffix(".json").write_text(json.dumps({"step": step, "numbers": {"kernel_distance": distance}}))
    return path.name


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Runs 1 to 5: done, failed, killed before and after a checkpoint, copied from elsewhere."""
    project = Project(tmp_path / "p")
    add_run(project, 1, Progress(1, 9), Finished(9), steps={3: 0.5, 6: 0.25, 9: 0.4})
    add_run(project, 2, Failed(3, "Memory is full."))
    add_run(project, 3, Progress(1, 9))
    add_run(project, 4, Progress(1, 9), steps={4: 0.7})
    add_run(project, 5, steps={4: 0.7}, begun=False)
    return project


def test_each_run_says_how_it_ended(project: Project) -> None:
    folder = project.runs()[0].name
    listed = catalog(project, {folder: 12})
    assert [(one.name, one.status) for one in reversed(listed)] == [
        ("run 1", "done"),
        ("run 2", "failed: Memory is full."),
        ("run 3", "stopped before the first checkpoint"),
        ("run 4", "stopped: saved up to step 4"),
        ("run 5", "imported"),
    ]
    best = listed[-1]
    assert (best.folder, best.generator, best.samples) == (folder, "pix2pix", 12)
    assert (best.step, best.best, best.distance) == (9, 6, 0.25)
    assert 3000 < best.size < 10_000
    job = JobFolder(project.runs()[2])
    job.begin("train", [], os.getpid())
    assert catalog(project, {})[2].status == "running"


def test_numbers_stay_when_runs_are_deleted_and_come_back(project: Project) -> None:
    first, second, *_ = (path.name for path in project.runs())
    delete_run(project, first)
    delete_run(project, second)
    assert [one.name for one in catalog(project, {})] == ["run 5", "run 4", "run 3"]
    assert [one.name for one in catalog(project, {}, deleted=True)] == ["run 2", "run 1"]
    assert run_titles(project)[first] == "run 1 (deleted)"  # samples of it keep its name
    assert find_runs(project, ["3"]) == [project.runs()[0].name]
    with pytest.raises(UserError, match="There is no run 'run 1'"):
        find_runs(project, ["run 1"])
    delete_run(project, project.runs()[-1].name)
    assert next_number(project) == 6  # no number is given twice
    newest = add_run(project, 6)
    assert run_names(project)[newest] == "run 6"
    restore_run(project, first)
    assert run_names(project)[first] == "run 1"
    assert (project.path / "runs" / first / "checkpoints").is_dir()
    with pytest.raises(UserError, match="There is no deleted run"):
        restore_run(project, first)


def test_a_running_run_is_not_deleted(project: Project) -> None:
    job = JobFolder(project.runs()[0])
    job.begin("train", [], os.getpid())
    with pytest.raises(UserError, match=r"run 1 is running\."):
        delete_run(project, job.path.name)
    assert job.path.exists()


def test_a_name_is_kept_in_the_run_and_is_its_own(project: Project) -> None:
    first, second, *_ = (path.name for path in project.runs())
    assert rename(project, first, "  the  best ") == "the best"
    assert run_names(project)[first] == "the best"
    assert run_titles(project)[first] == "the best, pix2pix"
    assert find_runs(project, ["The best", "run 1", "1", second]) == [first, second]
    for name, found in (("the BEST", "the name of another"), ("run 7", "is a number"), ("x" * 61, "cannot be a name")):
        with pytest.raises(UserError, match=found):
            rename(project, second, name)
    delete_run(project, first)
    assert run_names(project)[first] == "the best"
    restore_run(project, first)
    assert rename(project, first, "") == "run 1"


def test_the_command_lists_and_changes_runs(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        store.add_many((em(seed, 64) for seed in range(2)), run=project.runs()[0].name)
    lines = run("runs", project.path, "--rename", "1=the best").out.splitlines()
    assert lines[0].split() == ["run", "5", "pix2pix", "0", "pairs", "0.7", "0.0", "MB", "imported"]
    assert lines[-1].split() == ["the", "best", "pix2pix", "2", "pairs", "0.25", "0.0", "MB", "done"]
    assert len(result(run("runs", project.path, "--delete", "the best", "--json").out)["runs"]) == 4
    deleted = result(run("runs", project.path, "--deleted", "--json").out)["runs"]
    assert [(one["name"], one["samples"], one["state"]) for one in deleted] == [("the best", 2, "done")]
    assert len(result(run("runs", project.path, "--restore", "1", "--json").out)["runs"]) == 5
    refused = run("runs", project.path, "--rename", "the best")
    assert (refused.code, refused.err.splitlines()[0]) == (
        1,
        "organoid-synth: 'the best' is no change of a name. Expected RUN=NAME, as in '3=the best'.",
    )


def test_a_run_is_not_named_like_the_folder_of_another_or_a_number(project: Project) -> None:
    first, second, *_ = (path.name for path in project.runs())
    with pytest.raises(UserError, match="is the name of another run"):
        rename(project, second, first)
    with pytest.raises(UserError, match="'run 77' is a number"):
        rename(project, second, "run 77")
