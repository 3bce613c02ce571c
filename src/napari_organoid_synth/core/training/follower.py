"""A process that follows the leader of a training; started by `open_team` as ``python -m ...follower KIND SIZE``."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.training.dataset import PairDataset
from napari_organoid_synth.core.training.step import Stepper
from napari_organoid_synth.core.training.team import LEARN, STOP, Team, join
from napari_organoid_synth.core.training.tiles import load_training_pairs, pick_tiles


def follow(team: Team) -> None:
    """Take the steps that the leader orders, until it ends."""
    task = team.tell()
    recipe, run = Recipe.parse(task["recipe"]), Run(Path(task["run"]))
    use_threads(task["threads"])
    pairs = load_training_pairs(Project(Path(task["project"]), make=False), recipe)
    dataset = PairDataset(pairs, pick_tiles(pairs, recipe), run.codec, run.recipe.shape)
    generator = new_generator(recipe, run.spec).to(team.device)
    generator.load_state(*task["state"])
    if recipe.start.run:
        generator.freeze(recipe.start.freeze)
    generator.bf16 = task["bf16"]
    stepper = Stepper(generator, dataset, pairs, recipe, team)
    while True:
        kind, step, batch = team.next_order()
        if kind == STOP:
            return
        if kind == LEARN:
            stepper.take(step, batch)


if __name__ == "__main__":
    with join(sys.argv[1], int(sys.argv[2])) as own_team:
        follow(own_team)
