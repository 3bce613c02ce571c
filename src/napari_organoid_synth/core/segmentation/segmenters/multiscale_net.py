"""Networks of the multiscale adversarial segmenter: one predicts masks, the other judges them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

BLOCKS, SHORT = 9, 3  # blocks of a deep path, blocks under one short skip
ADVERSARY_MAPS = (8, 16, 32, 64, 128, 256)


class MultiscaleNet(nn.Module):
    """Image to logits of the same size.

    Strided dilated convolutions halve the image four times. A deep path works at 1/8, another at 1/16; the second is
    enlarged, joined to the first by concatenation, and both are enlarged together by transposed convolutions.

    Parameters
    ----------
    channels, classes : int
        Channels of the image; output maps, background included.
    width : int
        Maps at half size; 2, 4 and 8 times as many below.
    running : bool
        Whether predictions use running means and variances.
    """

    single: torch.Tensor

    def __init__(self, channels: int, classes: int, width: int, running: bool) -> None:
        super().__init__()
        w1, w2, w3, w4 = (width * 2**level for level in range(4))
        self.to_half = _unit(strided(channels, w1), w1, running)
        self.to_quarter = _unit(strided(w1, w2), w2, running)
        self.to_eighth = _unit(strided(w2, w3), w3, running)
        self.to_sixteenth = _unit(strided(w3, w4), w4, running)
        self.path1 = nn.Sequential(
            DeepPath([Residual1(w3, running) for _ in range(BLOCKS)]),
            _unit(nn.Conv2d(w3, w3, 3, padding=1, bias=False), w3, running),
        )
        self.path2 = DeepPath([Residual2(w4, running) for _ in range(BLOCKS)])
        self.up_eighth = _unit(enlarging(w4, w3), w3, running)
        self.up_quarter = _unit(enlarging(w3 + w3, w2), w2, running)
        self.up_half = _unit(enlarging(w2, w1), w1, running)
        self.head = nn.ConvTranspose2d(w1, classes, 2, stride=2)
        self.register_buffer("single", torch.tensor(False))  # no training mask has two objects

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to (N, classes, Y, X); Y and X are multiples of 16."""
        eighth = self.to_eighth(self.to_quarter(self.to_half(images)))
        coarse = self.up_eighth(self.path2(self.to_sixteenth(eighth)))
        maps = torch.cat([self.path1(eighth), coarse], dim=1)
        logits: torch.Tensor = self.head(self.up_half(self.up_quarter(maps)))
        return logits


class DeepPath(nn.Module):
    """Blocks in a row; every third adds the input of its group, the last also the input of the first."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        groups = [blocks[start : start + SHORT] for start in range(0, len(blocks), SHORT)]
        self.groups = nn.ModuleList(nn.Sequential(*group) for group in groups)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the same shape."""
        start = maps
        for group in self.groups:
            maps = maps + group(maps)
        return maps + start


class Residual1(nn.Module):
    """Inception-residual block of path 1: 1×1 then 1×3 beside 1×1 then 3×1, half as many maps between them."""

    def __init__(self, width: int, running: bool) -> None:
        super().__init__()
        narrow = width // 2
        self.wide, self.high = (
            nn.Sequential(
                nn.Conv2d(width, narrow, 1),
                nn.ReLU(inplace=True),
                nn.Conv2d(narrow, width, kernel, padding=(kernel[0] // 2, kernel[1] // 2), bias=False),
            )
            for kernel in ((1, 3), (3, 1))
        )
        self.norm = nn.BatchNorm2d(width, track_running_stats=running)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the same shape."""
        return F.relu(self.norm(maps + self.wide(maps) + self.high(maps)))


class Residual2(nn.Module):
    """Inception-residual block of path 2: 1×1, 3×3 and 3×3 twice, a quarter of the maps each, joined by 1×1."""

    def __init__(self, width: int, running: bool) -> None:
        super().__init__()
        quarter = width // 4
        self.point = nn.Conv2d(width, quarter, 1)
        self.near = nn.Conv2d(width, quarter, 3, padding=1)
        self.far = nn.Sequential(
            nn.Conv2d(width, quarter, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(quarter, quarter, 3, padding=1)
        )
        self.join = nn.Conv2d(3 * quarter, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width, track_running_stats=running)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the same shape."""
        branches = torch.cat([self.point(maps), self.near(maps), self.far(maps)], dim=1)
        return F.relu(self.norm(maps + self.join(F.relu(branches))))


class Adversary(nn.Sequential):
    """Distinguishes masks drawn by people (1) from those of the segmenter (0), each multiplied with the image.

    Parameters
    ----------
    channels : int
        Channels of the image times maps of the mask.
    """

    def __init__(self, channels: int) -> None:
        layers: list[nn.Module] = []
        for before, after in zip((channels, *ADVERSARY_MAPS[:-1]), ADVERSARY_MAPS, strict=True):
            layers += [strided(before, after, bias=True), nn.Conv2d(after, after, 1), nn.ReLU(inplace=True)]
        head = nn.Conv2d(ADVERSARY_MAPS[-1], 2, 3, padding=1)
        super().__init__(*layers, head, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def strided(inputs: int, outputs: int, bias: bool = False) -> nn.Conv2d:
    """Return a 3×3 convolution of stride 2 and dilation 2, padded to halve an even size."""
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=2, dilation=2, bias=bias)


def enlarging(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Return a 2×2 transposed convolution that doubles the size."""
    return nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False)


def _unit(convolution: nn.Module, width: int, running: bool) -> nn.Sequential:
    norm = nn.BatchNorm2d(width, track_running_stats=running)
    return nn.Sequential(convolution, norm, nn.ReLU(inplace=True))
