"""Painting by analogy: the right texture in the right place, the same bits for the same seed, nothing else touched."""

from __future__ import annotations

import numpy as np

from napari_organoid_synth.core.analogy.painter import AnalogyPainter, Source


def pair(seed: int, side: int = 96, channels: int = 1, dtype: str = "uint8") -> Source:
    """Discs that are bright and striped on a dark, noisy background."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.int32)
    for number in range(1, 8):
        y, x, r = rng.integers(8, side - 8), rng.integers(8, side - 8), rng.integers(5, 10)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < r * r] = number
    stripes = 0.7 + 0.25 * np.sin(rows * 1.6)
    grey = np.where(labels > 0, stripes, 0.15) + rng.normal(0, 0.03, labels.shape)
    image = np.stack([grey.clip(0, 1)] * channels)
    top = {"uint8": 255, "uint16": 4000, "float32": 1.0}[dtype]
    return Source(f"source_{seed}", (image * top).astype(dtype), labels)


def test_same_seed_gives_same_bits_and_another_does_not() -> None:
    painter = AnalogyPainter([pair(0), pair(1)], "instances")
    mask = pair(5).labels
    one, again, other = painter.paint(mask, 3), painter.paint(mask, 3), painter.paint(mask, 4)
    assert np.array_equal(one.image, again.image)
    assert not np.array_equal(one.image, other.image)


def test_repainting_leaves_the_outside_bit_for_bit() -> None:
    painter = AnalogyPainter([pair(0), pair(1)], "instances")
    before = painter.paint(pair(5).labels, 3)
    mask = before.labels.copy()
    mask[40:56, 40:56] = 99
    after = painter.repaint(before, mask, (40, 40, 56, 56))
    outside = np.ones(mask.shape, bool)
    outside[26:70, 26:70] = False
    assert np.array_equal(before.image[:, outside], after.image[:, outside])
    assert (
        after.image[0, 44:52, 44:52].mean() > 2 * before.image[0, 44:52, 44:52][before.labels[44:52, 44:52] == 0].mean()
    )
