"""Friendly names of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.titles import find_runs, run_titles


def project_of(path: Path, *generators: dict[str, Any] | str) -> Project:
    project = Project(path / "project")
    for number, gan in enumerate(generators):
        folder = project.path / "runs" / f"2026010{number + 1}-000000-train"
        folder.mkdir(parents=True)
        if isinstance(gan, str):
            (folder / "recipe.yaml").write_text(gan)
        else:
            Recipe.parse({"gan": gan, "tiles": {"size": 64}}).to_file(folder / "recipe.yaml")
    return project


def test_the_loss_is_named_where_runs_of_a_generator_differ_in_it(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        {"name": "aae", "loss": "least_squares"},
        {"name": "pix2pix"},
        {"name": "aae", "loss": "perceptual_wasserstein"},
        {"name": "pix2pix", "l1_weight": 10.0},
        "gan: [",
        {"name": "dcgan"},
    )
    assert list(run_titles(project).values()) == [
        "run 1, AAE least squares",
        "run 2, pix2pix",
        "run 3, AAE perceptual wasserstein",
        "run 4, pix2pix",
        "run 5",
        "run 6, DCGAN",
    ]
    adversarial = [{"name": "pix2pix", "adversarial": loss} for loss in ("bce", "lsgan")]
    assert list(run_titles(project_of(tmp_path / "other", *adversarial)).values()) == [
        "run 1, pix2pix bce",
        "run 2, pix2pix lsgan",
    ]


def test_runs_are_found_by_folder_and_number(tmp_path: Path) -> None:
    project = project_of(tmp_path, {"name": "aae"}, {"name": "dcgan"})
    names = [path.name for path in project.runs()]
    assert find_runs(project, ["run 2", "1", names[1]]) == [names[1], names[0]]
    assert find_runs(project, []) == []
    with pytest.raises(UserError, match=r"There is no run 'run 3'\..*Expected one of: run 1, run 2"):
        find_runs(project, ["run 3"])
