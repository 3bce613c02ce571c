"""Draw batches of crops or whole images from the pairs of an arm; every choice follows from (seed, step)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from copy import copy
from dataclasses import asdict
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.segmentation.segmenters.augmentation import brightened, organoid_crop, turned, warped
from napari_organoid_synth.core.segmentation.segmenters.classical import (
    CLASSICAL,
    TRIES,
    Strength,
    classical_crop,
)
from napari_organoid_synth.core.segmentation.segmenters.network_input import (
    NORMALISED,
    normalise,
    reflect_to,
    whole_image,
    whole_labels,
)
from napari_organoid_synth.core.segmentation.segmenters.tile_range import Range, TileRanges
from napari_organoid_synth.core.segmentation.segmenters.training_range import TrainingRange

MAX_CACHED = 256
"""Resized images kept in memory."""
Augment = Literal["", "classical", "tissue", "organoid"]


class CropPool:
    """The training pairs of an arm, from which batches of crops are drawn.

    Parameters
    ----------
    real : sequence of SamplePair
        Real pairs.
    extra : sequence of SamplePair
        Synthetic pairs. They fill a fixed share of each batch, however many they are: a thousand synthetic pairs
        cannot outweigh five real ones, and arms differ in one thing only.
    augment : {"", "classical", "tissue", "organoid"} or bool
        Augmentation of real and synthetic crops alike; True is ``"tissue"``. ``"classical"``: `classical_crop`, the
        tuned one. ``"tissue"`` (Tasnadi, Sliz-Nagy and Horvath 2023): mirror,
        right-angle or free rotation and elastic deformation with probability 0.5 each; intensity I · U(0.6, 2) +
        U(-0.2, 0.2) and noise of σ 0.02, where an image spans 0 to 1. ``"organoid"`` (Brémond Martin 2022): half of
        each batch stays unchanged, the other half is made by `organoid_crop`: mirrored, turned, a smaller crop
        enlarged, whitened.
    seed : int
        Two pools with the same seed make the same choices at the same step.
    ratio : float
        Synthetic crops for each real one in a batch; 1: half of each; `math.inf`: synthetic ones alone, normalised as
        beside the real pairs.
    held : sequence of SamplePair
        Pairs, or parts of them from `hold_parts`, for the held-back score: never drawn, only cut by `held_crops`.
    usual : TrainingRange, optional
        Contrast and noise by which images are normalised; default: those of the real pairs. Synthetic pairs have the
        range of a real image, see `TileRanges`.
    scored : sequence of int
        Of classes: the values that count in the held-back score; empty: all. A class that a segmenter predicted is no
        truth.

    Attributes
    ----------
    extent : int
        Longest side of a real image, px; larger crops would only add reflections.
    real, extra, held, scored : tuple
        As given.
    strength : Strength
        Of the augmentation ``"classical"``; may be set before the first draw.

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
        usual: TrainingRange | None = None,
        held: Sequence[SamplePair] = (),
        scored: Sequence[int] = (),
    ) -> None:
        if not real or (math.isinf(ratio) and not extra):
            raise UserError("There is no pair to train on.", "Expected at least one pair of image and mask.")
        self.augment: Augment = ("tissue" if augment else "") if isinstance(augment, bool) else augment
        self.real, self.extra, self.held, self.seed = tuple(real), tuple(extra), tuple(held), seed
        self.scored = tuple(scored)
        self.ratio, self._share = ratio, 1 - 1 / (1 + ratio)
        self.extent = max(max(pair.size) for pair in real)
        self.usual = usual or TrainingRange.of(real)
        self.strength: Strength = CLASSICAL
        like = [pair for pair in self.real if pair.source.kind == "real"] or self.held or self.real
        self._ranges = TileRanges(like, self.usual)
        parts = [part for part in (self.real, self.extra) if part]
        self._parts = [_Part(part, [self._ranges.of(pair) for pair in part]) for part in parts]

    @property
    def identity(self) -> str:
        """Text that changes with anything that changes a batch or the held-back score."""
        parts = self.real, self.extra, self.held
        pairs = [[content_hash(pair.image, pair.labels) for pair in part] for part in parts]
        strength = asdict(self.strength) if self.augment == "classical" else {}
        return json.dumps([pairs, self.augment, strength, self.seed, self.ratio, self.scored])

    def held_crops(self, number: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Cut fixed crops that cover the held pairs: the same ones whatever the arm, the seed and the step.

        A band is normalised like the rest of its image.

        Parameters
        ----------
        number : int
            Most crops. If covering all takes more, they are chosen evenly, from each pair as long as there are enough.
        size : int
            Side of a crop, px. A smaller pair is continued by reflection.

        Returns
        -------
        images : NDArray (N, C, size, size) float32
        labels : NDArray (N, size, size) int32
            N is at most ``number``, 0 without held pairs.
        """
        places = _cover([pair.size for pair in self.held], number, size)
        images = np.zeros((len(places), len(self.real[0].image), size, size), np.float32)
        labels = np.zeros((len(places), size, size), np.int32)
        for crop, (index, y, x) in enumerate(places):
            pair, box = self.held[index], (slice(y, y + size), slice(x, x + size))
            limits = self._ranges.of_part(pair)
            images[crop] = reflect_to(normalise(pair.image[(slice(None), *box)], *limits), size, size)
            labels[crop] = reflect_to(pair.labels[box], size, size)
        return images, labels

    def favouring(self, chosen: Sequence[bool], share: float) -> CropPool:
        """Return a pool in which some whole real images are drawn more, or less, often than the others.

        Parameters
        ----------
        chosen : sequence of bool
            One value per real pair. If all or none are chosen, nothing changes.
        share : float in (0, 1)
            Probability that a real image is a chosen one, the same at every draw; within both groups all images are
            equally likely. Crops and synthetic pairs are drawn as before.
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
        """Draw the batch of one step.

        Parameters
        ----------
        step, number, size : int
            Optimiser step, crops, side of a crop in px. Images smaller than a crop are continued by reflection.
        whole : bool
            Draw whole images instead of crops, all equally likely (but see `favouring`), resized to ``size`` px by
            `whole_image`.
        foreground : float in [0, 1]
            Share of the crops that must hold part of an object.
        elastic : bool
            Whether the augmentation "tissue" turns and bends freely; otherwise it mirrors and turns by right angles.
        by_image : bool
            Whether all images are equally likely; otherwise all pixels are.

        Returns
        -------
        images : NDArray (number, C, size, size) float32
        labels : NDArray (number, size, size) int32
        """
        rng = np.random.default_rng((self.seed, step))
        n_extra = self._n_extra(step, number) if len(self._parts) > 1 else 0
        n_augmented = {"": 0, "organoid": (number + step % 2) // 2}.get(self.augment, number)
        images, labels = [], []
        for index in range(number):
            part = self._parts[int(index < n_extra)]
            augment = self.augment if index < n_augmented else ""
            if whole:
                image, mask = part.whole(rng, size, augment, self.strength)
            else:
                aimed = foreground > 0 and rng.random() < foreground
                image, mask = part.crop(rng, size, augment, self.strength, elastic, aimed, by_image)
            images.append(image)
            labels.append(mask)
        return np.stack(images), np.stack(labels)

    def _n_extra(self, step: int, number: int) -> int:
        """Count the synthetic crops in the batch of a step; over many steps exactly their share."""
        before, after = (int(count * number * self._share + 1e-6) for count in (step, step + 1))
        return after - before


class _Part:
    """Real or synthetic pairs from which crops are drawn."""

    def __init__(self, pairs: Sequence[SamplePair], ranges: Sequence[Range]) -> None:
        self._pairs = [
            pair.replace(image=np.ascontiguousarray(pair.image), labels=np.ascontiguousarray(pair.labels))
            for pair in pairs
        ]
        self.ranges = ranges
        area = np.array([pair.labels.size for pair in pairs], dtype=np.float64)
        self._chance = area / area.sum()
        self._chance_whole: NDArray[np.float64] | None = None  # all equally likely
        self._resized: dict[tuple[int, int], SamplePair] = {}

    def with_chances(self, chances: NDArray[np.float64]) -> _Part:
        """Return the same pairs, drawn as whole images with these probabilities (pairs,), sum 1."""
        part = copy(self)
        part._chance_whole = chances
        return part

    def crop(
        self,
        rng: np.random.Generator,
        size: int,
        augment: Augment,
        strength: Strength,
        elastic: bool,
        foreground: bool,
        by_image: bool,
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        index = int(rng.choice(len(self._pairs), p=None if by_image else self._chance))
        pair = self._pairs[index]
        if augment == "classical":
            return classical_crop(pair, size, rng, *self.ranges[index], foreground, strength)
        corner = self._place(rng, pair, size, foreground)
        if augment == "organoid":
            return organoid_crop(pair, corner, size, rng, *self.ranges[index])
        if augment == "tissue" and elastic:
            image, labels = warped(pair, corner, size, rng)
            return brightened(normalise(image, *self.ranges[index]), rng), labels
        box = tuple(slice(start, start + size) for start in corner)
        image = normalise(pair.image[(slice(None), *box)], *self.ranges[index])
        image, labels = reflect_to(image, size, size), reflect_to(pair.labels[box], size, size)
        if augment == "tissue":
            image, labels = turned(image, labels, int(rng.integers(4)), bool(rng.integers(2)))
            return brightened(image, rng), labels
        return image, labels

    @staticmethod
    def _place(rng: np.random.Generator, pair: SamplePair, size: int, foreground: bool) -> list[int]:
        """Draw the corner of a crop; with ``foreground`` one that holds part of an object."""
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
        self, rng: np.random.Generator, size: int, augment: Augment, strength: Strength
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        n, chances = len(self._pairs), self._chance_whole
        pair = self._fitted(int(rng.integers(n) if chances is None else rng.choice(n, p=chances)), size)
        if augment == "classical":
            return classical_crop(pair, size, rng, *NORMALISED, strength=strength)
        if augment == "tissue":
            image, labels = warped(pair, [0, 0], size, rng)
            return brightened(image, rng), labels
        if augment == "organoid":
            return organoid_crop(pair, (0, 0), size, rng, *NORMALISED)
        return pair.image, pair.labels

    def _fitted(self, index: int, size: int) -> SamplePair:
        """Return a pair, normalised and resized; the first few hundred are cached, since resizing is slow."""
        if (index, size) in self._resized:
            return self._resized[index, size]
        pair = self._pairs[index]
        image = whole_image(normalise(pair.image, *self.ranges[index]), size)
        fitted = pair.replace(image=image, labels=whole_labels(pair.labels, size), pixel_size=None)
        if len(self._resized) < MAX_CACHED:
            self._resized[index, size] = fitted
        return fitted


def _cover(sizes: Sequence[tuple[int, int]], number: int, size: int) -> list[tuple[int, int, int]]:
    """Return index, y and x of crops that cover images of these sizes, at most ``number``, evenly chosen.

    Crops of an image overlap as little as they can.
    """
    columns = []
    for index, lengths in enumerate(sizes):
        rows = [
            np.linspace(0, max(0, length - size), max(1, -(-length // size))).round().astype(int).tolist()
            for length in lengths
        ]
        columns.append([(index, y, x) for y in rows[0] for x in rows[1]])
    total = sum(map(len, columns))
    if total <= number:
        return [place for column in columns for place in column]
    if len(columns) > number:
        columns = [columns[index] for index in _evenly(len(columns), number)]
        total = sum(map(len, columns))
    wanted = [1] * len(columns)  # of each image at least one, then where the most are missing
    while sum(wanted) < min(number, total):
        wanted[int(np.argmax([len(column) / have for column, have in zip(columns, wanted, strict=True)]))] += 1
    return [column[at] for column, have in zip(columns, wanted, strict=True) for at in _evenly(len(column), have)]


def _evenly(length: int, number: int) -> list[int]:
    """Return ``number`` of the indices below ``length``, evenly spaced."""
    return [int((place + 0.5) * length / number) for place in range(number)]
