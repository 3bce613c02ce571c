"""The U-Net of 2015 with zero padding, U-Net* of the spheroid study."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class OriginalUNet(nn.Module):
    """Two 3×3 convolutions with ReLU per level, max-pooling, 2×2 transposed convolutions, skips by concatenation.

    As in arXiv 1505.04597, but padded to keep the size, and without dropout and elastic deformation.

    Parameters
    ----------
    channels, classes : int
        Channels of the image; output maps, background included.
    width : int
        Maps of the first level, 64 as published.
    depth : int
        Number of times the image is halved, 4 as published.
    """

    def __init__(self, channels: int, classes: int, width: int, depth: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_twice(before, after) for before, after in pairwise([channels, *widths]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, stride=2) for high, low in pairwise(widths))
        self.join = nn.ModuleList(_twice(2 * high, high) for high in widths[:-1])
        self.head = nn.Conv2d(width, classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # standard deviation √(2 / inputs)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to (N, classes, Y, X); Y and X are multiples of 2 to the depth."""
        skips: list[torch.Tensor] = []
        maps = images
        for level, block in enumerate(self.down):
            maps = block(maps if level == 0 else F.max_pool2d(maps, 2))
            skips.append(maps)
        for level in reversed(range(len(self.up))):
            maps = self.join[level](torch.cat([skips[level], self.up[level](maps)], dim=1))
        logits: torch.Tensor = self.head(maps)
        return logits


def _twice(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(inplace=True),
    )
