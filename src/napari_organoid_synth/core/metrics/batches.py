"""Features of many tiles, batch by batch: no picture is kept, and what was computed before is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.feature_file import FeatureFile
from napari_organoid_synth.core.metrics.tile_facts import pictures
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash

BATCH = 64
IMAGES, MASKS = "features", "masks"


@dataclass(frozen=True)
class Look:
    """How tiles become pictures, and pictures features.

    Parameters
    ----------
    extractors : dict of str to Extractor
        ``features`` of images, and ``masks`` where there are any.
    limits : NDArray (C, 2)
        Intensities that are 0 and 1.
    side : int
        Of the pictures, px.
    """

    extractors: dict[str, Any]
    limits: NDArray[np.float64]
    side: int


class Batches:
    """Features of tiles in the order in which they are added.

    Parameters
    ----------
    look : Look
    folder : Path
        Folder of stored features.
    kind : str
        First part of the names of the files.
    again : bool
        Whether to compute what is known again.
    """

    def __init__(self, look: Look, folder: Path, kind: str, again: bool = False) -> None:
        self._look = look
        key = content_hash(look.limits, np.array([look.side]))[:16]
        self._files = {
            space: FeatureFile(folder, f"{kind}-{space}-{network.name}", f"{network.digest}-{key}")
            for space, network in look.extractors.items()
        }
        self._known = {space: {} if again else file.read() for space, file in self._files.items()}
        self._names: list[str] = []
        self._waiting: list[tuple[str, NDArray[np.float32], NDArray[np.float16]]] = []
        self._is_new = False

    def knows(self, name: str) -> bool:
        """Return whether the features of a tile are known, so that its pixels need not be read."""
        return all(name in known for known in self._known.values())

    def add(self, name: str, pair: SamplePair | None = None) -> None:
        """Add a tile by a name that no other pixels have; it may be left out where it is known."""
        self._names.append(name)
        if pair is not None and not self.knows(name):
            self._wait(name, *pictures(pair, self._look.limits, self._look.side))

    def add_unnamed(self, pair: SamplePair) -> None:
        """Add a tile under the hash of its pictures."""
        image, mask = pictures(pair, self._look.limits, self._look.side)
        name = content_hash(image, mask)[:24]
        self._names.append(name)
        if not self.knows(name):
            self._wait(name, image, mask)

    def _wait(self, name: str, image: NDArray[np.float32], mask: NDArray[np.float16]) -> None:
        self._waiting.append((name, image, mask))
        if len(self._waiting) == BATCH:
            self._compute()

    def _compute(self) -> None:
        for space, network in self._look.extractors.items():
            vectors = network(
                [image if space == IMAGES else mask.astype(np.float32) for _, image, mask in self._waiting]
            )
            rows = np.asarray(vectors, np.float32)
            self._known[space] |= {one[0]: row for one, row in zip(self._waiting, rows, strict=True)}
        self._is_new = True
        self._waiting.clear()

    def finish(self, prune: bool = False) -> dict[str, NDArray[np.float32]]:
        """Return the features (N, D) of all tiles in each space, and store them.

        Parameters
        ----------
        prune : bool
            Whether to forget the features of tiles that were not added.
        """
        if self._waiting:
            self._compute()
        names, found = dict.fromkeys(self._names), {}
        for space, known in self._known.items():
            if self._is_new:
                self._files[space].write({name: known[name] for name in (names if prune else known)})
            found[space] = np.stack([known[name] for name in self._names])
        return found
