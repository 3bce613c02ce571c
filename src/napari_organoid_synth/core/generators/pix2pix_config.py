"""Settings of the painter pix2pix."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind


class Pix2PixConfig(GeneratorConfig):
    """pix2pix (Isola 2017): a U-Net that paints an image onto a mask, judged patch by patch."""

    kind: ClassVar[Kind] = "painter"
    title: ClassVar[str] = "pix2pix – paints masks"
    when: ClassVar[str] = (
        "The usual choice where masks fit your images: learns the look of your tissue and paints it onto masks. Works "
        "from about 20 tiles. Masks may be warped real ones, simulated or drawn, and every image fits its mask by "
        "construction."
    )
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)

    name: Literal["pix2pix"] = "pix2pix"
    generator_channels: int = Field(32, ge=8, le=128, description="Feature maps of the first layer (64 as published).")
    discriminator_channels: int = Field(
        32, ge=8, le=128, description="Feature maps of the first layer of each discriminator."
    )
    norm: Literal["instance", "batch", "none"] = Field(
        "instance", description="Normalisation of feature maps; the 1 × 1 px level has none."
    )
    dropout: float = Field(
        0.5, ge=0, lt=1, description="Dropout in the decoder: how much two images of one mask differ."
    )
    upsample: Literal["resize", "transposed"] = Field(
        "resize", description="How sizes are doubled; 'transposed' as published, which leaves checkerboard patterns."
    )
    scales: Literal[1, 3] = Field(
        1, description="Number of discriminators: one, or three at full, half and quarter size."
    )
    adversarial: Literal["bce", "lsgan"] = Field("bce", description="Loss of the discriminators.")
    l1_weight: float = Field(100.0, ge=0, description="Weight of the absolute difference to the real image.")
    feature_weight: float = Field(
        0.0,
        ge=0,
        description="Weight of feature matching, beside the absolute difference; 0: off. pix2pixHD has 10 and no "
        "absolute difference (l1_weight 0).",
    )
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Learning rate of Adam, both networks.")
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum (β₁) of Adam.")
    decay_from: float = Field(0.5, ge=0, le=1, description="Share of the training after which the rate falls to 0.")

    def check_tile(self, size: int) -> None:
        """Refuse a tile size, px, that the networks cannot take: the generator halves it down to 1 px."""
        super().check_tile(size)
        if size < 128 and self.scales == 3:  # the third discriminator would see 16 px
            raise UserError(
                f"The tile is {size} px.",
                "With three discriminators pix2pix takes 128 px or more.",
                "Change the tile size, or set scales to 1.",
            )

    @property
    def looks_at_whole_batch(self) -> str:
        """See `GeneratorConfig`."""
        return "its batch norm mixes the tiles of a batch" if self.norm == "batch" else ""
