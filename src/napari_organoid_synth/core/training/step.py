"""One step of a training: its tiles, its random numbers, the part of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.training.aiming import Aim
from napari_organoid_synth.core.training.dataset import PairDataset, TileSampler
from napari_organoid_synth.core.training.team import Team

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_organoid_synth.core.generators.base import Generator
    from napari_organoid_synth.core.pairs.pair import SamplePair


class Stepper:
    """Takes the steps of a training in one process, alone or of a team.

    Parameters
    ----------
    generator : Generator
        On the device of the team.
    dataset : PairDataset
        Of all tiles.
    pairs : sequence of SamplePair
        Real ones.
    recipe : Recipe
        Of the training.
    team : Team
        Who shares the batch.
    """

    def __init__(
        self, generator: Generator, dataset: PairDataset, pairs: Sequence[SamplePair], recipe: Recipe, team: Team
    ) -> None:
        self.generator, self.dataset, self.recipe, self.team = generator, dataset, recipe, team
        self.sampler = TileSampler(len(dataset), recipe.train.seed)
        self.aim = Aim(pairs, recipe.aimed, recipe.train.seed)

    def take(self, step: int, batch: int) -> dict[str, Tensor]:
        """Take a step with this many tiles in all processes together; return the losses, means over all."""
        generator, team, settings = self.generator, self.team, self.recipe.train
        progress = step / settings.steps
        number = generator.batch_size(batch, progress)
        seen = generator.images_seen
        turns = self.sampler.indices(seen, number)
        tiles = [self.aim(self.dataset.tiles[index], seen + place) for place, index in enumerate(turns)]
        shown = self.dataset.batch_of(list(team.part(tiles))).to(generator.device)
        stream = team.stream(settings.seed, "step", step)
        with team.together():
            losses = generator.step(shown, stream, progress)  # type: ignore[arg-type]
        generator.images_seen = seen + number
        return team.mean(losses)
