"""What networks are shown: crops or whole images, and how they are altered; every choice follows from (seed, step)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash

LOW, HIGH = 1.0, 99.8  # percentiles that become 0 and 1 (Schmidt 2018)
TRIES = 20  # places looked at for a crop with an object in it before one is aimed at
CLIP = -1.0, 4.0  # a hot pixel must not rule a whole neighbourhood
KEPT = 256  # resized images that are kept in memory
LEAST_CROP = 0.7  # of the side, in the protocol for organoids
AS_IT_IS = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)  # range of an image already normalised
Augment = Literal["", "tissue", "organoid"]


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
        Where crops come from.
    extra : sequence of SamplePair
        Synthetic pairs. They fill a fixed share of each batch, however many they are: a thousand synthetic pairs then
        cannot drown five real ones, and the arm differs from the others in one thing only.
    augment : {"", "tissue", "organoid"} or bool
        Classical augmentation; True is ``"tissue"``. ``"tissue"`` (Hirling 2023): mirror, right-angle or free rotation
        and elastic deformation with probability 0.5 each; intensity I · U(0.6, 2) + U(-0.2, 0.2) and noise of σ 0.02 on
        the scale where an image spans 0 to 1. ``"organoid"`` (Brémond Martin 2022): half of each batch is as it is; of
        the other half each crop is `organoid_crop`: mirrored, turned, a smaller crop enlarged, whitened.
    seed : int
        Two pools with the same seed make the same choices at the same step.
    ratio : float
        Synthetic crops for each real one in a batch; 1: half of each.
    first : int
        Steps at the start whose batches are synthetic throughout; after them they are real throughout, and ``ratio``
        means nothing (train on synthetic pairs first, fine-tune on real ones). 0: batches are mixed.

    Attributes
    ----------
    extent : int
        Longest side of a real image, px; larger crops would only hold reflections.
    real, extra : tuple of SamplePair
        As given.

    Raises
    ------
    UserError
        If there is no pair.
    """

    def __init__(
        self,
        real: Sequence[SamplePair],
        extra: Sequence[SamplePair] = (),
        augment: Augment | bool = "",
        seed: int = 0,
        ratio: float = 1.0,
        first: int = 0,
    ) -> None:
        if not real:
            raise UserError("There is no pair to train on.", "Expected at least one pair of image and mask.")
        self.augment: Augment = ("tissue" if augment else "") if isinstance(augment, bool) else augment
        self.real, self.extra, self.seed = tuple(real), tuple(extra), seed
        self.ratio, self.first, self._share = ratio, first, ratio / (1 + ratio)
        self.extent = max(max(pair.size) for pair in real)
        self._parts = [_Part(real)] + ([_Part(extra)] if extra else [])

    @property
    def identity(self) -> str:
        """Changes with whatever changes a batch."""
        pairs = [[content_hash(pair.image, pair.labels) for pair in part] for part in (self.real, self.extra)]
        return json.dumps([pairs, self.augment, self.seed, self.ratio, self.first])

    def hold_back(self, share: float = 0.15) -> tuple[CropPool, tuple[SamplePair, ...]]:
        """A pool without some of the real pairs, and those pairs, at least one; none if there are fewer than four."""
        n = len(self.real)
        order = np.random.default_rng((self.seed, n)).permutation(n)
        held = set(order[: max(1, round(share * n))].tolist()) if n >= 4 else set()
        rest = [pair for index, pair in enumerate(self.real) if index not in held]
        pool = CropPool(rest, self.extra, self.augment, self.seed, self.ratio, self.first)
        return pool, tuple(self.real[index] for index in sorted(held))

    def favouring(self, chosen: Sequence[bool], share: float) -> CropPool:
        """A pool in which some whole real images are drawn more, or less, often than the others.

        Parameters
        ----------
        chosen : sequence of bool
            For each real pair whether it is one of them. All or none: nothing changes.
        share : float in (0, 1)
            Chance that a real image is one of them, the same at every draw; among them, as among the others, each is
            as likely as any other. Crops and synthetic pairs are drawn as before.
        """
        pool, mask = copy(self), np.asarray(chosen, bool)
        if mask.any() and not mask.all():
            chances = np.where(mask, share / mask.sum(), (1 - share) / (~mask).sum())
            pool._parts = [self._parts[0].with_chances(chances), *self._parts[1:]]
        return pool

    def draw(
        self,
        step: int,
        number: int,
        size: int,
        whole: bool = False,
        foreground: float = 0.0,
        elastic: bool = True,
        by_image: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The batch of one step.

        Parameters
        ----------
        step, number, size : int
            Optimiser step, crops, side of a crop in px. Images smaller than a crop are continued by reflection.
        whole : bool
            Instead of crops whole images, each as likely as any other (but see `favouring`), made ``size`` px large
            by `whole_image`.
        foreground : float in [0, 1]
            Share of the crops that are taken only from where the mask is not empty.
        elastic : bool
            Whether the augmentation "tissue" turns and bends freely; else it only mirrors and turns by right angles.
        by_image : bool
            Whether each image is as likely as any other, else each pixel.

        Returns
        -------
        images : NDArray (number, C, size, size) float32
        labels : NDArray (number, size, size) int32
        """
        rng = np.random.default_rng((self.seed, step))
        n_extra = self._n_extra(step, number) if len(self._parts) > 1 else 0
        n_augmented = {"": 0, "tissue": number, "organoid": (number + step % 2) // 2}[self.augment]
        images, labels = [], []
        for index in range(number):
            part = self._parts[int(index < n_extra)]
            augment = self.augment if index < n_augmented else ""
            if whole:
                image, mask = part.whole(rng, size, augment)
            else:
                aimed = foreground > 0 and rng.random() < foreground
                image, mask = part.crop(rng, size, augment, elastic, aimed, by_image)
            images.append(image)
            labels.append(mask)
        return np.stack(images), np.stack(labels)

    def _n_extra(self, step: int, number: int) -> int:
        """Synthetic crops in the batch of a step; over many steps exactly their share."""
        if self.first:
            return number if step < self.first else 0
        before, after = (int(count * number * self._share + 1e-6) for count in (step, step + 1))
        return after - before


class _Part:
    """Pairs from which crops are drawn."""

    def __init__(self, pairs: Sequence[SamplePair]) -> None:
        self._pairs = pairs
        self._ranges = [intensity_range(pair.image) for pair in pairs]
        area = np.array([pair.labels.size for pair in pairs], dtype=np.float64)
        self._chance = area / area.sum()
        self._chance_whole: NDArray[np.float64] | None = None  # all alike
        self._resized: dict[tuple[int, int], SamplePair] = {}

    def with_chances(self, chances: NDArray[np.float64]) -> _Part:
        """The same pairs, drawn as whole images with these chances (pairs,), sum 1."""
        part = copy(self)
        part._chance_whole = chances
        return part

    def crop(
        self,
        rng: np.random.Generator,
        size: int,
        augment: Augment,
        elastic: bool,
        foreground: bool,
        by_image: bool,
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        index = int(rng.choice(len(self._pairs), p=None if by_image else self._chance))
        pair = self._pairs[index]
        corner = self._place(rng, pair, size, foreground)
        if augment == "organoid":
            return organoid_crop(pair, corner, size, rng, *self._ranges[index])
        if augment == "tissue" and elastic:
            image, labels = _warped(pair, corner, size, rng)
            return _brightened(normalise(image, *self._ranges[index]), rng), labels
        box = tuple(slice(start, start + size) for start in corner)
        image = normalise(pair.image[(slice(None), *box)], *self._ranges[index])
        image, labels = reflect_to(image, size, size), reflect_to(pair.labels[box], size, size)
        if augment == "tissue":
            image, labels = _turned(image, labels, int(rng.integers(4)), bool(rng.integers(2)))
            return _brightened(image, rng), labels
        return image, labels

    @staticmethod
    def _place(rng: np.random.Generator, pair: SamplePair, size: int, foreground: bool) -> list[int]:
        """Corner of a crop; where it must hold part of an object, equally likely among those unless they are rare."""
        last = [max(0, length - size) for length in pair.size]
        corner = [int(rng.integers(0, most + 1)) for most in last]
        for _ in range(TRIES if foreground else 0):
            if pair.labels[corner[0] : corner[0] + size, corner[1] : corner[1] + size].any():
                return corner
            corner = [int(rng.integers(0, most + 1)) for most in last]
        inside = np.flatnonzero(pair.labels if foreground else 0)
        if inside.size:
            pixel = np.unravel_index(rng.choice(inside), pair.labels.shape)
            least = [max(0, int(place) - size + 1) for place in pixel]
            corner = [
                int(rng.integers(low, min(int(place), most) + 1))
                for low, place, most in zip(least, pixel, last, strict=True)
            ]
        return corner

    def whole(
        self, rng: np.random.Generator, size: int, augment: Augment
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        n, chances = len(self._pairs), self._chance_whole
        pair = self._fitted(int(rng.integers(n) if chances is None else rng.choice(n, p=chances)), size)
        if augment == "tissue":
            image, labels = _warped(pair, [0, 0], size, rng)
            return _brightened(image, rng), labels
        if augment == "organoid":
            return organoid_crop(pair, (0, 0), size, rng, *AS_IT_IS)
        return pair.image, pair.labels

    def _fitted(self, index: int, size: int) -> SamplePair:
        """A pair, normalised and resized; the first few hundred are kept, since resizing takes longer than a step."""
        if (index, size) in self._resized:
            return self._resized[index, size]
        pair = self._pairs[index]
        image = whole_image(normalise(pair.image, *self._ranges[index]), size)
        fitted = pair.replace(image=image, labels=whole_labels(pair.labels, size), pixel_size=None)
        if len(self._resized) < KEPT:
            self._resized[index, size] = fitted
        return fitted


def reflect_to(array: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Continue (..., Y, X) by reflection below and to the right until it has at least this size."""
    missing = [max(0, want - have) for want, have in zip((height, width), array.shape[-2:], strict=True)]
    if not any(missing):
        return array
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + [(0, more) for more in missing], mode="reflect")


def whole_size(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """Height and width when the longer one becomes ``side`` and their ratio stays."""
    height, width = (max(1, round(length * side / max(size))) for length in size)
    return height, width


def whole_image(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """All of an image on a square: resized with antialiasing, never stretched, continued by reflection.

    Parameters
    ----------
    image : NDArray (C, Y, X) float32
        Of any size.
    side : int
        Of the square and of the longer side of the image, px.

    Returns
    -------
    NDArray (C, side, side) float32
        The image in its upper left corner.
    """
    return reflect_to(_resized(image, whole_size(image.shape[1:], side)), side, side)


def whole_labels(labels: NDArray[np.int32], side: int) -> NDArray[np.int32]:
    """The label image (Y, X) that belongs to a `whole_image`; a pixel takes the label in its middle."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(whole_size(labels.shape, side), labels.shape, strict=True)
    )
    small: NDArray[np.int32] = reflect_to(labels[np.ix_(rows, columns)], side, side)
    return small


def unfit(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Maps (K, side, side) of a `whole_image` as (K, Y, X) at the size that the image had."""
    height, width = whole_size(size, maps.shape[-1])
    return _resized(maps[:, :height, :width], size)


def _resized(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Linear interpolation of (C, Y, X); what shrinks is smoothed before."""
    from skimage.transform import resize

    if maps.shape[1:] == size:
        return maps
    made = [
        resize(plane, size, order=1, mode="edge", anti_aliasing=min(size) < min(plane.shape), preserve_range=True)
        for plane in maps
    ]
    resized: NDArray[np.float32] = np.stack(made).astype(np.float32)
    return resized


def _brightened(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    image = image * np.float32(rng.uniform(0.6, 2.0)) + np.float32(rng.uniform(-0.2, 0.2))
    return image + rng.normal(0, 0.02, image.shape).astype(np.float32)


def _turned(
    image: NDArray[np.float32], labels: NDArray[np.int32], turns: int, mirror: bool
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A crop turned by right angles, then mirrored left to right; pixels only change places."""
    image, labels = np.rot90(image, turns, (1, 2)), np.rot90(labels, turns)
    return (image[..., ::-1], labels[:, ::-1]) if mirror else (image, labels)


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


def organoid_crop(
    pair: SamplePair,
    corner: Sequence[int],
    size: int,
    rng: np.random.Generator,
    low: NDArray[np.float32],
    span: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A crop by the protocol for organoids: flips, rotations, whitening, crops.

    The source names these four; the numbers are chosen here. Mirrored up-down and left-right with probability 0.5 each,
    turned by U(0, 2π) with probability 0.5, a square of U(0.7, 1) of the side enlarged to the whole side (in one
    interpolation, linear; labels nearest), and whitened with probability 0.5 (`whiten`).

    Parameters
    ----------
    pair : SamplePair
        The crop is taken from it.
    corner : (int, int)
        First row and column of the crop, px.
    size : int
        Its side, px.
    rng : numpy.random.Generator
        All choices.
    low, span : NDArray (C, 1, 1) float32
        Range of the image, of `intensity_range`.

    Returns
    -------
    image : NDArray (C, size, size) float32
    labels : NDArray (size, size) int32
    """
    from scipy.ndimage import map_coordinates

    flips = np.where(rng.random(2) < 0.5, -1.0, 1.0)
    turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else 0.0
    zoom = rng.uniform(LEAST_CROP, 1.0)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = (zoom * np.array([[cos, -sin], [sin, cos]]) * flips).astype(np.float32)
    middle, free = (size - 1) / 2, (1 - zoom) * size / 2  # the smaller square may lie anywhere in the larger
    shift = rng.uniform(-free, free, 2).astype(np.float32)
    grid = np.mgrid[:size, :size].astype(np.float32) - np.float32(middle)
    centre = np.array(corner, np.float32) + np.float32(middle) + shift
    where = np.tensordot(matrix, grid, axes=1) + centre[:, None, None]
    native = np.stack([map_coordinates(plane, where, np.float32, order=1, mode="mirror") for plane in pair.image])
    labels: NDArray[np.int32] = map_coordinates(pair.labels, where, np.int32, order=0, mode="mirror")
    image = normalise(native, low, span)
    if rng.random() < 0.5:
        step = max(1, max(pair.size) // 1024)
        image = whiten(image, normalise(pair.image[:, ::step, ::step], low, span))
    return image, labels


def whiten(crop: NDArray[np.float32], image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each channel of a crop the mean and the spread of the whole image.

    x' = μ + σ (x - m) / max(s, 1 / √n), with m and s of the n pixels of the crop and μ and σ of the image: the usual
    whitening, (x - m) / max(s, 1 / √n), on the scale that the network meets when it predicts.

    Parameters
    ----------
    crop : NDArray (C, size, size) float32
        Of the image.
    image : NDArray (C, Y, X) float32
        Whole, normalised alike.

    Returns
    -------
    NDArray (C, size, size) float32
    """
    axes, n = (1, 2), crop[0].size
    spread = np.maximum(crop.std(axes, keepdims=True), n**-0.5)
    white = (crop - crop.mean(axes, keepdims=True)) / spread
    whitened: NDArray[np.float32] = white * image.std(axes, keepdims=True) + image.mean(axes, keepdims=True)
    return whitened


def _bend(size: int, rng: np.random.Generator, spacing: int = 32) -> NDArray[np.float32]:
    """Smooth displacement (2, size, size) in px: a coarse grid of shifts, small enough that nothing folds over."""
    n = size // spacing + 3
    shifts = rng.normal(0, rng.uniform(0, spacing / 8), (2, n, n)).astype(np.float32)
    spline = _spline(n, spacing)
    start = int(rng.integers(0, len(spline) - size + 1))
    spline = spline[start : start + size]
    bend: NDArray[np.float32] = spline @ shifts @ spline.T
    return bend


@cache
def _spline(n: int, spacing: int) -> NDArray[np.float32]:
    """Values (n * spacing, n) of the cubic splines through the points of a grid; a matrix, since they are linear."""
    from scipy.ndimage import zoom

    values: NDArray[np.float32] = zoom(np.eye(n, dtype=np.float32), (spacing, 1), order=3)
    return values
