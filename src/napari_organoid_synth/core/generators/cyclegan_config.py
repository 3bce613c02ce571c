"""Settings of the painter cyclegan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind
from napari_organoid_synth.core.generators.picture import Part, Picture


class CycleGanConfig(GeneratorConfig):
    """CycleGAN (Zhu 2017): paints images onto masks, trained on images and masks that do not belong together."""

    kind: ClassVar[Kind] = "painter"
    title: ClassVar[str] = "CycleGAN – paints unpaired masks"
    when: ClassVar[str] = (
        "For masks that do not belong to your images, or fit them badly. Look at every sample: objects may lie beside "
        "the mask or have the wrong brightness. Where masks fit, pix2pix learns faster and follows them better."
    )
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)
    picture: ClassVar[Picture] = (Part("masks", "any masks"), Part("both"), Part("images", "any images"))

    name: Literal["cyclegan"] = "cyclegan"
    generator_channels: int = Field(32, ge=8, le=128, description="Feature maps of the first layer (64 as published).")
    discriminator_channels: int = Field(
        32, ge=8, le=128, description="Feature maps of the first layer of each discriminator."
    )
    blocks: int | None = Field(
        None, ge=1, le=16, description="Residual blocks; empty: 6 up to 128 px, 9 above, as published."
    )
    upsample: Literal["bilinear", "resize", "transposed"] = Field(
        "bilinear",
        description="How sizes are doubled; 'resize' (nearest) may leave fine lines, 'transposed', as published, "
        "checkerboard patterns.",
    )
    cycle_weight: float = Field(
        10.0,
        ge=0,
        description="Weight of the cycle loss: mask to image to mask, and the reverse, must return unchanged.",
    )
    identity_weight: float = Field(
        0.5,
        ge=0,
        description="Weight of the identity loss, as a multiple of cycle_weight; prevents inverted brightness. Unused "
        "where image and mask differ in their number of channels.",
    )
    noise: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Standard deviation of the noise on the masks. It makes images of one mask differ, and keeps the "
        "networks from hiding the image in the mask. 0 as published: one image per mask.",
    )
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Learning rate of Adam, all networks.")
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum (β₁) of Adam.")
    decay_from: float = Field(0.5, ge=0, le=1, description="Share of the training after which the rate falls to 0.")

    @property
    def looks_at_whole_batch(self) -> str:
        """See `GeneratorConfig`."""
        return "it keeps pools of earlier images, one after the other"
