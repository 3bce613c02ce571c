"""The fully connected GAN: sizes by formula, the game's losses by hand, what the discriminator sees, tiles."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.adversarial import AdversarialGenerator
from napari_organoid_synth.core.generators.adversarial_config import AdversarialConfig
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.dense_gan import DenseGan
from napari_organoid_synth.core.generators.dense_gan_config import DenseGanConfig
from napari_organoid_synth.core.generators.networks import DenseDiscriminator, DenseGenerator

LOGITS = [-1.0, 0.0, 2.0]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiles(n: int, side: int, channels: tuple[int, int] = (1, 1)) -> Batch:
    image, mask = (torch.rand(n, c, side, side, generator=stream(c)) * 2 - 1 for c in channels)
    return Batch(image, mask, torch.zeros(n, dtype=torch.int64))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("side", "channels"), [(16, 5), (64, 2), (250, 1), (256, 1)])
def test_parameters_by_formula(side: int, channels: int) -> None:
    pixels = channels * side**2
    with torch.device("meta"):
        generator, discriminator = DenseGenerator(100, channels, side, 256), DenseDiscriminator(channels, side, 256)
    hidden = 101 * 256 + 257 * 512 + 513 * 1024 + 2 * (256 + 512 + 1024)  # with biases, and batch norms
    assert count(generator) == hidden + 1025 * pixels
    assert count(discriminator) == 512 * pixels + 512 + 513 * 256 + 257
    if side == 256:
        last = generator.layers[-1].weight
        assert isinstance(last, Tensor)
        assert last.numel() == 67_108_864  # "67 million weights"


def test_layers_are_those_of_the_baseline() -> None:
    generator = DenseGenerator(100, 1, 16, 256)
    kinds = [type(layer).__name__ for layer in generator.layers]
    assert kinds == ["Linear", "LeakyReLU", "BatchNorm1d"] * 3 + ["Linear"]
    assert {layer.momentum for layer in generator.layers if isinstance(layer, nn.BatchNorm1d)} == {0.2}
    judge = DenseDiscriminator(1, 16, 256)
    assert [type(layer).__name__ for layer in judge.layers] == ["Linear", "LeakyReLU"] * 2 + ["Linear"]
    slopes = {m.negative_slope for net in (generator, judge) for m in net.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}
    limit = math.sqrt(6 / (256 + 512))  # Glorot's uniform distribution
    first = judge.layers[0]
    assert isinstance(first, nn.Linear)
    assert 0.98 * limit < first.weight.abs().max().item() <= limit


def test_pixels_lie_in_memory_as_those_of_convolutions() -> None:
    drawn = DenseGenerator(4, 3, 16, 16)(torch.randn(2, 4, generator=stream()))
    assert drawn.shape == (2, 3, 16, 16)
    assert drawn.is_contiguous(memory_format=torch.channels_last)
    judge = DenseDiscriminator(3, 16, 16)
    torch.testing.assert_close(judge(drawn), judge(drawn.contiguous()))


class Dot(nn.Module):
    """Draws one number everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(0.25))

    def forward(self, noise: Tensor, image_class: Tensor | None = None) -> Tensor:
        return self.value.expand(len(noise), 2, 16, 16)


class Judge(nn.Module):
    """Finds -1, 0 and 2 in three samples, whatever they are, plus its bias; keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(0.0))
        self.shown: list[Tensor] = []

    def forward(self, x: Tensor, image_class: Tensor | None = None) -> Tensor:
        self.shown.append(x.detach())
        return torch.tensor(LOGITS) + self.bias + (x - x.detach()).mean((1, 2, 3))


def game(**settings: object) -> tuple[AdversarialGenerator, Judge]:
    config = DenseGanConfig.parse({"learning_rate": 0.01, **settings})
    judge = Judge()
    return AdversarialGenerator(config, PairSpec(16, 1, 1), Dot(), judge), judge


def test_losses_gradients_and_steps_by_hand() -> None:
    gan, judge = game(augment="none")
    losses = gan.step(tiles(3, 16), stream(), 0.0)
    minus = [math.log(1 + math.exp(-x)) for x in LOGITS]
    plus = [math.log(1 + math.exp(x)) for x in LOGITS]
    assert losses["discriminator"].item() == pytest.approx((sum(minus) + sum(plus)) / 3, abs=1e-6)
    sigmoids = [sigmoid(x) for x in LOGITS]
    assert judge.bias.grad is not None
    assert judge.bias.grad.item() == pytest.approx(sum(2 * s - 1 for s in sigmoids) / 3, abs=1e-6)  # > 0
    assert judge.bias.item() == pytest.approx(-0.01, abs=1e-6)  # Adam's first step is the learning rate
    moved = [math.log(1 + math.exp(-(x - 0.01))) for x in LOGITS]  # judged again, after the discriminator's step
    assert losses["generator"].item() == pytest.approx(sum(moved) / 3, abs=1e-6)
    assert gan.generator.value.item() == pytest.approx(0.25 + 0.01, abs=1e-6)  # towards a larger logit


@pytest.mark.parametrize(
    ("loss", "of_real", "of_drawn", "of_generator"),
    [
        ("least_squares", lambda x: 0.5 * (x - 1) ** 2, lambda x: 0.5 * x**2, lambda x: 0.5 * (x - 1) ** 2),
        ("wasserstein", lambda x: -x, lambda x: x, lambda x: -x),
        ("poisson", lambda x: sigmoid(x) - math.log(sigmoid(x) + 1e-8), sigmoid, None),
    ],
)
def test_other_losses_by_hand(loss, of_real, of_drawn, of_generator) -> None:  # type: ignore[no-untyped-def]
    gan, _ = game(augment="none", loss=loss, learning_rate=1e-9)
    losses = gan.step(tiles(3, 16), stream(), 0.0)
    expected = sum(of_real(x) + of_drawn(x) for x in LOGITS) / 3
    assert losses["discriminator"].item() == pytest.approx(expected, abs=1e-5)
    expected = sum((of_generator or of_real)(x) for x in LOGITS) / 3
    assert losses["generator"].item() == pytest.approx(expected, abs=1e-5)


def test_a_wasserstein_critic_learns_five_times_and_its_slope_is_bounded() -> None:
    gan, judge = game(augment="none", loss="wasserstein")
    gan.step(tiles(3, 16), stream(), 0.0)
    assert len(judge.shown) == 5 * 3 + 1  # real, drawn and mixed each time, then drawn for the generator
    config = DenseGanConfig(width=16, loss="wasserstein", augment="none", learning_rate=2e-3)
    gan = DenseGan(config, PairSpec(16, 1, 1))
    slopes = []
    for seed in range(40):
        gan.step(tiles(4, 16), stream(seed), 0.0)
        x = tiles(4, 16).joint.requires_grad_(True)
        (slope,) = torch.autograd.grad(gan.discriminator(x).sum(), x)
        slopes.append(slope.flatten(1).norm(dim=1).mean().item())
    assert 0.5 < slopes[-1] < 2


@pytest.mark.parametrize("name", ["dcgan", "cgan", "infogan"])
def test_a_critic_with_a_penalty_mixes_no_samples(name: str) -> None:
    from napari_organoid_synth.core.generators.base import build_generator
    from napari_organoid_synth.core.generators.config import generator_config

    values = {"generator_channels": 8, "discriminator_channels": 8, "max_channels": 16, "loss": "wasserstein"}
    values |= {"network": "conv"} if name == "cgan" else {}
    gan = build_generator(generator_config(name).parse({"name": name, **values}), PairSpec(64, 1, 1))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in gan.networks()["discriminator"].modules())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in gan.networks()["generator"].modules())
    losses = gan.step(tiles(2, 64), stream(), 0.0)
    assert losses["bad"] == 0
    assert all(torch.isfinite(value) for value in losses.values())


def test_real_and_drawn_are_judged_apart_and_augmented_alike() -> None:
    data = tiles(3, 16)
    gan, judge = game(augment="none")
    gan.step(data, stream(), 0.0)
    assert [len(x) for x in judge.shown] == [3, 3, 3]  # real, drawn, drawn
    assert torch.equal(judge.shown[0], data.joint)
    gan, judge = game(augment="geometry", augment_probability=0.8)
    gan.step(data, stream(), 0.0)
    assert not torch.equal(judge.shown[0], data.joint)
    assert all((x == 0.25).all() for x in judge.shown[1:])  # turning and shifting an even plane change nothing
    gan, judge = game(augment="all", augment_probability=0.8)
    gan.step(data, stream(), 0.0)
    assert all((x[:, 0] != 0.25).any() for x in judge.shown[1:])
    assert all((x[:, 1] == 0.25).all() for x in judge.shown[1:])  # colour leaves masks alone


def test_without_averaging_samples_come_from_the_newest_weights() -> None:
    gan = DenseGan(DenseGanConfig(width=16, ema_half_life=0), PairSpec(16, 1, 1))
    for seed in range(3):
        gan.step(tiles(4, 16), stream(seed), 0.0)
    states = gan.generator.state_dict(), gan.average.state_dict()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_one_tile_per_step_becomes_two() -> None:
    gan = DenseGan(DenseGanConfig(width=16), PairSpec(16, 1, 1))
    assert [gan.batch_size(batch, 0.0) for batch in (1, 2, 32)] == [2, 2, 32]


def test_even_tiles_from_16_to_256() -> None:
    config = DenseGanConfig()
    for size in (16, 18, 250, 256, *config.tiles):
        config.check_tile(size)
    for size in (14, 63, 251, 258):
        with pytest.raises(UserError, match=f"{size} px. GAN with fully connected layers takes even sizes"):
            config.check_tile(size)


def test_images_of_250_px_need_no_padding() -> None:
    gan = DenseGan(DenseGanConfig(width=16, latent=8), PairSpec(250, 1, 1))
    gan.step(tiles(2, 250), stream(), 0.0)
    drawn = gan.sample(stream(), 2)
    assert drawn.shape == (2, 2, 250, 250)
    assert drawn.abs().max() <= 1


def test_the_shared_settings_stand_first_after_the_name() -> None:
    shared = list(AdversarialConfig.model_fields)
    assert list(DenseGanConfig.model_fields)[: len(shared)] == shared
    assert shared[0] == "name"
