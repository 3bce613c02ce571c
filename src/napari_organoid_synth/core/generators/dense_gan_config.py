"""Settings of the joint generator gan."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_organoid_synth.core.generators.adversarial_config import AdversarialConfig, Width


class DenseGanConfig(AdversarialConfig):
    """The first GAN (Goodfellow 2014): fully connected networks, as a baseline; draws image and mask together."""

    title: ClassVar[str] = "GAN – fully connected"
    when: ClassVar[str] = (
        "For comparison with the first GAN: every pixel has its own weights, so samples are grainy and keep to the "
        "places that they saw. Fast at 32 or 64 px, and takes any even tile, 250 px too. Above 128 px its last layer "
        "is huge: 67 million weights at 256 px for one channel."
    )
    tiles: ClassVar[tuple[int, ...]] = (32, 64, 96, 128, 192, 250, 256)

    name: Literal["gan"] = "gan"
    width: Width = 256

    def check_tile(self, size: int) -> None:
        """Refuse a tile size the networks cannot take."""
        self.check_dense(size)
