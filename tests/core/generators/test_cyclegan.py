"""CycleGAN: published sizes, losses by hand, what is remembered between steps, and that nothing is paired."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.cyclegan import EMPTY, CycleGan, ImagePool, Memory, ResNet
from napari_organoid_synth.core.generators.cyclegan_config import CycleGanConfig
from napari_organoid_synth.core.generators.pix2pix import PatchDiscriminator

SMALL = CycleGanConfig(generator_channels=8, discriminator_channels=8, blocks=1)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(image: int = 1, mask: int = 1, n: int = 2, seed: int = 0) -> Batch:
    rng = stream(seed)
    parts = (torch.rand(n, channels, 32, 32, generator=rng) * 2 - 1 for channels in (image, mask))
    return Batch(*parts, torch.zeros(n, dtype=torch.int64))


def test_parameters_as_published() -> None:
    def count(network: nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    # 11.378 M with a bias per convolution; here each normalised layer has scale and shift instead, 5248 more
    assert count(ResNet(3, 3, 64, 9)) == 11_378_179 + 5_248
    assert count(ResNet(3, 3, 64, 9, "transposed")) == count(ResNet(3, 3, 64, 9))
    assert (count(ResNet(3, 3, 64, 9)) - count(ResNet(3, 3, 64, 6))) == 6 * (256 * 256 * 9 + 2 * 256)
    assert count(PatchDiscriminator(3, 64)) / 1e6 == pytest.approx(2.77, abs=0.01)


def test_blocks_follow_the_tile_as_published() -> None:
    config = SMALL.replace(blocks=None)
    assert [len(CycleGan(config, PairSpec(tile, 1, 1)).painter.blocks) for tile in (64, 128, 256)] == [6, 6, 9]


def test_reflection_keeps_an_even_mask_even_up_to_the_border() -> None:
    torch.manual_seed(0)
    network = ResNet(2, 1, 8, 2)
    painted = network(torch.tensor([0.3, -1.0])[None, :, None, None].expand(1, 2, 32, 48))
    assert painted.shape == (1, 1, 32, 48)
    torch.testing.assert_close(painted, painted[..., :1, :1].expand_as(painted), atol=1e-5, rtol=0)
    layer = network.down[0]
    row = torch.arange(16.0).expand(1, 2, 16, 16)
    mirrored = functional.conv2d(functional.pad(row, (3, 3, 3, 3), "reflect"), layer.weight)
    torch.testing.assert_close(layer(row), mirrored)


@pytest.mark.parametrize("upsample", ["bilinear", "resize", "transposed"])
def test_size_and_range(upsample: str) -> None:
    painted = ResNet(3, 2, 8, 1, upsample)(torch.randn(2, 3, 20, 36))
    assert painted.shape == (2, 2, 20, 36)
    assert painted.abs().max() <= 1


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Says(nn.Module):
    """A judge of one opinion."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.logit.expand(len(x), 1, 2, 2)]


def stubbed(a: float, b: float, **changes: Any) -> CycleGan:
    gan = CycleGan(SMALL.replace(noise=0.0, **changes), PairSpec(32, 1, 1))
    gan.painter, gan.finder = Times(a), Times(b)
    gan.generators = nn.ModuleDict({"painter": gan.painter, "finder": gan.finder})
    gan.judge_images, gan.judge_masks = Says(0.25), Says(-1.0)
    gan._optimizers = {n: torch.optim.SGD(gan.networks()[n].parameters(), lr=0.1) for n in gan.optimizers()}
    return gan


def test_losses_and_their_slope_by_hand() -> None:
    """Painting doubles, finding quarters: coming back halves both, so each is off by half of itself."""
    a, b, data = 2.0, 0.25, batch()
    image, mask = float(data.image.abs().mean()), float(data.mask.abs().mean())
    gan = stubbed(a, b)
    losses = gan.step(data, stream(), 1.0)  # rate 0: nothing moves
    assert float(losses["cycle"]) == pytest.approx(0.5 * (image + mask), rel=1e-5)
    assert float(losses["identity"]) == pytest.approx((a - 1) * image + (1 - b) * mask, rel=1e-5)
    assert float(losses["generator"]) == pytest.approx((0.25 - 1) ** 2 + (-1 - 1) ** 2)
    halves = [0.5 * ((logit - 1) ** 2 + logit**2) for logit in (0.25, -1.0)]
    assert float(losses["discriminator"]) == pytest.approx(sum(halves))
    # d/da of 10 |ab - 1| (image + mask) + 5 |a - 1| image, and the same for b
    assert float(gan.painter.factor.grad) == pytest.approx(-10 * b * (image + mask) + 5 * image, rel=1e-5)
    assert float(gan.finder.factor.grad) == pytest.approx(-10 * a * (image + mask) - 5 * mask, rel=1e-5)
    without = stubbed(a, b, identity_weight=0.0, cycle_weight=3.0)
    assert "identity" not in without.step(data, stream(), 1.0)
    assert float(without.painter.factor.grad) == pytest.approx(-3 * b * (image + mask), rel=1e-5)


@pytest.mark.parametrize(("image", "mask"), [(1, 1), (3, 3), (1, 2), (3, 1), (5, 4)])
def test_identity_only_where_channels_agree(image: int, mask: int) -> None:
    gan = CycleGan(SMALL, PairSpec(32, image, mask))
    losses = gan.step(batch(image, mask), stream(), 0.0)
    assert ("identity" in losses) == (image == mask)
    assert losses["bad"] == 0


def test_each_image_meets_the_mask_of_the_tile_before() -> None:
    memory = Memory(PairSpec(2, 1, 1))
    masks = torch.arange(8.0)[:, None, None, None].expand(8, 1, 2, 2)
    met = [memory.unpair(masks[:3], first=True), memory.unpair(masks[3:4], False), memory.unpair(masks[4:], False)]
    assert [m[:, 0, 0, 0].tolist() for m in met] == [[2, 0, 1], [2], [3, 4, 5, 6]]


def test_which_mask_stands_beside_which_image_does_not_matter() -> None:
    """No term of the loss compares the two."""
    found = []
    for order in ([0, 1, 2], [2, 0, 1]):
        torch.manual_seed(0)
        gan = CycleGan(SMALL.replace(noise=0.0), PairSpec(32, 1, 2))
        data = batch(1, 2, 3)
        found.append(gan.step(Batch(data.image, data.mask[order], data.image_class), stream(), 0.0))
    for key in ("generator", "cycle", "discriminator"):
        torch.testing.assert_close(found[0][key], found[1][key])


def test_pool_gives_back_half_older_images_each_once() -> None:
    pool, rng = ImagePool(1, 1), stream()
    values = torch.arange(2000) / 2048  # exact in float16
    given = torch.cat([pool(part.reshape(-1, 1, 1, 1), rng) for part in values.split(4)]).flatten()
    assert torch.equal(given[:50], values[:50])
    older = given[50:] != values[50:]
    assert older.float().mean() == pytest.approx(0.5, abs=0.05)
    assert len(given[50:].unique()) == len(given[50:])  # what leaves the pool does not come back
    ages = (values[50:] - given[50:])[older] * 2048
    assert ages.min() >= 1
    assert ages.mean() == pytest.approx(100, rel=0.15)  # one of 50 places is swapped every other image
    assert (pool.kept < EMPTY).all()


def test_resumed_with_full_pools_equals_uninterrupted() -> None:
    def fresh() -> CycleGan:
        torch.manual_seed(0)
        return CycleGan(SMALL, PairSpec(32, 1, 2))

    def advance(gan: CycleGan, start: int, stop: int) -> None:
        for step in range(start, stop):
            gan.step(batch(1, 2, seed=step), stream(step), step / 6)

    whole = fresh()
    for pool in (whole.memory.images, whole.memory.masks):
        pool.kept.uniform_(-1, 1, generator=stream(9))
    half, resumed = fresh(), fresh()
    half.load_state(*whole.state())
    advance(whole, 0, 6)
    advance(half, 0, 3)
    resumed.load_state(*half.state())
    advance(resumed, 3, 6)
    for key, value in whole.state()[0].items():
        assert torch.equal(value, resumed.state()[0][key]), key


def test_rate_is_constant_then_falls_to_zero() -> None:
    gan = CycleGan(SMALL, PairSpec(32, 1, 1))
    assert [gan.learning_rate(p) for p in (0, 0.5, 0.75, 1)] == pytest.approx([2e-4, 2e-4, 1e-4, 0])


def test_noise_is_the_only_variety_and_follows_its_stream() -> None:
    gan, mask = CycleGan(SMALL, PairSpec(32, 1, 2)), batch(1, 2).mask
    still = [gan.sample(stream(seed), condition=mask, variety=0.0) for seed in (1, 2)]
    assert torch.equal(*still)
    torch.testing.assert_close(still[0], gan.painter(mask))
    both = gan.sample([stream(1), stream(2)], condition=mask)
    torch.testing.assert_close(both[1:], gan.sample(stream(2), condition=mask[1:]))
    noise = torch.empty(1, 2, 32, 32).normal_(generator=stream(1))
    torch.testing.assert_close(both[:1], gan.painter(mask[:1] + 0.1 * noise))
    quiet = CycleGan(SMALL.replace(noise=0.0), PairSpec(32, 1, 2))
    assert torch.equal(*(quiet.sample(stream(seed), condition=mask) for seed in (1, 2)))
    with pytest.raises(ValueError, match="condition"):
        gan.sample(stream())


def test_reverse_finds_masks_of_images() -> None:
    gan, image = CycleGan(SMALL, PairSpec(32, 3, 2)), batch(3, 2).image
    found = gan.reverse(image)
    assert found.shape == (2, 2, 32, 32)
    assert not found.requires_grad
    torch.testing.assert_close(found, gan.finder(image))


def test_learns_to_come_back() -> None:
    torch.manual_seed(0)
    gan = CycleGan(SMALL.replace(learning_rate=2e-3, noise=0.0), PairSpec(32, 1, 1))
    squares = torch.rand(2, 1, 4, 4, generator=stream()).repeat_interleave(8, 2).repeat_interleave(8, 3)
    mask = torch.where(squares > 0.5, 1.0, -1.0)
    data = Batch(-0.5 * mask, mask, torch.zeros(2, dtype=torch.int64))
    cycles = [float(gan.step(data, stream(step), 0.0)["cycle"]) for step in range(40)]
    assert cycles[-1] < cycles[0] / 2
