"""StyleGAN (Karras 2019, arXiv 1812.04948): draws image and mask together, every layer controlled by a style vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.generators.progressive import ProgressiveGenerator, channels_at, sizes_of
from napari_organoid_synth.core.generators.style_blocks import (
    SLOPE,
    EqualConv2d,
    EqualLinear,
    MappingNetwork,
    mixed_layers,
)
from napari_organoid_synth.core.generators.stylegan_config import StyleganConfig

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec

RATE_FACTORS = {128: 1.5, 256: 2.0, 512: 3.0}
"""Learning rate at large sizes, relative to that at small ones, where ``rates`` is ``"rising"`` (Karras 2019, code)."""


def adain(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Apply adaptive instance normalisation: each Y × X plane gets standard deviation ``scale`` and mean ``shift``.

    Parameters
    ----------
    x : Tensor (N, C, Y, X)
        Normalised with 1e-8 inside the root.
    scale, shift : Tensor (N, C)
        The style.
    """
    if x.device.type == "cpu":  # batch normalisation of a single image is the same, in one kernel
        rows = zip(torch.split(x, 1), scale, shift, strict=True)
        return torch.cat([functional.batch_norm(row, None, None, a, b, True, eps=1e-8) for row, a, b in rows])
    normed = functional.instance_norm(x.float(), eps=1e-8)
    return torch.addcmul(shift[:, :, None, None], normed, scale[:, :, None, None]).to(x.dtype)


class StyledLayer(nn.Module):
    """Convolution (not in the first layer of all), noise, bias, leaky ReLU, style."""

    noise: Tensor

    def __init__(self, inside: int | None, width: int, size: int, style: int) -> None:
        super().__init__()
        self.convolution = None if inside is None else EqualConv2d(inside, width, 3, bias=False)
        self.strength = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.style = EqualLinear(style, 2 * width)
        self.register_buffer("noise", torch.randn(1, 1, size, size))

    def forward(self, x: Tensor, w: Tensor, rng: torch.Generator | None) -> Tensor:
        """Map (N, inside, Y, X) and w (N, W) to (N, width, Y, X); without a stream the noise is always the same."""
        if self.convolution is not None:
            x = self.convolution(x)
        noise = self.noise
        if rng is not None:
            noise = torch.randn(len(x), *noise.shape[1:], generator=rng, device=x.device)
        x = x + torch.addcmul(self.bias[:, None, None], noise, self.strength[:, None, None]).to(x.dtype)
        scale, shift = self.style(w).float().chunk(2, 1)
        return adain(functional.leaky_relu(x, SLOPE), scale + 1, shift)


class StyledBlock(nn.Module):
    """Doubles the size, then two styled layers; ``rgb`` makes a picture of this size.

    Enlarging is bilinear: the published nearest neighbour and [1, 2, 1] filter, but for the border.
    """

    def __init__(self, inside: int | None, width: int, size: int, style: int, outside: int | None) -> None:
        super().__init__()
        self.begin = StyledLayer(inside, width, size, style)
        self.same = StyledLayer(width, width, size, style)
        self.rgb = None if outside is None else EqualConv2d(width, outside, 1, gain=1.0)

    def forward(self, x: Tensor, w: Tensor, rng: torch.Generator | None) -> Tensor:
        """Map (N, inside, Y, X) and w (N, 2, W), one per layer, to (N, width, 2 Y, 2 X); the first keeps the size."""
        if self.begin.convolution is not None:
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        styled: Tensor = self.same(self.begin(x, w[:, 0], rng), w[:, 1], rng)
        return styled


class StyleganNetwork(nn.Module):
    """Network from style vectors to pictures of any trained size; its blocks are named by their size."""

    def __init__(self, outside: int, classes: int, tile: int, config: StyleganConfig) -> None:
        super().__init__()
        self.mapping = MappingNetwork(config.latent, classes, config.width, config.layers)
        self.constant = nn.Parameter(torch.ones(1, channels_at(4, config.channels, config.max_channels), 4, 4))
        self.blocks = nn.ModuleDict()
        inside = None
        for size in sizes_of(4, tile):
            width = channels_at(size, config.channels, config.max_channels)
            channels = outside if size >= config.first_size else None
            self.blocks[str(size)] = StyledBlock(inside, width, size, config.width, channels)
            inside = width

    def forward(self, w: Tensor, size: int, alpha: float = 1.0, rng: torch.Generator | None = None) -> Tensor:
        """Draw pictures (N, C, size, size) float32, linear; at α < 1 blended with those of half the size.

        Parameters
        ----------
        w : Tensor (N, layers, W)
            A style vector for each layer, two for each size; see `layers_at`.
        size : int
            Side, px.
        alpha : float
            Share of the full size.
        rng : torch.Generator, optional
            Of the noise; without it the noise is always the same.
        """
        x, coarse = self.constant.expand(len(w), -1, -1, -1), None
        for number, at in enumerate(sizes_of(4, size)):
            if at == size and alpha < 1:
                coarse = functional.interpolate(self._picture(x, at // 2), scale_factor=2.0)
            x = self.blocks[str(at)](x, w[:, 2 * number : 2 * number + 2], rng)
        picture = self._picture(x, size)
        return picture if coarse is None else torch.lerp(coarse, picture, alpha)

    def _picture(self, x: Tensor, size: int) -> Tensor:
        block: Any = self.blocks[str(size)]
        drawn: Tensor = block.rgb(x).float()
        return drawn


def layers_at(size: int) -> int:
    """Return the number of styled layers of a picture: two for each size from 4 px on."""
    return 2 * len(sizes_of(4, size))


def mix(first: Tensor, second: Tensor, layers: int, share: float, rng: torch.Generator) -> Tensor:
    """Mix style vectors to (N, layers, W): for a ``share`` of samples the layers from a random one on take the second.

    Parameters
    ----------
    first, second : Tensor (N, W)
        Style vectors; the first layer always takes the first.
    layers : int
        Layers in use, > 1.
    share : float
        Chance of each sample to be mixed.
    rng : torch.Generator
        On the device of ``first``.
    """
    cut = torch.randint(1, layers, (len(first),), generator=rng, device=first.device)
    mixed = torch.rand(len(first), generator=rng, device=first.device) < share
    late = (torch.arange(layers, device=first.device) >= cut[:, None]) & mixed[:, None]
    return torch.where(late[:, :, None], second[:, None], first[:, None])


class Stylegan(ProgressiveGenerator):
    """StyleGAN; image classes enter the mapping network, and the discriminator by projection.

    Projection is used instead of an auxiliary classifier: it needs no second loss, and does not reward samples that are
    easy to classify, which would cost variety on small sets.
    """

    config: StyleganConfig
    generator: StyleganNetwork
    average: StyleganNetwork

    def __init__(self, config: StyleganConfig, spec: PairSpec) -> None:
        channels = spec.image_channels + spec.mask_channels
        super().__init__(config, spec, StyleganNetwork(channels, len(spec.image_classes), spec.tile, config), blur=True)
        self.latent = config.latent

    def rate(self, size: int) -> float:
        """Return the learning rate at a size: the same at every size, or higher from 128 px on."""
        factor = RATE_FACTORS.get(size, 1.0) if self.config.rates == "rising" else 1.0
        return self.config.learning_rate * factor

    def dream(self, image_class: Tensor, rng: torch.Generator, size: int, alpha: float) -> Tensor:
        """Draw pictures of new latent vectors with the network in training, with mixed styles and random noise."""
        latents = torch.randn(2 * len(image_class), self.latent, generator=rng, device=self.device)
        first, second = self.generator.mapping(latents, image_class.repeat(2)).chunk(2)
        self.generator.mapping.track(first, image_class)
        styles = mix(first, second, layers_at(size), self.config.mixing, rng)
        samples: Tensor = self.generator(styles, size, alpha, rng)
        return samples

    def draw(self, latents: Tensor, image_class: Tensor | None = None, variety: float = 1.0) -> Tensor:
        """Draw image and mask channels with the averaged network and constant noise.

        ``variety`` is ψ of the truncation trick in all layers: style vectors move towards the mean of their class.
        """
        return self._draw_styles(self._styles(latents, image_class, variety)[:, None].expand(-1, self.style_layers, -1))

    @property
    def style_layers(self) -> int:
        """Layers of the present size, two for each doubling from 4 px on."""
        return layers_at(self.schedule.at(self.progress)[0])

    def draw_mixed(
        self,
        latents: Tensor,
        others: Tensor,
        layers: range,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Draw samples in which some layers take the styles of other latent vectors."""
        first, other = (self._styles(z, image_class, variety) for z in (latents, others))
        return self._draw_styles(mixed_layers(first, other, self.style_layers, layers))

    def _styles(self, latents: Tensor, image_class: Tensor | None, variety: float) -> Tensor:
        image_class, mapping = self.classes_or_first(image_class, len(latents)), self.average.mapping
        return mapping.truncate(mapping(latents, image_class), image_class, variety)

    def _draw_styles(self, styles: Tensor) -> Tensor:
        size, alpha = self.schedule.at(self.progress)
        return self.enlarge(self.average(styles, size, alpha))
