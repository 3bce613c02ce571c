"""Settings of the U-Net segmenter."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.segmentation.segmenters.config import Crops, SegmenterConfig
from napari_organoid_synth.core.segmentation.segmenters.whole_images_config import WholeImagesConfig


class _Network(SegmenterConfig):
    """Size and training of the network."""

    network: Literal["dynamic", "original"] = Field(
        "dynamic",
        description="dynamic: strided convolutions and instance norm; original: max-pooling and no norm, the U-Net* of "
        "the spheroid study with 64 channels.",
    )
    channels: int = Field(32, ge=8, le=64, description="Feature maps of the first level; doubled at each level.")
    depth: int = Field(4, ge=2, le=5, description="Number of times the image is halved.")
    learning_rate: float = Field(1e-3, gt=0, le=0.1, description="Learning rate of AdamW.")
    tile: int = Field(256, ge=64, le=1024, multiple_of=32, description="Side of the training crops, px.")
    whole: bool = Field(
        False, description="Use whole images, their longer side resized to that of the crops, as in the spheroid study."
    )
    batch: int = Field(8, ge=1, le=64, description="Crops per optimiser step.")
    class_weights: str = Field(
        "none",
        pattern=r"^(none|balanced|\d+(\.\d+)?(, *\d+(\.\d+)?)+)$",
        description="Class weights of the cross entropy: none, balanced (rare classes weigh more), or numbers, "
        "background first, such as 1, 3.",
    )
    compile: bool = Field(
        False,
        description="Compile the training step: it takes about half to two thirds of the time, after up to half a "
        "minute at first. Needs a C++ compiler.",
    )
    study: bool = Field(
        False,
        description="Whole images on the terms of the spheroid study: its weighted cross entropy, and the settings "
        "from 'turn' to 'objects', as for Multiscale adversarial. Off: these have no effect.",
    )


class UNetConfig(WholeImagesConfig, _Network):
    """U-Net (Ronneberger 2015): predicts the class of each pixel."""

    title: ClassVar[str] = "U-Net"
    when: ClassVar[str] = "Predicts which pixels belong to which class. A good first choice for any mask."

    name: Literal["unet"] = "unet"

    @property
    def crops(self) -> Crops:
        """Crops of one optimiser step."""
        return Crops(self.batch, self.tile)

    @property
    def sees_whole(self) -> bool:
        """Whether it sees whole images."""
        return self.whole or self.study
