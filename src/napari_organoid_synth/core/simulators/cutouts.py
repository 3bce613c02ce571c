"""Objects of real pairs that can be cut out and pasted elsewhere, and how bright they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.mask_kind import compact_ids
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.pieces import MIN_AREA, Box, find_pieces, net_values, numbered

MARGIN = 6
"""Surroundings that are cut out with an object, px."""
MAX_SHIFT = 0.1
"""Largest change of an object by the background around it, as share of the contrast of such objects."""
SCALES = 0.9, 1.1
"""Smallest and largest change of size."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """An object with its surroundings.

    Parameters
    ----------
    image : NDArray (C, Y, X) float32
        Native intensity.
    mask : NDArray (Y, X) bool
        Pixels of the object.
    value : int
        Its label in masks of classes, otherwise 1.
    level : NDArray (C,) float64
        Median of the background around it.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    value: int
    level: NDArray[np.float64]

    def turned(self, rng: np.random.Generator) -> Cutout:
        """Mirror and turn: half of the objects by right angles, which keeps their noise, half freely and scaled."""
        mirror, exact = bool(rng.integers(2)), bool(rng.integers(2))
        image, mask = (self.image[..., ::-1], self.mask[:, ::-1]) if mirror else (self.image, self.mask)
        if exact:
            turns = int(rng.integers(4))
            return Cutout(np.rot90(image, turns, (1, 2)), np.rot90(mask, turns), self.value, self.level)
        image, mask = _rotated(image, mask, rng.uniform(0, 2 * np.pi), rng.uniform(*SCALES))
        return Cutout(image, mask, self.value, self.level)


@dataclass(frozen=True, eq=False)
class Brightness:
    """Intensities of an image, by which objects of another are matched to it.

    Parameters
    ----------
    span : NDArray (C,) float64
        Distance between the percentiles 1 and 99.8, above 0.
    ground : NDArray (C,) float64
        Median of the background; of the image where there is none.
    contrast : dict of int to NDArray (C,) float64
        For each label (1 for instances) the median of its pixels less that of the background.
    """

    span: NDArray[np.float64]
    ground: NDArray[np.float64]
    contrast: dict[int, NDArray[np.float64]]

    @classmethod
    def of(cls, pair: SamplePair) -> Brightness:
        """Measure a pair."""
        step = max(1, max(pair.size) // 512)
        values = pair.image[:, ::step, ::step].astype(np.float64)
        labels = pair.labels[::step, ::step]
        low, high = np.percentile(values.reshape(len(values), -1), [1, 99.8], axis=1)
        background = labels == 0
        is_open = bool(background.any())
        ground = np.median(values[:, background] if is_open else values.reshape(len(values), -1), axis=1)
        contrast = {}
        for value in range(1, 1 + (len(pair.class_names) if pair.mask_kind == "classes" else 1)):
            objects = labels == value if pair.mask_kind == "classes" else labels > 0
            if is_open and objects.any():
                contrast[value] = np.median(values[:, objects], axis=1) - ground
        return cls(np.where(high > low, high - low, 1.0), ground, contrast)

    def matched(self, cutout: Cutout, source: Brightness, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the pixels (C, Y, X) of an object of another image as they would be in this one.

        The distance to the background is multiplied by the ratio of the contrasts of such objects in both images; it is
        at most twice, and at least half, the ratio of the spans, which is taken where a contrast is unknown. Then the
        difference of the backgrounds around both places is added, up to a tenth of the contrast: near a dark membrane
        or at the rim of a well it would make an object that looks like none.

        Parameters
        ----------
        cutout : Cutout
            The object.
        source : Brightness
            Of its image.
        level : NDArray (C,) float64
            Background around its new place.
        """
        factor: NDArray[np.float64] = self.span / source.span
        most = MAX_SHIFT * self.span
        if cutout.value in self.contrast and cutout.value in source.contrast:
            here, there = self.contrast[cutout.value], source.contrast[cutout.value]
            clear = (here * there > 0) & (np.abs(there) > 0.02 * source.span)
            ratio = np.divide(here, there, out=factor.copy(), where=clear)
            factor, most = np.clip(ratio, factor / 2, factor * 2), MAX_SHIFT * np.abs(here)
        shift = np.clip(level - self.ground - factor * (cutout.level - source.ground), -most, most)
        columns = (slice(None), None, None)
        pixels: NDArray[np.float64] = (cutout.image - source.ground[columns]) * factor[columns]
        return pixels + (self.ground + shift)[columns]


def cutouts(pair: SamplePair, ground: NDArray[np.float64]) -> list[Cutout]:
    """Return the objects of a pair that can be pasted: connected pieces of binary masks and of classes, or instances.

    Left out are specks, and objects that the border of the image cuts, unless it cuts all. Classes that are mostly thin
    nets, such as membranes, give none. ``ground`` is the median (C,) of the background of the pair.
    """
    labels, objects = compact_ids(pair.labels), numbered(pair.labels, pair.mask_kind)
    nets = set() if pair.mask_kind == "instances" else net_values(labels, objects)
    found = [piece for piece in find_pieces(labels, objects, pair.mask_kind) if piece.value not in nets]
    chosen = [piece for piece in found if piece.is_whole] or found
    return [_cutout(pair, objects, piece.number, piece.box, piece.value, ground) for piece in chosen]


def _cutout(
    pair: SamplePair,
    pieces: NDArray[np.int32],
    number: int,
    box: Box,
    value: int,
    ground: NDArray[np.float64],
) -> Cutout:
    """Cut an object out with its margin; beyond the image its last pixels are repeated."""
    rows, columns = (
        np.clip(np.arange(part.start - MARGIN, part.stop + MARGIN), 0, length - 1)
        for part, length in zip(box, pair.size, strict=True)
    )
    part = np.ix_(rows, columns)
    image = pair.image[:, part[0], part[1]].astype(np.float32)
    mask = pieces[part] == number
    return Cutout(image, mask, value, ground_level(image, mask, pair.labels[part] == 0, ground))


def ground_level(
    image: NDArray[Any], mask: NDArray[np.bool_], free: NDArray[np.bool_], usual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the median (C,) of the background 3 to 6 px from an object, or ``usual`` where there is hardly any.

    Parameters
    ----------
    image : NDArray (C, Y, X)
        Surroundings of the object.
    mask, free : NDArray (Y, X) bool
        Pixels of the object, and those without any object.
    usual : NDArray (C,) float64
        That of the whole image.
    """
    ring = grown(mask, MARGIN) & free & ~grown(mask, 2)
    if np.count_nonzero(ring) < MIN_AREA:
        return usual
    return np.asarray(np.median(image[:, ring], axis=1), np.float64)


def grown(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask (Y, X), and those up to ``reach`` px from it in one of eight directions."""
    result = mask.copy()
    for y in (-reach, 0, reach):
        for x in (-reach, 0, reach):
            height, width = (length - abs(shift) for length, shift in zip(mask.shape, (y, x), strict=True))
            if height > 0 and width > 0:
                to = slice(max(y, 0), max(y, 0) + height), slice(max(x, 0), max(x, 0) + width)
                result[to] |= mask[max(-y, 0) : max(-y, 0) + height, max(-x, 0) : max(-x, 0) + width]
    return result


def _rotated(
    image: NDArray[np.float32], mask: NDArray[np.bool_], angle: float, scale: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Turn and scale about the middle, by cubic splines, which blur less than linear ones; the result holds all."""
    from scipy.ndimage import affine_transform

    cos, sin = np.cos(angle), np.sin(angle)
    old = np.array(mask.shape)
    new = np.ceil(scale * (np.abs([[cos, sin], [sin, cos]]) @ old)).astype(int)
    matrix = np.array([[cos, -sin], [sin, cos]]) / scale
    offset = (old - 1) / 2 - matrix @ ((new - 1) / 2)
    turned_mask = affine_transform(mask.astype(np.float32), matrix, offset, tuple(new), order=1) > 0.5
    if not turned_mask.any():  # a line of one pixel
        return image, mask
    planes = [affine_transform(plane, matrix, offset, tuple(new), order=3, mode="nearest") for plane in image]
    lowest, highest = image.min(axis=(1, 2), keepdims=True), image.max(axis=(1, 2), keepdims=True)
    return np.clip(np.stack(planes), lowest, highest), turned_mask
