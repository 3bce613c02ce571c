"""Base of every extractor: a vector for each image, and a name that identifies the weights."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.device import pick_device
from napari_organoid_synth.core.errors import UserError

BATCH = 16
TODO = "Set 'weights' to such a file, or 'extractor' to encoder, which needs none."


class Extractor(ABC):
    """A network whose features describe a tile.

    Parameters
    ----------
    channels : int
        Of the images.
    weights : str
        File of trained weights, where the extractor needs one.
    device : str
        As in `pick_device`.

    Attributes
    ----------
    name : str
        In the registry.
    note : str
        Remark on scores that use it, or nothing.
    cheap : bool
        Whether it is fast enough for all eight orientations of every real tile.
    file : str
        Content of the file of weights, or nothing when none is needed.
    digest : str
        Of its weights, 12 hexadecimal digits.
    """

    name: ClassVar[str]
    note: ClassVar[str] = ""
    cheap: ClassVar[bool] = False
    file: ClassVar[str] = ""
    digest: str = ""

    def __init__(self, channels: int, weights: str = "", device: str = "cpu") -> None:
        if self.file and not weights:
            raise UserError("No file of weights is named.", self.file, TODO)
        self.channels, self.device = channels, pick_device(device)

    @property
    def identity(self) -> str:
        """Name and weights, ``"encoder:0123456789ab"``."""
        return f"{self.name}:{self.digest}"

    def fit(self, tiles: NDArray[np.float32], seed: int = 0) -> Iterator[float]:
        """Learn from real tiles (N, C, Y, X) in [0, 1]; yields the share that is done. Most have nothing to learn."""
        yield from ()

    @torch.no_grad()
    def __call__(self, images: Sequence[NDArray[np.floating[Any]]] | NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Compute one vector per image.

        Parameters
        ----------
        images : sequence of NDArray (C, Y, X), float
            All of one size; 0 and 1 are the limits of the real images, what lies outside is clipped, as a generator
            clips it.

        Returns
        -------
        NDArray (N, D) float64
        """
        vectors = []
        for start in range(0, len(images), BATCH):
            batch = np.clip(np.stack(list(images[start : start + BATCH])), 0, 1).astype(np.float32)
            vectors.append(self.features(torch.from_numpy(batch).to(self.device)).double().cpu().numpy())
        return np.concatenate(vectors)

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Compute features (N, D) of images (N, C, Y, X) float32 in [0, 1]."""


class ConvStack(nn.Module):
    """Convolutions 3 × 3 of stride 2 with LeakyReLU; gives the mean over space of each layer.

    Parameters
    ----------
    widths : sequence of int
        Channels in, then of each layer.
    seed : int
        Fixes the initial weights (He 2015).
    """

    def __init__(self, widths: Sequence[int], seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        layers = [nn.Conv2d(inside, outside, 3, 2, 1) for inside, outside in pairwise(widths)]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, 0.2, generator=random)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the means (N, width) of each layer, of images (N, C, Y, X) in [-1, 1]."""
        means = []
        for layer in self.layers:
            images = functional.leaky_relu(layer(images), 0.2)
            means.append(images.mean((2, 3)))
        return means


def resize(images: Tensor, side: int) -> Tensor:
    """Resize images (N, C, Y, X), bicubic and antialiased, never rounded to integers (arXiv 2104.11222)."""
    if images.shape[-2:] == (side, side):
        return images
    return functional.interpolate(images, (side, side), mode="bicubic", antialias=True, align_corners=False)


def as_rgb(images: Tensor) -> Tensor:
    """Return three channels unchanged; of any other number each as a grey image of its own, (N · C, 3, Y, X)."""
    return images if images.shape[1] == 3 else images.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)


def joined(features: Tensor, number: int) -> Tensor:
    """Join the vectors of all channels of an image, (N, C · D); the inverse of `as_rgb`."""
    return features.reshape(number, -1)


def weights_of(module: nn.Module) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of all weights."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode() + np.ascontiguousarray(value.cpu().numpy()).tobytes())
    return digest.hexdigest()[:12]


def take_weights(module: nn.Module, tensors: dict[str, Tensor], file: str, expected: str) -> None:
    """Put the tensors that a module needs into it; others in the file are ignored.

    Raises
    ------
    UserError
        If one is missing or has another shape.
    """
    targets = {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
    for key, like in targets.items():
        tensor = tensors.get(key)
        if not isinstance(tensor, Tensor) or tensor.shape != like.shape:
            problem = f"of shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else "missing"
            raise UserError(
                f"{Path(file).name} does not fit: its '{key}' is {problem}.", expected, "Choose another file."
            )
    module.load_state_dict({key: tensors[key].float() for key in targets}, strict=False)
    module.requires_grad_(False).eval()
