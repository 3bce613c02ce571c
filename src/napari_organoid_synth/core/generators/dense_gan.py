"""The first GAN (Goodfellow 2014, arXiv 1406.2661) with fully connected networks: a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_organoid_synth.core.generators.adversarial import AdversarialGenerator
from napari_organoid_synth.core.generators.dense_gan_config import DenseGanConfig
from napari_organoid_synth.core.generators.networks import DenseDiscriminator, DenseGenerator

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec


class DenseGan(AdversarialGenerator):
    """Networks from noise through 256, 512, 1024 units to all pixels, and back through 512, 256 units to a logit."""

    config: DenseGanConfig

    def __init__(self, config: DenseGanConfig, spec: PairSpec) -> None:
        channels = spec.image_channels + spec.mask_channels
        super().__init__(
            config,
            spec,
            DenseGenerator(config.latent, channels, spec.tile, config.width),
            DenseDiscriminator(channels, spec.tile, config.width),
        )
