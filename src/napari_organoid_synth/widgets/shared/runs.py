"""Describe trained runs for the window, from their files, without torch."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.plain_values import read_object, reason
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.card import Card
from napari_organoid_synth.core.runs.catalog import NEVER_SAVED
from napari_organoid_synth.core.runs.files import best_checkpoint, numbered
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.runs.numbers import keep_numbers, run_numbers
from napari_organoid_synth.core.runs.titles import run_names

_COPIED = ("recipe.yaml", "codec.json", "run.json", "checkpoints")


@dataclass(frozen=True)
class RunInfo:
    """A training as the window shows it.

    Parameters
    ----------
    name : str
        Of its folder.
    title : str
        ``"run 3 · pix2pix · 12,400 img"``.
    shape : str
        ``"painter"``, ``"joint"``, ``"image"`` or ``"mask"``; empty when the recipe cannot be read.
    problem : str
        Why it cannot generate pairs yet; empty if it can.
    generator : str
        Its name.
    steps : tuple of int
        Steps with a checkpoint, oldest first.
    best : int, optional
        The step with the lowest kernel distance, where checkpoints were judged.
    mask_kind, class_names, image_classes
        As in its codec.
    card : Card, optional
        What a model file says of itself; empty for a run that was trained here.
    trains : bool
        Whether its generator learns; else it holds real images.
    """

    name: str
    title: str
    shape: str = ""
    problem: str = ""
    generator: str = ""
    steps: tuple[int, ...] = ()
    best: int | None = None
    mask_kind: str = ""
    class_names: tuple[str, ...] = ()
    image_classes: tuple[str, ...] = ()
    card: Card | None = None
    trains: bool = True


def list_runs(project: Project) -> list[RunInfo]:
    """List the runs of a project, newest number first."""
    names, numbers = run_names(project), run_numbers(project)
    paths = sorted(project.runs(), key=lambda path: numbers[path.name], reverse=True)
    return [describe_run(path, names[path.name]) for path in paths]


def describe_run(path: Path, name: str) -> RunInfo:
    """Describe the folder of a run that is called ``name``."""
    try:
        recipe = Recipe.from_file(path / "recipe.yaml")
    except UserError as error:
        return RunInfo(path.name, f"{name} · damaged", problem=f"The recipe of {name} is damaged: {error}")
    gan: Any = recipe.gan
    try:
        codec = Codec.from_file(path / "codec.json") if (path / "codec.json").exists() else None
        metadata = RunMetadata.read_whole(path / "run.json")
    except UserError as error:
        problem = f"{_upper(name)} is damaged: {error}"
        return RunInfo(path.name, f"{name} · damaged", recipe.shape, problem, gan.name)
    card = metadata.card
    what = {"mask": " · masks only", "image": " · images only"}.get(recipe.shape, "")
    title = f"{name} · {gan.name}{what}"
    if card is not None:
        title = f"{name} · {card.name} (model file) · {gan.name}{what}"
    steps = tuple(step for step, _ in numbered(path / "checkpoints", ".json"))
    images = card.images if card is not None and card.images else max(steps, default=0) * recipe.train.batch
    size = f"{images:,} img" if gan.trains else f"of {plural(len(metadata.data), 'real image')}"
    problem = ""
    if not steps and JobFolder(path).alive:
        size, problem = "nothing saved yet", f"{_upper(name)} has no checkpoint yet. Train until the first is saved."
    elif not steps:
        size, problem = NEVER_SAVED, f"{_upper(name)} was {NEVER_SAVED}. Train again."
    best = best_checkpoint(path)
    return RunInfo(
        path.name,
        f"{title} · {size}",
        recipe.shape,
        problem,
        gan.name,
        steps,
        best[0] if best is not None else None,
        codec.mask_kind if codec else "",
        codec.class_names if codec else (),
        codec.image_classes if codec else (),
        card,
        gan.trains,
    )


def _upper(name: str) -> str:
    """Begin a sentence with a name."""
    return name[:1].upper() + name[1:]


def saved_states(info: RunInfo | None) -> list[tuple[str, str]]:
    """List the checkpoints of a run to choose from: value of the setting, and label."""
    if info is None or not info.steps:
        return [("newest", "newest")]
    if not info.trains:
        return [("newest", "the real images as they were kept")]
    states = [("newest", f"newest · step {info.steps[-1]:,}")]
    if info.best is not None:
        states.append(("best", f"best · step {info.best:,}"))
    return states + [(str(step), f"step {step:,}") for step in reversed(info.steps[:-1])]


def describe_card(card: Card | None) -> str:
    """Describe a model file in two or three lines."""
    if card is None:
        return ""
    by = f" by {card.authors}" if card.authors else ""
    learned = (
        f"learned from {card.pairs:,} pair{'s' * (card.pairs != 1)} in {card.steps:,} step{'s' * (card.steps != 1)}"
    )
    if card.real_images:
        learned = f"contains {plural(card.real_images, 'real image')} and paints with them"
    lines = [f"Model file '{card.name}'{by}, {card.created}: {learned}.", f"Licence {card.licence}."]
    return "\n".join([*lines, *filter(None, [card.note])])


def import_run(project: Project, path: Path) -> str:
    """Copy a run into the project unless it lies there, and return its name.

    Parameters
    ----------
    project : Project
        Gets the copy.
    path : Path
        A run folder, or a file in it such as a checkpoint.

    Raises
    ------
    UserError
        If the path does not belong to a run.
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
        read_object(folder / "codec.json")
    except (OSError, ValueError) as error:
        found = f"{folder.name}/codec.json cannot be read: {reason(error)}."
        raise UserError(found, todo="Copy the run again.") from None
    if folder.parent == project.path / "runs":
        return folder.name
    keep_numbers(project)  # the copy may have an older date than others
    target = project.path / "runs" / folder.name
    number = 2
    while target.exists():
        target, number = target.with_name(f"{folder.name}-{number}"), number + 1
    beside = target.with_name(f".{target.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        for name in _COPIED:
            source = folder / name
            if source.is_symlink():
                continue  # what it leads to is no part of the run
            if source.is_dir():
                shutil.copytree(source, beside / name, ignore=_links)
            elif source.exists():
                shutil.copy2(source, beside / name)
        beside.rename(target)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise UserError(f"Cannot copy {folder} into the project: {error}.") from None
    return target.name


def _links(folder: str, names: list[str]) -> list[str]:
    """Return the links in a folder, which are not copied: they could lead to any file of this computer."""
    return [name for name in names if (Path(folder) / name).is_symlink()]
