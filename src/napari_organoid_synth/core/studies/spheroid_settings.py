"""Settings of the spheroid study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.segmentation.segmenters.config import AnySegmenter
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.studies.settings import Size, StudySettings

ADVERSARIAL, BASELINE, STAR = "adversarial", "baseline", "unet_star"
METHODS = {ADVERSARIAL: "Multiscale adversarial", BASELINE: "Baseline, without adversary", STAR: "U-Net*"}
"""The three methods of the study, and what it calls them."""


class SpheroidSettings(StudySettings):
    """Three networks on equal terms: one part of the images put aside, folds over the others, easy and hard apart."""

    name: Literal["spheroid"] = Field("spheroid", description="Name of the study.")
    groups: str = Field(
        "",
        description="Images that belong together, such as days of one well: names (what the names suggest), folder, "
        "none, a CSV file, or a regular expression that finds the group in the name; empty: names.",
    )
    parts: int = Field(
        6, ge=3, le=100, description="Parts of the images: one is put aside, each of the others is tested in turn."
    )
    hard: str = Field(
        "",
        description="Text, or a regular expression, in the name or class of hard images; empty: none are told apart.",
    )
    hard_share: float = Field(
        0.3, gt=0, lt=1, description="Share of hard images among the images that every network is shown."
    )
    methods: dict[str, AnySegmenter] = Field(
        {
            ADVERSARIAL: MultiscaleAdversarialConfig(width=60, side=480, learning_rate=1e-4, norm="running"),
            BASELINE: MultiscaleAdversarialConfig(
                width=60, side=480, learning_rate=1e-4, norm="running", adversarial=False
            ),
            STAR: UNetConfig(network="original", study=True, tile=480, channels=64, batch=1, learning_rate=1e-4),
        },
        min_length=1,
        description="Networks that are compared, each by its name.",
    )
    steps: int = Field(12_000, ge=1, description="Steps of each training, one image a step.")


PUBLISHED = SpheroidSettings(size="published")
_SMALL = {"width": 16, "side": 192}
SMALL = SpheroidSettings(
    methods={
        ADVERSARIAL: MultiscaleAdversarialConfig(**_SMALL),
        BASELINE: MultiscaleAdversarialConfig(**_SMALL, adversarial=False),
        STAR: UNetConfig(network="original", study=True, tile=192, channels=16, batch=1),
    },
    steps=600,
)
SIZES: dict[Size, SpheroidSettings] = {"small": SMALL, "published": PUBLISHED}
