"""Settings of networks that see whole images on the terms of the spheroid study."""

from __future__ import annotations

import re
from typing import Literal, Protocol

from pydantic import Field

from napari_organoid_synth.core.fields import Pattern
from napari_organoid_synth.core.segmentation.segmenters.config import SegmenterConfig


class Named(Protocol):
    """An image with a name, and maybe a class: a pair, or a row of the table."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def image_class(self) -> str | None:
        """Its class."""


def is_hard(image: Named, pattern: str) -> bool:
    """Return whether a regular expression matches part of the name or the class of an image."""
    return any(re.search(pattern, text) for text in (image.name, image.image_class or ""))


class WholeImagesConfig(SegmenterConfig):
    """How whole images are drawn and turned, what the loss weighs, and how masks are cleaned, as in the study."""

    turn: bool = Field(
        True, description="Mirror and turn whole images by right angles in training, as published, in every arm."
    )
    hard: Pattern = Field(
        "",
        description="Text, or a regular expression, in the name or class of hard images, such as hard or ^(d7|d10)_; "
        "empty: all images are drawn equally often.",
    )
    hard_share: float = Field(
        0.3, gt=0, lt=1, description="Share of hard images among the real images of the training (published)."
    )
    foreground_weight: float = Field(
        3.0,
        gt=0,
        le=100,
        description="Weight of a class: this, times background pixels, divided by pixels of the class.",
    )
    largest_weight: float = Field(1000.0, ge=1, description="Upper limit of the weight of a class (not published).")
    threshold: int = Field(120, ge=0, le=254, description="A pixel is foreground above this probability, of 255.")
    fill_holes: bool = Field(True, description="Fill holes of objects.")
    smallest: int = Field(64, ge=0, description="Smaller objects are dropped; px of the resized image.")
    objects: Literal["auto", "largest", "all"] = Field(
        "auto",
        description="Keep the largest object of each class (published) or all; auto: the largest if no training mask "
        "has more than one.",
    )
