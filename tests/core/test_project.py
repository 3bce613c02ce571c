from __future__ import annotations

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
