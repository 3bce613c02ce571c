"""Settings of sketch: pairs from images alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import DeviceName, Names, Threads
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.config import AnyGenerator
from napari_organoid_synth.core.generators.flow_joint_config import FlowJointConfig
from napari_organoid_synth.core.segmentation.segmenters.config import AnySegmenter
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

FIELD = 256
"""Side, px, of the field that the number of objects refers to."""


class ObjectSettings(Settings):
    """Objects that are drawn by rule; compare them with your images."""

    mask_kind: Literal["instances", "binary"] = Field(
        "instances", description="A number for each object, or 1 for all."
    )
    count: tuple[int, int] = Field((20, 40), description=f"Objects in {FIELD} × {FIELD} px, fewest and most.")
    radius: tuple[float, float] = Field((8.0, 14.0), description="Of the circle with the area of an object, px.")
    elongation: tuple[float, float] = Field((1.0, 1.4), description="Length to width; 1 is round.")
    roughness: float = Field(0.1, ge=0, le=0.5, description="How uneven outlines are; 0 is smooth.")
    clustering: float = Field(0.3, ge=0, le=1, description="Share of the objects that lie in clusters.")
    overlap: float = Field(0.05, ge=0, le=1, description="Share of an object that may lie behind another.")

    @model_validator(mode="after")
    def _in_order(self) -> ObjectSettings:
        least = {"count": 1, "radius": 1, "elongation": 1}
        for name, start in least.items():
            low, high = getattr(self, name)
            if not start <= low <= high:
                raise UserError(
                    f"{name} goes from {low} to {high}.",
                    f"Expected the smaller number first, none below {start}.",
                    "Change it.",
                )
        return self


class SketchSettings(Settings):
    """Pairs for images of which none is annotated: objects drawn by rule, painted in the look of the images."""

    images: Names = Field((), description="Folder of images without masks; empty: the images of the project.")
    test: str = Field("", description="Folder of annotated images, with images and masks; only measured on.")
    test_masks: Names = Field((), description="Folder of their masks, where it lies elsewhere.")
    scale: float = Field(1.0, gt=0, le=1, description="Use images at this share of their size.")
    objects: ObjectSettings = Field(ObjectSettings(), description="How objects look.")
    tones: Literal["auto", "bright", "dark"] = Field(
        "auto", description="Whether objects are brighter or darker than what is around them; auto: as the spots are."
    )
    painter: AnyGenerator = Field(
        FlowJointConfig(least_time=0.2),
        description="Generator that paints: flow_joint, which finishes sketches, or cyclegan.",
    )
    painter_steps: int = Field(0, ge=0, description="Its optimiser steps; 0: as in its recipe.")
    time: float = Field(
        0.45,
        gt=0,
        lt=1,
        description="How much of a sketch stays: at 0.3 images drift off the mask, at 0.6 they are flat.",
    )
    number: int = Field(50, ge=1, le=100_000, description="Pairs to paint.")
    size: int = Field(256, ge=64, le=1024, multiple_of=16, description="Side of the painted pairs, px.")
    segmenter: AnySegmenter = Field(UNetConfig(), description="Is measured on the test images.")
    steps: int = Field(5000, ge=1, description="Most optimiser steps of a segmenter; it ends earlier at its plateau.")
    floor: int = Field(1500, ge=1, description="Optimiser steps before which no segmenter ends.")
    repeats: int = Field(
        3, ge=1, le=100, description="Trainings of each segmenter that is measured; with one, luck is in the result."
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same pairs.")
    device: DeviceName = "auto"
    threads: Threads = 0

    @model_validator(mode="after")
    def _needs_no_pairs(self) -> SketchSettings:
        if self.painter.name not in ("flow_joint", "cyclegan"):
            raise UserError(
                f"{self.painter.name} learns from pairs.",
                "Expected a generator that learns from images alone: flow_joint or cyclegan.",
                "Choose one of these.",
            )
        return self
