"""Settings of the joint generator progan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.picture import NOISE, TO, Part, Picture
from napari_organoid_synth.core.generators.progressive_config import ProgressiveConfig


class ProganConfig(ProgressiveConfig):
    """ProGAN (Karras 2018): draws image and mask from noise, learned from 4 px up; Wasserstein loss by default.

    The default feature maps (2048, at most 128) suit a processor; the published ones are 8192, at most 512.
    """

    title: ClassVar[str] = "ProGAN – coarse before fine"
    when: ClassVar[str] = (
        "For stable training at larger tiles: draws image and mask together from noise, first at 4 px, last at the "
        "tile size. Needs a few hundred tiles and many thousand steps; at 64 px DCGAN is faster."
    )
    picture: ClassVar[Picture] = (
        *(NOISE, TO, Part("coarse", "4 px"), TO, Part("middle", "16 px")),
        *(TO, Part("pair", "tile")),
    )

    name: Literal["progan"] = "progan"
    latent: int = Field(512, ge=2, le=1024, description="Length of the latent vector.")
