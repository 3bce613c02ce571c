"""Parts of the ProGAN and StyleGAN families: equalised layers, pixel norm, minibatch deviation, mapping network."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.generators.class_mix import class_vectors

SLOPE = 0.2
"""Slope of every leaky ReLU."""
ROOT_2 = math.sqrt(2.0)
"""Gain that keeps the variance through a leaky ReLU."""


class EqualLinear(nn.Module):
    """Dense layer with an equalised learning rate (Karras 2018, arXiv 1710.10196, 4.1).

    Weights are stored as N(0, 1 / lrmul) and used times gain · lrmul / √fan_in, so that Adam moves every layer at the
    same relative speed; a bias is used times ``lrmul``.

    Parameters
    ----------
    inside, outside : int
        Numbers per sample before and after.
    gain : float
        √2 before a leaky ReLU, 1 where the output is used as it is.
    lrmul : float
        Learning rate relative to other layers.
    bias : float or None
        Initial value as it acts; None for no bias.
    """

    def __init__(
        self, inside: int, outside: int, gain: float = 1.0, lrmul: float = 1.0, bias: float | None = 0.0
    ) -> None:
        super().__init__()
        self.scale, self.lrmul = gain * lrmul / math.sqrt(inside), lrmul
        self.weight = nn.Parameter(torch.randn(outside, inside) / lrmul)
        self.bias = None if bias is None else nn.Parameter(torch.full((outside,), bias / lrmul))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inside) to (N, outside)."""
        bias = None if self.bias is None else self.bias * self.lrmul
        return functional.linear(x, self.weight * self.scale, bias)


class EqualConv2d(nn.Module):
    """Convolution with an equalised learning rate, stride 1, size kept; see `EqualLinear`.

    Parameters
    ----------
    inside, outside : int
        Channels before and after.
    kernel : int
        Side, odd, px; the border is filled with zeros.
    gain : float
        √2 before a leaky ReLU, 1 where the output is used as it is.
    bias : bool
        Whether a bias per channel, at first 0, is added.
    """

    def __init__(self, inside: int, outside: int, kernel: int, gain: float = ROOT_2, bias: bool = True) -> None:
        super().__init__()
        self.scale = gain / math.sqrt(inside * kernel * kernel)
        self.weight = nn.Parameter(torch.randn(outside, inside, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outside)) if bias else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inside, Y, X) to (N, outside, Y, X)."""
        return functional.conv2d(x, self.weight * self.scale, self.bias, padding=self.weight.shape[-1] // 2)


class ClassVector(nn.Module):
    """One learned vector per image class, initially N(0, 1)."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width))

    def forward(self, image_class: Tensor) -> Tensor:
        """Map classes (N,) int64, or shares of classes (N, K), to (N, width)."""
        return class_vectors(image_class, self.weight)


def pixel_norm(x: Tensor) -> Tensor:
    """Divide by √(mean over channels of x² + 1e-8); (N, C) or (N, C, Y, X)."""
    return functional.rms_norm(x.movedim(1, -1), x.shape[1:2], eps=1e-8).movedim(-1, 1)


def minibatch_std(x: Tensor, group: int = 4) -> Tensor:
    """Append a channel with the standard deviation between the samples of a group (Karras 2018, section 3).

    The deviation over the group at each place (biased, 1e-8 inside the root) is averaged over channels and places, in
    float32. Samples i, i + N/G, i + 2N/G, ... are one group of G; G is the largest divisor of N up to ``group``.

    Parameters
    ----------
    x : Tensor
        (N, C, Y, X), any float type.
    group : int
        Most samples in a group.

    Returns
    -------
    Tensor (N, C + 1, Y, X)
    """
    n, _, height, width = x.shape
    size = next(g for g in range(min(group, n), 0, -1) if n % g == 0)
    variance = x.float().reshape(size, n // size, *x.shape[1:]).var(0, correction=0)
    spread = (variance + 1e-8).sqrt().mean((1, 2, 3)).repeat(size)
    return torch.cat([x, spread.to(x.dtype)[:, None, None, None].expand(-1, 1, height, width)], 1)


class MappingNetwork(nn.Module):
    """Latent vector and image class to a style vector w (Karras 2019, arXiv 1812.04948), with the running mean of w.

    The latent vector is pixel-normed; with classes a learned vector of each, pixel-normed too, is appended. The mean
    is kept for each class, so that truncation keeps the class.

    Parameters
    ----------
    latent : int
        Length of a latent vector.
    classes : int
        Image classes; fewer than 2 are ignored.
    width : int
        Length of w and of every hidden layer.
    layers : int
        Dense layers, each with a leaky ReLU.
    lrmul : float
        Their learning rate relative to the other networks' layers.
    """

    mean: Tensor

    def __init__(self, latent: int, classes: int, width: int, layers: int = 8, lrmul: float = 0.01) -> None:
        super().__init__()
        self.classes = ClassVector(classes, latent) if classes >= 2 else None
        inside = latent if self.classes is None else 2 * latent
        widths = [inside] + [width] * layers
        self.layers = nn.ModuleList(EqualLinear(a, b, ROOT_2, lrmul) for a, b in pairwise(widths))
        self.register_buffer("mean", torch.zeros(max(classes, 1), width))

    def forward(self, z: Tensor, image_class: Tensor) -> Tensor:
        """Map z (N, latent) and classes, ignored where there are none, to w (N, width), in float32."""
        with torch.autocast(z.device.type, enabled=False):
            x = pixel_norm(z.float())
            if self.classes is not None:
                x = torch.cat([x, pixel_norm(self.classes(image_class))], 1)
            for layer in self.layers:
                x = functional.leaky_relu(layer(x), SLOPE)
        return x

    @torch.no_grad()
    def track(self, w: Tensor, image_class: Tensor, decay: float = 0.995) -> None:
        """Move the mean of each class that is in the batch towards that of its w: mean ← 0.995 mean + 0.005 batch."""
        numbers = torch.arange(len(self.mean), device=w.device)
        belongs = (self._class_of(image_class)[None] == numbers[:, None])[:, :, None].float()
        counts = belongs.sum(1)
        means = (belongs * w).sum(1) / counts.clamp_min(1)
        self.mean.lerp_(means, (1 - decay) * (counts > 0).float().expand_as(means))

    def truncate(self, w: Tensor, image_class: Tensor, variety: float) -> Tensor:
        """Pull w (N, width) towards the mean of its class: mean + ψ (w - mean), ψ being the ``variety``."""
        return torch.lerp(class_vectors(self._class_of(image_class), self.mean), w, variety)

    def _class_of(self, image_class: Tensor) -> Tensor:
        return image_class if self.classes is not None else torch.zeros_like(image_class)


def mixed_layers(first: Tensor, other: Tensor, count: int, layers: range) -> Tensor:
    """Return a style vector for each of ``count`` layers: the first, in ``layers`` the other.

    Parameters
    ----------
    first, other : Tensor (N, W)
        Style vectors.
    count : int
        Of all layers.
    layers : range
        Those of the other, from 0; may reach beyond the last layer.

    Returns
    -------
    Tensor (N, count, W)
    """
    chosen = torch.tensor([number in layers for number in range(count)], device=first.device)
    return torch.where(chosen[:, None], other[:, None], first[:, None])
