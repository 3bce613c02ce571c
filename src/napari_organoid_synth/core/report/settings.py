"""Settings of the report."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.frozen_model import Settings


class ReportSettings(Settings):
    """File of the report."""

    output: str = Field("", description="HTML file; empty: report.html in the project.")
