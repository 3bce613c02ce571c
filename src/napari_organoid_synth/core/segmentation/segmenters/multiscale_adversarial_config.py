"""Settings of the multiscale adversarial segmenter."""

from __future__ import annotations

import re
import warnings
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from napari_organoid_synth.core.segmentation.segmenters.config import Crops, SegmenterConfig


class MultiscaleAdversarialConfig(SegmenterConfig):
    """Two deep paths at 1/8 and 1/16 of the image size, trained against a second network that judges outlines."""

    title: ClassVar[str] = "Multiscale adversarial"
    when: ClassVar[str] = (
        "Takes the whole image at once: for one spheroid or organoid per image, also with debris and blur. "
        "Objects that touch become one; for many cells choose another segmenter."
    )

    name: Literal["multiscale_adversarial"] = "multiscale_adversarial"
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
    foreground_weight: float = Field(
        3.0,
        gt=0,
        le=100,
        description="Weight of a class: this, times background pixels, divided by pixels of the class.",
    )
    largest_weight: float = Field(1000.0, ge=1, description="Upper limit of the weight of a class (not published).")
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
    turn: bool = Field(True, description="Mirror and turn the images by right angles in training, as published.")
    hard: str = Field(
        "",
        description="Text, or a regular expression, in the name or class of hard images, such as hard or ^(d7|d10)_; "
        "empty: all images are drawn equally often.",
    )
    hard_share: float = Field(
        0.3, gt=0, lt=1, description="Share of hard images among the real images of the training (published)."
    )
    threshold: int = Field(120, ge=0, le=254, description="A pixel is foreground above this probability, of 255.")
    fill_holes: bool = Field(True, description="Fill holes of objects.")
    smallest: int = Field(64, ge=0, description="Smaller objects are dropped; px of the resized image.")
    objects: Literal["auto", "largest", "all"] = Field(
        "auto",
        description="Keep the largest object of each class (published) or all; auto: the largest if no training mask "
        "has more than one.",
    )

    @field_validator("hard")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            with warnings.catch_warnings(action="ignore"):  # of what may mean something else in a later Python
                re.compile(value)
        except re.error as error:
            raise ValueError(f"It is not a regular expression: {error}") from None
        return value

    @property
    def crops(self) -> Crops:
        """One whole image per optimiser step, as published."""
        return Crops(1, self.side)

    @property
    def sees_whole(self) -> bool:
        """Always."""
        return True
