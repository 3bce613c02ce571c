"""Settings of the painter cyclegan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings


class CycleGanConfig(Settings):
    """CycleGAN (Zhu 2017): paints an image onto a mask, learnt without knowing which mask belongs to which image."""

    shape: ClassVar[str] = "painter"
    title: ClassVar[str] = "CycleGAN – paints masks, learnt unpaired"
    when: ClassVar[str] = (
        "For masks that do not belong to your images, or fit them badly. Objects may be painted beside the mask, or in "
        "the wrong tone: look at every sample. Where masks fit, pix2pix learns faster and keeps to them."
    )
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)
    max_batch: ClassVar[int] = 4

    name: Literal["cyclegan"] = "cyclegan"
    generator_channels: int = Field(32, ge=8, le=128, description="Feature maps of the first layer (64 as published).")
    discriminator_channels: int = Field(32, ge=8, le=128, description="The same for each discriminator.")
    blocks: int | None = Field(
        None, ge=1, le=16, description="Residual blocks; empty: 6 up to 128 px, 9 above, as published."
    )
    upsample: Literal["resize", "transposed"] = Field(
        "resize", description="'transposed' as published; it may leave checkerboards."
    )
    cycle_weight: float = Field(10.0, ge=0, description="Weight of coming back from the other side unchanged.")
    identity_weight: float = Field(
        0.5,
        ge=0,
        description="Weight, times cycle_weight, of leaving alone what is of the right side already; against inverted "
        "tones. Off where image and mask differ in their number of channels.",
    )
    noise: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Spread of the noise on the masks that are painted: the only source of variety, and it keeps the "
        "other network from hiding the image in the mask. 0 as published: one mask, one image.",
    )
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Of Adam, all networks.")
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum of Adam.")
    decay_from: float = Field(0.5, ge=0, le=1, description="Share of the training after which the rate falls to 0.")

    def check_tile(self, size: int) -> None:
        """Refuse a tile size whose patches the discriminators cannot judge, or that memory would not hold."""
        if size not in self.tiles:
            raise UserError(f"The tile is {size} px.", f"CycleGAN takes {self.tiles} px.", "Change the tile size.")
