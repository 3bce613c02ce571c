"""Parts that generators share: norms, dropout with its own random stream, initial weights, a moving average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.generators.canvas import Bernoulli, Stream, fill

Norm = Literal["instance", "batch", "none"]
FOLDED_PIXELS = 1024
"""Pixels of a plane from which on adding up weights first saves time; below it costs more than the convolution."""


class InstanceNorm(nn.Module):
    """Instance normalisation (Ulyanov 2016) with learned scale and shift, twice as fast as torch's on a processor.

    Batch normalisation of a single image is the same arithmetic, and its kernel takes ``channels_last``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, Y, X) over each Y × X plane; Y·X > 1."""
        if x.device.type != "cpu":
            return functional.instance_norm(x, weight=self.weight, bias=self.bias)
        rows = [functional.batch_norm(row, None, None, self.weight, self.bias, True) for row in torch.split(x, 1)]
        return rows[0] if len(rows) == 1 else torch.cat(rows)


def norm_layer(norm: Norm, channels: int, size: int) -> list[nn.Module]:
    """Return the layer as a list, empty for ``"none"`` and for planes of 1 × 1 px, which have no variance."""
    if norm == "none" or size == 1:
        return []
    return [nn.BatchNorm2d(channels) if norm == "batch" else InstanceNorm(channels)]


class Dropout(nn.Module):
    """Dropout whose random numbers come from given streams, so that a sample can be drawn again bit for bit.

    It is silent until ``streams`` is set: one generator for the whole batch, or one per sample, so that a sample does
    not depend on its neighbours in the batch.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.streams: Sequence[Stream] = ()

    def forward(self, x: Tensor) -> Tensor:
        """Zero each value of (N, C, Y, X) with probability p, scale the others by 1 / (1 - p)."""
        if not self.streams or self.p == 0:
            return x
        keep, kept = torch.empty_like(x, memory_format=torch.contiguous_format), Bernoulli(1 - self.p)
        for rows, stream in zip(keep.chunk(len(self.streams)), self.streams, strict=True):
            fill(rows, stream, kept)
        return x * keep.div_(1 - self.p)


class DoublingConv(nn.Conv2d):
    """Nearest × 2 and a 3 × 3 convolution in one, with 4 / 9 of the arithmetic on large planes.

    Every pixel is there four times after nearest × 2, so that its weights can be added first: the result is a
    transposed convolution k4 s2 p1 with the weights of `fold`. The sums differ by rounding only. No weight of it is
    free, so that a plain input gives a plain output: no checkerboard (Odena 2016, doi 10.23915/distill.00003).
    """

    def __init__(
        self, inside: int, outside: int, bias: bool = True, border: Literal["zeros", "reflect"] = "zeros"
    ) -> None:
        super().__init__(inside, outside, 3, 1, 1, bias=bias, padding_mode=border)

    def forward(self, x: Tensor) -> Tensor:
        """Double (N, I, Y, X) to (N, O, 2Y, 2X)."""
        if x.shape[-2] * x.shape[-1] < FOLDED_PIXELS:
            return super().forward(functional.interpolate(x, scale_factor=2.0))
        padding = 1
        if self.padding_mode == "reflect":  # the pixel that is mirrored after doubling is the outermost one before
            x, padding = functional.pad(x, (1, 1, 1, 1), "replicate"), 3
        return functional.conv_transpose2d(x, self.fold(self.weight), self.bias, stride=2, padding=padding)

    @staticmethod
    def fold(weight: Tensor) -> Tensor:
        """Add the weights (O, I, 3, 3) that meet the same pixel: (I, O, 4, 4)."""
        rows = functional.pad(weight.flip(2, 3), (0, 0, 0, 1)) + functional.pad(weight.flip(2, 3), (0, 0, 1, 0))
        return (functional.pad(rows, (0, 1)) + functional.pad(rows, (1, 0))).transpose(0, 1)


def up_layer(inside: int, outside: int, upsample: str, bias: bool) -> list[nn.Module]:
    """Return layers that double the size: a transposed convolution k4 s2 p1, or nearest × 2 and a convolution k3."""
    if upsample == "transposed":
        return [nn.ConvTranspose2d(inside, outside, 4, 2, 1, bias=bias)]
    return [nn.Identity(), DoublingConv(inside, outside, bias)]  # two, as the names of weights in older files say


def init_weights(network: nn.Module) -> None:
    """Initialise as DCGAN: convolutions N(0, 0.02), norm scales N(1, 0.02), biases 0 (Radford 2016)."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, InstanceNorm)):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, batch: int, images_seen: float, half_life: float) -> None:
    """Move an averaged network towards the trained one: average ← β · average + (1 - β) · network.

    Parameters
    ----------
    average, network : nn.Module
        Of the same class; buffers (batch statistics) are copied.
    batch : int
        Images of this step.
    images_seen : float
        Images of all steps so far, this one included; the half-life is at most 5 % of them.
    half_life : float
        Images after which an old weight counts half: β = 0.5^(batch / half_life); 0 copies the network.
    """
    beta = 0.5 ** (batch / min(half_life, 0.05 * images_seen)) if half_life else 0.0
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - beta)
    for target, value in zip(average.buffers(), network.buffers(), strict=True):
        target.copy_(value)
