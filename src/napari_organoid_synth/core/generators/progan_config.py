"""Settings of the joint generator progan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.progressive_config import ProgressiveConfig


class ProganConfig(ProgressiveConfig):
    """ProGAN (Karras 2018): draws image and mask from noise, learned from 4 px up; Wasserstein loss by default.

    The default feature maps (2048, at most 128) suit a processor; the published ones are 8192, at most 512.
    """

    title: ClassVar[str] = "ProGAN – draws image and mask, coarse before fine"
    when: ClassVar[str] = (
        "For a steady training at larger tiles: draws image and mask together from noise and grows from 4 px to the "
        "tile. Wants some hundred tiles and many thousand steps; DCGAN is sooner done at 64 px."
    )

    name: Literal["progan"] = "progan"
    latent: int = Field(512, ge=2, le=1024, description="Numbers in the noise vector of a sample.")
