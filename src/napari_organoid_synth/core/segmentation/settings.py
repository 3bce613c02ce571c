"""Settings of applying a segmenter."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.fields import DeviceName, Names, Threads
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.pairs.stacks import Channels, PlanesChoice
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig


class PredictSettings(Settings):
    """A trained segmenter applied to images."""

    segmenter: str = Field(
        "",
        description="Folder of a segmenter, or an arm (classical+synthetic, or COMPARISON/raw/fold1) of a comparison; "
        "empty: the best arm of the newest.",
    )
    images: Names = Field((), description="Folder of images, or single files.")
    folder: str = Field("", description="Where label images go; empty: predictions/<segmenter> in the project.")
    probability: bool = Field(False, description="Also write how sure the segmenter is of each pixel.")
    flow: bool = Field(
        False,
        description="Also write the arrows (dy, dx) by which Cellpose finds its objects; other segmenters have none.",
    )
    scale: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Mark images at this share of their size; empty: that at which the segmenter learned.",
    )
    planes: PlanesChoice = Field(
        "slices",
        description="How a stack is marked: slices (each by itself), max, mean, channels, or the number of one slice.",
    )
    channels: Channels = Field("as-stored", description="as-stored, grey (RGB by luminance) or rgb (grey three times).")
    run_command: bool = Field(
        False, description="Allow the command of a segmenter of somebody else, which can do here whatever you can."
    )
    device: DeviceName = "auto"
    threads: Threads = 0


class AnnotateSettings(Settings):
    """A class that this project lacks, learned from another one."""

    source: str = Field("", description="Folder of the project to learn from; it has this one's classes and one more.")
    target: str = Field("", description="The class to add; empty: the only one that is missing here.")
    known: str = Field(
        "", description="Class of the other project that the masks here mark, if they have another name."
    )
    noise: float = Field(
        0.2, ge=0, le=1, description="Noise while learning: σ up to this, where an image spans 0 to 1."
    )
    contrast: float = Field(
        0.4, ge=0, lt=1, description="Contrast varies by this share while learning, brightness by half of it."
    )
    unet: UNetConfig = Field(UNetConfig(channels=16), description="The network.")
    steps: int = Field(1000, ge=1, description="Optimiser steps.")
    seed: int = Field(0, ge=0, description="Fixes initial weights and crops.")
    device: DeviceName = "auto"
    threads: Threads = 0
