from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import MARKER, Project, file_stem


def test_a_project_is_made_once_and_opened_again(tmp_path: Path) -> None:
    project = Project(tmp_path / "new" / "project")
    assert (project.path / MARKER).exists()
    assert Project(project.path).path == project.path


def test_a_file_or_a_newer_project_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="Expected a writable folder"):
        Project(tmp_path / "file")
    (tmp_path / MARKER).write_text('{"version": 99}')
    with pytest.raises(UserError, match=r"made by a newer version of organoid-synth \(format 99\)"):
        Project(tmp_path)


def test_a_mistyped_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no folder .*typo\. Expected a project"):
        Project(tmp_path / "typo", make=False)
    assert not (tmp_path / "typo").exists()
    with pytest.raises(UserError, match="is not a project"):
        Project(tmp_path, make=False)
    Project(tmp_path)
    assert Project(tmp_path, make=False).path == tmp_path.resolve()


def test_job_folders_never_collide_and_runs_are_found(tmp_path: Path) -> None:
    project = Project(tmp_path)
    jobs = [project.job("train") for _ in range(3)]
    assert len({job.path for job in jobs}) == 3
    assert all(job.path.parent == project.path / "runs" for job in jobs)
    with pytest.raises(UserError, match="has no trained run"):
        project.run_path()
    (jobs[1].path / "recipe.yaml").write_text("{}")
    assert project.run_path() == jobs[1].path
    with pytest.raises(UserError, match="There is no run 'nothing'"):
        project.run_path("nothing")


def test_file_stem_is_safe() -> None:
    assert file_stem("a b/c:d") == "a_b_c_d"
    assert file_stem("..") == "sample"
    assert file_stem("célula_1") == "célula_1"


def test_the_newest_run_is_the_one_that_was_made_last_whatever_the_clock_says(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name in ("20990101-000000-train", "20990101-000000-train-2", "20990101-000000-train-10"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "recipe.yaml").write_text("{}")
    assert project.run_path().name == "20990101-000000-train-10"  # by number, not by letter
    now = project.job("train")
    (now.path / "recipe.yaml").write_text("{}")
    os.utime(now.path / "recipe.yaml", (0, 0))
    assert project.run_path() == now.path
    assert now.path.name == "20990101-000001-train"
    (tmp_path / "runs" / ".20990101-000009-train.part").mkdir()
    (tmp_path / "runs" / ".20990101-000009-train.part" / "recipe.yaml").write_text("{}")
    assert project.run_path() == now.path


def test_the_newest_job_is_the_one_that_was_begun_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path)
    jobs = [project.job(verb) for verb in ("gain", "score", "train")]
    for job, seconds in zip(jobs, (300.0, 200.0, 100.0), strict=True):
        monkeypatch.setattr("napari_organoid_synth.core.job.time.time", lambda now=seconds: now)
        job.begin("x", [])
    assert [job.path for job in project.jobs()] == [job.path for job in jobs]
    jobs[0].begin("x", ["--resume"])  # one that goes on is the newest again
    assert project.jobs()[-1].path == jobs[0].path


def test_a_damaged_marker_leaves_the_project_usable(tmp_path: Path) -> None:
    Project(tmp_path)
    for text in ("", "{", '{"version": "x"}', '{"version": [1]}', "[" * 99_999, "\0\1"):
        (tmp_path / MARKER).write_text(text)
        assert Project(tmp_path, make=False).runs() == []
