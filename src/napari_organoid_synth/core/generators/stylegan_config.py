"""Settings of the joint generator stylegan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.picture import NOISE, PAIR, TO, Part, Picture
from napari_organoid_synth.core.generators.progressive_config import ProgressiveConfig


class StyleganConfig(ProgressiveConfig):
    """StyleGAN (Karras 2019): a style vector controls every layer; draws image and mask, grown from 8 px.

    The default feature maps (2048, at most 128) and width suit a processor; the published ones are 8192, at most 512,
    and 512.
    """

    title: ClassVar[str] = "StyleGAN – mixes styles"
    when: ClassVar[str] = (
        "For samples that mix coarse and fine traits: draws image and mask together from noise. 'variety' shifts "
        "between typical and rare samples. Needs a few hundred tiles and many thousand steps; with fewer, take "
        "StyleGAN2-ADA or DCGAN."
    )
    picture: ClassVar[Picture] = (NOISE, TO, Part("styles", "styles"), TO, PAIR)

    first_size: Literal[4, 8, 16, 32, 64, 128, 256, 512] = Field(
        8, description="Size at which training starts, px. The tile size: no growing, right after a transfer."
    )
    loss: Literal["wgan_gp", "ns_r1", "w_r1"] = Field(
        "ns_r1", description="Wasserstein with gradient penalty, logistic with R1, or Wasserstein with R1."
    )
    rates: Literal["fixed", "rising"] = Field(
        "fixed",
        description="fixed: learning_rate at every size; rising: 1.5, 2 and 3 times that at 128, 256 and 512 px, as in "
        "the authors' code.",
    )
    name: Literal["stylegan"] = "stylegan"
    latent: int = Field(128, ge=2, le=1024, description="Length of the latent vector (512 as published).")
    width: int = Field(128, ge=8, le=1024, description="Length of a style vector (512 as published).")
    layers: int = Field(8, ge=1, le=16, description="Layers of the mapping network.")
    mixing: float = Field(0.9, ge=0, le=1, description="Share of the training samples whose layers mix two styles.")
