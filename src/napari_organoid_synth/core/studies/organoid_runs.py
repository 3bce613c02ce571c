"""Recipes of the generators of the organoid study, and the runs of each table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.studies.organoid_settings import LOSSES, OrganoidSettings


@dataclass(frozen=True)
class Runs:
    """Recipes of all generators by run, and the runs of each table by the name of their row.

    A generator that stands in both tables is trained once.
    """

    recipes: dict[str, Recipe]
    generators: dict[str, str]
    losses: dict[str, str]
    planned: dict[str, str]

    @property
    def all(self) -> list[str]:
        """Names of all runs."""
        return list(self.recipes)


def runs_of(settings: OrganoidSettings, images: int) -> Runs:
    """Return the recipes of all generators."""
    recipes: dict[str, Recipe] = {}

    def run_of(name: str, values: Mapping[str, Any]) -> str:
        recipe = _recipe(settings, values, images)
        same = next((run for run, other in recipes.items() if other == recipe), None)
        if same is None:
            same = name.replace("_", "-")
            recipes[same] = recipe
        return same

    losses = {
        name: run_of(f"aae-{name}" if name in LOSSES else name, values) for name, values in settings.losses.items()
    }
    generators = {name: run_of(name, values) for name, values in settings.generators.items()}
    planned = {name: run_of(name, values) for name, values in settings.planned.items()}
    return Runs(recipes, generators, losses, planned)


def _recipe(settings: OrganoidSettings, generator: Mapping[str, Any], images: int) -> Recipe:
    """Return the recipe of a generator: whole images, without turning, for so many epochs."""
    batch = max(1, min(settings.batch, images))
    steps = max(1, math.ceil(settings.epochs * images / batch))
    return Recipe.parse(
        {
            "gan": dict(generator),
            "tiles": {"size": settings.tile, "whole": settings.side, "turn": False, "flip": False, "min_objects": 0},
            "train": {
                "epochs": settings.epochs,
                "batch": batch,
                "seed": settings.seed,
                "device": settings.device,
                "threads": settings.threads,
                "precision": settings.precision,
                "preview_every": max(1, steps // 6),
                "checkpoint_every": max(1, steps // 10),
                "keep": 1,
            },
        }
    )
