"""Settings of the U-Net segmenter."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.settings import Settings


class UNetConfig(Settings):
    """U-Net (Ronneberger 2015) from MONAI, marks pixels by class."""

    title: ClassVar[str] = "U-Net"
    when: ClassVar[str] = "Marks which pixels belong to which class. A good first choice for any mask."

    name: Literal["unet"] = "unet"
    channels: int = Field(32, ge=8, le=64, description="Feature maps of the first level; doubled at each level.")
    depth: int = Field(4, ge=2, le=5, description="How often the image is halved.")
    learning_rate: float = Field(1e-3, gt=0, le=0.1, description="Of AdamW; falls along a cosine.")
    tile: int = Field(256, ge=64, le=1024, multiple_of=32, description="Side of the training crops, px.")
    batch: int = Field(8, ge=1, le=64, description="Crops per optimiser step.")
