"""Monitor a training while it runs: do the samples vary, and how near are they to the real tiles?

Both answers come from `features`, a few hundred plain statistics of a tile that need no trained network: they notice a
generator that draws one picture over and over, and whether another checkpoint came nearer. They do not see what an
Inception network sees, so the numbers compare checkpoints on the same tiles and nothing else; they are not FID or KID.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.distances import distinct_scale, effective_number, euclidean, kernel_distance
from napari_organoid_synth.core.seeds import seed_of

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator
    from napari_organoid_synth.core.recipe import Recipe
    from napari_organoid_synth.core.training.dataset import PairDataset

LAYOUT = 8  # squares along a side
LEVELS = (-0.8, -0.4, 0.0, 0.4, 0.8)
OCTAVES = 5
MIN_SPREAD = 0.01  # a statistic that hardly differs between real tiles: a tile value of 2 is the whole range
MAX_Z = 8.0

REAL_TILES = 128
SAMPLES = 16  # of an assessment; at a checkpoint 8 to 64
IMAGES_PER_SAMPLE = 12  # trained on for one that is drawn here: keeps the monitor below 3 % of the time
CHUNK = 8

COLLAPSED = 0.2  # of the diversity of the real tiles
HEALTHY = 0.4  # ends an episode
PATIENCE = 10  # assessments of samples that have not varied yet


@torch.no_grad()
def features(tiles: Tensor) -> tuple[Tensor, ...]:
    """Compute statistics of tiles, in three groups.

    Parameters
    ----------
    tiles : Tensor (N, C, Y, X) float32, about [-1, 1]
        At least 32 px high and wide.

    Returns
    -------
    tuple of Tensor (N, 64 C), (N, 5 C), (N, 15 C) float32
        Layout: means of 8 × 8 squares. Values: share of pixels below -0.8, -0.4, 0, 0.4, 0.8. Texture: at full, half,
        … sixteenth size the mean absolute difference of neighbours down and across, and the standard deviation.
    """
    tiles = tiles.float()
    shares = [(tiles < level).float().mean((2, 3)) for level in LEVELS]
    layout, texture = functional.adaptive_avg_pool2d(tiles, LAYOUT).flatten(1), []
    for octave in range(OCTAVES):
        if octave:
            tiles = functional.avg_pool2d(tiles, 2)
        down = (tiles[:, :, 1:] - tiles[:, :, :-1]).abs().mean((2, 3))
        across = (tiles[..., 1:] - tiles[..., :-1]).abs().mean((2, 3))
        texture += [down, across, tiles.std((2, 3), correction=0)]
    return layout, torch.cat(shares, 1), torch.cat(texture, 1)


class Scale:
    """Features in units of the spread of the real tiles, so that every group counts the same.

    Parameters
    ----------
    real : iterable of Tensor (N, C, Y, X)
        The real tiles, in batches.

    Attributes
    ----------
    real : NDArray (N, D) float64
        Their features: mean 0, mean square 1 where nothing is clipped.
    """

    def __init__(self, real: Iterable[Tensor]) -> None:
        groups = _feature_groups(real)
        self._means = [group.mean(0) for group in groups]
        self._spreads = [np.maximum(group.std(0), MIN_SPREAD) for group in groups]
        self.real = self._scaled(groups)

    def __call__(self, tiles: Iterable[Tensor]) -> NDArray[np.float64]:
        """Compute the features (N, D) of other tiles, in batches."""
        return self._scaled(_feature_groups(tiles))

    def _scaled(self, groups: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        width = sum(group.shape[1] for group in groups)
        parts = [
            np.clip((group - mean) / spread, -MAX_Z, MAX_Z) * math.sqrt(width / (len(groups) * group.shape[1]))
            for group, mean, spread in zip(groups, self._means, self._spreads, strict=True)
        ]
        return np.concatenate(parts, 1)


def _feature_groups(batches: Iterable[Tensor]) -> list[NDArray[np.float64]]:
    per_batch = [[group.cpu().numpy() for group in features(batch)] for batch in batches]
    return [np.concatenate(parts).astype(np.float64) for parts in zip(*per_batch, strict=True)]


def mean_distance(x: NDArray[np.float64], groups: NDArray[np.int64] | None = None) -> float:
    """Compute the mean Euclidean distance of all pairs of rows, divided by √D.

    Parameters
    ----------
    x : NDArray (N, D)
        N is at least 2.
    groups : NDArray (N,), optional
        Only pairs of one group count: a class-conditional generator that draws one picture of each class has
        collapsed, however much the classes differ. 0 when there is no such pair.
    """
    groups = np.zeros(len(x), np.int64) if groups is None else groups
    squares = (x**2).sum(1)
    between = np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)
    counted = groups[:, None] == groups
    np.fill_diagonal(counted, False)
    return float(np.sqrt(between[counted] / x.shape[1]).mean()) if counted.any() else 0.0


def different(drawn: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    """Compute the effective number of different samples (see `effective_number`), relative to as many real tiles.

    A generator that draws a few pictures that differ much has a high mean distance and a low number.

    Parameters
    ----------
    drawn, real : NDArray (N, D), (M, D)
        Scaled features; where there are fewer real tiles, these many samples are expected at most.
    """
    few = real[: len(drawn)]
    among, between = euclidean(few, few), euclidean(drawn, drawn)
    scale = distinct_scale(among)
    return effective_number(between, scale) / effective_number(among, scale) if scale else 1.0


@dataclass(frozen=True)
class Assessment:
    """Variety and realism of the samples at a step.

    Parameters
    ----------
    diversity : float, optional
        Mean distance of samples, relative to that of real tiles; None where real tiles do not differ, or a sample is
        not finite.
    distance : float, optional
        Kernel distance to the real tiles; only at checkpoints.
    warning : str
        For the person, once per episode.
    """

    diversity: float | None = None
    distance: float | None = None
    warning: str = ""

    @property
    def stats(self) -> dict[str, float]:
        """The values that are known, for curves and checkpoints."""
        values = {"diversity": self.diversity, "kernel_distance": self.distance}
        return {name: value for name, value in values.items() if value is not None}


class Monitor:
    """Assesses samples that are always drawn from the same noise, masks and classes.

    Its state changes at steps that the recipe alone decides and is stored with every checkpoint, so that a resumed
    training warns and stops as one that was never interrupted.

    Parameters
    ----------
    generator : Generator
        Only its `Generator.look` is used.
    dataset : PairDataset
        The real tiles.
    recipe : Recipe
        Of the training.

    Attributes
    ----------
    best_step : int
        Checkpoint with the least kernel distance so far; 0 before the first.
    waited : int
        Checkpoints since then.
    """

    def __init__(self, generator: Generator, dataset: PairDataset, recipe: Recipe) -> None:
        self.generator, self.dataset, self.settings = generator, dataset, recipe.train
        train = recipe.train
        shown = train.preview_every * train.batch
        per_sample = IMAGES_PER_SAMPLE * generator.look_passes
        self._every = train.preview_every * math.ceil(SAMPLES * per_sample / shown)
        affordable = train.checkpoint_every * train.batch // per_sample
        self._at_checkpoint = min(max(affordable // 2, 8), 4 * SAMPLES)  # the other half is for the steps between
        self._scale: Scale | None = None
        self._chosen: NDArray[np.int64] = np.arange(0)
        self._classes: list[Tensor] = []
        self._newest: tuple[int, Assessment] = (0, Assessment())
        self.best_step = self.waited = self._low = 0
        self._best = math.inf
        self._varied = self._alarmed = False

    # ------------------------------------------------------------------------------------------------------ state

    @property
    def numbers(self) -> dict[str, float]:
        """The state, for the JSON of a checkpoint."""
        state: dict[str, float] = {
            "watch/waited": self.waited,
            "watch/low": self._low,
            "watch/varied": self._varied,
            "watch/alarmed": self._alarmed,
        }
        if self.best_step:
            state |= {"watch/best": self._best, "watch/best_step": self.best_step}
        return {name: float(value) for name, value in state.items()}

    def restore(self, numbers: dict[str, float], step: int) -> None:
        """Restore the state from the numbers of the checkpoint of a step."""
        self.waited, self._low = int(numbers.get("watch/waited", 0)), int(numbers.get("watch/low", 0))
        self._varied, self._alarmed = bool(numbers.get("watch/varied")), bool(numbers.get("watch/alarmed"))
        self._best, self.best_step = numbers.get("watch/best", math.inf), int(numbers.get("watch/best_step", 0))
        self._newest = step, Assessment(numbers.get("diversity"), numbers.get("kernel_distance"))

    @property
    def should_stop(self) -> bool:
        """Whether enough checkpoints in a row were no better, so that the training should stop."""
        return 0 < self.settings.stop_after <= self.waited

    # ------------------------------------------------------------------------------------------------- assessment

    def due(self, step: int) -> bool:
        """Return whether to assess the samples after this step."""
        return step % self._every == 0 or step % self.settings.checkpoint_every == 0

    def assess(self, step: int, at_checkpoint: bool = False) -> Assessment:
        """Draw samples and measure their variety; at a checkpoint also the distance to the real tiles.

        A step that was assessed already gives the same again.

        Parameters
        ----------
        step : int
            Steps done so far.
        at_checkpoint : bool
            Whether the step gets an additional checkpoint.
        """
        regular = step % self.settings.checkpoint_every == 0
        at_checkpoint = at_checkpoint or regular
        if self._newest[0] == step and (not at_checkpoint or self._newest[1].distance is not None):
            return self._newest[1]
        is_repeated = self._newest[0] == step
        number = self._at_checkpoint if at_checkpoint else SAMPLES
        scale = self._real()
        drawn = scale(self._draw(number))
        groups = torch.cat(self._classes).numpy()
        if not self.generator.class_conditional:
            groups[:] = 0
        among_real = mean_distance(scale.real, groups)
        result = Assessment()
        if np.isfinite(drawn).all() and among_real > 1e-6:
            among_drawn = mean_distance(drawn, groups[np.arange(number) % len(groups)])
            result = Assessment(among_drawn / among_real, kernel_distance(drawn, scale.real) if at_checkpoint else None)
        if self.due(step) and not is_repeated:  # a checkpoint of a training that was stopped in between changes nothing
            share = 1.0 if result.diversity is None else different(drawn, scale.real)
            result = Assessment(result.diversity, result.distance, self._warning(result.diversity, share))
            if regular:
                self._compare(step, result.distance)
        self._newest = step, Assessment(result.diversity, result.distance)
        return result

    def _real(self) -> Scale:
        """Return the scale of the real tiles, some of them when there are many; made when first needed."""
        if self._scale is None:
            rng = np.random.default_rng(seed_of(self.settings.seed, "watch"))
            self._chosen = rng.permutation(len(self.dataset))[:REAL_TILES]
            self._scale = Scale(self._tiles())
        return self._scale

    def _tiles(self) -> Iterator[Tensor]:
        for chunk in _chunks(self._chosen):
            batch = self.dataset.batch(chunk)
            self._classes.append(batch.image_class)
            yield batch.image if self.generator.kind == "painter" else batch.joint

    def _draw(self, number: int) -> Iterator[Tensor]:
        """Yield samples on the masks, or of the classes, of the first of the chosen tiles."""
        device, classes = self.generator.device, torch.cat(self._classes).to(self.generator.device)
        for places in _chunks(np.arange(number)):
            streams = [random_stream(device, "watch", self.settings.seed, int(place)) for place in places]
            tiles, condition = places % len(self._chosen), None
            if self.generator.kind == "painter":
                condition = self.dataset.batch(self._chosen[tiles]).mask.to(device)
            yield self.generator.look(streams, condition=condition, image_class=classes[torch.from_numpy(tiles)])

    def _warning(self, diversity: float | None, share: float) -> str:
        """Return the warning when an episode begins; empty otherwise.

        Parameters
        ----------
        diversity : float, optional
            Of the samples.
        share : float
            From `different`.
        """
        if diversity is None:
            return ""
        least = min(diversity, share)
        self._low = self._low + 1 if least < COLLAPSED else 0
        if least >= HEALTHY:
            self._varied, self._alarmed = True, False
        if self._alarmed or not self._low or (not self._varied and self._low < PATIENCE):
            return ""
        self._alarmed = True
        alike = f"nearly alike (diversity {100 * diversity:.0f} % of the real tiles)"
        if diversity >= COLLAPSED:
            alike = f"like copies of few pictures (different ones: {100 * share:.0f} % of those among real tiles)"
        todo = "lower the learning rate or use augmentation."
        if not self._varied:
            return f"The samples still look {alike}: the generator does not learn to vary. {todo.capitalize()}"
        back = f"Go back to the checkpoint of step {self.best_step}, {todo}" if self.best_step else todo.capitalize()
        return f"The samples look {alike}: the generator has collapsed. {back}"

    def _compare(self, step: int, distance: float | None) -> None:
        """Remember the best checkpoint."""
        if distance is not None and distance < self._best:
            self._best, self.best_step, self.waited = distance, step, 0
        elif self.best_step:
            self.waited += 1


def _chunks(places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
