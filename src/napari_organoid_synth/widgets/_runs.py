"""What the window needs to know of trained runs: read from their files, without torch."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe

_WANTED = ("recipe.yaml", "codec.json", "run.json", "checkpoints")


@dataclass(frozen=True)
class RunInfo:
    """A training as a person meets it.

    Parameters
    ----------
    name : str
        Of its folder.
    title : str
        ``"run 3 · pix2pix · 12,400 img"``.
    shape : str
        ``"painter"``, ``"joint"`` or ``"mask"``; empty when the recipe cannot be read.
    problem : str
        Why nothing can be drawn from it yet; empty when all is well.
    """

    name: str
    title: str
    shape: str = ""
    problem: str = ""


def list_runs(project: Project) -> list[RunInfo]:
    """Runs of a project, newest first."""
    return [describe_run(path, number) for number, path in reversed(list(enumerate(project.runs(), 1)))]


def describe_run(path: Path, number: int) -> RunInfo:
    """A run folder in words."""
    try:
        recipe = Recipe.from_file(path / "recipe.yaml")
    except UserError as error:
        return RunInfo(path.name, f"run {number} · damaged", problem=f"The recipe of run {number} is damaged: {error}")
    gan: Any = recipe.gan
    steps = [int(step.stem.removeprefix("step_")) for step in (path / "checkpoints").glob("step_*.json")]
    if not steps:
        problem = f"Run {number} has no checkpoint yet. Train until the first is saved."
        return RunInfo(path.name, f"run {number} · {gan.name} · nothing saved yet", gan.shape, problem)
    images = max(steps) * recipe.train.batch
    return RunInfo(path.name, f"run {number} · {gan.name} · {images:,} img", gan.shape)


def adopt_run(project: Project, path: Path) -> str:
    """The name of a run in this project: its own, or one copied from elsewhere.

    Parameters
    ----------
    project : Project
        Gets the copy.
    path : Path
        A run folder, or a file in it such as a checkpoint.

    Raises
    ------
    UserError
        If there is no run.
    """
    path = path.expanduser().resolve()
    folder = next((one for one in (path, *path.parents[:2]) if (one / "recipe.yaml").is_file()), None)
    if folder is None:
        raise UserError(
            f"{path.name} does not belong to a trained run.",
            "Expected a run folder with recipe.yaml, codec.json and checkpoints, or a .safetensors file inside one.",
            "Drop the folder of the run, found in a project under 'runs'.",
        )
    Recipe.from_file(folder / "recipe.yaml")
    try:
        json.loads((folder / "codec.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder.name}/codec.json cannot be read ({error}).", todo="Copy the run again.") from None
    if folder.parent == project.path / "runs":
        return folder.name
    target = project.path / "runs" / folder.name
    number = 2
    while target.exists():
        target, number = target.with_name(f"{folder.name}-{number}"), number + 1
    beside = target.with_name(f".{target.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        for name in _WANTED:
            source = folder / name
            if source.is_dir():
                shutil.copytree(source, beside / name)
            elif source.exists():
                shutil.copy2(source, beside / name)
        beside.rename(target)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise UserError(f"Cannot copy {folder} into the project: {error}.") from None
    return target.name
