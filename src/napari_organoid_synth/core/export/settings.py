"""Settings of an export."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.frozen_model import Settings


class ExportSettings(Settings):
    """A curated set as files."""

    folder: str = Field("", description="Folder of the files; empty: exports/<time> in the project.")
    formats: tuple[Literal["ome-tiff", "cellpose", "stardist", "nnunet", "biapy", "coco"], ...] = Field(
        ("ome-tiff",), min_length=1, description="Layouts to write."
    )
    include_real: bool = Field(False, description="Also export the real training pairs.")
    validation: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the synthetic pairs for testing, beside the project's test images. Scores on synthetic "
        "pairs say little about real images: leave it at 0 for results.",
    )
    seed: int = Field(0, ge=0, description="Fixes the split.")
    copies: str = Field(
        "",
        description="Reason to export pairs that are flagged as copies of real images; kept in the manifest. Empty: "
        "they are left out.",
    )
