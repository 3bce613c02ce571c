"""Ways between latent vectors."""

from __future__ import annotations

import math

import torch

from napari_organoid_synth.core.generators.latent import interpolate


def test_the_way_goes_along_the_great_circle() -> None:
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    expected = [[2.0, 0.0], [2 * math.cos(math.pi / 6), 1.0], [1.0, 2 * math.sin(math.pi / 3)], [0.0, 2.0]]
    torch.testing.assert_close(interpolate(a, b, 4), torch.tensor(expected))


def test_length_goes_linearly_and_equal_directions_straight() -> None:
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 3.0, 0.0])
    torch.testing.assert_close(interpolate(a, b, 5).norm(dim=1), torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0]))
    torch.testing.assert_close(interpolate(a, 2 * a, 3)[:, 0], torch.tensor([1.0, 1.5, 2.0]))
