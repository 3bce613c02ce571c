"""Noise of a canvas: neighbouring tiles see the same numbers, in any order, wherever they lie; and mixed noise."""

from __future__ import annotations

import pytest
import torch

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.generators.blocks import Dropout
from napari_organoid_synth.core.generators.canvas import (
    NORMAL,
    Bernoulli,
    Draw,
    MixedStream,
    TileStream,
    at_tile,
    fill,
)

CPU = torch.device("cpu")
RATE = 0.3


def noise(y: int, x: int, side: int, seed: int = 0, maps: int = 1) -> list[torch.Tensor]:
    """Draw maps of a tile of 64 px, (3, side, side) each."""
    stream = TileStream(seed, y, x, 64)
    return [fill(torch.empty(1, 3, side, side), stream, NORMAL)[0] for _ in range(maps)]


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


def drawn(share: float, draw: Draw = NORMAL, maps: int = 1) -> torch.Tensor:
    """Draw maps (maps, 40000) at a share of the way from seed 1 to seed 2."""
    mixed = MixedStream.between(random_stream(CPU, 1), random_stream(CPU, 2), share)
    return torch.stack([fill(torch.empty(40_000), mixed, draw) for _ in range(maps)])


def test_a_plain_stream_gives_the_bits_of_torch() -> None:
    found = fill(torch.empty(2, 3, 8, 8), random_stream(CPU, 1), NORMAL)
    assert torch.equal(found, torch.randn(2, 3, 8, 8, generator=random_stream(CPU, 1)))
    dropout = Dropout(RATE)
    dropout.streams = [random_stream(CPU, 1)]
    kept = torch.empty(2, 3, 8, 8).bernoulli_(1 - RATE, generator=random_stream(CPU, 1))
    assert torch.equal(dropout(torch.ones(2, 3, 8, 8)), kept / (1 - RATE))


@pytest.mark.parametrize("draw", [NORMAL, Bernoulli(RATE)])
@pytest.mark.parametrize(("share", "seed"), [(0.0, 1), (1.0, 2)])
def test_the_ends_of_the_way_are_the_streams_themselves(draw: Draw, share: float, seed: int) -> None:
    stream = random_stream(CPU, seed)
    expected = torch.stack([fill(torch.empty(40_000), stream, draw) for _ in range(3)])
    assert torch.equal(drawn(share, draw, maps=3), expected)


def test_mixed_numbers_have_the_spread_of_one_stream() -> None:
    for share in (0.1, 0.5, 0.9):
        assert drawn(share).std().item() == pytest.approx(1, abs=0.02)
        assert drawn(share).mean().item() == pytest.approx(0, abs=0.02)
        assert drawn(share, Bernoulli(RATE)).mean().item() == pytest.approx(RATE, abs=0.01)
    assert set(drawn(0.5, Bernoulli(RATE)).unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("draw", [NORMAL, Bernoulli(RATE)])
def test_the_way_is_continuous_up_to_its_ends(draw: Draw) -> None:
    whole = (drawn(0, draw) - drawn(1, draw)).abs().mean()
    for share in (0.0, 0.3, 0.99):
        assert (drawn(share, draw) - drawn(share + 0.01, draw)).abs().mean() < 0.06 * whole


def test_maps_of_a_mix_are_independent() -> None:
    maps = drawn(0.5, Bernoulli(0.5), maps=2)
    assert abs(torch.corrcoef(maps)[0, 1].item()) < 0.02


def test_weights_are_normed_and_mixes_of_mixes_are_flat() -> None:
    streams = [random_stream(CPU, seed) for seed in range(3)]
    mixed = MixedStream([(MixedStream([(streams[0], 3.0), (streams[1], 4.0)]), 1.0), (streams[2], -1.0)])
    assert [weight for _, weight in mixed.parts] == pytest.approx([0.6 * 0.5**0.5, 0.8 * 0.5**0.5, -(0.5**0.5)])
    assert fill(torch.empty(40_000), mixed, NORMAL).std().item() == pytest.approx(1, abs=0.02)
    with pytest.raises(ValueError, match="not 0"):
        MixedStream([(streams[0], 0.0)])


@pytest.mark.parametrize("draw", [NORMAL, Bernoulli(RATE)])
def test_tiles_of_a_mixed_canvas_see_the_same_numbers_where_they_overlap(draw: Draw) -> None:
    def tile(y: int, x: int, share: float = 0.4) -> torch.Tensor:
        canvas = MixedStream.between(random_stream(CPU, 1), random_stream(CPU, 2), share)
        return fill(torch.empty(1, 3, 16, 16), at_tile(canvas, y, x, 64), draw)[0]

    assert torch.equal(tile(64, 64)[:, 4:, 8:], tile(80, 96)[:, :-4, :-8])
    plain = fill(torch.empty(1, 3, 16, 16), at_tile(random_stream(CPU, 1), 64, 64, 64), draw)[0]
    assert torch.equal(tile(64, 64, 0.0), plain)
    assert not torch.equal(tile(64, 64), plain)
