"""Real tiles with their features, which samples are compared with.

What is costly about them (the trained encoder, their features) is kept in ``features/`` of the project, named by the
hash of their pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import intensity_limits
from napari_organoid_synth.core.metrics.batches import IMAGES, MASKS, Batches, Look
from napari_organoid_synth.core.metrics.groups import group_of, related
from napari_organoid_synth.core.metrics.memorisation import Space, signature, turned_signatures
from napari_organoid_synth.core.metrics.noise import KINDS, noise_facts
from napari_organoid_synth.core.metrics.real_tiles import every_real_tile, real_tiles
from napari_organoid_synth.core.metrics.set_measures import MAX_PAIRED, compare_steps, scaled_steps
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.metrics.tile_facts import SIDE, TileFacts, look
from napari_organoid_synth.core.metrics.tile_space import real_features
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project

NOISE_TILES, NOISE_PAIRED = 32, 8  # of each kind; of these, the ones that are compared pair by pair


def places(length: int, most: int) -> list[int]:
    """Return the indices of at most ``most`` of ``length`` items, evenly chosen."""
    number = min(length, most)
    return [index * length // number for index in range(number)]


def some(things: Sequence[Any], most: int) -> list[Any]:
    """Return at most ``most`` of the items, evenly chosen."""
    return [things[place] for place in places(len(things), most)]


def _independent(unseen: list[SamplePair], tiles: list[SamplePair]) -> list[SamplePair]:
    """Return the unseen tiles that are of no group of the others; all where every one is."""
    alike = related([group_of(tile) for tile in unseen], [group_of(tile) for tile in tiles])
    return [tile for tile, row in zip(unseen, alike, strict=True) if not row.any()] or unseen


class RealFeatures:
    """The real tiles with their facts and features, which samples are compared with.

    Fill it in three steps, each of which may be stopped: `look` at every tile, `learn` the features, `measure`.

    Parameters
    ----------
    tiles, unseen_tiles : list of SamplePair
        Cut from training images, and from test images if there are any.
    settings : ScoreSettings
        Extractor, device, and whether to make everything again.
    side : int
        Of the tiles, px, as that of the samples.
    folder : Path
        Folder of stored features.
    every : callable, optional
        Gives every tile again, where there are more than these.

    Attributes
    ----------
    facts, unseen : list of TileFacts
        Of these, after `look`.
    limits : NDArray (C, 2) float64
        Intensities that are 0 and 1.
    extractor : Extractor or None
        After `learn`.
    features : NDArray (N, W, D) float32
        After `learn`: of the training tiles in W orientations, upright first.
    mask_extractor, mask_features
        The same of the masks as pictures (`mask_picture`), where any tile has a mask.
    whole : dict of str to NDArray (N, D) float32
        After `learn`: features of all tiles, upright, of ``features`` and ``masks``; empty when `features` has all.
    spaces : dict of str to Space
        After `measure`: ``pixels``, and ``features`` and ``masks`` where there are any.
    """

    def __init__(
        self,
        tiles: list[SamplePair],
        unseen_tiles: list[SamplePair],
        settings: ScoreSettings,
        side: int,
        folder: Path,
        every: Callable[[], Iterable[SamplePair]] | None = None,
    ) -> None:
        self.tiles, self.unseen_tiles, self.settings, self.folder = tiles, unseen_tiles, settings, folder
        self.limits = intensity_limits(self.tiles)
        self._every = every
        self.side = min(SIDE, side)
        self.facts: list[TileFacts] = []
        self.unseen: list[TileFacts] = []
        self._marked = set(places(len(self.tiles), MAX_PAIRED))
        self.extractor: Any = None
        self.features: NDArray[np.floating[Any]] = np.empty((0, 1, 0))
        self.mask_extractor: Any = None
        self.whole: dict[str, NDArray[np.float32]] = {}
        self.mask_features: NDArray[np.floating[Any]] = np.empty((0, 1, 0))
        self.spaces: dict[str, Space] = {}
        self.among: NDArray[np.float64] | None = None
        self.among_noise: NDArray[np.float64] = np.empty((0, 0, 0))

    @classmethod
    def of_project(cls, project: Project, settings: ScoreSettings, side: int) -> RealFeatures:
        """Cut the tiles of a project, in which the features are kept too."""
        has_test = bool(PairTable.from_file(project.pairs_path).test)
        real, most = real_tiles(project, side), settings.max_tiles
        unseen = _independent(real_tiles(project, side, "test").pairs, real.pairs) if has_test else []
        has_more = min(real.number, most) > len(real.pairs)
        every = (lambda: every_real_tile(project, side, most)) if has_more else None
        return cls(real.pairs, unseen, settings, side, project.path / "features", every)

    def look(self, number: int, tile: SamplePair) -> None:
        """Record the facts of a tile; training tiles come first."""
        known = self.facts if number < len(self.tiles) else self.unseen
        known.append(look(tile, self.limits, self.side, number in self._marked))

    @property
    def sources(self) -> list[str]:
        """The image of each real tile, or its group."""
        return [fact.source for fact in self.facts]

    @cached_property
    def noise(self) -> list[TileFacts]:
        """Pure noise of three kinds, from `noise_facts`."""
        return noise_facts(some(self.tiles, NOISE_TILES), self.limits, self.side, self.settings.seed)

    def compare(self) -> Generator[float, None, None]:
        """Compute the pixel scores of 64 real tiles at most: ``among`` each other and ``among_noise`` of each kind.

        See `compare_all`. Yields the share that is done; once, however often it is called.
        """
        if self.among is not None:
            return
        images = [fact.image for fact in some(self.facts, MAX_PAIRED)]
        kinds = np.split(np.arange(len(self.noise)), KINDS)
        noise = [self.noise[place].image for kind in kinds for place in some(kind.tolist(), NOISE_PAIRED)]
        self.among_noise = yield from scaled_steps(compare_steps(images, noise), 0, 0.5)
        self.among = yield from scaled_steps(compare_steps(images, images), 0.5, 1)

    def learn(self) -> Iterator[float]:
        """Make the extractor and the features of the real tiles, or read them; yields the share that is done."""
        images = np.clip(np.stack([fact.image for fact in self.facts]), 0, 1)
        has_masks = any(len(fact.areas) for fact in self.facts)
        steps = real_features(images, self.folder, self.settings, self.settings.again)
        self.extractor, self.features = yield from scaled_steps(steps, 0, 0.5 if has_masks else 1)
        if has_masks:
            masks = np.stack([self._mask(fact) for fact in self.facts])
            steps = real_features(masks, self.folder, self.settings, self.settings.again, "masks-")
            self.mask_extractor, self.mask_features = yield from scaled_steps(steps, 0.5, 1)
        if self._every is not None:
            yield from self._learn_all(self._every())

    def _learn_all(self, tiles: Iterable[SamplePair]) -> Iterator[float]:
        batches = self.batches("all")
        for tile in tiles:
            batches.add_unnamed(tile)
            yield 1.0
        self.whole = batches.finish(prune=True)

    def batches(self, kind: str) -> Batches:
        """Return what computes the features of many tiles; needs `learn`."""
        extractors = {IMAGES: self.extractor, MASKS: self.mask_extractor}
        look = Look({space: one for space, one in extractors.items() if one is not None}, self.limits, self.side)
        return Batches(look, self.folder, kind, self.settings.again)

    @staticmethod
    def _mask(fact: TileFacts) -> NDArray[np.float32]:
        assert fact.mask_picture is not None
        return fact.mask_picture.astype(np.float32)

    def mask_vectors(self, facts: Sequence[TileFacts]) -> NDArray[np.float32]:
        """Return the masks of tiles as features, (M, D)."""
        return np.asarray(self.mask_extractor([self._mask(fact) for fact in facts]), np.float32)

    def measure(self) -> None:
        """Measure the distances between the real tiles in each space."""
        self.spaces["pixels"] = Space(turned_signatures([fact.image for fact in self.facts]), self.sources)
        if self.extractor is not None:
            self.spaces["features"] = Space(self.features, self.sources)
        if any(len(fact.areas) for fact in self.facts):
            self.spaces["masks"] = Space(turned_signatures([fact.mask for fact in self.facts]), self.sources)

    def vectors(self, space: str, facts: Sequence[TileFacts]) -> NDArray[Any]:
        """Return tiles as vectors of a space, (M, D)."""
        if space == "features":
            return np.asarray(self.extractor([fact.image for fact in facts]))
        return np.stack([signature(fact.image if space == "pixels" else fact.mask).ravel() for fact in facts])
