"""How many trainings a comparison takes and how long they take here, told before it runs; loads no network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.table import GENERATED
from napari_organoid_synth.core.job import JobFolder, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe

NIGHT = 8 * 3600.0  # seconds
ROUND_STEPS = tuple(by * 10**power for power in range(2, 7) for by in (1, 2, 5))[2:]  # 500, 1,000, 2,000, …
MIXED = {*GENERATED, "simulator"}  # arms for which the ratio means something


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
        "generator": sources * bool(arms & {*GENERATED}),
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


def seconds(
    settings: GainSettings, folds: int, speed: Mapping[str, float], generator_steps: int, known: bool = False
) -> float | None:
    """How long a comparison takes, None if a speed is not known.

    Parameters
    ----------
    settings, folds
        As in `trainings`.
    speed : mapping
        Of `speeds`.
    generator_steps : int
        Of its recipe; ``settings.generator_steps`` goes before it.
    known : bool
        Leave out the kinds whose speed is not known; None if no speed is.
    """
    count = trainings(settings, folds)
    steps = {"generator": settings.generator_steps or generator_steps, "arm": settings.steps}
    kinds = [kind for kind in ("generator", "arm") if count[kind]]
    told = [kind for kind in kinds if kind in speed]
    if not told or (told != kinds and not known):
        return None
    whole = sum(count[kind] * steps[kind] * speed[kind] for kind in told)
    tasks = sum(count.values()) if told == kinds else sum(count[kind] for kind in told)
    return whole / min(workers(settings), max(tasks, 1))


@dataclass(frozen=True)
class Shorter:
    """A comparison that takes less: what is changed, what that costs, and the seconds it takes."""

    settings: GainSettings
    changes: str
    lost: str
    seconds: float


def shorter(
    settings: GainSettings,
    folds: int,
    groups: int,
    speed: Mapping[str, float],
    generator_steps: int,
    most: float = NIGHT,
) -> Shorter | None:
    """What brings a long comparison down to a night: one repeat, then fewer folds, then fewer steps of the generator.

    Parameters
    ----------
    settings, folds, speed, generator_steps
        As in `seconds`.
    groups : int
        Groups of images; there are no more folds than these.
    most : float
        Seconds that it may take.

    Returns
    -------
    Shorter or None
        None if it takes no longer than that, if no speed is known, or if nothing brings it below that or halves it.
    """
    now = seconds(settings, folds, speed, generator_steps, known=True)
    if now is None or now <= most:
        return None
    fewer = [number for number in (3, 2) if number < folds and number <= groups and settings.design != "hold-out"]
    tries = [(folds, settings), (folds, settings.replace(repeats=1))]
    design = "grouped" if settings.design == "leave-one-out" else settings.design
    tries += [(number, settings.replace(repeats=1, folds=number, design=design)) for number in fewer]
    best, number, taken = settings, folds, now
    for number, best in tries:
        taken = seconds(best, number, speed, generator_steps, known=True) or 0.0
        if taken <= most:
            break
    steps = settings.generator_steps or generator_steps
    if taken > most and "generator" in speed and trainings(best, number)["generator"]:
        each = taken - (seconds(best.replace(generator_steps=1), number, speed, 1, known=True) or 0.0)
        room = steps * max(0.0, 1 - (taken - most) / max(each, 1e-9))
        enough = [one for one in ROUND_STEPS if one <= max(room, ROUND_STEPS[0]) and one < steps]
        if enough:
            best = best.replace(generator_steps=enough[-1])
            taken = seconds(best, number, speed, enough[-1], known=True) or 0.0
    if taken > max(most, now / 2):
        return None
    changes, lost = [], []
    if best.repeats < settings.repeats:
        changes.append("1 repeat")
        lost.append("one repeat does not show how much is luck")
    if number < folds:
        changes.append(f"{number} folds")
        lost.append(f"each training sees {100 - 100 / number:.0f} % of the images instead of {100 - 100 / folds:.0f} %")
    if best.generator_steps != settings.generator_steps:
        changes.append(f"generator {best.generator_steps:,} steps")
        lost.append(f"a generator of {best.generator_steps:,} instead of {steps:,} steps draws less well")
    words = "; ".join(lost)
    lost_words = f"{words[:1].upper()}{words[1:]}. The interval gets wider, and a small gain may not show."
    return Shorter(best, ", ".join(changes), lost_words, taken)


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
