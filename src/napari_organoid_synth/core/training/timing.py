"""Measure the steps of a training on a scratch copy, once for each project, recipe and machine."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from torch.utils.flop_counter import FlopCounterMode

from napari_organoid_synth import __version__
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import (
    GIB,
    bf16_runs,
    describe_device,
    free_bytes,
    is_out_of_memory,
    peak_bytes,
    pick_device,
    random_stream,
    synchronize,
    use_threads,
)
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import new_generator
from napari_organoid_synth.core.training.dataset import PairDataset, TileSampler
from napari_organoid_synth.core.training.estimate import Estimate, StepTiming, read_timing, write_timing
from napari_organoid_synth.core.training.object_size import refuse_tiny_objects
from napari_organoid_synth.core.training.tiles import in_steps, load_training_pairs, pick_tiles, refuse_one_tile

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator

UNTRAINED_BYTES = 100  # per value of the images, of a painter that needs no training: guides and descriptions
ROUNDS = 2  # timed steps of each kind; the fastest counts


def estimate(project: Project, recipe: Recipe, keep: bool = True) -> Estimate:
    """Measure memory and time of a training in a few steps that are not kept.

    Parameters
    ----------
    project : Project
        With real pairs.
    recipe : Recipe
        Of the training.
    keep : bool
        Whether the project keeps the measurement, so that the training need not measure again.

    Raises
    ------
    UserError
        As `train`; also if the steps do not fit into memory.
    """
    if not recipe.gan.trains:
        pairs = load_training_pairs(project, recipe)
        needed = sum(pair.image.size for pair in pairs) * UNTRAINED_BYTES + peak_bytes(pick_device("cpu"))
        free = round(free_bytes(pick_device("cpu")) / GIB, 2)
        return Estimate(needed_gb=round(needed / GIB, 2), free_gb=free, seconds_per_step=0.0, minutes=0.0)
    use_threads(recipe.train.threads)
    device = pick_device(recipe.train.device)
    free = free_bytes(device)
    pairs = load_training_pairs(project, recipe)
    refuse_tiny_objects(pairs, recipe)
    codec = Codec.fit(pairs, recipe.codec)
    dataset = PairDataset(pairs, pick_tiles(pairs, recipe), codec, recipe.shape)
    generator = new_generator(recipe, recipe.spec(codec)).to(device)
    try:
        timing = time_steps(project, generator, dataset, recipe, keep)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise refuse_one_tile(recipe.tiles.size) from None
    steps = in_steps(recipe.train, generator, len(dataset)).steps
    return Estimate(
        needed_gb=timing.needed_gb,
        free_gb=round(free / GIB, 2),
        seconds_per_step=round(timing.seconds_per_step, 4),
        minutes=round(timing.seconds_per_step * steps / 60, 1),
        steps=steps,
    )


def time_steps(
    project: Project, generator: Generator, dataset: PairDataset, recipe: Recipe, keep: bool = True
) -> StepTiming:
    """Return the speed of the steps: as the project knows it, else measured and, if wanted, kept there."""
    key = timing_key(recipe, generator)
    timing = read_timing(project, key)
    if timing is None:
        timing = measure_steps(generator, first_tiles(dataset, recipe), recipe)
        if keep:
            write_timing(project, key, timing)
    return timing


def first_tiles(dataset: PairDataset, recipe: Recipe) -> Callable[[int], Batch]:
    """Return a function that gives a batch of the first n tiles of the training."""
    sampler = TileSampler(len(dataset), recipe.train.seed)
    return lambda n: dataset.batch(sampler.indices(0, n))


def timing_key(recipe: Recipe, generator: Generator) -> str:
    """Return sixteen hexadecimal digits that change with anything that changes the speed of a step."""
    train = recipe.train
    facts = (
        recipe.gan.model_dump(mode="json"),
        asdict(generator.spec),
        recipe.start.freeze,
        (train.batch, train.steps, train.precision),
        describe_device(generator.device),
        platform.node(),
        __version__,
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def measure_steps(generator: Generator, load: Callable[[int], Batch], recipe: Recipe) -> StepTiming:
    """Time some steps on a scratch copy, in float32 and bf16 when the choice is ``"auto"``.

    Parameters
    ----------
    generator : Generator
        Stays as it is.
    load : callable
        Gives a batch of n tiles.
    recipe : Recipe
        Of the training.

    Returns
    -------
    StepTiming
        Of the faster precision, a mean over the kinds of step that `Generator.step_kinds` names.
    """
    scratch, seed = copy.deepcopy(generator), recipe.train.seed
    choices = _precisions(recipe, generator)
    seconds, flops, images = dict.fromkeys(choices, 0.0), 0.0, 0.0
    for share, progress, steps_taken in generator.step_kinds(recipe.train.steps):
        batch = load(generator.batch_size(recipe.train.batch, progress)).to(generator.device)

        def take(precision: str, batch: Batch = batch, progress: float = progress, taken: int = steps_taken) -> float:
            scratch.bf16, scratch.steps_taken = precision == "bf16", taken
            synchronize(generator.device)
            began = time.perf_counter()
            scratch.step(batch, random_stream(generator.device, seed, "scratch"), progress)
            synchronize(generator.device)
            return time.perf_counter() - began

        with FlopCounterMode(display=False) as counter:
            take(choices[0])
        flops += share * counter.get_total_flops()
        images += share * len(batch.image_class)
        fastest = _fastest(take, choices)
        seconds = {precision: seconds[precision] + share * fastest[precision] for precision in choices}
    best = min(seconds, key=lambda precision: seconds[precision])
    return StepTiming(
        precision=best,
        seconds_per_step=seconds[best],
        gflop_per_image=flops / images / 1e9,
        needed_gb=round(peak_bytes(generator.device) / GIB, 2),
    )


def _precisions(recipe: Recipe, generator: Generator) -> list[str]:
    if recipe.train.precision != "auto":
        return [recipe.train.precision]
    return ["float32", *(["bf16"] if bf16_runs(generator.device) else [])]


def _fastest(take: Callable[[str], float], precisions: list[str]) -> dict[str, float]:
    """Return the seconds of the fastest of some steps in each precision."""
    fastest = dict.fromkeys(precisions, math.inf)
    for turn in range(ROUNDS + 1):
        for precision in precisions:
            seconds = take(precision)
            if turn or precision == precisions[0]:  # the first step in another precision also prepares its kernels
                fastest[precision] = min(fastest[precision], seconds)
    return fastest
