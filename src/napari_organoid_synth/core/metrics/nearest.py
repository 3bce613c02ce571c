"""The most similar real image, and whether a pair is a copy of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import Judgement, Metric, RealRange, Score, intensity_limits, to_unit
from napari_organoid_synth.core.metrics.groups import group_of, related
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import orient

COPY_SSIM = 0.90
MAX_COPY_SSIM = 0.99
SIDE = 128  # px at which images are compared
SIGNATURE_SIDE = 16  # px at which candidates are chosen
CANDIDATES = 64
CALIBRATION_TILES = 48  # real tiles that are compared with other real images
_SIGMA, _RADIUS, _K1, _K2 = 1.5, 5, 0.01, 0.03
_ORIENTATIONS = tuple((turns, flip) for flip in (False, True) for turns in range(4))


def _smooth(images: NDArray[Any]) -> NDArray[Any]:
    """Smooth by a Gaussian 11 × 11, σ 1.5, over the last two axes, without the 5 px at the edges."""
    from scipy.ndimage import gaussian_filter

    sigma = (0,) * (images.ndim - 2) + (_SIGMA, _SIGMA)
    smooth: NDArray[Any] = gaussian_filter(images, sigma, truncate=_RADIUS / _SIGMA + 0.1)
    return smooth[..., _RADIUS:-_RADIUS, _RADIUS:-_RADIUS]


def smoothed(images: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return local means and variances of images (N, C, Y, X), without the 5 px at the edges, for `ssim`."""
    mean = _smooth(images)
    return mean, _smooth(images * images) - mean**2


def ssim(
    a: NDArray[Any],
    b: NDArray[Any],
    data_range: float = 1.0,
    smooth: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> NDArray[Any]:
    r"""Compute the structural similarity (Wang 2004) of one image with many.

    .. math:: \frac{(2 μ_a μ_b + C_1)(2 σ_{ab} + C_2)}{(μ_a^2 + μ_b^2 + C_1)(σ_a^2 + σ_b^2 + C_2)},
              \quad C_i = (K_i R)^2

    averaged over pixels and channels; Gaussian window 11 × 11, σ 1.5, K 0.01 and 0.03.

    Parameters
    ----------
    a : NDArray (C, Y, X), float
        At least 11 px high and wide.
    b : NDArray (N, C, Y, X), float
        Images of the same size.
    data_range : float
        R, the distance between the least and the largest value.
    smooth : (NDArray, NDArray), optional
        Of ``b``, from `smoothed`, where it is compared many times.

    Returns
    -------
    NDArray (N,), in [-1, 1]
    """
    return _ssim(a, b, *(smooth or smoothed(b)), data_range)


def _ssim(
    a: NDArray[Any], b: NDArray[Any], mean_b: NDArray[Any], variance_b: NDArray[Any], data_range: float
) -> NDArray[Any]:
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    mean_a = _smooth(a)
    variance_a = _smooth(a * a) - mean_a**2
    product = mean_a * mean_b
    covariance = _smooth(a * b) - product
    similarity = (2 * product + c1) * (2 * covariance + c2)
    similarity /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return np.asarray(similarity.mean(axis=(1, 2, 3)))


def shrink(image: NDArray[Any], side: int) -> NDArray[np.float32]:
    """Resize an image (C, Y, X) to ``side`` × ``side`` px, by means over blocks where they fit, else antialiased."""
    height, width = image.shape[1:]
    if height % side == 0 and width % side == 0:
        blocks = image.reshape(len(image), side, height // side, side, width // side)
        return np.asarray(blocks.mean(axis=(2, 4)), dtype=np.float32)
    from skimage.transform import resize

    return np.asarray(resize(image, (len(image), side, side), anti_aliasing=True), dtype=np.float32)


class Nearest(Metric):
    """Highest SSIM with any real tile in any of the eight right-angle orientations, at 128 px or the tile's side.

    Of all real tiles and orientations the 64 that agree best at 16 px are compared in full. A pair is a *copy* from
    0.90 on (the threshold of the organoid GAN study). Where real images of different groups are themselves more alike
    than that, the threshold is their highest similarity, 0.99 at most.
    """

    name = "nearest"
    title = "Nearest real image"
    scores = (Score("nearest", "Similarity to the nearest real image", unusual="low"),)
    flag_name = "copy"

    def fit(self, real: Sequence[SamplePair]) -> Self:
        """Keep the real tiles, shrunk, with everything that does not depend on the sample."""
        self._limits = intensity_limits(real)
        self._side = max(11, min(SIDE, *(edge for pair in real for edge in pair.size)))
        self._independent = ~related([group_of(pair) for pair in real])
        self._tiles = [shrink(to_unit(pair.image, self._limits), self._side) for pair in real]
        self._mean = [_smooth(tile) for tile in self._tiles]
        self._variance = [_smooth(tile * tile) - mean**2 for tile, mean in zip(self._tiles, self._mean, strict=True)]
        self._coarse = np.stack([self._signature(orient(tile, *way)) for tile in self._tiles for way in _ORIENTATIONS])
        self.threshold = COPY_SSIM
        self._calibrate()
        return self

    def _calibrate(self) -> None:
        """Measure the similarity of some real tiles with those of other groups; unknown when all come from one."""
        values = np.full(len(self._tiles), np.nan)
        for index in range(0, len(self._tiles), math.ceil(len(self._tiles) / CALIBRATION_TILES)):
            others = np.flatnonzero(np.repeat(self._independent[index], len(_ORIENTATIONS)))
            if others.size:
                values[index] = self._search(self._tiles[index], others)[0]
        if np.isfinite(values).any():
            self.threshold = float(np.clip(np.nanmax(values), COPY_SSIM, MAX_COPY_SSIM))
            self.real_values["nearest"], self.ranges["nearest"] = values, RealRange(values)

    @staticmethod
    def _signature(tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the tile at 16 px, mean 0 and length 1, so that a product is a correlation."""
        coarse = shrink(tile, SIGNATURE_SIDE).ravel() if tile.shape[-1] >= SIGNATURE_SIDE else tile.ravel()
        coarse = coarse - coarse.mean()
        return np.asarray(coarse / max(float(np.linalg.norm(coarse)), 1e-12), dtype=np.float32)

    def _search(self, tile: NDArray[np.float32], among: NDArray[np.intp] | None = None) -> tuple[float, int]:
        """Return the highest similarity and the index of the real tile that has it."""
        agreement = self._coarse @ self._signature(tile)
        if among is None:
            among = np.arange(len(agreement))
        if among.size > CANDIDATES:
            among = among[np.argpartition(-agreement[among], CANDIDATES)[:CANDIDATES]]

        def gather(arrays: list[NDArray[Any]]) -> NDArray[Any]:
            ways = (divmod(int(number), len(_ORIENTATIONS)) for number in among)
            return np.stack([orient(arrays[index], *_ORIENTATIONS[way]) for index, way in ways])

        values = _ssim(tile, gather(self._tiles), gather(self._mean), gather(self._variance), 1.0)
        best = int(np.argmax(values))
        return float(values[best]), int(among[best]) // len(_ORIENTATIONS)

    def find(self, pair: SamplePair) -> tuple[float, int]:
        """Return similarity and index of the nearest real tile."""
        return self._search(shrink(to_unit(pair.image, self._limits), self._side))

    def __call__(self, pair: SamplePair) -> dict[str, float]:
        """Compute the similarity alone."""
        return {"nearest": self.find(pair)[0]}

    def judge(self, pair: SamplePair) -> Judgement:
        """Return score, words, flag and the index of the nearest real tile."""
        value, index = self.find(pair)
        return self._judgement({"nearest": value}, index)

    def is_flagged(self, values: dict[str, float]) -> bool:
        """Return whether a pair is too much like a real one."""
        return values["nearest"] >= self.threshold

    def describe(self, values: dict[str, float]) -> str:
        """Describe whether it is a copy."""
        return "a copy of a real image" if self.is_flagged(values) else "not a copy"
