"""Settings that the first generators from noise share: gan, dcgan, cgan, infogan."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings

CONVOLUTIONAL_TILES = (64, 128, 256)
"""Sides, px, that doubling 4 px reaches."""

Width = Annotated[
    int, Field(ge=16, le=1024, description="Units of the first fully connected layer; the next have twice and 4 times.")
]


class AdversarialConfig(Settings):
    """One generator against one discriminator (Goodfellow 2014), with EMA and differentiable augmentation."""

    shape: ClassVar[str] = "joint"
    title: ClassVar[str]
    max_batch: ClassVar[int] = 32

    name: str
    latent: int = Field(100, ge=2, le=1024, description="Numbers in the noise vector of a sample.")
    augment: Literal["none", "geometry", "all"] = Field(
        "all", description="Differentiable augmentation for small sets: turns and shifts, with colour, or none."
    )
    augment_probability: float = Field(0.6, ge=0, le=0.8, description="Chance of each augmentation per image.")
    ema_half_life: float = Field(
        1.0, ge=0, description="Half-life of the averaged generator, thousand images; 0: no averaging."
    )
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Of Adam, both networks.")
    generator_rate: float | None = Field(
        None, gt=0, le=0.1, description="Learning rate of the generator where it is another one; empty: the same."
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum of Adam.")

    def check_convolutional(self, size: int, todo: str = "Change the tile size.") -> None:
        """Refuse a tile size that doubling 4 px does not reach."""
        if size not in CONVOLUTIONAL_TILES:
            raise UserError(f"The tile is {size} px.", f"{self._short} takes {CONVOLUTIONAL_TILES} px.", todo)

    def check_dense(self, size: int) -> None:
        """Refuse a tile size that is odd, or too small or large for fully connected layers."""
        if size % 2 or not 16 <= size <= 256:
            raise UserError(
                f"The tile is {size} px.",
                f"{self._short} with fully connected layers takes even sizes from 16 to 256 px.",
                "Change the tile size.",
            )

    @property
    def _short(self) -> str:
        return self.title.partition(" – ")[0]


class ConvolutionalConfig(AdversarialConfig):
    """The same with the networks of DCGAN."""

    tiles: ClassVar[tuple[int, ...]] = CONVOLUTIONAL_TILES

    generator_channels: int = Field(64, ge=8, le=128, description="Feature maps before the last layer.")
    discriminator_channels: int = Field(64, ge=8, le=128, description="Feature maps of the first layer.")
    max_channels: int = Field(512, ge=16, le=1024, description="Most feature maps of any layer.")
    upsample: Literal["transposed", "resize"] = Field("transposed", description="'resize' avoids checkerboards.")

    def check_tile(self, size: int) -> None:
        """Refuse a tile size the networks cannot take."""
        self.check_convolutional(size)
