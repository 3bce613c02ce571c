"""Settings of the Cellpose segmenter."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.segmentation.segmenters.config import Crops, SegmenterConfig


class CellposeConfig(SegmenterConfig):
    """Cellpose (Stringer 2021): tells touching cells apart; the installed version decides which network it is."""

    title: ClassVar[str] = "Cellpose"
    when: ClassVar[str] = (
        "For cells that touch: every pixel learns the way to the middle of its cell. Needs the library: Cellpose 3 "
        "trains from nothing or from a file of weights, Cellpose 4 (large, wants a graphics card) only from weights."
    )
    draws_flow: ClassVar[bool] = True

    name: Literal["cellpose"] = "cellpose"
    weights: str = Field(
        "",
        description="File of Cellpose weights of the installed version to begin with. Empty: begin from nothing (3).",
    )
    download: bool = Field(
        False,
        description="Begin with the published weights, fetched by the library: cyto3 for 3 (25 MB), cpsam_v2 for 4 "
        "(1.2 GB).",
    )
    learning_rate: float | None = Field(
        None, gt=0, le=0.1, description="Of AdamW, after ten steps of warm-up; empty: 0.005 for 3, 0.00001 for 4."
    )
    rescale: bool = Field(
        True, description="Resize images so that objects are 30 px wide on average; 4 takes them as they are."
    )
    tile: int = Field(224, ge=64, le=512, multiple_of=32, description="Side of the training crops, px; 4 takes 256.")
    batch: int = Field(8, ge=1, le=64, description="Crops per optimiser step; 1 for 4 on most computers.")

    @property
    def crops(self) -> Crops:
        """Crops of one optimiser step."""
        return Crops(self.batch, self.tile)
