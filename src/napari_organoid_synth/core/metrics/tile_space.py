"""Tiles as feature vectors; the costly ones of real tiles are computed once and kept in ``features/``."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.array_file import read_npy
from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.base import intensity_limits, to_unit
from napari_organoid_synth.core.metrics.feature_file import FORMAT, FeatureFile, store
from napari_organoid_synth.core.metrics.groups import group_of
from napari_organoid_synth.core.metrics.memorisation import orientations
from napari_organoid_synth.core.metrics.nearest import shrink
from napari_organoid_synth.core.metrics.real_tiles import real_tiles
from napari_organoid_synth.core.metrics.tile_facts import SIDE
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import EXTRACTORS


class Extracting(Protocol):
    """Settings of the network that gives the features."""

    @property
    def extractor(self) -> str:
        """Name of the network in the registry."""

    @property
    def weights(self) -> str:
        """File of weights, where the network needs one."""

    @property
    def device(self) -> str:
        """Device of the network."""


def check_weights(settings: Extracting) -> None:
    """Check that the extractor has its file of weights.

    Raises
    ------
    UserError
        If the extractor needs a file of weights that is not there.
    """
    cls = EXTRACTORS.load(settings.extractor)
    if cls.file and not (settings.weights and Path(settings.weights).expanduser().is_file()):
        found = f"There is no file {settings.weights}." if settings.weights else f"{cls.name} needs a file of weights."
        raise UserError(found, cls.file, "Set 'weights' to such a file, or 'extractor' to encoder, which needs none.")


def real_features(
    images: NDArray[np.float32], folder: Path, settings: Extracting, again: bool = False, prefix: str = ""
) -> Generator[float, None, tuple[Any, NDArray[np.floating[Any]]]]:
    """Make the extractor and the features of the real tiles, or read them; yields the share that is done.

    Parameters
    ----------
    images : NDArray (N, C, S, S) float32 in [0, 1]
        The real tiles; features are kept by the hash of these.
    folder : Path
        Folder of stored features; one set for each extractor.
    settings : Extracting
        Network, weights and device.
    again : bool
        Whether to make them again.
    prefix : str
        Of the names of the files: features of masks lie beside those of images.

    Returns
    -------
    Extractor
    NDArray (N, W, D) float32
        In W orientations, upright first: 8 of a cheap extractor, else 1.
    """
    key = content_hash(images, np.array([FORMAT]))[:16]
    cls = EXTRACTORS.load(settings.extractor)
    extractor = cls(images.shape[1], settings.weights, settings.device)
    if hasattr(extractor, "from_bytes"):
        path = folder / f"{prefix}encoder-{key}.safetensors"
        known = path.exists() and not again
        if known:
            try:
                extractor.from_bytes(regular_file(path).read_bytes())
            except (OSError, ValueError):  # damaged: it is trained again
                known = False
        if not known:
            yield from extractor.fit(images)
            store(path, extractor.to_bytes(), f"{prefix}encoder")
    kind = f"{prefix}real-{extractor.name}"
    path = folder / f"{kind}-{extractor.digest}-{key}.npy"
    if path.exists() and not again:
        with suppress(OSError, ValueError):  # damaged: they are made again
            features = read_npy(path)
            if features.dtype == np.float32 and features.ndim == 3 and len(features) == len(images):
                return extractor, features
    parts = []
    for number, image in enumerate(images):
        parts.append(extractor(orientations(image) if cls.cheap else image[None]))
        yield (number + 1) / len(images)
    features = np.stack(parts).astype(np.float32)
    data = io.BytesIO()
    np.save(data, features, allow_pickle=False)
    store(path, data.getvalue(), kind)
    return extractor, features


class TileSpace:
    """The real tiles of a project as feature vectors, and how any other pair becomes one.

    Parameters
    ----------
    project : Project
    side : int
        Of the real tiles, px.
    settings : Extracting

    Attributes
    ----------
    tiles : list of SamplePair
    places : list of TilePlace
        Place of each tile.
    sources : list of str
        The image that each was cut from, or the group of that.
    features : NDArray (N, W, D) float32
        After `learn`: in W orientations, upright first.
    """

    def __init__(self, project: Project, side: int, settings: Extracting) -> None:
        self.settings, self.folder, self.side = settings, project.path / "features", side
        real = real_tiles(project, side)
        self.tiles, self.places = real.pairs, real.places
        self.sources = [group_of(tile) for tile in self.tiles]
        self.limits = intensity_limits(self.tiles)
        self.pictures = [self.picture(tile) for tile in self.tiles]
        self.extractor: Any = None
        self.features: NDArray[np.floating[Any]] = np.empty((0, 1, 0))

    def picture(self, pair: SamplePair) -> NDArray[np.float32]:
        """Return the image of a pair for comparison, (C, S, S) S ≤ 128; 0 and 1 are the limits of the real ones."""
        return shrink(to_unit(pair.image, self.limits), min(SIDE, self.side))

    def learn(self) -> Iterator[float]:
        """Get the extractor and the features of the real tiles; yields the share that is done."""
        images = np.clip(np.stack(self.pictures), 0, 1)
        self.extractor, self.features = yield from real_features(images, self.folder, self.settings)

    @property
    def upright(self) -> NDArray[np.floating[Any]]:
        """Features of the real tiles as they are, (N, D)."""
        return self.features[:, 0]

    def vectors(self, pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Compute features (M, D) of pictures; needs `learn`."""
        return np.asarray(self.extractor(pictures), np.float32)

    def known(self) -> dict[str, NDArray[np.float32]]:
        """Read the features of samples that `keep` stored, by id."""
        return self._file.read()

    def keep(self, features: dict[str, NDArray[np.float32]]) -> None:
        """Store features of samples, whose images never change."""
        self._file.write(features)

    @property
    def _file(self) -> FeatureFile:
        """File of the features, named by everything that they depend on."""
        key = content_hash(np.clip(np.stack(self.pictures), 0, 1), self.limits)[:16]
        return FeatureFile(self.folder, f"map-{self.extractor.name}", f"{self.extractor.digest}-{key}")
