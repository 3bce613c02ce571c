"""Tiles as tensors, and samples as arrays again; torch begins and ends here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_organoid_synth.core.codec import Codec, Part
from napari_organoid_synth.core.device import seed_of
from napari_organoid_synth.core.pair import SamplePair
from napari_organoid_synth.core.tiling import Tile, cut_pair

MEMORY_SHARE = 0.25  # of what is free, for encoded tiles


@dataclass(frozen=True)
class Batch:
    """What a GAN learns from in one step, on one device, ``channels_last``.

    Parameters
    ----------
    image : Tensor (N, C, Y, X) float32 in [-1, 1]
    mask : Tensor (N, M, Y, X) float32 in [-1, 1]
        Encoded masks, or what a painter sees of them.
    image_class : Tensor (N,) int64
        Index into the codec's image classes; 0 when there are none.
    """

    image: Tensor
    mask: Tensor
    image_class: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        if device.type == "cpu":
            return self
        return Batch(*(part.to(device, non_blocking=True) for part in (self.image, self.mask, self.image_class)))


class PairDataset:
    """Encoded training tiles.

    A tile is cut and encoded once, unturned, and kept as float16 (finer than the 8 bits of most cameras); turning and
    mirroring happen on the way out. When the tiles would fill a quarter of the free memory, the least recently used are
    dropped and encoded again when their turn comes.

    Parameters
    ----------
    pairs : sequence of SamplePair
    tiles : sequence of Tile
        Those to learn from; ``tile.pair`` is an index into ``pairs``.
    codec : Codec
    shape : {"joint", "mask", "painter"}
        Whether masks are encoded for drawing or as a condition.
    """

    def __init__(
        self, pairs: Sequence[SamplePair], tiles: Sequence[Tile], codec: Codec, shape: str, memory: int | None = None
    ) -> None:
        self.pairs, self.tiles, self.codec, self.shape = pairs, tiles, codec, shape
        self.memory = int(psutil.virtual_memory().available * MEMORY_SHARE) if memory is None else memory
        self._kept: OrderedDict[Tile, tuple[NDArray[np.float16], NDArray[np.float16]]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.tiles)

    def batch(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Batch:
        """Tiles as one batch in the memory of the processor."""
        parts = [self._turned(self.tiles[int(index)]) for index in indices]
        classes = [self._class_of(self.pairs[self.tiles[int(index)].pair]) for index in indices]
        return Batch(_stack([image for image, _ in parts]), _stack([mask for _, mask in parts]), torch.tensor(classes))

    def pair(self, index: int) -> SamplePair:
        """A tile as it was before encoding."""
        return cut_pair(self.pairs[self.tiles[index].pair], self.tiles[index])

    def _turned(self, tile: Tile) -> tuple[NDArray[Any], NDArray[Any]]:
        image, mask = self._encoded(replace(tile, turns=0, flip=False))
        if not tile.turns and not tile.flip:
            return image, mask
        part: Part = "condition" if self.shape == "painter" else "mask"
        turn = self.codec.turn
        return turn(image, tile.turns, tile.flip, "image"), turn(mask, tile.turns, tile.flip, part)

    def _encoded(self, tile: Tile) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        if tile in self._kept:
            self._kept.move_to_end(tile)
            return self._kept[tile]
        pair = cut_pair(self.pairs[tile.pair], tile)
        encode = self.codec.encode_condition if self.shape == "painter" else self.codec.encode_mask
        found = self.codec.encode_image(pair.image).astype(np.float16), encode(pair.labels).astype(np.float16)
        self._kept[tile] = found
        self._bytes += found[0].nbytes + found[1].nbytes
        while self._bytes > self.memory and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped[0].nbytes + dropped[1].nbytes
        return found

    def _class_of(self, pair: SamplePair) -> int:
        classes = self.codec.image_classes
        return classes.index(pair.image_class) if pair.image_class in classes else 0


class TileSampler:
    """Which tiles each step shows: every tile once per round, rounds in random order.

    A pure function of (seed, step), so that a resumed training sees what an uninterrupted one would have seen.
    """

    def __init__(self, n: int, batch: int, seed: int) -> None:
        self.n, self.batch, self.seed = n, batch, seed
        self._round: tuple[int, NDArray[np.int64]] = (-1, np.arange(0))

    def batch_indices(self, step: int) -> NDArray[np.int64]:
        """Indices (batch,) of one step, counted from 0."""
        places = np.arange(step * self.batch, (step + 1) * self.batch)
        return np.array([self._order(int(place) // self.n)[place % self.n] for place in places], np.int64)

    def _order(self, number: int) -> NDArray[np.int64]:
        if self._round[0] != number:
            self._round = (number, np.random.default_rng(seed_of(self.seed, "round", number)).permutation(self.n))
        return self._round[1]


def _stack(parts: list[NDArray[Any]]) -> Tensor:
    """Arrays (C, Y, X) as one float32 tensor (N, C, Y, X) in ``channels_last``."""
    channels, height, width = parts[0].shape
    stacked = np.empty((len(parts), height, width, channels), np.float32)
    for target, part in zip(stacked, parts, strict=True):
        np.copyto(target, part.transpose(1, 2, 0))
    return torch.from_numpy(stacked).permute(0, 3, 1, 2)


def decode_sample(sample: Tensor, codec: Codec) -> tuple[NDArray[Any], NDArray[np.int32] | None]:
    """What a GAN drew as native pixels (C, Y, X) and labels (Y, X); a painter draws no labels.

    Parameters
    ----------
    sample : Tensor (C, Y, X) or (C + M, Y, X) float32 in [-1, 1]
        One of a batch.
    codec : Codec
        That of the training.
    """
    values = sample.float().cpu().numpy()
    channels = len(codec.low)
    labels = codec.decode_mask(values[channels:]) if len(values) > channels else None
    return codec.decode_image(values[:channels]), labels
