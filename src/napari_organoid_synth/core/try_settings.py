"""Settings of a quick try."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.frozen_model import Settings


class TrySettings(Settings):
    """Size of a quick try."""

    number: int = Field(24, ge=1, le=1000, description="Pairs to make.")
    minutes: float = Field(
        5.0, gt=0, le=600, description="About how long the trainings take; their steps follow from the speed here."
    )
    steps: int = Field(0, ge=0, description="Optimiser steps of each training; 0: automatic, from the minutes.")
    seed: int = Field(0, ge=0, description="The same seed gives the same pairs in a new project; here it goes on.")
