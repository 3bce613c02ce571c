"""CGAN (Mirza 2014, arXiv 1411.1784): draws image and mask of a class, which both networks take as input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from napari_organoid_synth.core.generators.adversarial import AdversarialGenerator
from napari_organoid_synth.core.generators.cgan_config import CganConfig
from napari_organoid_synth.core.generators.networks import (
    ConvDiscriminator,
    ConvGenerator,
    DenseDiscriminator,
    DenseGenerator,
)

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec


class Cgan(AdversarialGenerator):
    """The networks of GAN or DCGAN with the class as a further input; without classes there is one class."""

    config: CganConfig

    def __init__(self, config: CganConfig, spec: PairSpec) -> None:
        classes = max(len(spec.image_classes), 1)
        channels, tile, most = spec.image_channels + spec.mask_channels, spec.tile, config.max_channels
        generator: nn.Module
        discriminator: nn.Module
        if config.is_dense(tile):
            generator = DenseGenerator(config.latent, channels, tile, config.width, classes)
            discriminator = DenseDiscriminator(channels, tile, config.width, classes)
        else:
            generator = ConvGenerator(
                config.latent, channels, tile, config.generator_channels, most, config.upsample, classes
            )
            discriminator = ConvDiscriminator(
                channels, tile, config.discriminator_channels, most, classes, norm=config.has_norm
            )
        super().__init__(config, spec, generator, discriminator)
