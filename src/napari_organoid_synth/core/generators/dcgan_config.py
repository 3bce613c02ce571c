"""Settings of the joint generator dcgan."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_organoid_synth.core.generators.adversarial_config import ConvolutionalConfig


class DcganConfig(ConvolutionalConfig):
    """DCGAN (Radford 2016): draws image and mask together from noise, with convolutional networks."""

    title: ClassVar[str] = "DCGAN – draws image and mask"
    when: ClassVar[str] = (
        "For new shapes as well as new looks: draws image and mask together from noise. Needs a few hundred tiles and "
        "is sharpest at 64 or 128 px."
    )

    name: Literal["dcgan"] = "dcgan"
