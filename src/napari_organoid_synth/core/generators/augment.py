"""Differentiable augmentation of the input of a discriminator, for small sets (Karras 2020, Zhao 2020).

Real and generated samples pass through the same random changes and gradients flow through them, so the generator learns
the data as they are. Every change is drawn per sample with probability p. All work has a fixed size: nothing is read
back from the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT, HALF = 0.125, 0.5
"""Largest shift, and side of the hole, as shares of the tile."""


def augment(
    x: Tensor,
    rng: torch.Generator,
    probability: float,
    image_channels: int,
    vectors: int | None = None,
    color: bool = True,
) -> Tensor:
    """Turn, mirror, shift, cut holes, and change brightness and contrast.

    Parameters
    ----------
    x : Tensor (N, C + M, Y, X) float32 in [-1, 1]
        Image channels, then mask channels; Y = X.
    rng : torch.Generator
        On the device of ``x``.
    probability : float
        Probability of each change for each sample; 0 returns ``x`` itself.
    image_channels : int
        C; brightness, contrast and cutting touch these alone.
    vectors : int, optional
        Channel of the y component of a vector field, the x component follows it; they are turned as vectors
        (a quarter turn of the plane also turns the arrows in it).
    color : bool
        Whether to change brightness and contrast and to cut.
    """
    if probability == 0:
        return x
    x = _mirror_and_turn(x, rng, probability, vectors)
    x = _shift(x, rng, probability, vectors)
    if not color:
        return x
    image, mask = x[:, :image_channels], x[:, image_channels:]
    image = _cut(_brightness_and_contrast(image, rng, probability), rng, probability)
    return torch.cat([image, mask], 1)


def _gate(x: Tensor, rng: torch.Generator, probability: float) -> Tensor:
    """Draw which samples change: (N, 1, 1, 1) bool."""
    return torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device) < probability


def _mirror_and_turn(x: Tensor, rng: torch.Generator, probability: float, vectors: int | None) -> Tensor:
    """Apply one of the eight symmetries of the square: mirror y, mirror x, swap the axes, each with probability ½."""
    gate = _gate(x, rng, probability)
    for axis, component in ((2, 0), (3, 1)):
        mirrored = x.flip(axis)
        if vectors is not None:
            mirrored = mirrored * _sign(x, vectors + component)
        x = torch.where(gate & _gate(x, rng, 0.5), mirrored, x)
    swapped = x.transpose(2, 3)
    if vectors is not None:
        order = list(range(x.shape[1]))
        order[vectors], order[vectors + 1] = vectors + 1, vectors
        swapped = swapped[:, order]
    return torch.where(gate & _gate(x, rng, 0.5), swapped, x)


def _sign(x: Tensor, channel: int) -> Tensor:
    """Return (1, C, 1, 1) of ones with -1 at one channel."""
    sign = torch.ones(1, x.shape[1], 1, 1, device=x.device)
    sign[:, channel] = -1
    return sign


def _shift(x: Tensor, rng: torch.Generator, probability: float, vectors: int | None) -> Tensor:
    """Shift by whole pixels, up to an eighth of the tile, and fill the border by mirroring."""
    gate = _gate(x, rng, probability)
    side = x.shape[-1]
    reach = int(side * SHIFT)
    for axis, component in ((2, 0), (3, 1)):
        move = torch.randint(-reach, reach + 1, (len(x), 1), generator=rng, device=x.device) * gate[:, :, 0, 0]
        source = torch.arange(side, device=x.device) + move  # (N, side), may point outside
        outside = (source < 0) | (source >= side)
        source = torch.where(source < 0, -source, torch.where(source >= side, 2 * (side - 1) - source, source))
        shape = (len(x), 1, side, 1) if axis == 2 else (len(x), 1, 1, side)
        x = torch.gather(x, axis, source.view(shape).expand_as(x))
        if vectors is not None:  # a mirrored strip has its normal component reversed
            sign = torch.where(outside.view(shape), _sign(x, vectors + component), 1.0)
            x = x * sign
    return x


def _brightness_and_contrast(image: Tensor, rng: torch.Generator, probability: float) -> Tensor:
    """Multiply each channel by 2^N(0, 0.5) about its mean, then add N(0, 0.2)."""
    shape = (*image.shape[:2], 1, 1)
    factor = torch.exp2(torch.randn(shape, generator=rng, device=image.device) * 0.5)
    offset = torch.randn(shape, generator=rng, device=image.device) * 0.2
    factor = torch.where(_gate(image, rng, probability), factor, 1.0)
    offset = torch.where(_gate(image, rng, probability), offset, 0.0)
    mean = image.mean((2, 3), keepdim=True)
    return (image - mean) * factor + mean + offset


def _cut(image: Tensor, rng: torch.Generator, probability: float) -> Tensor:
    """Set a square of half the side to 0, anywhere, also partly outside."""
    gate = _gate(image, rng, probability)
    height, width = image.shape[2:]
    corner = torch.rand(2, len(image), 1, 1, 1, generator=rng, device=image.device) * (1 + HALF) - HALF
    y = torch.arange(height, device=image.device).view(1, 1, -1, 1) - corner[0] * height
    x = torch.arange(width, device=image.device).view(1, 1, 1, -1) - corner[1] * width
    inside = (y >= 0) & (y < HALF * height) & (x >= 0) & (x < HALF * width)
    return image.masked_fill(gate & inside, 0.0)
