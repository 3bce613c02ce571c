"""Settings of the painter pix2pix."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings


class Pix2PixConfig(Settings):
    """pix2pix (Isola 2017): a U-Net that paints an image onto a mask, judged patch by patch."""

    shape: ClassVar[str] = "painter"
    title: ClassVar[str] = "pix2pix – paints masks"
    when: ClassVar[str] = (
        "The usual choice where masks fit your images: learns the look of your tissue and paints it onto masks. Works "
        "from about 20 tiles; the masks are warped real ones, simulated or drawn, so every pair is aligned by "
        "construction."
    )
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)
    max_batch: ClassVar[int] = 4

    name: Literal["pix2pix"] = "pix2pix"
    generator_channels: int = Field(32, ge=8, le=128, description="Feature maps of the first layer (64 as published).")
    discriminator_channels: int = Field(32, ge=8, le=128, description="The same for each discriminator.")
    norm: Literal["instance", "batch", "none"] = Field("instance", description="Normalisation; none where 1×1 px.")
    dropout: float = Field(0.5, ge=0, lt=1, description="Dropout in the decoder, the only source of variety.")
    upsample: Literal["transposed", "resize"] = Field("transposed", description="'resize' avoids checkerboards.")
    scales: Literal[1, 3] = Field(1, description="Discriminators: one, or three at full, half and quarter size.")
    adversarial: Literal["bce", "lsgan"] = Field("bce", description="Loss of the discriminators.")
    l1_weight: float = Field(100.0, ge=0, description="Weight of the absolute difference to the real image.")
    feature_weight: float = Field(0.0, ge=0, description="Weight of feature matching (10 as in pix2pixHD; 0 is off).")
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Of Adam, both networks.")
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum of Adam.")
    decay_from: float = Field(0.5, ge=0, le=1, description="Share of the training after which the rate falls to 0.")

    def check_tile(self, size: int) -> None:
        """Refuse a tile size the network cannot take (it halves the tile down to 1 px)."""
        if size not in self.tiles:
            raise UserError(f"The tile is {size} px.", f"pix2pix takes {self.tiles} px.", "Change the tile size.")
        if size < 128 and self.scales == 3:  # the third would see 16 px and end in a single one
            raise UserError(
                f"The tile is {size} px.",
                "With three discriminators pix2pix takes 128 px or more.",
                "Change the tile size, or set scales to 1.",
            )
