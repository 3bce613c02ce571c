"""InfoGAN: the layout of latent vectors, the code losses by hand, who learns from them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.infogan import InfoDiscriminator, Infogan, InfoGenerator, code_loss
from napari_organoid_synth.core.generators.infogan_config import InfoganConfig

SMALL = {"generator_channels": 8, "discriminator_channels": 8, "max_channels": 16}


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(classes: tuple[str, ...] = (), **settings: object) -> Infogan:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Infogan(InfoganConfig.parse({**SMALL, **settings}), PairSpec(64, 1, 1, classes))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_by_formula() -> None:
    with torch.device("meta"):
        generator = InfoGenerator(62, 10, 2, 2, 64, 64, 512, "transposed")
        judge = InfoDiscriminator(10, 2, 2, 64, 64, 512)
    trunk = 16 * (2 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 2 * 896 + 1
    assert count(generator) == 16 * (74 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 2) + 2 * 960 + 2
    assert count(judge) == trunk + (512 * 16 + 1) * 128 + 129 * (10 + 2 * 2)


def test_categories_are_the_image_classes_or_ten() -> None:
    assert small().latent == 62 + 10 + 2
    assert small(("a", "b", "c")).latent == 62 + 3 + 2
    assert small(("a",)).latent == 62 + 10 + 2
    assert small(("a", "b", "c"), categories=5, continuous=0, latent=8).latent == 8 + 5


def test_latent_vectors_hold_noise_then_scores_then_codes() -> None:
    gan = small(categories=4, latent=3)
    latents = torch.zeros(3, 3 + 4 + 2)
    latents[:, 3:7] = torch.tensor([[0.0, 2.0, 1.0, -1.0], [-3.0, -2.0, -1.0, -4.0], [0.5, 0.1, 0.2, 0.3]])
    latents[:, 7:] = torch.tensor([[0.0, 0.6744898], [-0.6744898, 1.6448536], [10.0, -10.0]])  # known quantiles
    category, codes = gan.generator.codes(latents)
    assert category.tolist() == [1, 2, 0]
    torch.testing.assert_close(codes, torch.tensor([[0.0, 0.5], [-0.5, 0.9], [1.0, -1.0]]))


def test_drawn_codes_are_uniform() -> None:
    gan = small()
    category, codes = gan.generator.codes(gan.latents(stream(), 20_000))
    shares = torch.bincount(category, minlength=10) / 20_000
    torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.01, rtol=0)
    assert codes.abs().max() <= 1
    torch.testing.assert_close(codes.mean(0), torch.zeros(2), atol=0.02, rtol=0)
    torch.testing.assert_close(codes.var(0), torch.full((2,), 1 / 3), atol=0.01, rtol=0)


def test_codes_can_be_set() -> None:
    gan = small()
    latents = gan.latents(stream(), 50)
    kept = latents.clone()
    changed = gan.with_codes(latents, category=7, continuous={1: -0.25})
    assert torch.equal(latents, kept)
    category, codes = gan.generator.codes(changed)
    before = gan.generator.codes(latents)[1]
    assert category.tolist() == [7] * 50
    torch.testing.assert_close(codes[:, 1], torch.full((50,), -0.25))
    assert torch.equal(codes[:, 0], before[:, 0])
    assert torch.equal(changed[:, :62], latents[:, :62])
    assert torch.equal(changed[:, 62:72].sort(1).values, latents[:, 62:72].sort(1).values)  # still such as are drawn


def test_a_walk_along_a_code_changes_that_code_alone() -> None:
    gan = small()
    latent = gan.latents(stream())[0]
    way = gan.walk_code(latent, 1, 5)
    assert way.shape == (5, 2, 64, 64)
    expected = gan.draw(torch.stack([gan.with_codes(latent[None], continuous={1: u})[0] for u in (-0.95, 0.0, 0.95)]))
    torch.testing.assert_close(way[[0, 2, 4]], expected, atol=1e-5, rtol=1e-4)
    assert not torch.equal(way[0], way[4])


def test_code_loss_by_hand_and_as_a_gaussian() -> None:
    codes, mean = torch.tensor([[0.5, -1.0], [0.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    log_variance = torch.log(torch.tensor([[1.0, 4.0], [1.0, math.e]]))
    # ½ (0.25/1 + 0 + 4/4 + log 4) = 1.3181472 and ½ (0 + 0 + 0 + 1) = 0.5
    assert code_loss(codes, mean, log_variance).item() == pytest.approx((1.3181472 + 0.5) / 2, abs=1e-6)
    normal = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    expected = -normal.log_prob(codes).sum(1).mean() - math.log(2 * math.pi)  # ½ log 2π for each of two codes
    torch.testing.assert_close(code_loss(codes, mean, log_variance), expected)
    assert code_loss(codes[:, :0], mean[:, :0], log_variance[:, :0]).item() == 0


def test_losses_of_a_head_that_knows_nothing_and_of_one_that_says_the_same() -> None:
    gan = small(categories=4, category_weight=2.0, continuous_weight=0.1)
    last = gan.discriminator.guess[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    latents = gan.with_codes(gan.latents(stream(), 3), 0, {0: 0.5, 1: -0.25})
    drawn = gan.draw(latents)
    _, losses = gan.judge_drawn(drawn, latents, torch.zeros(3, dtype=torch.int64))
    assert losses["category"].item() == pytest.approx(2 * math.log(4), abs=1e-5)
    assert losses["continuous"].item() == pytest.approx(0.1 * 0.5 * (0.25 + 0.0625), abs=1e-6)
    with torch.no_grad():
        last.bias[:4] = torch.tensor([math.log(3), 0, 0, 0])  # probability 3/6 for category 0
        last.bias[4:6] = torch.tensor([0.5, 0.0])
    _, losses = gan.judge_drawn(drawn, latents, torch.zeros(3, dtype=torch.int64))
    assert losses["category"].item() == pytest.approx(2 * math.log(2), abs=1e-5)
    assert losses["continuous"].item() == pytest.approx(0.1 * 0.5 * 0.0625, abs=1e-6)


def test_the_variance_of_a_guess_is_bounded() -> None:
    judge = InfoDiscriminator(3, 1, 1, 64, 8, 16)
    last = judge.guess[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.constant_(last.bias, -1000.0)
    *_, log_variance = judge.judge(torch.zeros(2, 1, 64, 64))
    assert log_variance.tolist() == [[-6.0], [-6.0]]


def test_logits_are_those_of_the_plain_discriminator() -> None:
    judge = InfoDiscriminator(3, 1, 1, 64, 8, 16).eval()
    x = torch.randn(2, 1, 64, 64, generator=stream())
    logits, category, mean, _ = judge.judge(x)
    torch.testing.assert_close(logits, judge(x))
    assert (category.shape, mean.shape) == ((2, 3), (2, 1))


def test_generator_shared_features_and_head_learn_from_the_codes_and_the_logit_does_not() -> None:
    gan = small()
    latents = gan.latents(stream(), 4)
    _, losses = gan.judge_drawn(gan.generator(latents), latents, torch.zeros(4, dtype=torch.int64))
    sum(losses.values()).backward()
    reached = {
        key for net in (gan.generator, gan.discriminator) for key, p in net.named_parameters() if p.grad is not None
    }
    everything = {key for net in (gan.generator, gan.discriminator) for key, _ in net.named_parameters()}
    logit = f"layers.{len(gan.discriminator.layers) - 1}"
    assert everything - reached == {f"{logit}.weight", f"{logit}.bias"} - reached
    assert gan.discriminator.layers[-1].weight.grad is None
    assert all(p.grad.abs().max() > 0 for p in gan.generator.parameters() if p.grad is not None)


def test_codes_become_readable() -> None:
    """After a few steps the head tells four categories apart in what the generator draws."""
    gan = small(categories=4, latent=8, learning_rate=1e-3, augment="none")
    image = torch.rand(8, 1, 64, 64, generator=stream()) * 2 - 1
    data = Batch(image, image, torch.zeros(8, dtype=torch.int64))
    for step in range(60):
        losses = gan.step(data, stream(step), 0.0)
    assert losses["category"] < 0.5 * math.log(4)
    latents = gan.latents(stream(1000), 64)
    guess = gan.discriminator.judge(gan.generator(latents))[1]
    category, _ = gan.generator.codes(latents)
    assert functional.one_hot(guess.argmax(1), 4).sum(0).gt(0).all()
    assert (guess.argmax(1) == category).float().mean() > 0.8
