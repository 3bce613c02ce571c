"""Settings of the joint generator dcgan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.settings import Settings


class DcganConfig(Settings):
    """DCGAN (Radford 2016): draws image and mask together from noise, with EMA and differentiable augmentation."""

    shape: ClassVar[str] = "joint"
    title: ClassVar[str] = "DCGAN – draws image and mask"
    when: ClassVar[str] = (
        "Draws image and mask together from noise; new shapes as well as new looks. Wants some hundred tiles and is "
        "sharpest at 64 or 128 px."
    )
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256)
    max_batch: ClassVar[int] = 32

    name: Literal["dcgan"] = "dcgan"
    latent: int = Field(100, ge=2, le=1024, description="Numbers in the noise vector of a sample.")
    generator_channels: int = Field(64, ge=8, le=128, description="Feature maps before the last layer.")
    discriminator_channels: int = Field(64, ge=8, le=128, description="Feature maps of the first layer.")
    max_channels: int = Field(512, ge=16, le=1024, description="Most feature maps of any layer.")
    upsample: Literal["transposed", "resize"] = Field("transposed", description="'resize' avoids checkerboards.")
    augment: Literal["none", "geometry", "all"] = Field(
        "all", description="Differentiable augmentation for small sets: turns and shifts, with colour, or none."
    )
    augment_probability: float = Field(0.6, ge=0, le=0.8, description="Chance of each augmentation per image.")
    ema_half_life: float = Field(1.0, gt=0, description="Half-life of the averaged generator, thousand images.")
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Of Adam, both networks.")
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum of Adam.")

    def check_tile(self, size: int) -> None:
        """Refuse a tile size the network cannot take (it doubles 4 px up to the tile)."""
        if size not in self.tiles:
            raise UserError(f"The tile is {size} px.", f"DCGAN takes {self.tiles} px.", "Change the tile size.")
