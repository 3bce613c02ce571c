"""Settings of model files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.fields import WHICH, Names, Which
from napari_organoid_synth.core.frozen_model import Settings


class ShareSettings(Settings):
    """Run, checkpoint and card of a model file."""

    format: Literal["synth", "bioimage"] = Field(
        "synth", description="synth: for this program; bioimage: a model package of the BioImage Model Zoo, as .zip."
    )
    run: str = Field("", description="Name of the run; empty: the newest.")
    segmenter: str = Field("", description="Trained U-Net to share instead of a run; with format=bioimage.")
    checkpoint: Which = Field("best", pattern=WHICH, description="newest, best, or a step.")
    licence: str = Field("", description="SPDX identifier under which others may use it, such as CC-BY-4.0.")
    name: str = Field("", max_length=100, description="What it is called; empty: the name of the run or segmenter.")
    authors: str = Field("", max_length=1000, description="Who made it.")
    note: str = Field("", max_length=10_000, description="What others should know.")


class RunsSettings(Settings):
    """List the runs, and change the list. A run is named by number, name or folder."""

    rename: Names = Field((), description="RUN=NAME: give a run a name, as in '3=the best'. Repeatable.")
    delete: Names = Field((), description="Move this run to the bin of the project. Repeatable.")
    restore: Names = Field((), description="Bring this run back from the bin. Repeatable.")
    deleted: bool = Field(False, description="List the runs in the bin instead.")


class ImportModelSettings(Settings):
    """Import of a model file into a project."""

    name: str = Field("", max_length=100, description="What its run is called; empty: as the file says.")
