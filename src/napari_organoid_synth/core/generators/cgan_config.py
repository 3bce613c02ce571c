"""Settings of the joint generator cgan."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.adversarial_config import CONVOLUTIONAL_TILES, ConvolutionalConfig, Width
from napari_organoid_synth.core.generators.picture import NOISE, PAIR, TO, Part, Picture

LARGEST_DENSE = 64
"""Largest tile, px, for which ``network: auto`` takes fully connected networks."""


class CganConfig(ConvolutionalConfig):
    """CGAN (Mirza 2014): draws image and mask of a chosen class, such as healthy or a grade."""

    title: ClassVar[str] = "CGAN – draws a chosen class"
    when: ClassVar[str] = (
        "For images that carry a class (healthy, a grade): draws image and mask of the class you choose. Needs a few "
        "hundred tiles of each class; without classes it does no more than DCGAN or, up to 64 px, than GAN. Fully "
        "connected above 128 px its last layer is very large: 67 million weights at 256 px with one channel."
    )
    tiles: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)
    class_conditional: ClassVar[bool] = True
    picture: ClassVar[Picture] = (NOISE, Part("tag", "class"), TO, PAIR)

    name: Literal["cgan"] = "cgan"
    network: Literal["auto", "mlp", "conv"] = Field(
        "auto",
        description="Fully connected (mlp: any even tile up to 256 px) or convolutional (conv: 64, 128, 256 px); "
        f"auto: conv above {LARGEST_DENSE} px.",
    )
    width: Width = 256

    def is_dense(self, tile: int) -> bool:
        """Return whether tiles of that side, px, are drawn by fully connected networks."""
        return self.network == "mlp" or (self.network == "auto" and tile <= LARGEST_DENSE)

    def check_tile(self, size: int) -> None:
        """Refuse a tile size, px, that the networks cannot take."""
        if self.is_dense(size):
            self.check_dense(size)
        elif size not in CONVOLUTIONAL_TILES:
            raise UserError(
                f"The tile is {size} px.",
                f"Convolutional CGAN takes {', '.join(map(str, CONVOLUTIONAL_TILES))} px.",
                "Change the tile size, or set network to 'mlp'.",
            )
