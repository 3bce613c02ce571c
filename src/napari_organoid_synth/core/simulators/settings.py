"""Settings of simulated pairs."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.frozen_model import Settings


class SimulateSettings(Settings):
    """Number and size of simulated pairs."""

    number: int = Field(10, ge=1, description="How many pairs.")
    size: int = Field(256, ge=64, le=4096, description="Side of the images, px.")
    seed: int = Field(0, ge=0, description="The same seed gives the same pairs.")
    masks: str = Field("", description="Folder of label images that 'population' is fitted to; empty: its own sizes.")
