"""Settings of a blind test."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.frozen_model import Settings

Way = Literal["one by one", "in pairs"]
"""Kind of question: what one picture is, or which of two is real."""


class BlindSettings(Settings):
    """One blind test."""

    way: Way = Field("one by one", description="Ask what each picture is, or which of two is real.")
    number: int = Field(40, ge=2, le=1000, description="Questions; fewer where there are fewer pictures.")
    samples: Literal["accepted", "new and accepted", "all"] = Field(
        "new and accepted", description="Synthetic pairs to draw from."
    )
    run: str = Field("", description="Only pairs of this run; empty: of all.")
    observer: str = Field("", max_length=80, description="Who answers; may stay empty.")
    seconds: float = Field(0.0, ge=0, le=60, description="A picture is hidden after so many seconds; 0: never.")
    masks: bool = Field(False, description="Draw the outline of the mask.")
    turned: bool = Field(False, description="Turn and mirror every picture at random.")
    practice: bool = Field(False, description="Tell after each answer whether it was right; not counted.")
    seed: int | None = Field(None, ge=0, description="Fixes choice and order; empty: drawn at random and recorded.")
