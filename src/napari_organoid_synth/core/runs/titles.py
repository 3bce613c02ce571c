"""Friendly names of the runs of a project: ``"run 3, AAE least squares"``; read from their recipes, without torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.config import GeneratorConfig
from napari_organoid_synth.core.project import MARKER, Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.runs.numbers import next_number, run_numbers

WITHOUT = "without a run"
"""Title of pairs that no run made."""
LOSS_FIELDS = ("loss", "adversarial")
"""Settings of generators that choose the adversarial loss."""
WORK = {
    "train": "training", "generate": "making pairs", "pipeline": "masks, then images", "score": "scores", "map": "map",
    "fill": "filling a gap", "export": "export", "segment": "comparison", "gain": "comparison", "try": "quick try",
    "predict": "segmenting images", "annotate": "annotation", "adapt": "images without masks", "sketch": "first pairs",
    "share": "model file", "import-model": "model file", "report": "report",
    "study": "published study",
}  # fmt: skip
"""What each command does, in words."""
_NUMBERED = re.compile(r"(?:run )?(\d+)")


@dataclass(frozen=True)
class RunTitle:
    """A run as it is named beside others.

    Parameters
    ----------
    name : str
        ``"run 3"``, or the name that a person gave it.
    generator : str
        Short title: ``"AAE"``; empty where the recipe is damaged.
    loss : str
        In words: ``"least squares"``; empty for a generator without a choice.
    """

    name: str
    generator: str = ""
    loss: str = ""


def bin_path(project: Project) -> Path:
    """Return the folder of deleted runs."""
    return project.path / "bin" / "runs"


def run_names(project: Project) -> dict[str, str]:
    """Return the name of each run, ``"run 3"`` or the one it was given, by its folder: of deleted ones, too."""
    numbers = run_numbers(project)
    return {folder: _given(project, folder) or f"run {number}" for folder, number in numbers.items()}


def name_of(path: Path) -> str:
    """Return the name of a run in sentences by its folder; outside a project it is that of the folder.

    Examples
    --------
    >>> name_of(Path("elsewhere/a-train"))
    'run a-train'
    """
    project = path.parent.parent
    names = run_names(Project(project)) if path.parent.name == "runs" and (project / MARKER).is_file() else {}
    return names.get(path.name, f"run {path.name}")


def deleted_names(project: Project) -> dict[str, str]:
    """Return the name of each run in the bin by its folder."""
    names = run_names(project)
    folders = sorted(path.parent.name for path in bin_path(project).glob("*/recipe.yaml"))
    return {folder: names.get(folder, folder) for folder in folders}


def run_titles(project: Project) -> dict[str, str]:
    """Return the friendly title of each run of a project by the name of its folder, oldest first.

    The loss is part of it where runs of the same generator differ in it. Those that were deleted come last.
    """
    names, there = run_names(project), [path.name for path in project.runs()]
    known = {
        folder: _title(names[folder], read_gan(project.path / "runs" / folder / "recipe.yaml")) for folder in there
    }
    losses: dict[str, set[str]] = {}
    for one in known.values():
        losses.setdefault(one.generator, set()).add(one.loss)
    titles = {folder: _words(one, len(losses[one.generator]) > 1) for folder, one in known.items()}
    return titles | {folder: f"{name} (deleted)" for folder, name in names.items() if folder not in titles}


def find_runs(project: Project, names: Sequence[str]) -> list[str]:
    """Return the folder names of runs that are named by folder, by number (``"3"``, ``"run 3"``) or by their name.

    Raises
    ------
    UserError
        If there is no such run.
    """
    folders, known = [path.name for path in project.runs()], run_names(project)
    by_name = {known[folder].casefold(): folder for folder in folders}
    by_number = {str(number): folder for folder, number in run_numbers(project).items() if folder in folders}
    found = []
    for name in names:
        match = _NUMBERED.fullmatch(name.strip().casefold())
        folder = name if name in folders else by_name.get(name.strip().casefold())
        folder = folder or (by_number.get(str(int(match[1]))) if match else None)
        if folder is None:
            listed = [known[one] for one in folders]
            raise UserError(
                f"There is no run '{name}'.",
                f"Expected one of: {', '.join(listed)}; or the name of a folder." if listed else "There is no run yet.",
                "See 'runs' in the project.",
            )
        found.append(folder)
    return list(dict.fromkeys(found))


def read_gan(recipe: Path) -> GeneratorConfig | None:
    """Read the settings of the generator of a recipe; None where it is damaged."""
    try:
        return Recipe.from_file(recipe).gan
    except UserError:
        return None


def job_title(project: Project, folder: str, verb: str) -> str:
    """Return the title of a job: ``"run 3 · training"``, ``"making pairs"``."""
    work = WORK.get(verb, verb)
    return f"{_run_name(project, folder)} · {work}" if verb == "train" else work


def job_name(project: Project, folder: str, verb: str) -> str:
    """Return the name of a job in a sentence: ``"run 3"``, ``"the job 'making pairs'"``."""
    return _run_name(project, folder) if verb == "train" else f"the job '{WORK.get(verb, verb)}'"


def _run_name(project: Project, folder: str) -> str:
    """Return the name of a run, also of one that begins and has no recipe yet."""
    return run_names(project).get(folder) or f"run {next_number(project)}"


def _given(project: Project, folder: str) -> str:
    """Return the name that a person gave a run, also one in the bin."""
    for place in (project.path / "runs", bin_path(project)):
        with suppress(UserError):
            if title := RunMetadata.read(place / folder / "run.json").title:
                return title
    return ""


def _title(name: str, gan: GeneratorConfig | None) -> RunTitle:
    if gan is None:
        return RunTitle(name)
    loss = next((str(getattr(gan, field)) for field in LOSS_FIELDS if hasattr(gan, field)), "")
    return RunTitle(name, gan.short_title(), loss.replace("_", " "))


def _words(title: RunTitle, with_loss: bool) -> str:
    loss = f" {title.loss}" if with_loss and title.loss else ""
    return ", ".join(filter(None, [title.name, title.generator + loss]))
