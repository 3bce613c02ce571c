"""pix2pix against published sizes and an independent discriminator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.blocks import Dropout
from napari_organoid_synth.core.generators.pix2pix import MultiscaleDiscriminator, PatchDiscriminator, Pix2Pix, UNet
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.recipe import Recipe


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_parameters_as_published() -> None:
    assert count(UNet(3, 3, 256, 64)) / 1e6 == pytest.approx(54.41, abs=0.01)
    assert count(UNet(1, 1, 256, 32)) / 1e6 == pytest.approx(13.6, abs=0.05)
    assert count(PatchDiscriminator(6, 64)) / 1e6 == pytest.approx(2.77, abs=0.01)
    assert count(MultiscaleDiscriminator(6, 64)) == 3 * count(PatchDiscriminator(6, 64))


def test_discriminator_equals_monai_in_size_and_output() -> None:
    nets = pytest.importorskip("monai.networks.nets")
    other = nets.PatchDiscriminator(spatial_dims=2, in_channels=6, channels=64, num_layers_d=3)
    own = PatchDiscriminator(6, 64, "batch")
    assert count(own) == count(other)
    x = torch.randn(1, 6, 64, 64)
    assert own(x)[-1].shape == other(x)[-1].shape


@pytest.mark.parametrize("norm", ["none"])
def test_receptive_field_is_70(norm: str) -> None:
    network = PatchDiscriminator(1, 8, norm)
    x = torch.randn(1, 1, 256, 256, requires_grad=True)
    logits = network(x)[-1]
    assert logits.shape == (1, 1, 30, 30)
    (gradient,) = torch.autograd.grad(logits[0, 0, 15, 15], x)
    rows, columns = gradient[0, 0].nonzero(as_tuple=True)
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


def test_three_scales_give_30_14_6() -> None:
    outputs = MultiscaleDiscriminator(2, 8)(torch.randn(1, 2, 256, 256))
    assert [tuple(scale[-1].shape[2:]) for scale in outputs] == [(30, 30), (14, 14), (6, 6)]


def test_three_scales_want_tiles_that_the_third_can_halve() -> None:
    with pytest.raises(UserError, match=r"The tile is 64 px\. With three discriminators pix2pix takes 128 px or more"):
        Recipe.parse({"gan": {"name": "pix2pix", "scales": 3}, "tiles": {"size": 64}})
    Recipe.parse({"gan": {"name": "pix2pix", "scales": 3}, "tiles": {"size": 128}})
    judged = MultiscaleDiscriminator(2, 8)(torch.randn(1, 2, 128, 128))
    assert [scale[-1].shape[-1] for scale in judged] == [14, 6, 2]


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_unet_keeps_size_drops_out_at_4_8_16_and_takes_batch_1(size: int) -> None:
    network = UNet(2, 1, size, 8)
    sizes: list[int] = []
    for module in network.modules():
        if isinstance(module, Dropout):
            module.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[-1]))
    painted = network(torch.randn(1, 2, size, size))
    assert painted.shape == (1, 1, size, size)
    assert painted.abs().max() <= 1
    assert sizes == [4, 8, 16]


def test_recipes_keep_the_upsampling_that_is_written_in_them(tmp_path: Path) -> None:
    assert "upsample: resize" in Pix2PixConfig().to_yaml()
    written = Recipe.parse({"gan": {"name": "pix2pix", "upsample": "transposed"}})
    written.to_file(tmp_path / "recipe.yaml")
    gan = build_generator(Recipe.from_file(tmp_path / "recipe.yaml").gan, PairSpec(64, 1, 1))
    assert any(isinstance(module, nn.ConvTranspose2d) for module in gan.networks()["generator"].modules())


def test_rate_is_constant_then_falls_to_zero() -> None:
    gan = Pix2Pix(Pix2PixConfig(generator_channels=8, discriminator_channels=8), PairSpec(64, 1, 1))
    rates = [gan.learning_rate(p) for p in (0, 0.25, 0.5, 0.75, 1)]
    assert rates == pytest.approx([2e-4, 2e-4, 2e-4, 1e-4, 0])


def batch(spec: PairSpec, n: int = 2) -> Batch:
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(n, spec.image_channels, spec.tile, spec.tile, generator=rng) * 2 - 1
    mask = torch.rand(n, spec.mask_channels, spec.tile, spec.tile, generator=rng) * 2 - 1
    return Batch(image, mask, torch.zeros(n, dtype=torch.int64))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("changes", [{}, {"scales": 3}, {"adversarial": "lsgan", "feature_weight": 10.0},
                                     {"norm": "batch", "upsample": "resize"}, {"norm": "none"}])  # fmt: skip
def test_every_option_and_channel_count_takes_a_step(channels: int, changes: dict[str, object]) -> None:
    spec = PairSpec(64, channels, 2)
    config = Pix2PixConfig(generator_channels=8, discriminator_channels=8).replace(**changes)
    if config.scales == 3:
        spec = PairSpec(128, channels, 2)
    losses = Pix2Pix(config, spec).step(batch(spec), torch.Generator().manual_seed(0), 0.0)
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["bad"] == 0
    assert ("features" in losses) == bool(config.feature_weight)


def test_both_weights_count_at_once() -> None:
    """The gradient is adversarial + feature_weight · features + l1_weight · L1, whatever is 0."""
    spec = PairSpec(64, 1, 1)

    def gradient(**weights: float) -> torch.Tensor:
        torch.manual_seed(0)
        config = Pix2PixConfig(generator_channels=8, discriminator_channels=8, dropout=0, learning_rate=1e-9)
        gan = Pix2Pix(config.replace(**weights), spec)
        gan.step(batch(spec), torch.Generator().manual_seed(0), 0.0)
        return torch.cat([p.grad.flatten() for p in gan.generator.parameters() if p.grad is not None])

    none = gradient(l1_weight=0.0)
    of_l1, of_features = gradient(l1_weight=3.0) - none, gradient(l1_weight=0.0, feature_weight=5.0) - none
    assert of_l1.norm() > 0.1 * none.norm()
    assert of_features.norm() > 0.1 * none.norm()
    both = gradient(l1_weight=3.0, feature_weight=5.0) - none
    torch.testing.assert_close(both, of_l1 + of_features, atol=1e-5, rtol=1e-3)


def test_bad_input_is_counted_and_does_not_destroy_the_weights() -> None:
    spec = PairSpec(64, 1, 1)
    gan = Pix2Pix(Pix2PixConfig(generator_channels=8, discriminator_channels=8), spec)
    poisoned = batch(spec)
    poisoned.image[0, 0, 0, 0] = float("nan")
    assert gan.step(poisoned, torch.Generator().manual_seed(0), 0.0)["bad"] == 1
    assert all(torch.isfinite(p).all() for network in gan.networks().values() for p in network.parameters())


def test_three_scales_cost_little_more() -> None:
    """Arithmetic says 1.17 for one step; the count is torch's own."""
    from torch.utils.flop_counter import FlopCounterMode

    flops = []
    for scales in (1, 3):
        spec = PairSpec(256, 1, 1)
        gan = Pix2Pix(Pix2PixConfig(generator_channels=8, discriminator_channels=8, scales=scales), spec)
        with FlopCounterMode(display=False) as counter:
            gan.step(batch(spec, 1), torch.Generator().manual_seed(0), 0.0)
        flops.append(counter.get_total_flops())
    assert 1.1 < flops[1] / flops[0] < 1.2


def test_learns_to_paint_what_it_is_shown() -> None:
    """Overfits one pair: the difference falls to a third."""
    spec = PairSpec(64, 1, 1)
    gan = Pix2Pix(Pix2PixConfig(generator_channels=8, discriminator_channels=8, learning_rate=2e-3), spec)
    mask = torch.where(torch.rand(2, 1, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3) > 0.5, 1.0, -1.0)
    data = Batch(mask * 0.5, mask, torch.zeros(2, dtype=torch.int64))
    differences = [float(gan.step(data, torch.Generator().manual_seed(step), 0.0)["difference"]) for step in range(40)]
    assert differences[-1] < differences[0] / 3
