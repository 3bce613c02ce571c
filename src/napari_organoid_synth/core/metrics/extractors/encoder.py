"""A small network that learns from the real tiles themselves which tiles are alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.metrics.extractors.base import BATCH, ConvStack, Extractor, weights_of
from napari_organoid_synth.core.weight_files import check_weights

WIDTHS = (32, 64, 128, 128)
STEPS = 150
TILES = 24  # of a step; each gives two crops
CROP = 64
SHARPNESS = 10.0  # 1 / temperature of the comparison
MIN_SPREAD = 1e-3


class _Network(nn.Module):
    """Features, and the head that is only needed to learn."""

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int, seed: int) -> None:
        super().__init__()
        self.stack = ConvStack((channels, *WIDTHS), seed)
        self.register_buffer("mean", torch.zeros(sum(WIDTHS[1:])))
        self.register_buffer("spread", torch.ones(sum(WIDTHS[1:])))

    def forward(self, images: Tensor) -> Tensor:
        """Return means over space of the last three layers, in units of their spread over the real tiles, (N, 320)."""
        return (torch.cat(self.stack(2 * images - 1)[1:], 1) - self.mean) / self.spread


class Encoder(Extractor):
    """Learns to recognise two turned crops of the same real tile (contrastive, arXiv 2002.05709), 320 features.

    Trained on the tiles of the project within a minute, so that its features describe this kind of image; scores of two
    projects, or after images were added, are not comparable. Brightness and texture are left as they are, because a
    generator should get them right.
    """

    name = "encoder"
    cheap = True

    def __init__(self, channels: int, weights: str = "", device: str = "cpu") -> None:
        super().__init__(channels, weights, device)
        self.network = _Network(channels, 0).to(self.device)

    def fit(self, tiles: NDArray[np.float32], seed: int = 0) -> Iterator[float]:
        """Train on real tiles (N, C, Y, X) in [0, 1], at least 2; yields the share that is done."""
        self.network = _Network(self.channels, seed).to(self.device)
        random = random_stream(torch.device("cpu"), "encoder", seed)
        optimiser = torch.optim.Adam(self.network.stack.parameters(), 1e-3)
        crop = min(CROP, *tiles.shape[-2:])
        for step in range(STEPS):
            chosen = torch.randperm(len(tiles), generator=random)[:TILES]
            crops = [_crop(tiles[int(index)], crop, random) for _ in range(2) for index in chosen]
            last = functional.normalize(self.network.stack(2 * torch.stack(crops).to(self.device) - 1)[-1], dim=1)
            alike = SHARPNESS * last @ last.T
            alike.fill_diagonal_(-torch.inf)
            number = len(chosen)
            partner = torch.arange(2 * number, device=self.device).roll(number)
            loss = functional.cross_entropy(alike, partner)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            yield (step + 1) / STEPS
        self._measure(tiles)

    @torch.no_grad()
    def _measure(self, tiles: NDArray[np.float32]) -> None:
        """Take mean and spread of the features from the real tiles."""
        parts = [
            self.network(torch.from_numpy(np.clip(tiles[start : start + BATCH], 0, 1)).to(self.device))
            for start in range(0, len(tiles), BATCH)
        ]
        features = torch.cat(parts)
        self.network.mean.copy_(features.mean(0))
        self.network.spread.copy_(features.std(0, correction=0).clamp(min=MIN_SPREAD))
        self.digest = weights_of(self.network)

    def to_bytes(self) -> bytes:
        """Return the trained weights as safetensors."""
        data: bytes = save({key: value.cpu().contiguous() for key, value in self.network.state_dict().items()})
        return data

    def from_bytes(self, data: bytes) -> None:
        """Load the weights that `to_bytes` returned.

        Raises
        ------
        ValueError
            If they are damaged.
        """
        try:
            tensors = load(data)
            check_weights(tensors, "the encoder", "", "")
            self.network.load_state_dict(tensors)
        except (SafetensorError, RuntimeError, KeyError) as error:
            raise ValueError(f"no weights of an encoder: {error}") from None
        self.digest = weights_of(self.network)

    def features(self, images: Tensor) -> Tensor:
        """Compute standardised means of three layers, (N, 320)."""
        features: Tensor = self.network(images)
        return features


def _crop(tile: NDArray[np.float32], side: int, random: torch.Generator) -> Tensor:
    """Cut a random square of a tile, turned and mirrored at random."""
    y, x = (int(torch.randint(length - side + 1, (1,), generator=random)) for length in tile.shape[1:])
    turns, flip = (int(torch.randint(high, (1,), generator=random)) for high in (4, 2))
    square = torch.from_numpy(np.clip(tile[:, y : y + side, x : x + side], 0, 1))
    return torch.rot90(square.flip(2) if flip else square, turns, (1, 2))
