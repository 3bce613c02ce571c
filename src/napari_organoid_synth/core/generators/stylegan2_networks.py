"""The networks of StyleGAN2 (Karras 2020, arXiv 1912.04958): skip generator and residual discriminator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from napari_organoid_synth.core.generators.style_blocks import (
    ROOT_2,
    SLOPE,
    ClassVector,
    EqualConv2d,
    EqualLinear,
    MappingNetwork,
    minibatch_std,
    pixel_norm,
)
from napari_organoid_synth.core.generators.stylegan2_ada_config import StyleGan2AdaConfig

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec


def channels_at(side: int, channels: int, most: int) -> int:
    """Return the feature maps at side px: ``channels`` / side, at most ``most``, at least 4."""
    return max(4, min(channels // side, most))


class Blur(nn.Module):
    """Filters each channel separately with [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64.

    Parameters
    ----------
    channels : int
    gain : float
        4 after every second pixel was left empty, else 1.
    padding : int
        Zeros on each side, px.
    stride : int
        2 to halve the size.
    """

    kernel: Tensor

    def __init__(self, channels: int, gain: float = 1.0, padding: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.padding, self.stride = padding, stride
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = (gain * torch.outer(line, line)).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, channels, Y, X), smaller by 3 - 2 padding, then halved."""
        kernel = self.kernel.to(x.dtype)
        filtered: Tensor = _Filter.apply(x, kernel, self.padding, self.stride)  # type: ignore[no-untyped-call]
        return filtered


class _Filter(Function):
    """A fixed symmetric filter per channel; linear, so that its derivative is `_Transposed` of any order.

    torch's own second derivative loops over the channels, and its first is slow in bf16 with stride 2.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, padding: int, stride: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.how = padding, stride
        return functional.conv2d(x, kernel, None, stride, padding, groups=len(kernel))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _Transposed.apply(gradient, *ctx.saved_tensors, *ctx.how), None, None, None  # type: ignore[no-untyped-call]


class _Transposed(Function):
    """The transpose of `_Filter`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, padding: int, stride: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.how = padding, stride
        if stride == 1:
            return functional.conv2d(x, kernel, None, 1, 3 - padding, groups=len(kernel))
        wide = torch.promote_types(x.dtype, torch.float32)
        spread = functional.conv_transpose2d(x.to(wide), kernel.to(wide), None, stride, padding, groups=len(kernel))
        return spread.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _Filter.apply(gradient, *ctx.saved_tensors, *ctx.how), None, None, None  # type: ignore[no-untyped-call]


# ------------------------------------------------------------------------------------------------------------ generator


class ModulatedConv(nn.Module):
    """3 × 3 convolution whose weights are scaled per sample by a style, then normalised.

    Scaling what goes in by s and what comes out by d = (Σ (s W)² + 1e-8)^-½ is the same as a weight per sample, without
    ever making one (Karras 2020, arXiv 1912.04958, 2.2). Noise, bias and leaky ReLU · √2 follow.

    Parameters
    ----------
    inside, outside : int
        Channels.
    width : int
        Numbers in w.
    up : bool
        Whether to double height and width: transposed convolution, then blur.
    """

    def __init__(self, inside: int, outside: int, width: int, up: bool = False) -> None:
        super().__init__()
        self.up, self.scale = up, 1 / math.sqrt(9 * inside)
        self.style = EqualLinear(width, inside, bias=1.0)
        shape = (inside, outside) if up else (outside, inside)  # as torch's convolutions need it
        self.weight = nn.Parameter(torch.randn(*shape, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outside))
        self.strength = nn.Parameter(torch.zeros(()))
        self.blur = Blur(outside, gain=4.0) if up else None

    def scales(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the factors before and after the convolution: (N, inside) and (N, outside), float32."""
        with torch.autocast(w.device.type, enabled=False):
            squares = self.weight.square().sum((2, 3))
            before = self.style(w) * self.scale
            after = torch.rsqrt(before.square() @ (squares if self.up else squares.T) + 1e-8)
        return before, after

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Map (N, inside, Y, X), (N, width) and noise of the size of the result to (N, outside, Y, X)."""
        before, after = self.scales(w)
        x = x * before.to(x.dtype)[:, :, None, None]
        if self.blur is not None:
            x = self.blur(functional.conv_transpose2d(x, self.weight, stride=2))
        else:
            x = functional.conv2d(x, self.weight, padding=1)
        # √2 goes into all three terms, and each term is one pass over the feature maps
        bias, after = ((ROOT_2 * number).to(x.dtype) for number in (self.bias, after))
        x = torch.addcmul(bias[:, None, None], x, after[:, :, None, None])
        x = x.add_((ROOT_2 * self.strength * noise).to(x.dtype))
        return functional.leaky_relu_(x, SLOPE)


class ToPicture(nn.Module):
    """1 × 1 convolution modulated by a style, not normalised: from features to channels of the picture."""

    def __init__(self, inside: int, outside: int, width: int) -> None:
        super().__init__()
        self.style = EqualLinear(width, inside, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outside, inside))
        self.bias = nn.Parameter(torch.zeros(outside))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map (N, inside, Y, X) and (N, width) to (N, outside, Y, X) float32."""
        with torch.autocast(w.device.type, enabled=False):
            weight = self.style(w)[:, :, None] * self.weight.T / math.sqrt(x.shape[1])  # per sample, and still small
        # pixels by channels, as channels_last is in memory
        channels = torch.bmm(x.permute(0, 2, 3, 1).flatten(1, 2), weight.to(x.dtype)).float() + self.bias
        return channels.reshape(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)


class Synthesis(nn.Module):
    """Network from style vectors to a picture: a constant at 4 px, two convolutions per doubling, pictures added up."""

    def __init__(self, outside: int, tile: int, width: int, channels: int, most: int) -> None:
        super().__init__()
        sides = [4 << i for i in range(tile.bit_length() - 2)]
        widths = [channels_at(side, channels, most) for side in sides]
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.convs = nn.ModuleList([ModulatedConv(widths[0], widths[0], width)])
        self.pictures = nn.ModuleList([ToPicture(widths[0], outside, width)])
        for before, after in pairwise(widths):
            self.convs += [ModulatedConv(before, after, width, up=True), ModulatedConv(after, after, width)]
            self.pictures.append(ToPicture(after, outside, width))
        self.sides = [4] + [side for side in sides[1:] for _ in range(2)]  # of the results of all convolutions
        self.count = len(self.convs) + 1  # of style vectors
        for index, side in enumerate(self.sides):
            self.register_buffer(f"noise_{index}", torch.randn(1, 1, side, side))

    def fixed_noise(self) -> list[Tensor]:
        """Return the noise (1, 1, Y, X) of every convolution, with which samples are drawn."""
        return [self.get_buffer(f"noise_{index}") for index in range(len(self.sides))]

    def new_noise(self, n: int, rng: torch.Generator) -> list[Tensor]:
        """Draw noise (N, 1, Y, X) for every convolution, for training."""
        return [torch.randn(n, 1, side, side, generator=rng, device=rng.device) for side in self.sides]

    def forward(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Map (N, count, width) to (N, outside, tile, tile) float32, about [-1, 1]; by default with the fixed noise."""
        noise = self.fixed_noise() if noise is None else noise
        device = styles.device.type
        half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else styles.dtype
        x = self.constant.to(half).expand(len(styles), -1, -1, -1)
        picture: Tensor | None = None
        for index, conv in enumerate(self.convs):
            x = conv(x, styles[:, index], noise[index])
            if index % 2 == 0:  # the picture shares the style vector of the next convolution
                added = self.pictures[index // 2](x, styles[:, index + 1])
                picture = (
                    added
                    if picture is None
                    else added + functional.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)
                )
        assert picture is not None
        return picture


class StyleGan2Network(nn.Module):
    """The generator: mapping from latent vectors to style vectors, and synthesis from style vectors to pictures."""

    def __init__(self, config: StyleGan2AdaConfig, spec: PairSpec) -> None:
        super().__init__()
        self.latent = config.latent
        self.mapping = MappingNetwork(config.latent, len(spec.image_classes), config.latent, config.mapping_layers)
        outside = spec.image_channels + spec.mask_channels
        self.synthesis = Synthesis(outside, spec.tile, config.latent, config.channels, config.max_channels)


# -------------------------------------------------------------------------------------------------------- discriminator


class HalvingConv(EqualConv2d):
    """Blur and 3 × 3 convolution with stride 2; both as for `EqualConv2d`."""

    def __init__(self, inside: int, outside: int, gain: float) -> None:
        super().__init__(inside, outside, 3, gain)
        self.blur = Blur(inside, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inside, Y, X) to (N, outside, Y/2, X/2)."""
        return functional.conv2d(self.blur(x), self.weight * self.scale, self.bias, stride=2)


class Halving(nn.Module):
    """Residual block of the discriminator: two convolutions beside one of 1 × 1, half the size, both · √½, added."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = EqualConv2d(inside, inside, 3)
        self.down = HalvingConv(inside, outside, gain=1.0)  # √2 of the leaky ReLU and √½ of the sum
        self.blur = Blur(inside, stride=2)
        self.skip = EqualConv2d(inside, outside, 1, gain=math.sqrt(0.5), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inside, Y, X) to (N, outside, Y/2, X/2)."""
        skip: Tensor = self.skip(self.blur(x))
        x = functional.leaky_relu_(self.conv(x), SLOPE)
        return skip.add_(functional.leaky_relu_(self.down(x), SLOPE))


class Discriminator(nn.Module):
    """Network from a picture to a logit; with classes by projection on a vector of the class (Miyato 2018)."""

    def __init__(self, inside: int, tile: int, classes: int, channels: int, most: int) -> None:
        super().__init__()
        sides = [tile >> i for i in range(tile.bit_length() - 2)]  # down to 4
        widths = [channels_at(side, channels, most) for side in sides]
        last = widths[-1]
        self.first = EqualConv2d(inside, widths[0], 1)
        self.blocks = nn.ModuleList(Halving(a, b) for a, b in pairwise(widths))
        self.conv = EqualConv2d(last + 1, last, 3)
        self.dense = EqualLinear(16 * last, last, ROOT_2)
        self.score = EqualLinear(last, last if classes >= 2 else 1)
        self.classes = ClassVector(classes, last) if classes >= 2 else None

    def features(self, x: Tensor) -> list[Tensor]:
        """Compute the output of every block, (N, C, Y, X), from half the tile down to 4 px."""
        x = functional.leaky_relu_(self.first(x), SLOPE)
        return [x := block(x) for block in self.blocks]

    def forward(self, x: Tensor, image_class: Tensor, parts: int = 1) -> Tensor:
        """Map (N, inside, Y, X) and (N,) int64 to logits (N,) float32.

        ``parts`` is the number of batches in ``x``; samples are compared within their batch.
        """
        x = self.features(x)[-1]
        x = torch.cat([minibatch_std(part) for part in x.chunk(parts)])
        x = functional.leaky_relu_(self.conv(x), SLOPE)
        x = functional.leaky_relu_(self.dense(x.flatten(1)), SLOPE)
        with torch.autocast(x.device.type, enabled=False):
            scores: Tensor = self.score(x.float())
            if self.classes is None:
                return scores[:, 0]
            return (scores * pixel_norm(self.classes(image_class))).sum(1) / math.sqrt(scores.shape[1])
