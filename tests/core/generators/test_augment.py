"""Augmentation: identity at p = 0, vectors turned as vectors, gradients, statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.codec import heatflow
from napari_organoid_synth.core.generators.augment import augment
from napari_organoid_synth.core.simulators.simulate import tissue


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_probability_zero_is_the_identity() -> None:
    x = torch.randn(4, 3, 16, 16)
    assert augment(x, stream(0), 0.0, 1) is x


def test_a_seed_repeats_it_and_samples_differ() -> None:
    x = torch.randn(1, 3, 16, 16).expand(6, -1, -1, -1)
    first = augment(x, stream(3), 0.6, 1)
    assert torch.equal(first, augment(x, stream(3), 0.6, 1))
    assert not torch.equal(first[0], first[1])


def test_geometry_only_permutes_pixels_and_color_leaves_masks_alone() -> None:
    x = torch.rand(16, 2, 16, 16)
    turned = augment(x, stream(1), 1.0, 1, color=False)
    for before, after in zip(x, turned, strict=True):
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())
    colored = augment(x, stream(1), 1.0, 1, color=True)
    assert torch.equal(colored[:, 1], turned[:, 1])
    assert not torch.equal(colored[:, 0], turned[:, 0])


def test_flow_stays_the_flow_of_the_turned_mask() -> None:
    """Decoding a mirrored, turned and shifted flow gives as many objects of the same total area."""
    labels = tissue(0, 96).labels
    field = torch.from_numpy(heatflow.encode(labels))[None].expand(8, -1, -1, -1)
    moved = augment(field, stream(5), 1.0, 0, vectors=1, color=False)
    for sample in moved:
        again = heatflow.encode(heatflow.decode(sample.numpy()))
        inside = (sample[0] > 0).numpy() & (again[0] > 0)
        inside[:14] = inside[-14:] = inside[:, :14] = inside[:, -14:] = False  # mirrored strips join objects
        dot = (sample[1:].numpy() * again[1:]).sum(0)[inside]
        norm = np.linalg.norm(sample[1:].numpy(), axis=0)[inside] * np.linalg.norm(again[1:], axis=0)[inside]
        assert np.median(dot / np.maximum(norm, 1e-6)) > 0.99


def test_without_vectors_the_flow_would_be_wrong() -> None:
    field = torch.zeros(64, 3, 8, 8)
    field[:, 1] = 1.0  # every arrow points down
    turned = augment(field, stream(0), 1.0, 0, vectors=1, color=False)[:, 1:, 4, 4]
    directions = {tuple(int(v) for v in arrow) for arrow in turned.round()}
    assert directions == {(1, 0), (-1, 0), (0, 1), (0, -1)}


def test_gradients_flow() -> None:
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: augment(v, stream(2), 0.9, 1), x)


def test_gate_has_the_probability() -> None:
    x = torch.randn(1, 1, 8, 8).expand(2000, -1, -1, -1)
    changed = (augment(x, stream(0), 0.3, 0, color=False) != x).flatten(1).any(1).float().mean().item()
    unchanged = (0.7 + 0.3 / 8) * (0.7 + 0.3 / 9)  # turned by nothing; shifted by -1..1 px on each axis, zero both
    assert changed == pytest.approx(1 - unchanged, abs=0.03)
