"""Noise of a canvas: neighbouring tiles see the same numbers, in any order, wherever they lie."""

from __future__ import annotations

import pytest
import torch

from napari_organoid_synth.core.generators.canvas import TileStream, fill


def noise(y: int, x: int, side: int, seed: int = 0, maps: int = 1) -> list[torch.Tensor]:
    """Draw maps of a tile of 64 px, (3, side, side) each."""
    stream = TileStream(seed, y, x, 64)
    return [fill(torch.empty(1, 3, side, side), stream, lambda out, rng: out.normal_(generator=rng))[0]
            for _ in range(maps)]  # fmt: skip


@pytest.mark.parametrize("side", [64, 16, 4])
def test_tiles_see_the_same_numbers_where_they_overlap(side: int) -> None:
    step = 64 // side
    y, x = 3 * step + 128, 5 * step  # across the borders of blocks, as far as whole pixels of the map go
    here, there = noise(128, 0, side)[0], noise(y, x, side)[0]
    if side > 5:
        assert torch.equal(here[:, 3:, 5:], there[:, : side - 3, : side - 5])
    assert torch.equal(there, noise(y, x, side)[0])
    assert torch.equal(noise(64, 64, side)[0], noise(63, 65, side)[0]) == (side < 64)  # less than half a pixel off


def test_seeds_maps_and_places_differ() -> None:
    first, second = noise(0, 0, 16, maps=2)
    for other in (second, noise(0, 0, 16, seed=1)[0], noise(0, 64, 16)[0], noise(64, 0, 16)[0]):
        assert abs(torch.corrcoef(torch.stack([first.flatten(), other.flatten()]))[0, 1]) < 0.1
    assert noise(500, 700, 64)[0].std() == pytest.approx(1, abs=0.03)
