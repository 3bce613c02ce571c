"""Training crops: which image, where, and how it is altered; every choice follows from (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pair import SamplePair

LOW, HIGH = 1.0, 99.8  # percentiles that become 0 and 1 (Schmidt 2018)
CLIP = -1.0, 4.0  # a hot pixel must not rule a whole neighbourhood


def intensity_range(image: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values of each channel that become 0, and how much makes 1.

    Parameters
    ----------
    image : NDArray (C, Y, X), native dtype
        Finite values.

    Returns
    -------
    low, span : NDArray (C, 1, 1) float32
        A constant channel has span 1.
    """
    step = max(1, max(image.shape[1:]) // 1024)  # a million pixels tell the percentiles
    low, high = np.percentile(image[:, ::step, ::step].reshape(len(image), -1), [LOW, HIGH], axis=1)
    span = np.where(high > low, high - low, 1.0)
    return low[:, None, None].astype(np.float32), span[:, None, None].astype(np.float32)


def normalise(image: NDArray[Any], low: NDArray[np.float32], span: NDArray[np.float32]) -> NDArray[np.float32]:
    """Image (C, Y, X) of any dtype as float32, background near 0 and peaks near 1."""
    scaled: NDArray[np.float32] = np.clip((image.astype(np.float32) - low) / span, *CLIP)
    return scaled


class CropPool:
    """The pairs an arm trains on, from which batches of crops are drawn.

    Parameters
    ----------
    real : sequence of SamplePair
        Crops are taken uniformly over all their pixels.
    extra : sequence of SamplePair
        Synthetic pairs. When there are any they fill half of each batch, however many they are: a thousand synthetic
        pairs then cannot drown five real ones, and the arm differs from the others in one thing only.
    augment : bool
        Classical augmentation: mirror, right-angle or free rotation and elastic deformation with probability 0.5
        each; intensity I · U(0.6, 2) + U(-0.2, 0.2) and noise of σ 0.02 on the scale where an image spans 0 to 1.
    seed : int
        Two pools with the same seed make the same choices at the same step.

    Attributes
    ----------
    real : list of SamplePair
        The real pairs.
    extent : int
        Longest side of a real image, px; larger crops would only hold reflections.

    Raises
    ------
    UserError
        If there is no pair.
    """

    def __init__(
        self, real: Sequence[SamplePair], extra: Sequence[SamplePair] = (), augment: bool = False, seed: int = 0
    ) -> None:
        if not real:
            raise UserError("There is no pair to train on.", "Expected at least one pair of image and mask.")
        self.augment, self.seed, self.real = augment, seed, list(real)
        self.extent = max(max(pair.size) for pair in real)
        self._parts = [_Part(real)] + ([_Part(extra)] if extra else [])

    def draw(self, step: int, number: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The batch of one step.

        Parameters
        ----------
        step, number, size : int
            Optimiser step, crops, side of a crop in px. Images smaller than a crop are continued by reflection.

        Returns
        -------
        images : NDArray (number, C, size, size) float32
        labels : NDArray (number, size, size) int32
        """
        rng = np.random.default_rng((self.seed, step))
        n_extra = (number + step % 2) // 2 if len(self._parts) > 1 else 0
        images, labels = [], []
        for index in range(number):
            image, mask = self._parts[int(index < n_extra)].crop(rng, size, self.augment)
            images.append(image)
            labels.append(mask)
        return np.stack(images), np.stack(labels)


class _Part:
    """Pairs from which every pixel is equally likely to be drawn."""

    def __init__(self, pairs: Sequence[SamplePair]) -> None:
        self._pairs = pairs
        self._ranges = [intensity_range(pair.image) for pair in pairs]
        area = np.array([pair.labels.size for pair in pairs], dtype=np.float64)
        self._chance = area / area.sum()

    def crop(self, rng: np.random.Generator, size: int, augment: bool) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        index = int(rng.choice(len(self._pairs), p=self._chance))
        pair = self._pairs[index]
        corner = [int(rng.integers(0, max(0, length - size) + 1)) for length in pair.size]
        if augment:
            image, labels = _warped(pair, corner, size, rng)
            image = normalise(image, *self._ranges[index])
            image = image * np.float32(rng.uniform(0.6, 2.0)) + np.float32(rng.uniform(-0.2, 0.2))
            return image + rng.normal(0, 0.02, image.shape).astype(np.float32), labels
        box = tuple(slice(start, start + size) for start in corner)
        image = normalise(pair.image[(slice(None), *box)], *self._ranges[index])
        return reflect_to(image, size, size), reflect_to(pair.labels[box], size, size)


def reflect_to(array: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Continue (..., Y, X) by reflection below and to the right until it has at least this size."""
    missing = [max(0, want - have) for want, have in zip((height, width), array.shape[-2:], strict=True)]
    if not any(missing):
        return array
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + [(0, more) for more in missing], mode="reflect")


def _warped(
    pair: SamplePair, corner: list[int], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A crop around the same centre, mirrored, turned and bent in one interpolation; beyond the image, reflected."""
    from scipy.ndimage import map_coordinates

    turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.integers(4) * np.pi / 2
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin * mirror], [sin, cos * mirror]], dtype=np.float32)
    middle = (size - 1) / 2
    grid = np.mgrid[:size, :size].astype(np.float32) - np.float32(middle)  # (2, size, size)
    if rng.random() < 0.5:
        grid += _bend(size, rng)
    where = np.tensordot(matrix, grid, axes=1) + np.array(corner, np.float32)[:, None, None] + np.float32(middle)
    image = np.stack([map_coordinates(plane, where, np.float32, order=1, mode="mirror") for plane in pair.image])
    labels: NDArray[np.int32] = map_coordinates(pair.labels, where, np.int32, order=0, mode="mirror")
    return image, labels


def _bend(size: int, rng: np.random.Generator, spacing: int = 32) -> NDArray[np.float32]:
    """Smooth displacement (2, size, size) in px: a coarse grid of shifts, small enough that nothing folds over."""
    from scipy.ndimage import zoom

    n = size // spacing + 3
    shifts = rng.normal(0, rng.uniform(0, spacing / 8), (2, n, n)).astype(np.float32)
    smooth = zoom(shifts, (1, spacing, spacing), order=3)
    start = int(rng.integers(0, smooth.shape[1] - size + 1))
    bend: NDArray[np.float32] = smooth[:, start : start + size, start : start + size]
    return bend
