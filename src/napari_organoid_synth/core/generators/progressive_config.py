"""Settings shared by the generators that grow from small to large pictures: ProGAN, StyleGAN."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind


class ProgressiveConfig(GeneratorConfig):
    """Progressive growing: each size is faded in, then trained for a while."""

    kind: ClassVar[Kind] = "joint"
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)
    class_conditional: ClassVar[bool] = True

    first_size: Literal[4, 8, 16, 32, 64, 128, 256, 512] = Field(
        4, description="Size at which training starts, px. The tile size: no growing, right after a transfer."
    )
    fade_share: float = Field(
        0.5, ge=0, le=0.9, description="Share of the images of a size during which it is faded in."
    )
    last_images: float = Field(
        1.0, ge=1, le=50, description="Images at full size, relative to the images at each smaller size."
    )
    batch_growth: int = Field(
        8,
        ge=1,
        le=64,
        description="Small sizes take more tiles per step: twice as many at half the size, at most this many times.",
    )
    channels: int = Field(2048, ge=8, le=32768, description="Feature maps at 2 px, halved with each doubling.")
    max_channels: int = Field(128, ge=8, le=1024, description="Maximum of feature maps in a layer.")
    loss: Literal["wgan_gp", "ns_r1", "w_r1"] = Field(
        "wgan_gp", description="Wasserstein with gradient penalty, logistic with R1, or Wasserstein with R1."
    )
    penalty: float = Field(10.0, ge=0, le=1000, description="Weight of the gradient penalty: λ of wgan_gp, γ of R1.")
    learning_rate: float = Field(1e-3, gt=0, le=0.1, description="Learning rate of Adam, both networks.")
    ema_half_life: float = Field(10.0, gt=0, description="Half-life of the averaged generator, thousand images.")

    def check_tile(self, size: int) -> None:
        """Refuse a tile size, px, that the networks cannot take: they double 4 px up to the tile."""
        super().check_tile(size)
        if self.first_size > size:
            raise UserError(
                f"The first size is {self.first_size} px, but the tile is {size} px.",
                f"Expected at most {size} px.",
                "Change first_size or the tile size.",
            )

    @property
    def looks_at_whole_batch(self) -> str:
        """See `GeneratorConfig`."""
        return "its discriminator compares the tiles of a batch"
