"""Settings of the multiscale adversarial segmenter."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.segmentation.segmenters.config import Crops, SegmenterConfig
from napari_organoid_synth.core.segmentation.segmenters.whole_images_config import WholeImagesConfig


class _Networks(SegmenterConfig):
    """Size and training of the two networks."""

    width: int = Field(
        16,
        ge=4,
        le=96,
        description="Feature maps at half size, doubled three times. 60 as published; 16 suits a processor.",
    )
    side: int = Field(
        480, ge=64, le=1024, multiple_of=16, description="Longer side to which every image is resized as a whole, px."
    )
    adversarial: bool = Field(
        True, description="Train against the second network; off: the published baseline, cross entropy alone."
    )
    adversarial_weight: float = Field(
        0.1, ge=0, le=10, description="Weight of the second network at the last step; grows linearly from 0."
    )
    learning_rate: float = Field(
        1e-3,
        gt=0,
        le=0.1,
        description="Learning rate of the segmenter: 1e-3 for a few hundred steps, 1e-4 as published for 12,000.",
    )
    adversary_rate: float = Field(1e-3, gt=0, le=0.1, description="Learning rate of the second network.")
    norm: Literal["image", "running"] = Field(
        "image",
        description="Mean and variance for predictions: those of the image, as in training with one image per step, or "
        "running averages of the training (published).",
    )


class MultiscaleAdversarialConfig(WholeImagesConfig, _Networks):
    """Two deep paths at 1/8 and 1/16 of the image size, trained against a second network that judges outlines."""

    title: ClassVar[str] = "Multiscale adversarial"
    when: ClassVar[str] = (
        "Takes the whole image at once: for one spheroid or organoid per image, also with debris and blur. "
        "Objects that touch become one; for many cells choose another segmenter."
    )

    name: Literal["multiscale_adversarial"] = "multiscale_adversarial"

    @property
    def crops(self) -> Crops:
        """One whole image per optimiser step, as published."""
        return Crops(1, self.side)

    @property
    def sees_whole(self) -> bool:
        """Always: it sees nothing else."""
        return True
