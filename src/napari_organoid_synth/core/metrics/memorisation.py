r"""Memorisation: whether a generator repeats its training tiles.

Per sample: it is a copy when it lies nearer to a real tile than real tiles of different groups lie to each other, in
any of the eight right-angle orientations. Of a set: a three-sample test (Meehan 2020, arXiv 2004.05675) asks whether
samples lie nearer to the training tiles than tiles of test images do, which the generator has never seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.distances import NEIGHBOURS, euclidean
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.metrics.base import Score
from napari_organoid_synth.core.metrics.groups import related
from napari_organoid_synth.core.metrics.nearest import shrink
from napari_organoid_synth.core.pairs.tiling import orient
from napari_organoid_synth.core.quantities import plural

SIGNATURE_SIDE = 32  # px at which pixels are compared
NEAR_SHARE = 0.01  # share of real tiles that may lie nearer to another image than the limit
MIN_DISTANCE = 1e-3  # below this distance, real tiles of two images are one and the same
ORIENTATIONS = tuple((turns, flip) for flip in (False, True) for turns in range(4))
SIGNIFICANT = 0.01
MIN_IMAGES = 5
REAL_DISTANCE, MANIFOLD = "real_distance", "manifold"
SAMPLE_SCORES = (
    Score(REAL_DISTANCE, "Distance to the nearest real tile (below 1: a copy)", better="high"),
    Score(MANIFOLD, "Distance from the cloud of real tiles (above 1: outside)", better="low"),
)
"""Scores of samples that are written when their set is scored."""


def signature(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return an image (C, Y, X) at 32 px, mean 0 and length 1: distances are those of correlation, √(2 - 2 r).

    A plain image is 0 everywhere.
    """
    coarse = shrink(np.clip(image, 0, 1), SIGNATURE_SIDE)
    coarse = coarse - coarse.mean()
    length = float(np.linalg.norm(coarse))
    return np.asarray(coarse / length if length > 1e-6 else 0 * coarse, np.float32)


def orientations(image: NDArray[Any]) -> NDArray[Any]:
    """Return a square image (C, Y, X) in its eight right-angle orientations, upright first, (8, C, Y, X)."""
    return np.stack([orient(image, *way) for way in ORIENTATIONS])


def turned_signatures(images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Return the signatures of images (N) in all orientations as vectors, (N, 8, D)."""
    return np.stack([orientations(signature(image)).reshape(len(ORIENTATIONS), -1) for image in images])


class Space:
    """Real tiles as vectors, and how near they are to each other.

    Parameters
    ----------
    real : NDArray (N, W, D)
        Vectors of the real tiles in W orientations, upright first.
    sources : sequence of str
        The image of each, or its group (`metrics.groups`).

    Attributes
    ----------
    limit : float
        Distance below which a sample is a copy: what 1 of 100 real tiles reaches to its nearest tile of another group
        (the least for fewer than 100), less one part in as many as there are groups, because few groups understate how
        near to each other two can be. NaN when all tiles come from one image.
    """

    def __init__(self, real: NDArray[np.floating[Any]], sources: Sequence[str]) -> None:
        self._ways = real.shape[1]
        self._bank = real.reshape(-1, real.shape[2])
        names = np.asarray(sources)
        foreign = ~related(sources)
        distance = euclidean(real[:, 0], self._bank)
        self._radii = self._reach(distance, foreign)
        distance[~np.repeat(foreign, self._ways, axis=1)] = np.inf
        nearest = distance.min(1)
        nearest = nearest[np.isfinite(nearest) & (nearest > MIN_DISTANCE)]
        self.limit = np.nan
        if len(nearest):
            self.limit = float(np.quantile(nearest, NEAR_SHARE, method="lower")) * (1 - 1 / len(np.unique(names)))

    def _reach(self, distance: NDArray[np.float64], foreign: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Compute the radius of the ball around each real tile, (N,); 0 for the half with the largest balls."""
        number = len(foreign)
        nearest = distance.reshape(number, number, self._ways).min(2)
        nearest[~(foreign if foreign.any() else ~np.eye(number, dtype=bool))] = np.inf
        finite = int(np.isfinite(nearest).sum(1).min())
        if finite == 0:
            return np.zeros(number)
        k = min(NEIGHBOURS, finite) - 1
        radius = np.partition(nearest, k, axis=1)[:, k]
        return np.where(radius <= np.median(radius), radius, 0.0)

    def outside(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        r"""Compute the distance of other vectors (M, D) from the cloud of real tiles, (M,): ≤ 1 inside, > 1 outside.

        .. math:: \min_r \frac{\lVert v - r \rVert}{\lVert r - \mathrm{NN}_5(r) \rVert}

        the inverse of the realism score of Kynkäänniemi 2019 (arXiv 1904.06991, eq. 3), over the half of the real tiles
        with the smaller balls. Neighbours are tiles of other groups where there are any: tiles of one group lie close.
        Infinite where there is no ball.
        """
        known = np.repeat(self._radii, self._ways) > MIN_DISTANCE
        if not known.any():
            return np.full(len(vectors), np.inf)
        distance = euclidean(vectors, self._bank[known])
        return np.asarray((distance / np.repeat(self._radii, self._ways)[known]).min(1))

    def nearest(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Compute the distance of other vectors (M, D) to the nearest real tile in any orientation, (M,)."""
        distances: NDArray[np.float64] = euclidean(vectors, self._bank).min(1)
        return distances

    def ratio(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Compute that distance in units of `limit`, (M,): below 1 is a copy. Infinite where there is no limit."""
        if np.isnan(self.limit):
            return np.full(len(vectors), np.inf)
        return self.nearest(vectors) / self.limit


class DataCopying(FrozenModel):
    """Whether samples lie nearer to the training tiles than tiles of unseen images.

    Attributes
    ----------
    nearer : float
        Probability that a sample lies nearer than an unseen tile: 0.5 when it generalises, 1 when all are nearer.
    p : float
        Of finding this by chance, one-sided.
    n_unseen, n_images : int
        Unseen tiles, and the images (or groups of images) they were cut from.
    message : str
        The result in plain words.
    """

    nearer: float
    p: float
    n_unseen: int
    n_images: int
    message: str


def data_copying(
    fake: Sequence[NDArray[np.float64]], unseen: Sequence[NDArray[np.float64]], n_images: int
) -> DataCopying:
    """Run the three-sample test: the Mann–Whitney U test of distances to the nearest training tile.

    Parameters
    ----------
    fake, unseen : sequence of NDArray (M,), (H,)
        Distances in each space; the smallest p counts, times the number of spaces (Bonferroni).
    n_images : int
        Images, or groups of them, of the unseen tiles. Tiles of one are not independent: with few p says too much.
    """
    from scipy.stats import mannwhitneyu

    tests = [mannwhitneyu(x, y, alternative="less") for x, y in zip(fake, unseen, strict=True)]
    best = int(np.argmin([test.pvalue for test in tests]))
    p = min(1.0, len(tests) * float(tests[best].pvalue))
    nearer = 1 - float(tests[best].statistic) / (len(fake[best]) * len(unseen[best]))
    message = "samples do not lie nearer to the training tiles than unseen images do"
    if p < SIGNIFICANT:
        message = "samples lie nearer to the training tiles than unseen images do: it repeats what it has seen"
    if n_images < MIN_IMAGES:
        message += f" (only {plural(n_images, 'independent unseen image')}: a hint, not proof)"
    return DataCopying(nearer=nearer, p=p, n_unseen=len(unseen[best]), n_images=n_images, message=message)
