"""Settings of the joint generator gan."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_organoid_synth.core.generators.adversarial_config import AdversarialConfig, Width
from napari_organoid_synth.core.generators.picture import NOISE, TO, Part, Picture


class DenseGanConfig(AdversarialConfig):
    """The first GAN (Goodfellow 2014): draws image and mask together, with fully connected networks; a baseline."""

    title: ClassVar[str] = "GAN – fully connected"
    when: ClassVar[str] = (
        "For comparison with the first GAN: every pixel has its own weights, so samples are grainy. Objects stay where "
        "the training tiles had them. Fast at 32 or 64 px; takes any even tile size, also 250 px. Above 128 px its "
        "last layer is very large: 67 million weights at 256 px with one channel."
    )
    tiles: ClassVar[tuple[int, ...]] = (32, 64, 96, 128, 192, 250, 256)
    picture: ClassVar[Picture] = (NOISE, TO, Part("grainy", "image + mask"))

    name: Literal["gan"] = "gan"
    width: Width = 256

    def check_tile(self, size: int) -> None:
        """Refuse a tile size, px, that the networks cannot take."""
        self.check_dense(size)
