"""The folder of a comparison: its settings, the recipes that it began with, and which one goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.table import GENERATED
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe

SETTINGS = "gain.yaml"
AS_IT_IS = ("scheduler", "workers", "threads", "device")  # settings that leave the result alone


def pick_recipes(project: Project, settings: GainSettings) -> dict[str, Recipe]:
    """Recipes of the generators that each fold trains: ``generator``, and ``masks`` where masks are generated.

    Raises
    ------
    UserError
        If there is no such run or file, or it is of the wrong sort.
    """
    if not {*settings.arms} & {*GENERATED}:
        return {}
    recipes = {"generator": _recipe(project, settings.generator, masks=False)}
    if settings.masks == "generated" and recipes["generator"].shape == "painter":
        recipes = {"masks": _recipe(project, settings.mask_generator, masks=True), **recipes}
    if settings.generator_steps:
        recipes = {name: one.override(f"train.steps={settings.generator_steps}") for name, one in recipes.items()}
    return recipes


def _recipe(project: Project, name: str, masks: bool) -> Recipe:
    """The recipe of a run or file, starting from the same weights wherever it is trained."""
    what = "masks" if masks else "pairs"
    if name and Path(name).suffix.lower() in {".yaml", ".yml", ".json"}:
        path = Path(name).expanduser()
        found = Recipe.from_file(path if path.exists() else project.path / name)
    elif name:
        found = Recipe.from_file(project.run_path(name) / "recipe.yaml")
    else:
        fitting = (Recipe.from_file(path / "recipe.yaml") for path in reversed(project.runs()))
        candidate = next((recipe for recipe in fitting if (recipe.shape == "mask") == masks), None)
        if candidate is None:
            raise UserError(
                f"{project.path.name} has no run that draws {what}.",
                "Expected one, whose recipe is trained anew in each fold.",
                "Train a generator first, or name a recipe file.",
            )
        found = candidate
    if found.shape not in ({"mask"} if masks else {"joint", "painter"}):
        raise UserError(
            f"The recipe of '{name}' draws {found.draws}.", f"Expected one that draws {what}.", "Choose another."
        )
    start = project.path / "runs" / found.start.run
    if found.start.run and (start / "codec.json").exists():
        found = found.replace(start=found.start.replace(run=str(start)).model_dump())
    return found


def _same(settings: GainSettings, recipes: Mapping[str, Recipe]) -> str:
    """Equal for comparisons with equal results."""
    return json.dumps(
        [settings.model_dump(mode="json", exclude=set(AS_IT_IS)), {k: v.digest for k, v in sorted(recipes.items())}],
        sort_keys=True,
    )


def pinned(folder: Path | None) -> dict[str, Recipe]:
    """Recipes that a comparison began with; a run that was trained since is not among them."""
    if folder is None:
        return {}
    found = {path.stem: Recipe.from_file(path) for path in sorted(Path(folder).glob("recipes/*.yaml"))}
    return {name: found[name] for name in ("masks", "generator") if name in found}


def write_settings(folder: Path, settings: GainSettings, recipes: Mapping[str, Recipe]) -> None:
    """Keep what a comparison begins with."""
    settings.to_file(folder / SETTINGS)
    for name, recipe in recipes.items():
        recipe.to_file(folder / "recipes" / f"{name}.yaml")


def pick_folder(project: Project, settings: GainSettings, recipes: Mapping[str, Recipe]) -> Path:
    """The newest comparison with the same settings that nobody works on, else a new folder."""
    found = find_gain(project, settings, recipes)
    return found if found is not None else project.job("gain").path


def find_gain(project: Project, settings: GainSettings, recipes: Mapping[str, Recipe] | None = None) -> Path | None:
    """The newest comparison with the same settings and recipes that no process works on."""
    wanted = _same(settings, pick_recipes(project, settings) if recipes is None else recipes)
    for path in sorted(project.path.glob(f"segment/*/{SETTINGS}"), reverse=True):
        try:
            same = _same(GainSettings.from_file(path), pinned(path.parent)) == wanted
        except UserError:
            continue
        if same and not JobFolder(path.parent).alive:
            return path.parent
    return None


def earlier(project: Project, settings: GainSettings, name: str | None = None) -> JobFolder | None:
    """The folder of the comparison of that name, or of one with the same settings; None where there is none.

    Raises
    ------
    UserError
        If there is none of that name, or a process works on it.
    """
    if name is None:
        found = find_gain(project, settings)
        return JobFolder(found) if found is not None else None
    known = {path.parent.name: path.parent for path in sorted(project.path.glob(f"segment/*/{SETTINGS}"))}
    if name not in known:
        raise UserError(
            f"There is no comparison '{name}'.",
            f"Expected one of: {', '.join(known) or 'none so far'}.",
            "Look into the folder segment of the project.",
        )
    folder = JobFolder(known[name])
    if folder.alive:
        raise UserError(f"'{name}' is being worked on.", "", "Wait for it, or stop it with 'organoid-synth control'.")
    return folder
