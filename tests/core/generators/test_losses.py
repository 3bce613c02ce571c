"""Losses against values worked out by hand for the logits -1, 0, 2."""

from __future__ import annotations

import math

import pytest
import torch

from napari_organoid_synth.core.generators.losses import (
    discriminator_loss,
    feature_loss,
    generator_loss,
    gradient_penalty,
    poisson,
    r1_penalty,
    reconstruction_loss,
)

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


def test_hinge() -> None:
    # max(0, 1 - l): 2, 1, 0; max(0, 1 + l): 0, 1, 3
    assert discriminator_loss(LOGITS, LOGITS, "hinge").item() == pytest.approx(3 / 3 + 4 / 3)
    assert generator_loss(LOGITS, "hinge").item() == pytest.approx(-1 / 3)


def test_wasserstein() -> None:
    assert discriminator_loss(LOGITS, 2 * LOGITS, "wasserstein").item() == pytest.approx(2 / 3 - 1 / 3)
    assert generator_loss(LOGITS, "wasserstein").item() == pytest.approx(-1 / 3)


SIGMOID = [0.2689414214, 0.5, 0.8807970780]


def test_bce_l1() -> None:
    real = sum(SOFTPLUS_OF_MINUS) / 3 + 4 * sum(1 - s for s in SIGMOID) / 3
    fake = sum(SOFTPLUS) / 3 + 4 * sum(SIGMOID) / 3
    assert generator_loss(LOGITS, "bce_l1").item() == pytest.approx(real, abs=1e-6)
    assert discriminator_loss(LOGITS, LOGITS, "bce_l1").item() == pytest.approx(real + fake, abs=1e-6)


def test_poisson() -> None:
    # against 1: s - ln s = 1.5822031, 1.1931472, 1.0077251; against 0: s
    real, fake = (1.5822031 + 1.1931472 + 1.0077251) / 3, sum(SIGMOID) / 3
    assert generator_loss(LOGITS, "poisson").item() == pytest.approx(real, abs=1e-6)
    assert discriminator_loss(LOGITS, LOGITS, "poisson").item() == pytest.approx(real + fake, abs=1e-6)
    grid = torch.linspace(0.01, 1, 100)
    for target in (0.01, 0.2, 0.7, 1.0):
        costs = torch.stack([poisson(torch.tensor([target]), value[None]) for value in grid])
        assert grid[costs.argmin()].item() == pytest.approx(target)
    predicted = torch.tensor([0.3], requires_grad=True)
    poisson(torch.tensor([0.3]), predicted).backward()
    assert predicted.grad is not None
    assert predicted.grad.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("mse", (1 + 0 + 0.25) / 3),
        ("l1", (0.5 + 0 + 0.25) / 3),
        ("least_squares", 0.5 * (0.25 + 0 + 0.0625) / 3),
        ("bce", (2 * math.log(2) - math.log(0.75)) / 3),
        ("bce_l1", (2 * math.log(2) - math.log(0.75)) / 3 + 4 * 0.25),
        ("poisson", (0.5 + 0.5 + 0.5 * math.log(2) + 0.75 - math.log(0.75)) / 3),
    ],
)
def test_reconstruction(kind: str, expected: float) -> None:
    real, drawn = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 0.5])  # in [0, 1]: 0, ½, 1 and ½, ½, ¾
    assert reconstruction_loss(drawn, real, kind).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["mse", "l1", "bce", "bce_l1", "least_squares", "poisson"])
def test_reconstruction_is_best_at_the_original_and_finite_at_the_ends(kind: str) -> None:
    real = torch.tensor([-1.0, -0.4, 0.3, 1.0])
    best = reconstruction_loss(real, real, kind)
    for step in (-0.1, 0.1):
        assert reconstruction_loss((real + step).clamp(-1, 1), real, kind) > best
    wrong = (-real).requires_grad_(True)
    reconstruction_loss(wrong, real, kind).backward()
    assert torch.isfinite(wrong.grad).all()


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


def linear_critic(weights: list[float], bias: float = 0.5) -> torch.nn.Linear:
    critic = torch.nn.Linear(len(weights), 1)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([weights]))
        critic.bias.fill_(bias)
    return critic


@pytest.mark.parametrize("target", [1.0, 2.0])
def test_gradient_penalty_of_a_linear_critic(target: float) -> None:
    critic = linear_critic([3.0, 0.0, -4.0])  # slope 5 everywhere
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 6, 3, generator=rng)
    penalty = gradient_penalty(critic, real, fake, rng, target)
    assert penalty.item() == pytest.approx((5 / target - 1) ** 2, rel=1e-6)
    penalty.backward()  # d/da (‖a‖/t - 1)² = 2 (‖a‖/t - 1) a / (t ‖a‖)
    expected = 2 * (5 / target - 1) / (target * 5) * torch.tensor([[3.0, 0.0, -4.0]])
    torch.testing.assert_close(critic.weight.grad, expected)


def test_gradient_penalty_is_taken_between_real_and_fake_and_not_at_them() -> None:
    # critic x²/2 has the slope x; between 0 and 3 at ε the slope is 3ε, so E(3ε - 1)² = 9/3 - 6/2 + 1 = 1
    real, fake = torch.full((200_000, 1), 3.0), torch.zeros(200_000, 1)
    penalty = gradient_penalty(lambda x: x.square() / 2, real, fake, torch.Generator().manual_seed(0))
    assert penalty.item() == pytest.approx(1.0, abs=0.01)


def test_gradient_penalty_has_one_share_per_sample_and_leaves_the_generator_alone() -> None:
    seen = []

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.square().sum((1, 2, 3))

    fake = torch.zeros(3, 2, 4, 4, requires_grad=True)
    rng = torch.Generator().manual_seed(0)
    gradient_penalty(critic, torch.ones(3, 2, 4, 4), fake * 1, rng).backward()
    assert fake.grad is None
    (mixed,) = seen
    torch.testing.assert_close(mixed, mixed[:, :1, :1, :1].expand_as(mixed))
    assert len(mixed[:, 0, 0, 0].unique()) == 3


def test_r1_of_a_linear_critic() -> None:
    critic = linear_critic([3.0, 0.0, -4.0])
    penalty = r1_penalty(critic, torch.randn(6, 3, generator=torch.Generator().manual_seed(0)))
    assert penalty.item() == pytest.approx(25.0, rel=1e-6)
    penalty.backward()  # d/da ‖a‖² = 2a
    torch.testing.assert_close(critic.weight.grad, torch.tensor([[6.0, 0.0, -8.0]]))


def test_r1_of_a_square_critic_averages_samples_and_sums_their_values() -> None:
    real = torch.tensor([[1.0, 2.0], [0.0, 3.0]])  # slopes x: (1 + 4 + 0 + 9) / 2
    assert r1_penalty(lambda x: x.square().sum(1) / 2, real).item() == pytest.approx(7.0)
    assert not real.requires_grad


def test_patch_critics_are_penalised_by_their_mean_logit() -> None:
    real = torch.zeros(2, 1, 4, 4)  # mean of 16 logits 8x: a slope of 0.5 in each of 16 pixels, length 2
    rng = torch.Generator().manual_seed(0)
    assert r1_penalty(lambda x: 8 * x, real).item() == pytest.approx(4.0)
    assert gradient_penalty(lambda x: 8 * x, real, real + 1, rng).item() == pytest.approx(1.0)


def test_a_flat_critic_has_finite_second_derivatives() -> None:
    critic = linear_critic([0.0, 0.0])
    penalty = gradient_penalty(critic, torch.ones(2, 2), torch.zeros(2, 2), torch.Generator().manual_seed(0))
    assert penalty.item() == pytest.approx(1.0)
    penalty.backward()
    assert torch.isfinite(critic.weight.grad).all()
