"""Settings of everything that compares tiles: which scores, by which features."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.fields import DeviceName
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.registry import METRICS

Trait = Literal["run", "masks", "class", "tag", "verdict"]


class FeatureSettings(Settings):
    """The network whose features show which tiles are alike."""

    extractor: Literal["encoder", "inception2048", "inception64", "vgg19", "random"] = Field(
        "encoder", description="Network whose features are compared; the encoder learns from the real tiles first."
    )
    weights: str = Field("", description="File of weights of inception2048, inception64 or vgg19.")
    device: DeviceName = "auto"


class ScoreSettings(Settings):
    """Scores of synthetic pairs, each and as a set."""

    metrics: tuple[str, ...] = Field(tuple(METRICS.names()), description="Scores of single pairs.")
    again: bool = Field(False, description="Score pairs and sets again that already have scores.")
    sets: Literal["all", "kept", "accepted", "none"] = Field(
        "all", description="Which pairs of each run are scored as a set: all, new and accepted (kept), accepted, none."
    )
    by: tuple[Trait, ...] = Field(
        ("run",),
        description="What tells sets apart: the run, the source of the masks (warped, fitted, generated, …), the image "
        "class, the tag, the verdict; several together, such as [run, masks].",
    )
    extractor: Literal["encoder", "inception2048", "inception64", "vgg19", "random"] = Field(
        "encoder", description="Network whose features compare sets; the encoder learns from the real tiles first."
    )
    weights: str = Field("", description="File of weights of inception2048, inception64 or vgg19.")
    max_samples: int = Field(
        1000,
        ge=8,
        le=50_000,
        description="Most samples of a set that FID and KID use; for all other scores at most 1,000 of them.",
    )
    max_tiles: int = Field(
        50_000,
        ge=8,
        le=50_000,
        description="Most real tiles that FID and KID use; for all other scores at most 400 of them.",
    )
    seed: int = Field(0, ge=0, description="Fixes the random halves for intervals and ranges.")
    device: DeviceName = "auto"
