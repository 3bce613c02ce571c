"""Inception-v3 of 2015 as the Fréchet Inception Distance uses it, in plain torch.

Names of the layers are those of torchvision and of the weights that pytorch-fid and torch-fidelity convert from the
original graph (``pt_inception-2015-12-05``). Against torchvision's network the averages of the pooling branches leave
the padding out, and the last block pools by maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.extractors.base import (
    TODO,
    Extractor,
    as_rgb,
    joined,
    resize,
    take_weights,
    weights_of,
)
from napari_organoid_synth.core.weight_files import read_weights

SIDE = 299
CLASSES = 1008  # outputs of the 2015 graph; torchvision's network has 1000
EXPECTED = "Expected the Inception-v3 of 2015 in pytorch-fid's or torch-fidelity's layout, as .safetensors or .pth."
Layer = tuple[str, int, int | tuple[int, int], int]  # name, width, kernel, stride
Branch = Sequence[Layer | list[Layer]]  # one after the other; a list at the end: side by side


class Conv(nn.Module):
    """Convolution without bias, batch normalisation with its learned means, ReLU."""

    def __init__(
        self, inside: int, width: int, kernel: int | tuple[int, int], stride: int = 1, pad: bool = True
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if pad and stride == 1 else (0, 0)
        self.conv = nn.Conv2d(inside, width, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Compute feature maps."""
        return functional.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Paths of convolutions side by side, and a pooling branch; all outputs stacked.

    Parameters
    ----------
    inside : int
        Channels in.
    paths : list
        Each a list of layers ``(name, width, kernel, stride)``.
    pool : {"mean", "max", "half"}
        Of 3 × 3 px, followed by a convolution; "half": maximum of stride 2, alone.
    pooled : int
        Width of that convolution.
    """

    def __init__(self, inside: int, paths: Sequence[Branch], pool: str, pooled: int = 0) -> None:
        super().__init__()
        self.pool = pool
        self.paths: list[list[list[str]]] = []
        self.width = pooled or inside
        for path in paths:
            width = inside
            names: list[list[str]] = []
            for part in path:
                side_by_side = part if isinstance(part, list) else [part]
                for name, out, kernel, stride in side_by_side:
                    self.add_module(name, Conv(width, out, kernel, stride))
                names.append([layer[0] for layer in side_by_side])
                width = sum(layer[1] for layer in side_by_side)
            self.paths.append(names)
            self.width += width
        if pooled:
            self.branch_pool = Conv(inside, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute feature maps (N, width, ...)."""
        outputs = []
        for path in self.paths:
            y = x
            for names in path:
                y = torch.cat([self.get_submodule(name)(y) for name in names], 1)
            outputs.append(y)
        if self.pool == "half":
            return torch.cat([*outputs, functional.max_pool2d(x, 3, 2)], 1)
        if self.pool == "mean":
            pooled = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        else:
            pooled = functional.max_pool2d(x, 3, 1, 1)
        return torch.cat([*outputs, self.branch_pool(pooled)], 1)


def _block_a(inside: int, pooled: int) -> Mixed:
    five: Branch = [("branch5x5_1", 48, 1, 1), ("branch5x5_2", 64, 5, 1)]
    three: Branch = [("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 1), ("branch3x3dbl_3", 96, 3, 1)]
    return Mixed(inside, [[("branch1x1", 64, 1, 1)], five, three], "mean", pooled)


def _block_b(inside: int) -> Mixed:
    three: Branch = [("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 1), ("branch3x3dbl_3", 96, 3, 2)]
    return Mixed(inside, [[("branch3x3", 384, 3, 2)], three], "half")


def _block_c(inside: int, width: int) -> Mixed:
    one: Branch = [("branch7x7_1", width, 1, 1), ("branch7x7_2", width, (1, 7), 1), ("branch7x7_3", 192, (7, 1), 1)]
    two: Branch = [
        ("branch7x7dbl_1", width, 1, 1),
        ("branch7x7dbl_2", width, (7, 1), 1),
        ("branch7x7dbl_3", width, (1, 7), 1),
        ("branch7x7dbl_4", width, (7, 1), 1),
        ("branch7x7dbl_5", 192, (1, 7), 1),
    ]
    return Mixed(inside, [[("branch1x1", 192, 1, 1)], one, two], "mean", 192)


def _block_d(inside: int) -> Mixed:
    seven: Branch = [
        ("branch7x7x3_1", 192, 1, 1),
        ("branch7x7x3_2", 192, (1, 7), 1),
        ("branch7x7x3_3", 192, (7, 1), 1),
        ("branch7x7x3_4", 192, 3, 2),
    ]
    return Mixed(inside, [[("branch3x3_1", 192, 1, 1), ("branch3x3_2", 320, 3, 2)], seven], "half")


def _block_e(inside: int, pool: str) -> Mixed:
    three: Branch = [
        ("branch3x3_1", 384, 1, 1),
        [("branch3x3_2a", 384, (1, 3), 1), ("branch3x3_2b", 384, (3, 1), 1)],
    ]
    double: Branch = [
        ("branch3x3dbl_1", 448, 1, 1),
        ("branch3x3dbl_2", 384, 3, 1),
        [("branch3x3dbl_3a", 384, (1, 3), 1), ("branch3x3dbl_3b", 384, (3, 1), 1)],
    ]
    return Mixed(inside, [[("branch1x1", 320, 1, 1)], three, double], pool, 192)


class Stem(nn.Module):
    """The layers up to the first pooling: 64 feature maps."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Compute maps (N, 64, 73, 73) of images (N, 3, 299, 299) in [-1, 1]."""
        maps: Tensor = functional.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        return maps


class Inception(Stem):
    """All layers up to the last pooling: 2048 feature maps."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3, pad=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _block_a(192, 32), _block_a(256, 64), _block_a(288, 64)
        self.Mixed_6a, self.Mixed_6b = _block_b(288), _block_c(768, 128)
        self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = _block_c(768, 160), _block_c(768, 160), _block_c(768, 192)
        self.Mixed_7a, self.Mixed_7b, self.Mixed_7c = _block_d(768), _block_e(1280, "mean"), _block_e(2048, "max")

    def forward(self, x: Tensor) -> Tensor:
        """Compute maps (N, 2048, 8, 8) of images (N, 3, 299, 299) in [-1, 1]."""
        x = functional.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(super().forward(x))), 3, 2)
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = self.get_submodule(f"Mixed_{name}")(x)
        return x


class InceptionExtractor(Extractor):
    """Base of both depths: the file, the size, the range."""

    note = "network trained on photographs"
    file = EXPECTED
    network: Stem

    def __init__(self, channels: int, weights: str = "", device: str = "cpu") -> None:
        super().__init__(channels, weights, device)
        tensors = read_weights(weights, EXPECTED, TODO)
        last = tensors.get("fc.weight")
        if isinstance(last, Tensor) and len(last) != CLASSES:
            raise UserError(
                f"{Path(weights).name} has {len(last)} outputs: it is another Inception-v3.",
                EXPECTED,
                "Choose the file 'pt_inception-2015-12-05-6726825d.pth' of pytorch-fid.",
            )
        take_weights(self.network, tensors, weights, EXPECTED)
        self.network.to(self.device)
        self.digest = weights_of(self.network)

    def features(self, images: Tensor) -> Tensor:
        """Compute the mean over space, (N, D), or (N, C · D) unless C is 3."""
        grey = resize(as_rgb(images), SIDE).clamp(0, 1) * 255
        return joined(self.network((grey - 128) / 128).mean((2, 3)), len(images))
