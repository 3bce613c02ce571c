"""DCGAN (Radford 2016, arXiv 1511.06434): draws image and mask together from noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_organoid_synth.core.generators.adversarial import AdversarialGenerator
from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.generators.networks import ConvDiscriminator, ConvGenerator

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec


class Dcgan(AdversarialGenerator):
    """Convolutional networks that double 4 × 4 px up to the tile, and halve it down again."""

    config: DcganConfig

    def __init__(self, config: DcganConfig, spec: PairSpec) -> None:
        channels, most = spec.image_channels + spec.mask_channels, config.max_channels
        super().__init__(
            config,
            spec,
            ConvGenerator(config.latent, channels, spec.tile, config.generator_channels, most, config.upsample),
            ConvDiscriminator(channels, spec.tile, config.discriminator_channels, most, norm=config.has_norm),
        )
