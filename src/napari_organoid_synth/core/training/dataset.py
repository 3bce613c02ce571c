"""Turn tiles into tensors, and samples into arrays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.spec import PairSpec, Part
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.pairs.pair import UNGRADED, SamplePair
from napari_organoid_synth.core.pairs.tiling import Tile, cut_pair, middle
from napari_organoid_synth.core.seeds import seed_of

MEMORY_SHARE = 0.25  # of the free memory, for encoded tiles


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
    shape : {"joint", "image", "mask", "painter"}
        Output (of ``image`` and ``mask`` the other part has no channels); a painter's masks are a condition.
    memory : int, optional
        Bytes of encoded tiles that are kept.
    """

    def __init__(
        self, pairs: Sequence[SamplePair], tiles: Sequence[Tile], codec: Codec, shape: str, memory: int | None = None
    ) -> None:
        self.pairs, self.tiles, self.codec, self.shape = pairs, tiles, codec, shape
        self.memory = int(psutil.virtual_memory().available * MEMORY_SHARE) if memory is None else memory
        self._kept: OrderedDict[Tile, tuple[NDArray[np.float16], NDArray[np.float16]]] = OrderedDict()
        self._bytes = 0
        self._own = {replace(tile, turns=0, flip=False) for tile in tiles}

    def __len__(self) -> int:
        return len(self.tiles)

    def batch(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Batch:
        """Return tiles as one batch in the memory of the processor."""
        return self.batch_of([self.tiles[int(index)] for index in indices])

    def batch_of(self, tiles: Sequence[Tile]) -> Batch:
        """Return any tiles of the pairs as one batch; only those to learn from are kept encoded."""
        parts = [self._turned(tile) for tile in tiles]
        classes = [self._class_of(self.pairs[tile.pair]) for tile in tiles]
        return Batch(_stack([image for image, _ in parts]), _stack([mask for _, mask in parts]), torch.tensor(classes))

    def pair(self, index: int) -> SamplePair:
        """Return a tile as it was before encoding."""
        return cut_pair(self.pairs[self.tiles[index].pair], self.tiles[index])

    def _turned(self, tile: Tile) -> tuple[NDArray[Any], NDArray[Any]]:
        image, mask = self._encoded(replace(tile, turns=0, flip=False))
        if not tile.turns and not tile.flip:
            return image, mask
        part: Part = "condition" if self.shape == "painter" else "mask"
        turned = self.codec.turn(image, tile.turns, tile.flip, "image")
        return turned, self.codec.turn(mask, tile.turns, tile.flip, part if len(mask) else "image")

    def _encoded(self, tile: Tile) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        if tile in self._kept:
            self._kept.move_to_end(tile)
            return self._kept[tile]
        pair = cut_pair(self.pairs[tile.pair], tile)
        encode = self.codec.encode_condition if self.shape == "painter" else self.codec.encode_mask
        nothing = np.empty((0, *pair.size), np.float16)
        found = (
            nothing if self.shape == "mask" else self.codec.encode_image(pair.image).astype(np.float16),
            nothing if self.shape == "image" else encode(pair.labels).astype(np.float16),
        )
        if tile not in self._own:
            return found
        self._kept[tile] = found
        self._bytes += found[0].nbytes + found[1].nbytes
        while self._bytes > self.memory and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped[0].nbytes + dropped[1].nbytes
        return found

    def _class_of(self, pair: SamplePair) -> int:
        classes = self.codec.image_classes
        name = UNGRADED if pair.image_class is None else pair.image_class
        return classes.index(name) if name in classes else 0


class TileSampler:
    """Chooses the tiles of each step: every tile once per round, rounds in random order.

    A pure function of (seed, images shown so far), so that a resumed training sees what an uninterrupted one would have
    seen, also when the number of tiles per step changes on the way.
    """

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed
        self._round: tuple[int, NDArray[np.int64]] = (-1, np.arange(0))

    def indices(self, seen: int, batch: int) -> NDArray[np.int64]:
        """Return the indices (batch,) of the step that follows ``seen`` images."""
        places = np.arange(seen, seen + batch)
        return np.array([self._order(int(place) // self.n)[place % self.n] for place in places], np.int64)

    def _order(self, number: int) -> NDArray[np.int64]:
        if self._round[0] != number:
            self._round = (number, np.random.default_rng(seed_of(self.seed, "round", number)).permutation(self.n))
        return self._round[1]


def _stack(parts: list[NDArray[Any]]) -> Tensor:
    """Stack arrays (C, Y, X) as one float32 tensor (N, C, Y, X) in ``channels_last``."""
    channels, height, width = parts[0].shape
    stacked = np.empty((len(parts), height, width, channels), np.float32)
    for target, part in zip(stacked, parts, strict=True):
        np.copyto(target, part.transpose(1, 2, 0))
    return torch.from_numpy(stacked).permute(0, 3, 1, 2)


def decode_sample(sample: Tensor, codec: Codec, spec: PairSpec) -> tuple[NDArray[Any] | None, NDArray[np.int32] | None]:
    """Decode a sample as native pixels (C, Y, X) and labels (Y, X), cut back; None for the part that is not drawn.

    Parameters
    ----------
    sample : Tensor (C, Y, X), (M, Y, X) or (C + M, Y, X) float32, about [-1, 1]
        One of a batch.
    codec : Codec
        Of the training.
    spec : PairSpec
        Of the network.
    """
    values = middle(sample.float().cpu().numpy(), spec.whole)
    channels = spec.image_channels
    image = codec.decode_image(np.clip(values[:channels], -1, 1)) if channels else None
    return image, codec.decode_mask(values[channels:]) if len(values) > channels else None
