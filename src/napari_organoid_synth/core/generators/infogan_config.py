"""Settings of the joint generator infogan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.adversarial_config import ConvolutionalConfig


class InfoganConfig(ConvolutionalConfig):
    """InfoGAN (Chen 2016): finds kinds and gradual traits without labels, each an entry of the latent vector."""

    title: ClassVar[str] = "InfoGAN – finds kinds by itself"
    when: ClassVar[str] = (
        "For finding kinds without labels: draws image and mask like DCGAN, and sorts what it draws by itself. It "
        "sorts into kinds, and along traits such as size that can be turned up and down. What they mean is for you to "
        "see; they need not be biological. Wants some hundred tiles."
    )

    name: Literal["infogan"] = "infogan"
    latent: int = Field(62, ge=2, le=1024, description="Numbers in the noise vector, the codes not counted.")
    categories: int | None = Field(
        None, ge=2, le=100, description="Kinds to find; empty: as many as there are image classes, 10 without any."
    )
    continuous: int = Field(2, ge=0, le=16, description="Gradual traits to find.")
    generator_rate: float | None = Field(
        1e-3, gt=0, le=0.1, description="Learning rate of the generator, as published; slower, it ignores the codes."
    )
    category_weight: float = Field(1.0, ge=0, description="Weight of telling the kind from the sample.")
    continuous_weight: float = Field(0.1, ge=0, description="Weight of telling the traits from the sample.")
