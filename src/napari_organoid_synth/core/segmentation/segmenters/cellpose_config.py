"""Settings of the Cellpose segmenter."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.segmentation.segmenters.config import Crops, SegmenterConfig


class CellposeConfig(SegmenterConfig):
    """Cellpose (Stringer 2021): separates touching cells; the installed version decides which network is used."""

    title: ClassVar[str] = "Cellpose"
    when: ClassVar[str] = (
        "For cells that touch: each pixel predicts the way to the middle of its cell. Needs the library: Cellpose 3 "
        "trains from random or given weights, Cellpose 4 (large, best on a graphics card) only from given weights."
    )
    draws_flow: ClassVar[bool] = True

    name: Literal["cellpose"] = "cellpose"
    weights: str = Field(
        "",
        description="File of Cellpose weights to start from, of the installed version. Empty: random weights (3 only).",
    )
    download: bool = Field(
        False,
        description="Start from the published weights, downloaded by the library: cyto3 for 3 (25 MB), cpsam_v2 for 4 "
        "(1.2 GB).",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=0.1,
        description="Learning rate of AdamW after ten steps of warm-up; empty: 0.005 for 3, 0.00001 for 4.",
    )
    rescale: bool = Field(
        True, description="Resize images so that objects are 30 px wide on average; 4 uses the original size."
    )
    tile: int = Field(224, ge=64, le=512, multiple_of=32, description="Side of the training crops, px; 4 uses 256.")
    batch: int = Field(8, ge=1, le=64, description="Crops per optimiser step; 1 for 4 on most computers.")

    elastic: bool = Field(
        False,
        description="In the arm classical-tissue, turn freely and deform elastically; off: mirror and turn by right "
        "angles, as published. The library turns and scales in every arm.",
    )

    @property
    def crops(self) -> Crops:
        """Crops of one optimiser step."""
        return Crops(self.batch, self.tile)
