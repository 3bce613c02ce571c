"""Settings of the command curate."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.fields import Names
from napari_organoid_synth.core.frozen_model import Settings


class CurateSettings(Settings):
    """Accept and reject samples; without options the counts are shown."""

    rebuild: bool = Field(False, description="Rebuild a damaged list of samples from the images; verdicts are lost.")
    accept: Names = Field((), description="Sample to accept, best:N or diverse:N. Repeatable.")
    reject: Names = Field((), description="Sample to reject. Repeatable.")
    undo: bool = Field(False, description="Undo the last decision.")
    redo: bool = Field(False, description="Redo the decision that was undone last.")
