"""Settings of curation."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.fields import Names
from napari_organoid_synth.core.frozen_model import Settings


class CurateSettings(Settings):
    """Verdicts; without any the counts are shown."""

    rebuild: bool = Field(False, description="Make a damaged list of samples anew from the images; verdicts are lost.")
    accept: Names = Field((), description="Sample to accept, best:N or diverse:N. Repeatable.")
    reject: Names = Field((), description="Sample to reject. Repeatable.")
    undo: bool = Field(False, description="Take the last decision back.")
    redo: bool = Field(False, description="Decide again what was taken back.")
