"""Settings of the StarDist segmenter."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from napari_organoid_synth.core.segmentation.segmenters.config import Crops, SegmenterConfig


class StarDistConfig(SegmenterConfig):
    """StarDist (Schmidt 2018): predicts star-convex objects; defaults as in the stardist package."""

    title: ClassVar[str] = "StarDist"
    when: ClassVar[str] = (
        "Separates round objects, also where they touch: nuclei, cells, spheroids. stardist can open the models."
    )

    name: Literal["stardist"] = "stardist"
    rays: int = Field(32, ge=8, le=128, description="Directions in which the edge of an object is measured.")
    grid: Literal[1, 2, 4] = Field(
        1, description="Spacing of predicted shapes, px; 2 for objects wider than 30 px, 4 wider than 100 px."
    )
    channels: int = Field(32, ge=4, le=64, description="Feature maps of the first level; doubled at each level.")
    depth: int = Field(3, ge=2, le=4, description="Number of times the image is halved after the grid.")
    learning_rate: float = Field(3e-4, gt=0, le=0.1, description="Learning rate of Adam.")
    tile: int = Field(256, ge=64, le=1024, multiple_of=64, description="Side of the training crops, px.")
    batch: int = Field(4, ge=1, le=64, description="Crops per optimiser step.")
    foreground: float = Field(0.9, ge=0, le=1, description="Share of the crops that must hold part of an object.")
    elastic: bool = Field(
        True,
        description="In the arm classical-tissue, turn freely and deform elastically, as published; off: mirror and "
        "turn by right angles, as in the example of stardist.",
    )

    @model_validator(mode="before")
    @classmethod
    def _earlier(cls, values: Any) -> Any:
        """Drop what earlier versions had: the patience of a rule of its own."""
        return {key: one for key, one in values.items() if key != "patience"} if isinstance(values, dict) else values

    @property
    def crops(self) -> Crops:
        """Crops of one optimiser step."""
        return Crops(self.batch, self.tile)
