"""Pairs drawn by rule, for tests of the painter by analogy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.painter import Source

TOP = {"uint8": 255, "uint16": 4000, "float32": 1.0}


def discs(seed: int, side: int = 96, number: int = 7, radii: tuple[int, int] = (5, 10)) -> NDArray[np.int32]:
    """Discs that may overlap; the later one wins."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.int32)
    for one in range(1, number + 1):
        y, x, r = rng.integers(8, side - 8), rng.integers(8, side - 8), rng.integers(*radii)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < r * r] = one
    return labels


def pair(seed: int, side: int = 96, channels: int = 1, dtype: str = "uint8", noise: float = 0.03) -> Source:
    """Bright, striped discs on a dark, noisy background."""
    labels = discs(seed, side)
    rows = np.arange(side)[:, None]
    grey = np.where(labels > 0, 0.7 + 0.25 * np.sin(rows * 1.6), 0.15)
    grey = grey + np.random.default_rng(seed + 1000).normal(0, noise, labels.shape)
    image = np.stack([grey.clip(0, 1)] * channels)
    return Source(f"source_{seed}", (image * TOP[dtype]).astype(dtype), labels)


def shade(source: Source) -> Source:
    """The same with four channels of which each can be told from the first."""
    grey = source.image[0].astype(np.float32)
    image = np.stack([grey, 255 - grey, grey / 2, 40 + grey / 3])
    return Source(source.name, image.round().astype(np.uint8), source.labels)


def spread(values: NDArray[np.generic], axis: int) -> float:
    """Mean square of the differences along an axis."""
    return float((np.diff(np.asarray(values, np.float64), axis=axis) ** 2).mean())
