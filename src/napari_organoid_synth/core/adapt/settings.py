"""Settings of adapt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import DeviceName, Names, Threads
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.generators.config import AnyGenerator
from napari_organoid_synth.core.segmentation.segmenters.config import AnySegmenter
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

Outlines = Literal["auto", "arranged", "moved", "fitted", "warped", "real"]
"""Masks that are painted, as in `generate`."""


class AdaptSettings(Settings):
    """Pairs for images of another microscope or stain that nobody has annotated."""

    target: Names = Field((), description="Folder of the images without masks, or single files.")
    test: str = Field(
        "", description="Folder of annotated images of the same sort, with images and masks; only measured on."
    )
    test_masks: Names = Field(
        (), description="Folder of their masks, where it lies elsewhere; several classes as NAME=FOLDER."
    )
    folder: str = Field("", description="Where the new project goes; empty: adapted/TARGET in this project.")
    scale: float | None = Field(
        None, gt=0, le=1, description="Use images of the target at this share of their size; empty: as those here."
    )
    tones: Literal["auto", "same", "inverted"] = Field(
        "auto", description="Whether dark and bright are exchanged there; auto: as the tones of both sets suggest."
    )
    size_ratio: float = Field(
        0.0,
        ge=0,
        le=8,
        description="How many times larger structures are there, in pixels; 0: from the sizes of the pixels, else from "
        "the images.",
    )
    segmenter: AnySegmenter = Field(UNetConfig(), description="Marks the images of the target, and is measured.")
    steps: int = Field(5000, ge=1, description="Most optimiser steps of a segmenter; it ends earlier at its plateau.")
    floor: int = Field(1500, ge=1, description="Optimiser steps before which no segmenter ends.")
    keep: float = Field(
        0.5, gt=0, le=1, description="Share of the squares of the target that is kept, the surest first."
    )
    painter: AnyGenerator = Field(AnalogyConfig(), description="Generator that paints, such as analogy or flow.")
    painter_steps: int = Field(0, ge=0, description="Its optimiser steps, if it trains; 0: as in its recipe.")
    masks: Outlines = Field(
        "auto", description="What it paints on, made of your outlines at the sizes of the target, as in 'generate'."
    )
    number: int = Field(50, ge=1, le=100_000, description="Pairs to paint.")
    size: int = Field(256, ge=32, le=1024, description="Side of the kept squares and of the painted pairs, px.")
    repeats: int = Field(
        3, ge=1, le=100, description="Trainings of each segmenter that is measured; with one, luck is in the result."
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same pairs.")
    device: DeviceName = "auto"
    threads: Threads = 0

    @model_validator(mode="after")
    def _paints(self) -> AdaptSettings:
        if self.painter.kind != "painter":
            raise UserError(
                f"{self.painter.name} paints onto no masks.", "Expected a painter.", "Choose one, such as analogy."
            )
        return self
