"""Settings of the joint generator cgan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.adversarial_config import ConvolutionalConfig, Width

LARGEST_DENSE = 64  # px; tiles above it take the convolutional networks unless told otherwise


class CganConfig(ConvolutionalConfig):
    """CGAN (Mirza 2014): draws image and mask of a class that you name, such as healthy or a grade."""

    title: ClassVar[str] = "CGAN – draws a class you name"
    when: ClassVar[str] = (
        "For images that carry a class (healthy, a grade): draws image and mask of the class you name. Needs some "
        "hundred tiles of each class; without classes it does no more than DCGAN or, up to 64 px, than GAN. Fully "
        "connected above 128 px the last layer is huge: 67 million weights at 256 px for one channel."
    )
    tiles: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    name: Literal["cgan"] = "cgan"
    network: Literal["auto", "mlp", "conv"] = Field(
        "auto",
        description="Fully connected (mlp: any even tile up to 256 px) or convolutional (conv: 64, 128, 256 px); "
        f"auto: conv above {LARGEST_DENSE} px.",
    )
    width: Width = 256

    def is_dense(self, tile: int) -> bool:
        """Whether tiles of that side, px, are drawn by fully connected networks."""
        return self.network == "mlp" or (self.network == "auto" and tile <= LARGEST_DENSE)

    def check_tile(self, size: int) -> None:
        """Refuse a tile size the networks cannot take."""
        if self.is_dense(size):
            self.check_dense(size)
        else:
            self.check_convolutional(size, "Change the tile size, or set network to 'mlp'.")
