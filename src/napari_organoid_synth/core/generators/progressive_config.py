"""Settings that the generators which grow from small to large pictures share."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings


class ProgressiveConfig(Settings):
    """Progressive growing: every size is faded in over some images, then kept for some."""

    shape: ClassVar[str] = "joint"
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)
    max_batch: ClassVar[int] = 16

    first_size: Literal[4, 8, 16, 32, 64, 128, 256, 512] = Field(
        4, description="Size that the training begins with, px; the tile size: no growing, as after a transfer."
    )
    fade_share: float = Field(0.5, ge=0, le=0.9, description="Share of the images of a size in which it is faded in.")
    last_images: float = Field(1.0, ge=1, le=50, description="Images at full size, relative to each smaller size.")
    batch_growth: int = Field(
        8, ge=1, le=64, description="Most times the tiles per step at small sizes; they double when the size halves."
    )
    channels: int = Field(2048, ge=8, le=32768, description="Feature maps at 2 px, halved with each doubling.")
    max_channels: int = Field(128, ge=8, le=1024, description="Most feature maps of any layer.")
    loss: Literal["wgan_gp", "ns_r1", "w_r1"] = Field(
        "wgan_gp", description="Wasserstein with gradient penalty, logistic with R1, or Wasserstein with R1."
    )
    penalty: float = Field(10.0, ge=0, le=1000, description="Weight of the penalty: λ of wgan_gp, γ of R1.")
    learning_rate: float = Field(1e-3, gt=0, le=0.1, description="Of Adam, both networks.")
    ema_half_life: float = Field(10.0, gt=0, description="Half-life of the averaged generator, thousand images.")

    def check_tile(self, size: int) -> None:
        """Refuse a tile size the networks cannot take (they double 4 px up to the tile)."""
        if size not in self.tiles:
            raise UserError(f"The tile is {size} px.", f"Expected one of {self.tiles} px.", "Change the tile size.")
        if self.first_size > size:
            raise UserError(
                f"The training begins with {self.first_size} px, the tile is {size} px.",
                f"Expected at most {size} px.",
                "Change first_size or the tile size.",
            )
