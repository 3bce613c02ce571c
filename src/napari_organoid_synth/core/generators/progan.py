"""ProGAN (Karras 2018, arXiv 1710.10196): draws image and mask together, grown from 4 px to the tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.generators.class_mix import class_shares
from napari_organoid_synth.core.generators.progan_config import ProganConfig
from napari_organoid_synth.core.generators.progressive import ProgressiveGenerator, channels_at, sizes_of
from napari_organoid_synth.core.generators.style_blocks import ROOT_2, SLOPE, EqualConv2d, EqualLinear, pixel_norm

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec


def activate(x: Tensor) -> Tensor:
    """Apply leaky ReLU and pixel norm, as after every layer of the generator."""
    return pixel_norm(functional.leaky_relu(x, SLOPE))


class UpBlock(nn.Module):
    """Doubles the size, then two convolutions; ``rgb`` makes a picture of this size.

    The first block, from a latent vector to 4 × 4 px, has a dense layer in place of the first convolution.
    """

    def __init__(self, inside: int, width: int, size: int, outside: int | None) -> None:
        super().__init__()
        self.begin: nn.Module = (
            EqualConv2d(inside, width, 3) if size > 4 else EqualLinear(inside, 16 * width, ROOT_2 / 4)
        )
        self.same = EqualConv2d(width, width, 3)
        self.rgb = None if outside is None else EqualConv2d(width, outside, 1, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (N, C, Y, X) to (N, width, 2 Y, 2 X), or latent vectors (N, L) to (N, width, 4, 4)."""
        if x.ndim == 4:
            x = self.begin(functional.interpolate(x, scale_factor=2.0))
        else:
            x = self.begin(x).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        return activate(self.same(activate(x)))


class ProganNetwork(nn.Module):
    """Network from latent vectors to pictures of any trained size; its blocks are named by their size.

    The latent vector is pixel-normed; with classes the class is appended as one-hot numbers.
    """

    centre: Tensor

    def __init__(self, outside: int, classes: int, tile: int, config: ProganConfig) -> None:
        super().__init__()
        self.classes = classes if classes >= 2 else 0
        self.blocks = nn.ModuleDict()
        inside = config.latent + self.classes
        for size in sizes_of(4, tile):
            width = channels_at(size, config.channels, config.max_channels)
            self.blocks[str(size)] = UpBlock(inside, width, size, outside if size >= config.first_size else None)
            inside = width
        self.register_buffer("centre", pixel_norm(torch.randn(1, config.latent)))

    def forward(
        self, latents: Tensor, image_class: Tensor, size: int, alpha: float = 1.0, variety: float = 1.0
    ) -> Tensor:
        """Draw pictures (N, C, size, size) float32, linear; at α < 1 blended with those of half the size.

        The length of a latent vector has no effect here. Therefore ``variety`` moves it towards a fixed point.
        """
        z = torch.lerp(self.centre, pixel_norm(latents), variety)
        x = pixel_norm(z)
        if self.classes:
            x = torch.cat([x, class_shares(image_class, self.classes).to(x.dtype)], 1)
        coarse = None
        for at in sizes_of(4, size):
            block: Any = self.blocks[str(at)]
            if at == size and alpha < 1:
                coarse = functional.interpolate(self._picture(x, at // 2), scale_factor=2.0)
            x = block(x)
        picture = self._picture(x, size)
        return picture if coarse is None else torch.lerp(coarse, picture, alpha)

    def _picture(self, x: Tensor, size: int) -> Tensor:
        block: Any = self.blocks[str(size)]
        drawn: Tensor = block.rgb(x).float()
        return drawn


class Progan(ProgressiveGenerator):
    """ProGAN; image classes enter the generator as one-hot vectors, and the discriminator by projection.

    Projection is used instead of an auxiliary classifier: it needs no second loss, and does not reward samples that are
    easy to classify, which would cost variety on small sets.
    """

    config: ProganConfig

    def __init__(self, config: ProganConfig, spec: PairSpec) -> None:
        channels = spec.image_channels + spec.mask_channels
        super().__init__(config, spec, ProganNetwork(channels, len(spec.image_classes), spec.tile, config), blur=False)
        self.latent = config.latent

    def dream(self, image_class: Tensor, rng: torch.Generator, size: int, alpha: float) -> Tensor:
        """Draw pictures of new latent vectors with the network in training."""
        latents = torch.randn(len(image_class), self.latent, generator=rng, device=self.device)
        samples: Tensor = self.generator(latents, image_class, size, alpha)
        return samples

    def draw(self, latents: Tensor, image_class: Tensor | None = None, variety: float = 1.0) -> Tensor:
        """Draw image and mask channels with the averaged network; ``variety`` moves latent vectors to a fixed point."""
        size, alpha = self.schedule.at(self.progress)
        return self.enlarge(
            self.average(latents, self.classes_or_first(image_class, len(latents)), size, alpha, variety)
        )
