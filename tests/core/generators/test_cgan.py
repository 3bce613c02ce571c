"""CGAN: the class reaches both networks, and only the classes shown learn; sizes by formula; which networks when."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.cgan import Cgan
from napari_organoid_synth.core.generators.cgan_config import CganConfig
from napari_organoid_synth.core.generators.dcgan import Dcgan
from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.generators.networks import (
    ConvDiscriminator,
    ConvGenerator,
    DenseDiscriminator,
    DenseGenerator,
)

CLASSES = ("healthy", "ill", "dead")
SMALL = {"latent": 10, "width": 16, "generator_channels": 8, "discriminator_channels": 8, "max_channels": 16}
NETWORKS = ["mlp", "conv"]


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(network: str, classes: tuple[str, ...] = CLASSES, side: int = 64) -> Cgan:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Cgan(CganConfig.parse({**SMALL, "network": network}), PairSpec(side, 1, 1, classes))


def tiles(image_class: list[int], side: int = 64) -> Batch:
    image, mask = (torch.rand(len(image_class), 1, side, side, generator=stream(seed)) * 2 - 1 for seed in (1, 2))
    return Batch(image, mask, torch.tensor(image_class))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_by_formula() -> None:
    pixels = 2 * 64**2
    with torch.device("meta"):
        assert count(DenseGenerator(100, 2, 64, 256, 3)) == count(DenseGenerator(100, 2, 64, 256)) + 50 * 256 + 3 * 50
        assert count(DenseDiscriminator(2, 64, 256, 3)) == (pixels + 3) * 512 + 512 + 513 * 256 + 257
        plain, conditional = (ConvGenerator(100, 2, 64, 64, 512, "transposed", classes) for classes in (0, 3))
        # z → 512 → 256 → 128 → 64 → 2 with 4 × 4 kernels, batch norms of 2 each, a bias at the end
        assert count(plain) == 16 * (100 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 2) + 2 * 960 + 2
        assert count(conditional) == count(plain) + 50 * 512 * 16 + 3 * 50
        plain_judge, judge = (ConvDiscriminator(2, 64, 64, 512, classes) for classes in (0, 3))
        assert count(plain_judge) == 16 * (2 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 2 * 896 + 1
        assert count(judge) == count(plain_judge) + 64 * 16 + 3 * 64**2


@pytest.mark.parametrize("network", NETWORKS)
def test_the_class_changes_the_sample_and_the_verdict(network: str) -> None:
    gan = small(network)
    latents = gan.latents(stream()).expand(3, -1)
    drawn = gan.draw(latents, torch.tensor([0, 1, 1]))
    assert torch.equal(drawn[1], drawn[2])
    assert (drawn[0] - drawn[1]).abs().max() > 0.1 * drawn.abs().max()
    torch.testing.assert_close(gan.draw(latents), gan.draw(latents, torch.tensor([0, 0, 0])))  # the first when not told
    still = gan.draw(gan.latents(stream(), 2), torch.tensor([0, 1]), variety=0.0)
    assert not torch.equal(still[0], still[1])  # the class stays when the noise is gone
    gan.discriminator.eval()  # batch statistics would mix the three
    logits = gan.discriminator(drawn[:1].expand(3, -1, -1, -1), torch.tensor([0, 1, 1]))
    torch.testing.assert_close(logits[1], logits[2])
    assert abs(logits[0] - logits[1]) > 0.1 * logits.abs().max()


@pytest.mark.parametrize("network", NETWORKS)
def test_losses_reach_the_classes_that_were_shown_and_no_others(network: str) -> None:
    gan = small(network)
    gan.step(tiles([0, 2, 2]), stream(), 0.0)
    told = gan.generator.embedding
    assert isinstance(told, nn.Embedding)
    assert told.weight.grad is not None
    assert told.weight.grad.abs().sum(1).gt(0).tolist() == [True, False, True]
    if network == "conv":
        assert isinstance(gan.discriminator.maps, nn.Embedding)
        gradient = gan.discriminator.maps.weight.grad
    else:
        assert isinstance(gan.discriminator.layers[0], nn.Linear)
        assert gan.discriminator.layers[0].weight.grad is not None
        gradient = gan.discriminator.layers[0].weight.grad[:, -3:].T  # the one-hot vector comes last
    assert gradient is not None
    assert gradient.abs().sum(1).gt(0).tolist() == [True, False, True]


def test_it_learns_what_belongs_to_a_class() -> None:
    """One class is black, the other white."""
    config = CganConfig(width=64, latent=10, augment="none", learning_rate=5e-4, ema_half_life=0.2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gan = Cgan(config, PairSpec(16, 1, 0, ("black", "white")))
    classes = torch.arange(16) % 2
    image = (classes * 1.6 - 0.8)[:, None, None, None].expand(-1, 1, 16, 16)
    for step in range(150):
        gan.step(Batch(image, image[:, :0], classes), stream(step), 0.0)
    means = gan.draw(gan.latents(stream(), 16), classes).mean((1, 2, 3))
    assert means[classes == 0].max() < -0.5
    assert means[classes == 1].min() > 0.5


def test_maps_begin_as_even_planes_far_apart() -> None:
    maps = ConvDiscriminator(1, 64, 8, 16, 3).maps
    assert maps is not None
    assert [row.unique().tolist() for row in maps.weight] == [[-1.0], [0.0], [1.0]]


@pytest.mark.parametrize("network", NETWORKS)
def test_without_classes_there_is_one(network: str) -> None:
    gan = small(network, classes=())
    assert isinstance(gan.generator.embedding, nn.Embedding)
    assert gan.generator.embedding.weight.shape == (1, 50)
    assert gan.step(tiles([0, 0]), stream(), 0.0)["bad"] == 0
    assert torch.isfinite(gan.sample(stream(), 2)).all()


def test_convolutions_resume_bit_for_bit_and_move_every_weight() -> None:
    whole, half = small("conv"), small("conv")
    before = [p.detach().clone() for net in whole.networks().values() for p in net.parameters()]
    for step in range(4):
        whole.step(tiles([0, 1, 2]), stream(step), 0.0)
    after = [p for net in whole.networks().values() for p in net.parameters()]
    assert not any(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    for step in range(2):
        half.step(tiles([0, 1, 2]), stream(step), 0.0)
    resumed = small("conv")
    resumed.load_state(*half.state())
    for step in range(2, 4):
        resumed.step(tiles([0, 1, 2]), stream(step), 0.0)
    assert all(torch.equal(value, resumed.state()[0][key]) for key, value in whole.state()[0].items())


def test_a_dcgan_lends_its_weights() -> None:
    """All but the first layers, which take the class, fit: transfer from unlabelled images."""
    dcgan = Dcgan(DcganConfig.parse({k: v for k, v in SMALL.items() if k != "width"}), PairSpec(64, 1, 1))
    gan = small("conv")
    _, left = gan.load_matching_weights(dcgan.state()[0])
    assert left == 2 * 2 + 2  # first layer and embedding of generator and average, first layer and maps of the judge


@pytest.mark.parametrize(
    ("network", "side", "dense"),
    [("auto", 32, True), ("auto", 64, True), ("auto", 128, False), ("mlp", 250, True), ("conv", 64, False)],
)
def test_which_networks(network: str, side: int, dense: bool) -> None:
    config = CganConfig.parse({"network": network})
    config.check_tile(side)
    assert config.is_dense(side) == dense
    small_config = CganConfig.parse({**SMALL, "network": network})
    gan = Cgan(small_config, PairSpec(side, 1, 1, CLASSES))
    assert isinstance(gan.generator, DenseGenerator if dense else ConvGenerator)
    assert gan.batch_size(1, 0.0) == (2 if dense else 1)


def test_tiles_that_do_not_fit_are_refused() -> None:
    for size in CganConfig.tiles:
        CganConfig().check_tile(size)
    with pytest.raises(
        UserError, match=r"250 px. Convolutional CGAN takes 64, 128, 256 px. .* or set network to 'mlp'"
    ):
        CganConfig().check_tile(250)
    with pytest.raises(UserError, match=r"33 px. CGAN with fully connected layers takes even sizes"):
        CganConfig().check_tile(33)
