"""Losses against values worked out by hand for the logits -1, 0, 2."""

from __future__ import annotations

import math

import pytest
import torch

from napari_organoid_synth.core.gans.losses import discriminator_loss, feature_loss, generator_loss

LOGITS = torch.tensor([-1.0, 0.0, 2.0])
SOFTPLUS = [math.log(1 + math.exp(x)) for x in (-1.0, 0.0, 2.0)]  # 0.31326, 0.69315, 2.12693
SOFTPLUS_OF_MINUS = [1.3132616875, 0.6931471806, 0.1269280110]


def test_bce() -> None:
    assert generator_loss(LOGITS, "bce").item() == pytest.approx(sum(SOFTPLUS_OF_MINUS) / 3, abs=1e-6)
    expected = sum(SOFTPLUS_OF_MINUS) / 3 + sum(SOFTPLUS) / 3
    assert discriminator_loss(LOGITS, LOGITS, "bce").item() == pytest.approx(expected, abs=1e-6)


def test_lsgan() -> None:
    # (l - 1)²: 4, 1, 1; l²: 1, 0, 4
    assert generator_loss(LOGITS, "lsgan").item() == pytest.approx(0.5 * 6 / 3)
    assert discriminator_loss(LOGITS, LOGITS, "lsgan").item() == pytest.approx(0.5 * 6 / 3 + 0.5 * 5 / 3)
    minus_one = torch.tensor([-1.0])  # MONAI's default gives 0.0025 here
    assert discriminator_loss(torch.tensor([1.0]), minus_one, "lsgan").item() == pytest.approx(0.5)


def test_bce_does_not_saturate() -> None:
    logit = torch.tensor([-20.0], requires_grad=True)
    generator_loss(logit, "bce").backward()
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(-1.0, abs=1e-6)


def test_feature_matching_sums_layers_and_averages_discriminators() -> None:
    zeros, ones = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    real, fake = [[zeros] * 4, [zeros] * 4], [[ones] * 4, [2 * ones] * 4]
    assert feature_loss(real, fake).item() == pytest.approx((4 * 1 + 4 * 2) / 2)
    assert feature_loss([[zeros] * 2], [[ones] * 2]).item() == pytest.approx(2 * 1 * 4 / 2)
