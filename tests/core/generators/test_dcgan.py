"""DCGAN: sizes of the published table, the average, what is sampled."""

from __future__ import annotations

import pytest
import torch

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.dcgan import Dcgan
from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.generators.networks import ConvDiscriminator, ConvGenerator, channels_at

SMALL = {"generator_channels": 8, "discriminator_channels": 8, "max_channels": 16, "latent": 10}


@pytest.mark.parametrize(
    ("tile", "widths"),
    [(64, [512, 256, 128, 64]), (128, [512, 512, 256, 128, 64]), (256, [512, 512, 512, 256, 128, 64])],
)
def test_widths_as_published(tile: int, widths: list[int]) -> None:
    sides = [4 * 2**i for i in range(len(widths))]
    assert sides[-1] == tile // 2
    assert [channels_at(side, tile, 64, 512) for side in sides] == widths
    generator = ConvGenerator(100, 3, tile, 64, 512, "transposed")
    convs = [m for m in generator.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [conv.out_channels for conv in convs] == [*widths, 3]
    judge = ConvDiscriminator(3, tile, 64, 512)
    assert [m.out_channels for m in judge.modules() if isinstance(m, torch.nn.Conv2d)] == [*reversed(widths), 1]


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
@pytest.mark.parametrize("tile", [64, 128])
def test_shapes(tile: int, upsample: str) -> None:
    gan = Dcgan(DcganConfig(**SMALL, upsample=upsample), PairSpec(tile, 2, 3, vectors=3))
    drawn = gan.sample(torch.Generator().manual_seed(0), n=3)
    assert drawn.shape == (3, 5, tile, tile)
    assert drawn.dtype == torch.float32
    assert drawn.abs().max() <= 1
    assert gan.discriminator(drawn).shape == (3,)


def test_a_sample_depends_on_its_stream_alone_and_variety_scales_the_noise() -> None:
    gan = Dcgan(DcganConfig(**SMALL), PairSpec(64, 1, 1))
    streams = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]
    together = gan.sample(streams)
    alone = gan.sample([torch.Generator().manual_seed(2)])
    torch.testing.assert_close(together[1:2], alone, atol=1e-6, rtol=0)
    still = gan.sample([torch.Generator().manual_seed(seed) for seed in (1, 2)], variety=0.0)
    assert torch.equal(still[0], still[1])


def test_samples_come_from_the_average() -> None:
    gan = Dcgan(DcganConfig(**SMALL, ema_half_life=0.001), PairSpec(64, 1, 1))
    before = gan.sample(torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter.add_(1.0)
    assert torch.equal(before, gan.sample(torch.Generator().manual_seed(0)))
    data = Batch(torch.zeros(2, 1, 64, 64), torch.zeros(2, 1, 64, 64), torch.zeros(2, dtype=torch.int64))
    gan.step(data, torch.Generator().manual_seed(0), 0.0)
    assert not torch.equal(before, gan.sample(torch.Generator().manual_seed(0)))
