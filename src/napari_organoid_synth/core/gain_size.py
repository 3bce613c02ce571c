"""How many trainings a comparison takes and how long they take here, told before it runs; loads no network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import JobFolder, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import GainSettings, Recipe

GENERATED = {"synthetic", "curated", "pretrain"}  # arms that need a trained generator
MIXED = GENERATED | {"simulator"}  # arms for which the ratio means something


def trainings(settings: GainSettings, folds: int) -> dict[str, int]:
    """Tasks of each kind, as `gain` makes them.

    Parameters
    ----------
    settings : GainSettings
        What is compared.
    folds : int
        How many there are.

    Returns
    -------
    dict
        ``generator``, ``simulator``, ``arm``: how many. A generator fewer where all pairs are curated by hand.

    Examples
    --------
    >>> trainings(GainSettings(arms=["synthetic", "curated"], repeats=2), 5)
    {'generator': 10, 'simulator': 0, 'arm': 30}
    """
    arms, shares = {"raw", *settings.arms}, len(dict.fromkeys(settings.subsets))
    places = folds * settings.repeats * shares
    sources = settings.repeats if settings.paper_protocol else places
    mixed, ratios = len(arms & MIXED), len(dict.fromkeys(settings.ratios))
    return {
        "generator": sources * bool(arms & GENERATED),
        "simulator": sources * ("simulator" in arms),
        "arm": places * (len(arms) - mixed + mixed * ratios),
    }


def speeds(project: Project) -> dict[str, float]:
    """Measured seconds for each step of a ``generator`` and of an ``arm`` here; what was never measured is missing.

    Taken from the newest comparison that has them, else from the newest training and the newest test of segmenters.
    """
    found: dict[str, float] = {}
    for folder in sorted(project.path.glob("segment/*"), reverse=True):
        found = {**_of_tasks(folder), **found}
    if "arm" not in found:
        for folder in sorted(project.path.glob("segment/*"), reverse=True):
            arms = _json(folder / "results.json").get("arms", {}).values()
            if each := [one["seconds"] / one["steps"] for one in arms if one.get("steps")]:
                found["arm"] = sum(each) / len(each)
                break
    if "generator" not in found:
        for path in reversed(project.runs()):
            rates = [one.rate for one in JobFolder(path).read_events()[0] if isinstance(one, Progress) and one.rate > 0]
            if rates:
                found["generator"] = 1 / rates[-1]
                break
    return found


def _of_tasks(folder: Path) -> dict[str, float]:
    """Seconds for each step by the finished tasks of a comparison."""
    results = [_json(path) for path in folder.glob("tasks/*/result.json")]
    found = {}
    arms = [one["seconds"] / one["steps"] for one in results if one.get("kind") == "arm" and one.get("steps")]
    made = [one["seconds"] for one in results if one.get("kind") == "generator"]
    if arms:
        found["arm"] = sum(arms) / len(arms)
    if made:
        try:
            steps = sum(Recipe.from_file(path).train.steps for path in folder.glob("recipes/*.yaml"))
        except UserError:
            steps = 0
        if steps:
            found["generator"] = sum(made) / len(made) / steps
    return found


def seconds(settings: GainSettings, folds: int, speed: Mapping[str, float], generator_steps: int) -> float | None:
    """How long a comparison takes, None if a speed is not known.

    Parameters
    ----------
    settings, folds
        As in `trainings`.
    speed : mapping
        Of `speeds`.
    generator_steps : int
        Of its recipe; ``settings.generator_steps`` goes before it.
    """
    count = trainings(settings, folds)
    steps = {"generator": settings.generator_steps or generator_steps, "arm": settings.steps}
    kinds = [kind for kind in ("generator", "arm") if count[kind]]
    if any(kind not in speed for kind in kinds):
        return None
    whole = sum(count[kind] * steps[kind] * speed[kind] for kind in kinds)
    return whole / min(workers(settings), max(sum(count.values()), 1))


def workers(settings: GainSettings) -> int:
    """Tasks at once on this computer."""
    if settings.scheduler == "here":
        return 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = min(psutil.cpu_count(logical=False) or allowed, allowed)
    return settings.workers or max(1, cores // settings.threads)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
