"""ProGAN's generator against closed forms."""

from __future__ import annotations

import pytest
import torch

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.generators.progan import Progan, ProganNetwork
from napari_organoid_synth.core.generators.progan_config import ProganConfig

SMALL = {"channels": 64, "max_channels": 16, "latent": 8}


def test_parameters_by_formula_as_published() -> None:
    widths = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
    generator = ProganNetwork(3, 0, 1024, ProganConfig(channels=8192, max_channels=512))
    expected = 512 * 16 * 512 + 16 * 512 + 9 * 512 * 512 + 512 + sum(3 * width + 3 for width in widths.values())
    for size in list(widths)[1:]:
        inside, width = widths[size // 2], widths[size]
        expected += 9 * inside * width + width + 9 * width * width + width
    assert sum(p.numel() for p in generator.parameters()) == expected
    assert expected == pytest.approx(23.1e6, rel=0.005)  # Karras 2018, table 2


def test_two_classes_are_one_hot_numbers_beside_the_latent_vector_and_one_class_is_none() -> None:
    plain, one, two = (ProganNetwork(2, classes, 64, ProganConfig(**SMALL)) for classes in (0, 1, 2))
    counts = [sum(p.numel() for p in network.parameters()) for network in (plain, one, two)]
    assert counts[0] == counts[1]
    assert counts[2] - counts[0] == 2 * 16 * 16
    z = torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    seen: list[torch.Tensor] = []
    two.blocks["4"].begin.register_forward_hook(lambda _m, given, _out: seen.append(given[0]))
    two(z, torch.tensor([1]), 8)
    assert seen[0][0, 8:].tolist() == [0.0, 1.0]
    torch.testing.assert_close(seen[0][0, :8].square().mean(), torch.tensor(1.0))


def test_every_layer_ends_with_unit_length_and_the_picture_is_linear() -> None:
    generator = ProganNetwork(2, 0, 64, ProganConfig(**SMALL))
    ends: list[torch.Tensor] = []
    for block in generator.blocks.values():
        block.register_forward_hook(lambda _m, _given, out: ends.append(out))
    z, nothing = torch.randn(3, 8), torch.zeros(3, dtype=torch.int64)
    drawn = generator(z, nothing, 64)
    assert [end.shape[-1] for end in ends] == [4, 8, 16, 32, 64]
    for end in ends:
        torch.testing.assert_close(end.square().mean(1), torch.ones_like(end[:, 0]), atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        generator.blocks["64"].rgb.weight.mul_(3.0)
    torch.testing.assert_close(generator(z, nothing, 64), 3 * drawn, atol=1e-4, rtol=1e-4)


def test_variety_pulls_to_one_picture_and_length_means_nothing() -> None:
    gan = Progan(ProganConfig(**SMALL), PairSpec(64, 1, 1))
    z = gan.latents(torch.Generator().manual_seed(0), 4)
    full, half, none = (gan.draw(z, variety=variety) for variety in (1.0, 0.5, 0.0))
    torch.testing.assert_close(none, none[:1].expand_as(none))
    assert full.std(0).mean() > half.std(0).mean() > 1e-3
    torch.testing.assert_close(gan.draw(7 * z), full, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gan.draw(gan.average.centre), none[:1], atol=1e-4, rtol=1e-4)


def test_a_sample_depends_on_its_stream_alone() -> None:
    gan = Progan(ProganConfig(**SMALL, first_size=64), PairSpec(64, 1, 1))
    together = gan.sample([torch.Generator().manual_seed(seed) for seed in (1, 2, 3)])
    alone = gan.sample([torch.Generator().manual_seed(2)])
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-3)  # float32, summed in another order
