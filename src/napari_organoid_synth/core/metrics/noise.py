"""Pure noise in place of tiles: a range of the originals in which it lies says nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.tile_facts import TileFacts, look
from napari_organoid_synth.core.pairs.pair import SamplePair

KINDS = 3


def noise_facts(real: Sequence[SamplePair], limits: NDArray[np.float64], side: int, seed: int = 0) -> list[TileFacts]:
    """Make pure noise of three kinds, and return its facts.

    Parameters
    ----------
    real : sequence of SamplePair
        Some real tiles.
    limits : NDArray (C, 2) float64
        Intensities that are 0 and 1.
    side : int
        Of the images of the facts, px.
    seed : int
        Of the noise.

    Returns
    -------
    list of TileFacts
        Three for each tile: first of the tiles with their pixels shuffled, then of Gaussian noise with the mean and
        spread of the real tiles, then of evenly distributed values between the limits.
    """
    rng = np.random.default_rng(seed)
    pixels = np.concatenate([tile.image.reshape(len(tile.image), -1) for tile in real], 1)
    means, spreads = (values[:, None, None] for values in (pixels.mean(1), pixels.std(1)))
    low, high = limits[:, 0, None, None], limits[:, 1, None, None]
    kinds = [
        [rng.permutation(tile.image.reshape(len(tile.image), -1).T).T.reshape(tile.image.shape) for tile in real],
        [np.clip(rng.normal(means, spreads, tile.image.shape), low, high) for tile in real],
        [rng.uniform(low, high, tile.image.shape) for tile in real],
    ]
    return [
        look(tile.replace(image=image.astype(tile.image.dtype), labels=np.zeros_like(tile.labels)), limits, side)
        for images in kinds
        for tile, image in zip(real, images, strict=True)
    ]


def kinds_of(number: int, start: int) -> list[NDArray[np.intp]]:
    """Return the indices of each kind among so many tiles of noise that begin at ``start``."""
    return [start + part for part in np.split(np.arange(number), KINDS)]
