"""Settings of the joint generator infogan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.adversarial_config import ConvolutionalConfig
from napari_organoid_synth.core.generators.picture import NOISE, PAIR, TO, Part, Picture


class InfoganConfig(ConvolutionalConfig):
    """InfoGAN (Chen 2016): finds categories and gradual traits without labels, each an entry of the latent vector."""

    title: ClassVar[str] = "InfoGAN – finds categories"
    when: ClassVar[str] = (
        "For finding categories without labels: draws image and mask like DCGAN, and sorts its samples automatically. "
        "It sorts into categories, and along gradual traits such as size that can be turned up and down. You judge "
        "what they mean; they need not be biological. Needs a few hundred tiles."
    )
    picture: ClassVar[Picture] = (NOISE, Part("dials", "category, traits"), TO, PAIR)

    name: Literal["infogan"] = "infogan"
    latent: int = Field(62, ge=2, le=1024, description="Length of the latent vector, without the codes.")
    categories: int | None = Field(
        None, ge=2, le=100, description="Categories to find; empty: as many as image classes, 10 without classes."
    )
    continuous: int = Field(2, ge=0, le=16, description="Gradual traits to find.")
    learning_rate: float = Field(
        2e-4, gt=0, le=0.1, description="Learning rate of Adam, discriminator; the generator has generator_rate."
    )
    generator_rate: float | None = Field(
        1e-3,
        gt=0,
        le=0.1,
        description="Learning rate of the generator, as published; at lower rates it ignores the codes.",
    )
    category_weight: float = Field(1.0, ge=0, description="Weight of predicting the category from the sample.")
    continuous_weight: float = Field(0.1, ge=0, description="Weight of predicting the traits from the sample.")
