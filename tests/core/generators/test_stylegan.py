"""StyleGAN's generator against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.stylegan import StyledLayer, Stylegan, StyleganNetwork, adain, layers_at, mix
from napari_organoid_synth.core.generators.stylegan_config import StyleganConfig

SMALL = {"channels": 64, "max_channels": 16, "latent": 8, "width": 8, "layers": 2}


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(**changes: object) -> Stylegan:
    torch.manual_seed(0)
    return Stylegan(StyleganConfig(**{**SMALL, **changes}), PairSpec(64, 1, 1))


def test_parameters_by_formula_as_published() -> None:
    widths = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
    config = StyleganConfig(channels=8192, max_channels=512, latent=512, width=512, first_size=8)
    generator = StyleganNetwork(3, 0, 1024, config)
    mapping = 8 * (512 * 512 + 512)
    expected = mapping + 16 * 512 + sum(3 * width + 3 for size, width in widths.items() if size >= 8)
    for size, width in widths.items():
        inside = widths.get(size // 2)
        expected += 9 * width * width + (9 * inside * width if inside else 0)
        expected += 2 * (width + width + 2 * width * (512 + 1))  # noise, bias, style of two layers
    assert sum(p.numel() for p in generator.parameters()) == expected
    assert expected == pytest.approx(26.2e6, rel=0.005)  # Karras 2019, section 2
    assert layers_at(1024) == 18


def test_adain_gives_every_plane_its_mean_and_standard_deviation() -> None:
    x = 5 + 3 * torch.randn(3, 4, 8, 8, generator=stream())
    scale, shift = torch.randn(2, 3, 4, generator=stream(1))
    found = adain(x, scale, shift)
    torch.testing.assert_close(found.mean((2, 3)), shift, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.std((2, 3), correction=0), scale.abs(), atol=1e-5, rtol=1e-5)
    plain = functional.instance_norm(x, eps=1e-8) * scale[:, :, None, None] + shift[:, :, None, None]
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=1e-5)
    x[0, 0] = 7.0  # a plane without variance keeps its mean alone
    torch.testing.assert_close(adain(x, scale, shift)[0, 0], shift[0, 0].expand(8, 8), atol=1e-2, rtol=0)


def test_enlarging_is_the_nearest_neighbour_and_121_filter() -> None:
    x = torch.randn(2, 3, 6, 6, generator=stream())
    row = torch.tensor([1.0, 2.0, 1.0]) / 4
    filtered = functional.conv2d(
        functional.interpolate(x, scale_factor=2.0), torch.outer(row, row).expand(3, 1, 3, 3), padding=1, groups=3
    )
    found = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], filtered[..., 1:-1, 1:-1])


def test_noise_is_one_plane_for_all_channels_times_a_strength_of_each() -> None:
    torch.manual_seed(0)
    layer = StyledLayer(None, 4, 8, 8)
    x, w = torch.randn(2, 4, 8, 8), torch.zeros(2, 8)
    assert torch.equal(layer(x, w, stream(1)), layer(x, w, stream(2)))  # at first it has no strength
    with torch.no_grad():
        layer.strength.copy_(torch.tensor([0.0, 1.0, 2.0, 0.0]))
        layer.bias.copy_(torch.tensor([0.0, 0.5, 0.0, 0.0]))
    assert torch.equal(layer(x, w, None), layer(x, w, None))
    drawn = torch.randn(2, 1, 8, 8, generator=stream(1))
    noisy = x + drawn * layer.strength[:, None, None] + layer.bias[:, None, None]
    expected = functional.instance_norm(functional.leaky_relu(noisy, 0.2), eps=1e-8)
    torch.testing.assert_close(layer(x, w, stream(1)), expected, atol=1e-5, rtol=1e-5)


class TestMixing:
    """Which layer takes which of two latent vectors."""

    def test_the_late_layers_take_the_second_style(self) -> None:
        first, second = torch.zeros(2000, 1), torch.ones(2000, 1)
        taken = mix(first, second, 6, 0.9, stream())[:, :, 0]
        assert taken.shape == (2000, 6)
        assert (taken[:, 0] == 0).all()
        assert (taken.diff(dim=1) >= 0).all()
        cuts = 6 - taken.sum(1)
        shares = torch.bincount(cuts.long(), minlength=7) / 2000
        torch.testing.assert_close(shares[1:6], torch.full((5,), 0.9 / 5), atol=0.03, rtol=0)
        assert shares[6].item() == pytest.approx(0.1, abs=0.03)

    def test_no_share_and_the_smallest_size(self) -> None:
        first, second = torch.zeros(100, 1), torch.ones(100, 1)
        assert mix(first, second, 6, 0.0, stream()).sum() == 0
        assert torch.equal(mix(first, second, 2, 1.0, stream())[:, :, 0], torch.tensor([0.0, 1.0]).expand(100, 2))

    def test_a_training_step_uses_two_latent_vectors(self) -> None:
        gan = make(mixing=1.0)
        seen: list[Tensor] = []
        gan.generator.register_forward_hook(lambda _m, given, _out: seen.append(given[0].detach()))
        gan.dream(torch.zeros(4, dtype=torch.int64), stream(), 16, 1.0)
        z = torch.randn(8, 8, generator=stream())
        first, second = gan.generator.mapping(z, torch.zeros(8, dtype=torch.int64)).chunk(2)
        assert seen[0].shape == (4, 6, 8)
        torch.testing.assert_close(seen[0][:, 0], first)
        torch.testing.assert_close(seen[0][:, -1], second)
        torch.testing.assert_close(gan.generator.mapping.mean[0], 0.005 * first.mean(0), atol=1e-6, rtol=1e-4)


def test_each_layer_listens_to_its_own_style() -> None:
    gan = make()
    w = torch.randn(1, 4, 8, generator=stream())
    base = gan.generator(w, 8)
    for layer in range(4):
        other = w.clone()
        other[:, layer] += 1
        assert not torch.allclose(gan.generator(other, 8), base)
    assert torch.equal(gan.generator(torch.cat([w, w], 1), 8), base)  # layers of larger sizes are not in use


def test_variety_is_psi() -> None:
    gan = make(first_size=64)
    for step in range(3):
        gan.dream(torch.zeros(4, dtype=torch.int64), stream(step), 64, 1.0)
    gan.average.load_state_dict(gan.generator.state_dict())
    z, mapping = gan.latents(stream(9), 4), gan.average.mapping
    full, half, none = (gan.draw(z, variety=variety) for variety in (1.0, 0.5, 0.0))
    torch.testing.assert_close(none, none[:1].expand_as(none))
    torch.testing.assert_close(none[:1], gan.average(mapping.mean[:, None].expand(1, 10, 8), 64))
    w = mapping(z, torch.zeros(4, dtype=torch.int64))
    between = mapping.mean + 0.5 * (w - mapping.mean)
    torch.testing.assert_close(half, gan.average(between[:, None].expand(4, 10, 8), 64), atol=1e-5, rtol=1e-5)
    assert full.std(0).mean() > half.std(0).mean() > 1e-3
    assert torch.equal(full, gan.draw(z))  # noise is always the same


def test_the_learning_rate_is_fixed_or_rises_from_128_px_on() -> None:
    sizes = (8, 64, 128, 256, 512)
    assert [make().rate(size) for size in sizes] == [1e-3] * 5
    rising = make(rates="rising")
    assert [rising.rate(size) for size in sizes] == pytest.approx([1e-3, 1e-3, 1.5e-3, 2e-3, 3e-3])


def test_a_step_at_128_px_uses_the_rate_of_the_settings() -> None:
    for rates, expected in (("fixed", 1e-3), ("rising", 1.5e-3)):
        config = StyleganConfig(**SMALL, rates=rates, first_size=128)
        gan, spec = Stylegan(config, PairSpec(128, 1, 1)), torch.zeros(2, 1, 128, 128)
        gan.step(Batch(spec, spec, torch.zeros(2, dtype=torch.int64)), stream(), 0.0)
        assert {o.param_groups[0]["lr"] for o in gan.optimizers().values()} == {expected}
