"""The network of flow matching: a small U-Net on folded pixels that predicts how a noisy picture has to change."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.generators.class_mix import class_vectors

FOLD = 2
"""Side of the square of pixels that becomes channels."""
LEVELS = 4
STRIDE = FOLD * 2 ** (LEVELS - 1)
"""Sides of what the network takes are multiples of it, px."""
GROUPS = 8
FREQUENCIES, TIME_WIDTH = 16, 64
NEAR_ZERO = 1e-3
"""Standard deviation of weights that start at almost 0, so that a block begins as identity."""


class Block(nn.Module):
    """A residual block: norm, SiLU, convolution, norm with scale and shift from the time, SiLU, convolution.

    Parameters
    ----------
    inside, outside : int
        Channels, multiples of 8; a 1 × 1 convolution is added where they differ.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, inside), nn.GroupNorm(GROUPS, outside, affine=False)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.time = nn.Linear(TIME_WIDTH, 2 * outside)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()
        nn.init.normal_(self.conv2.weight, 0.0, NEAR_ZERO)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map (N, inside, Y, X) and the embedded time (N, 64) to (N, outside, Y, X)."""
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        h = self.norm2(self.conv1(functional.silu(self.norm1(x))))
        h = functional.silu(torch.addcmul(shift, h, 1 + scale))
        out: Tensor = self.conv2(h) + self.skip(x)
        return out


class Velocity(nn.Module):
    """The velocity of a picture on its way from noise: a U-Net on pixels folded 2 × 2, without attention.

    One block per level on the way down, one more at the bottom, one per level on the way up; average pooling down,
    nearest neighbour up, skips concatenated.

    Parameters
    ----------
    inside, outside : int
        Channels of what comes in (picture, condition and what else is shown) and of the picture.
    channels, max_channels : int
        Of the first level, doubled at each level up to the maximum; multiples of 8.
    classes : int
        Of whole images; 0 or 1: none are told apart.
    """

    frequencies: Tensor

    def __init__(
        self, inside: int, outside: int, channels: int = 48, max_channels: int = 128, classes: int = 0
    ) -> None:
        super().__init__()
        widths = [min(channels * 2**level, max_channels) for level in range(LEVELS)]
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, 6, FREQUENCIES)), persistent=False)
        self.embed = nn.Sequential(nn.Linear(2 * FREQUENCIES, TIME_WIDTH), nn.SiLU(), nn.Linear(TIME_WIDTH, TIME_WIDTH))
        self.image_class = nn.Embedding(classes, TIME_WIDTH) if classes > 1 else None
        self.first = nn.Conv2d(inside * FOLD**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Block(widths[max(level - 1, 0)], widths[level]) for level in range(LEVELS))
        self.bottom = Block(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            Block(widths[level + 1] + widths[level], widths[level]) for level in reversed(range(LEVELS - 1))
        )
        self.norm = nn.GroupNorm(GROUPS, widths[0])
        self.last = nn.Conv2d(widths[0], outside * FOLD**2, 3, padding=1)
        nn.init.normal_(self.last.weight, 0.0, NEAR_ZERO)
        if self.image_class is not None:
            nn.init.normal_(self.image_class.weight, 0.0, NEAR_ZERO)

    def forward(self, x: Tensor, time: Tensor, image_class: Tensor | None = None) -> Tensor:
        """Predict the velocity.

        Parameters
        ----------
        x : Tensor (N, inside, Y, X) float32
            Sides are multiples of 16 px.
        time : Tensor (N,) float32 in [0, 1]
            0 is noise, 1 the picture.
        image_class : Tensor (N,) int64 or (N, K) float32, optional
            Class of each sample, or shares of classes; the first class when not given.

        Returns
        -------
        Tensor (N, outside, Y, X) float32
        """
        embedded = functional.silu(self._embedded(time, image_class))
        h = self.first(functional.pixel_unshuffle(x, FOLD).contiguous(memory_format=torch.channels_last))
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            h = block(functional.avg_pool2d(h, 2) if level else h, embedded)
            skips.append(h)
        h = self.bottom(skips.pop(), embedded)
        for block in self.up:
            h = block(torch.cat([doubled(h), skips.pop()], 1), embedded)
        velocity: Tensor = functional.pixel_shuffle(self.last(functional.silu(self.norm(h))).float(), FOLD)
        return velocity

    def _embedded(self, time: Tensor, image_class: Tensor | None) -> Tensor:
        phase = time[:, None] * self.frequencies
        embedded: Tensor = self.embed(torch.cat([torch.sin(phase), torch.cos(phase)], 1))
        if self.image_class is None:
            return embedded
        chosen = torch.zeros_like(time, dtype=torch.int64) if image_class is None else image_class
        return embedded + class_vectors(chosen, self.image_class.weight)


def doubled(x: Tensor) -> Tensor:
    """Double the sides of (N, C, Y, X) by repeating pixels; in ``channels_last`` four times as fast as torch's own."""
    n, c, y, x_side = x.shape
    rows = x.permute(0, 2, 3, 1)[:, :, None, :, None]
    return rows.expand(n, y, 2, x_side, 2, c).reshape(n, 2 * y, 2 * x_side, c).permute(0, 3, 1, 2)


def levelled(noise: Tensor) -> Tensor:
    """Subtract the mean of each of the four folded planes of noise (N, C, Y, X).

    A group norm hides the mean of a plane from the network, so it cannot take it away: white noise would leave a
    checkerboard of period 2 px in the picture. Sides are even.
    """
    n, c, y, x = noise.shape
    planes = noise.reshape(n, c, y // FOLD, FOLD, x // FOLD, FOLD)
    return (planes - planes.mean((2, 4), keepdim=True)).reshape(n, c, y, x)


def evened(velocity: Tensor) -> Tensor:
    """Give the four folded planes of a velocity (N, C, Y, X) the same mean, theirs together.

    In a picture that is larger than the tiles of the training the network sees other means of planes than it learned
    from, and would leave a faint checkerboard.
    """
    return levelled(velocity) + velocity.mean((2, 3), keepdim=True)
