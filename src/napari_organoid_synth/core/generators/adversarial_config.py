"""Settings shared by gan, dcgan, cgan and infogan."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind

CONVOLUTIONAL_TILES = (64, 128, 256)
"""Sides, px, that doubling 4 px reaches."""

Width = Annotated[
    int,
    Field(
        ge=16, le=1024, description="Units of the first fully connected layer; the next two have 2 and 4 times as many."
    ),
]


class AdversarialConfig(GeneratorConfig):
    """One generator against one discriminator (Goodfellow 2014), with EMA and differentiable augmentation."""

    kind: ClassVar[Kind] = "joint"

    latent: int = Field(100, ge=2, le=1024, description="Length of the latent vector.")
    augment: Literal["none", "geometry", "all"] = Field(
        "all",
        description="Differentiable augmentation, for small sets: turns and shifts (geometry), also brightness and "
        "holes (all), or none.",
    )
    augment_probability: float = Field(
        0.6, ge=0, le=0.8, description="Probability of each augmentation, for each image."
    )
    ema_half_life: float = Field(
        1.0, ge=0, description="Half-life of the averaged generator, thousand images; 0: no averaging."
    )
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Learning rate of Adam, both networks.")
    generator_rate: float | None = Field(
        None, gt=0, le=0.1, description="Learning rate of the generator alone; empty: learning_rate."
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum (β₁) of Adam.")
    loss: Literal["bce", "bce_l1", "least_squares", "poisson", "wasserstein"] = Field(
        "bce",
        description="Loss of the discriminator; wasserstein has a gradient penalty, no batch norm in the discriminator "
        "and five steps of it for one of the generator.",
    )

    @property
    def has_norm(self) -> bool:
        """Whether a convolutional discriminator has batch norm: a gradient penalty needs independent samples."""
        return self.loss != "wasserstein"

    @property
    def steps_of_critic(self) -> int:
        """Discriminator steps per step."""
        return 5 if self.loss == "wasserstein" else 1

    def check_dense(self, size: int) -> None:
        """Refuse a tile size, px, that is odd, or too small or large for fully connected layers."""
        if size % 2 or not 16 <= size <= 256:
            raise UserError(
                f"The tile is {size} px.",
                f"{self.short_title()} with fully connected layers takes even sizes from 16 to 256 px.",
                "Change the tile size.",
            )


class ConvolutionalConfig(AdversarialConfig):
    """Settings of convolutional networks as in DCGAN."""

    tiles: ClassVar[tuple[int, ...]] = CONVOLUTIONAL_TILES

    generator_channels: int = Field(
        64, ge=8, le=128, description="Feature maps before the last layer of the generator."
    )
    discriminator_channels: int = Field(
        64, ge=8, le=128, description="Feature maps of the first layer of the discriminator."
    )
    max_channels: int = Field(512, ge=16, le=1024, description="Maximum of feature maps in a layer.")
    upsample: Literal["transposed", "resize"] = Field(
        "transposed", description="How sizes are doubled; 'resize' avoids checkerboard patterns."
    )

    @property
    def looks_at_whole_batch(self) -> str:
        """See `GeneratorConfig`."""
        return "its batch norm mixes the tiles of a batch"
