"""The folder of a comparison: its settings, initial recipes and result; and the comparison to continue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import FORMAT, ArmRecord, Design, GainResult
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.gain.task_maker import Generators
from napari_organoid_synth.core.generators.config import untrained
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.plain_values import read_object, reason
from napari_organoid_synth.core.project import Project, time_of
from napari_organoid_synth.core.recipe import Recipe, first_recipe
from napari_organoid_synth.core.segmentation.arms import (
    OLD_NAMES,
    OLDEST_NAMES,
    SCORES,
    ArmResult,
    current_arm,
    data_of,
    needs_generator,
)

SETTINGS, RESULTS = "gain.yaml", "results.json"
COMPUTING = ("scheduler", "workers", "threads", "device")
"""Settings that say how to compute and leave the result alone."""
ENDINGS = ".yaml", ".yml", ".json"
"""Of recipe files."""


def pick_recipes(project: Project, settings: GainSettings) -> dict[str, dict[str, Recipe]]:
    """Return the recipes of the generators that each fold trains.

    Returns
    -------
    dict of str to dict
        Name of each generator, empty where there is one, to its recipes: ``generator``, with generated masks after
        ``masks``.

    Raises
    ------
    UserError
        If there is no such run or file, or it is of the wrong sort.
    """
    if settings.pairs_from == "store" or not any(map(needs_generator, settings.arms)):
        return {}
    names = tuple(dict.fromkeys(settings.generator)) or ("",)
    return {title: _recipes(project, name, settings) for title, name in zip(_titles(names), names, strict=True)}


def _titles(names: Sequence[str]) -> list[str]:
    """Return a short title for each generator, none of them twice; an empty one for a single generator."""
    if len(names) == 1:
        return [""]
    titles = list[str]()
    for name in names:
        path = Path(name)
        stem = (path.stem if path.suffix.lower() in ENDINGS else path.name) or "newest"
        same = sum(other == stem or other.startswith(f"{stem} ") for other in titles)
        titles.append(f"{stem} {same + 1}" if same else stem)
    return titles


def _recipes(project: Project, name: str, settings: GainSettings) -> dict[str, Recipe]:
    """Return the recipes of one generator."""
    recipes = {"generator": _recipe(project, name, masks=False)}
    if settings.masks == "generated" and recipes["generator"].shape == "painter":
        recipes = {"masks": _recipe(project, settings.mask_generator, masks=True), **recipes}
    if settings.generator_steps:
        length = f"train.steps={settings.generator_steps}", "train.epochs=0"
        recipes = {name: one.override(*length) for name, one in recipes.items()}
    return recipes


def _recipe(project: Project, name: str, masks: bool) -> Recipe:
    """Return the recipe of a run or file, starting from the same weights wherever it is trained."""
    draws = "masks" if masks else "pairs"
    if name and Path(name).suffix.lower() in ENDINGS:
        path = Path(name).expanduser()
        recipe = Recipe.from_file(path if path.exists() else project.path / name)
    elif name in untrained() and not masks:
        recipe = _of_painter(project, name)
    elif name:
        recipe = Recipe.from_file(project.run_path(name) / "recipe.yaml")
    else:
        newest = next((recipe for recipe in _readable(project) if (recipe.shape == "mask") == masks), None)
        if newest is None and not masks:
            newest = _of_painter(project, untrained()[0])
        if newest is None:
            raise UserError(
                f"{project.path.name} has no run that draws {draws}.",
                "Expected one, whose recipe is trained again in each fold.",
                "Train a generator first, or name a recipe file.",
            )
        recipe = newest
    if recipe.shape not in ({"mask"} if masks else {"joint", "painter"}):
        raise UserError(
            f"The recipe of '{name}' draws {recipe.draws}.", f"Expected one that draws {draws}.", "Choose another."
        )
    start = project.path / "runs" / recipe.start.run
    if recipe.start.run and (start / "codec.json").exists():
        recipe = recipe.replace(start=recipe.start.replace(run=str(start)).model_dump())
    return recipe


def _of_painter(project: Project, name: str) -> Recipe:
    """Return the recipe of a painter without training, with tiles that fit into the images."""
    table = PairTable.from_file(project.pairs_path)
    return first_recipe([entry.size for entry in table.train if entry.size is not None], name)


def _readable(project: Project) -> Iterator[Recipe]:
    """Yield the recipes of the runs, newest first, without damaged ones."""
    for path in reversed(project.runs()):
        with suppress(UserError):
            yield Recipe.from_file(path / "recipe.yaml")


def _identity(settings: GainSettings, generators: Generators) -> str:
    """Return a text that is equal for comparisons with equal results."""
    digests = {
        title: {name: one.digest for name, one in sorted(recipes.items())} for title, recipes in generators.items()
    }
    left_out: dict[str, Any] = {**dict.fromkeys(COMPUTING, True), "segmenter": {"compile"}}
    return json.dumps([settings.model_dump(mode="json", exclude=left_out), digests], sort_keys=True)


def pinned_recipes(folder: Path | None) -> dict[str, dict[str, Recipe]]:
    """Return the recipes that a comparison began with; a run that was trained since is not among them."""
    if folder is None:
        return {}
    folders = {"": Path(folder) / "recipes"}
    folders |= {path.name: path for path in sorted(folders[""].glob("*")) if path.is_dir()}
    found: dict[str, dict[str, Recipe]] = {}
    for title, path in folders.items():
        recipes = {one: path / f"{one}.yaml" for one in ("masks", "generator")}
        known = {one: Recipe.from_file(file) for one, file in recipes.items() if file.exists()}
        found |= {title: known} if known else {}
    return found


def write_settings(folder: Path, settings: GainSettings, generators: Generators) -> None:
    """Write the settings of a comparison and its recipes, those of several generators in a folder each."""
    settings.to_file(folder / SETTINGS)
    for title, recipes in generators.items():
        for name, recipe in recipes.items():
            recipe.to_file(folder / "recipes" / title / f"{name}.yaml")


def pick_folder(project: Project, settings: GainSettings, generators: Generators) -> Path:
    """Return the folder of the comparison to continue (`find_gain`), else a new folder."""
    folder = find_gain(project, settings, generators)
    return folder if folder is not None else project.job("gain").path


def find_gain(project: Project, settings: GainSettings, generators: Generators | None = None) -> Path | None:
    """Return the newest comparison with the same settings and recipes that no process works on.

    Of comparisons with the pairs of the store, which change, only one that is not finished.
    """
    identity = _identity(settings, pick_recipes(project, settings) if generators is None else generators)
    for folder in reversed(project.folders(f"segment/*/{SETTINGS}")):
        try:
            is_same = _identity(GainSettings.from_file(folder / SETTINGS), pinned_recipes(folder)) == identity
            if is_same and settings.pairs_from == "store" and not read_result(folder).tasks.unfinished:
                continue
        except UserError:
            continue
        if is_same and not JobFolder(folder).alive:
            return folder
    return None


def earlier(project: Project, settings: GainSettings, name: str | None = None) -> JobFolder | None:
    """Return the folder of the comparison of that name, or of one with the same settings; None where there is none.

    Raises
    ------
    UserError
        If there is none of that name, or a process works on it.
    """
    if name is None:
        folder = find_gain(project, settings)
        return JobFolder(folder) if folder is not None else None
    known = {path.name: path for path in project.folders(f"segment/*/{SETTINGS}")}
    if name not in known:
        raise UserError(
            f"There is no comparison '{name}'.",
            f"Expected one of: {', '.join(known) or 'none so far'}.",
            "Look into the folder segment of the project.",
        )
    job = JobFolder(known[name])
    if job.alive:
        raise UserError(
            f"A process is working on '{name}'.", "", "Wait for it, or stop it with 'organoid-synth control'."
        )
    return job


def write_result(folder: Path, result: GainResult) -> None:
    """Write ``results.json``."""
    write_text(Path(folder) / RESULTS, result.model_dump_json(exclude={"folder"}, indent=1))


def read_result(path: Path) -> GainResult:
    """Read the result of a comparison, also one that an earlier version wrote.

    Parameters
    ----------
    path : Path
        ``results.json``, or the folder that holds it.

    Returns
    -------
    GainResult
        With its folder.

    Raises
    ------
    UserError
        If the file is missing, damaged, or of a newer version.
    """
    path = Path(path) / RESULTS if Path(path).is_dir() else Path(path)
    try:
        values = read_object(path)
        version = values.get("format", 1)
        if type(version) is not int:
            raise ValueError(f"its format is {version!r}")
    except (OSError, ValueError) as error:
        raise UserError(
            f"Cannot read {path}: {reason(error)}.", "Expected the result of a comparison.", "Measure the gain again."
        ) from None
    if version > FORMAT:
        raise UserError(
            f"{path} has format {version}.", f"Expected format {FORMAT} or older.", "Update napari-organoid-synth."
        )
    try:
        result = GainResult.parse(_from_version_1(values) if version == 1 else values)
    except (UserError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UserError(
            f"{path} is damaged: {error}", "Expected the result of a comparison.", "Measure the gain again."
        ) from None
    return result.model_copy(update={"folder": str(path.parent)})


def _from_version_1(values: dict[str, Any]) -> dict[str, Any]:
    """Upgrade the values of an earlier file; a comparison on one split had neither table nor design."""
    if "table" not in values:
        return _from_one_split(values)
    known = {name: value for name, value in values.items() if name in GainResult.model_fields}
    rows = [{**row, "gain": {name: one for name, one in row.get("gain", {}).items() if one}} for row in known["table"]]
    first = rows[0] if rows else {"subset": 1.0, "ratio": 1.0}
    return known | {"table": rows, "design": known["design"] | {name: first[name] for name in ("subset", "ratio")}}


def _from_one_split(values: dict[str, Any]) -> dict[str, Any]:
    """Upgrade a result on the test images of the project, whose arms had other names."""
    arms = {current_arm(name, oldest=True): ArmResult.model_validate(arm) for name, arm in values["arms"].items()}
    records = [
        ArmRecord(
            arm=name,
            per_image={
                image: {score: value for score, value in scores.items() if score in SCORES}
                for image, scores in arm.per_image.items()
            },
            per_class=arm.per_class,
            steps=arm.steps,
            seconds=arm.seconds,
            synthetic=arm.synthetic,
            curation="by hand" if data_of(name) == "curated" else "",
        )
        for name, arm in arms.items()
    ]
    train, test = (tuple(sorted(values.get(part, ()))) for part in ("train", "test"))
    design = Design(folds=(Fold(train=train, test=test),), pairs_from="store")
    result = summarise(records, design, values.get("mask_kind", "binary"), warnings=values.get("warnings", ()))
    return result.model_dump()


def newest_result(project: Project) -> GainResult | None:
    """Return the newest result of a project in which an arm was tested; files that cannot be read are left out."""
    for folder in sorted(project.folders(f"segment/*/{RESULTS}"), key=_age, reverse=True):
        try:
            result = read_result(folder / RESULTS)
        except UserError:
            continue
        if result.arms:
            return result
    return None


def _age(folder: Path) -> tuple[int, datetime, float]:
    """Return a key that sorts comparisons by the number of their job, then by the time in the name.

    The time of the file counts only where there is neither: it may have been copied, or the clock set back.
    """
    named = time_of(folder.name)
    return JobFolder(folder).number, named or datetime.min, 0.0 if named else (folder / RESULTS).stat().st_mtime


def predictions_folder(folder: Path, arm: str) -> Path:
    """Return where the predictions of an arm lie, also in a comparison of an earlier version."""
    names = OLD_NAMES if (Path(folder) / SETTINGS).exists() else OLDEST_NAMES
    known = [arm, *(old for old, new in names.items() if new == arm)]
    paths = [Path(folder) / "predictions" / name for name in known]
    return next((path for path in paths if path.exists()), paths[0])
