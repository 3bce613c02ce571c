"""Choose the checkpoint of a mask generator that draws masks nearest to the real ones.

After Tasnadi et al. 2023: the Fréchet distance of the encoded masks, heat flows for touching objects.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.distances import frechet_distance
from napari_organoid_synth.core.job import Control, Event, Progress
from napari_organoid_synth.core.metrics.extractors.base import Extractor
from napari_organoid_synth.core.metrics.settings import FeatureSettings
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.registry import EXTRACTORS
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

LEAST = 2
"""Masks of which a distance can be computed."""


def fitted_extractor(real: NDArray[np.float32], settings: FeatureSettings) -> Extractor:
    """Return an extractor for encoded masks (N, M, Y, X) in [-1, 1]; one that learns has learned from these."""
    made: Extractor = EXTRACTORS.load(settings.extractor)(real.shape[1], settings.weights, settings.device)
    for _ in made.fit(_as_image(real)):
        pass
    return made


def mask_distance(extractor: Extractor, real: NDArray[np.float32], drawn: NDArray[np.float32]) -> float:
    """Compute the Fréchet distance of two sets of encoded masks (N, M, Y, X) in [-1, 1], at least two of each."""
    return frechet_distance(extractor(_as_image(real)), extractor(_as_image(drawn)))


def _as_image(fields: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return encoded masks as pictures in [0, 1]."""
    return ((np.clip(fields, -1, 1) + 1) / 2).astype(np.float32)


def mask_distances(
    run: Run, real: Sequence[SamplePair], settings: FeatureSettings, number: int, seed: int, control: Control
) -> Generator[Event, None, dict[int, float]]:
    """Return the distance of the drawn masks to the real ones for each checkpoint that a run keeps, by its step.

    Parameters
    ----------
    run : Run
        Of a mask generator.
    real : sequence of SamplePair
        Real tiles of the size that it draws; at least two.
    settings : FeatureSettings
        Whose features are compared.
    number : int
        Masks drawn of each checkpoint, from the same noise.
    seed : int
        Of that noise.
    control : Control
        Asked before every mask; what is not drawn then is not judged.

    Yields
    ------
    Event
        Progress over all masks.
    """
    fields = np.stack([run.codec.encode_mask(pair.labels) for pair in real])
    extractor, steps = fitted_extractor(fields, settings), run.steps()
    found: dict[int, float] = {}
    for turn, step in enumerate(steps):
        model = TrainedGenerator.from_run(run, str(step), settings.device)
        drawn = list[NDArray[np.float32]]()
        for mask in _draw(model, number, seed):
            drawn.append(mask)
            yield Progress(turn * number + len(drawn), len(steps) * number, note=f"masks of step {step:,}")
            yield from control.wait_while_paused(step)
            if control.canceled:
                return found
        found[step] = mask_distance(extractor, fields, np.stack(drawn))
    return found


def _draw(model: TrainedGenerator, number: int, seed: int) -> Iterator[NDArray[np.float32]]:
    classes = max(len(model.codec.graded), 1)
    for index in range(number):
        stream = random_stream(model.device, seed, "choose", index)
        yield model.draw_fields([stream], [index % classes])[0]
