"""Quality of the masks that a mask generator drew; ``decode_report.json`` of a pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias

from pydantic import Field

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.frozen_model import FrozenModel

FORMAT = 1
Quartiles: TypeAlias = tuple[float, float, float]


class DecodeReport(FrozenModel):
    """Checks of many drawn masks, beside real ones."""

    format: int = Field(FORMAT, ge=1, le=FORMAT, description="Version of this layout.")
    run: str = Field("", description="Name of the mask generator's run.")
    checkpoint: int = Field(0, ge=0, description="Its step.")
    masks: int = Field(ge=0, description="Masks that were checked.")
    passed: float = Field(ge=0, le=1, description="Share of them that passed.")
    error: float = Field(ge=0, description="Mean reconstruction error; 0 is perfect.")
    fragments: float = Field(ge=0, description="Share of objects in several pieces.")
    merged: float = Field(ge=0, description="Share of objects that seem to be several.")
    holes: float = Field(ge=0, description="Share of objects with a hole.")
    at_border: float = Field(ge=0, description="Share of objects that touch the border.")
    objects: Quartiles = Field(description="Objects in a mask: 25th, 50th and 75th percentile.")
    real_objects: Quartiles = Field(description="The same of real tiles.")
    area_px: Quartiles = Field(description="Area of an object, px: 25th, 50th and 75th percentile.")
    real_area_px: Quartiles = Field(description="The same of real tiles.")
    distances: dict[int, float] = Field(
        {}, description="Fréchet distance of the encoded masks of each checkpoint to the real ones, by its step."
    )
    extractor: str = Field("", description="Network, with its weights, whose features these distances compare.")
    reasons: dict[str, int] = Field({}, description="Why masks failed, without numbers, and how many did.")

    @property
    def main_reason(self) -> str:
        """The most frequent reason; empty where no mask failed."""
        return max(self.reasons, key=lambda reason: self.reasons[reason], default="")

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_text(path, json.dumps(self.model_dump(mode="json"), indent=1))
