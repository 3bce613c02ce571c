"""Friendly names of the runs of a project: ``"run 3, AAE least squares"``; read from their recipes, without torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.config import GeneratorConfig
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe

WITHOUT = "without a run"
"""Title of pairs that no run made."""
LOSS_FIELDS = ("loss", "adversarial")
"""Settings of generators that choose the adversarial loss."""
_NUMBERED = re.compile(r"(?:run )?(\d+)")


@dataclass(frozen=True)
class RunTitle:
    """A run as it is named beside others.

    Parameters
    ----------
    number : int
        From 1, oldest first.
    generator : str
        Short title: ``"AAE"``; empty where the recipe is damaged.
    loss : str
        In words: ``"least squares"``; empty for a generator without a choice.
    """

    number: int
    generator: str = ""
    loss: str = ""


def run_titles(project: Project) -> dict[str, str]:
    """Return the friendly name of each run of a project by the name of its folder, oldest first.

    The loss is part of it where runs of the same generator differ in it.
    """
    return titles_of((path.name, _gan(path / "recipe.yaml")) for path in project.runs())


def titles_of(runs: Iterable[tuple[str, GeneratorConfig | None]]) -> dict[str, str]:
    """Return the friendly name of each run by the name of its folder.

    Parameters
    ----------
    runs : iterable of (str, GeneratorConfig or None)
        All runs of a project, oldest first: name of the folder, settings of the generator if they can be read.
    """
    known = {name: _title(number, gan) for number, (name, gan) in enumerate(runs, 1)}
    losses: dict[str, set[str]] = {}
    for one in known.values():
        losses.setdefault(one.generator, set()).add(one.loss)
    return {name: _words(one, len(losses[one.generator]) > 1) for name, one in known.items()}


def find_runs(project: Project, names: Sequence[str]) -> list[str]:
    """Return the folder names of runs that are named by folder, by number (``"3"``) or as ``"run 3"``.

    Raises
    ------
    UserError
        If there is no such run.
    """
    folders = [path.name for path in project.runs()]
    found = []
    for name in names:
        match = _NUMBERED.fullmatch(name.strip())
        if name in folders:
            found.append(name)
        elif match and 1 <= int(match[1]) <= len(folders):
            found.append(folders[int(match[1]) - 1])
        else:
            raise UserError(
                f"There is no run '{name}'.",
                f"Expected run 1 to run {len(folders)}, or the name of a folder."
                if folders
                else "There is no run yet.",
                "See 'runs' in the project.",
            )
    return list(dict.fromkeys(found))


def _gan(recipe: Any) -> GeneratorConfig | None:
    try:
        return Recipe.from_file(recipe).gan
    except UserError:
        return None


def _title(number: int, gan: GeneratorConfig | None) -> RunTitle:
    if gan is None:
        return RunTitle(number)
    loss = next((str(getattr(gan, field)) for field in LOSS_FIELDS if hasattr(gan, field)), "")
    return RunTitle(number, gan.short_title(), loss.replace("_", " "))


def _words(title: RunTitle, with_loss: bool) -> str:
    loss = f" {title.loss}" if with_loss and title.loss else ""
    return ", ".join(filter(None, [f"run {title.number}", title.generator + loss]))
