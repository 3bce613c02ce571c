"""Settings of a segmentation model of the zoo, and the name of its file."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.segmentation.segmenters.config import Crops, SegmenterConfig

PACKAGE = "package.zip"


class ZooModelConfig(SegmenterConfig):
    """A model of the BioImage Model Zoo: predicts, and is not trained here."""

    title: ClassVar[str] = "Model of the zoo"
    when: ClassVar[str] = "Predicts with a model of the BioImage Model Zoo."
    takes_steps: ClassVar[bool] = False

    name: Literal["zoo"] = "zoo"
    maps: tuple[str, ...] = Field(("object",), min_length=1, description="Names of the maps that it gives.")

    @property
    def crops(self) -> Crops:
        """It is not trained."""
        return Crops(1, 1)
