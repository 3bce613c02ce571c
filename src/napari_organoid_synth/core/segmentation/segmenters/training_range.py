"""Contrast and noise of the training images, so that no segmenter takes the noise of an empty field for objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.segmentation.segmenters.network_input import ends, intensity_range, normalise, sampled

BLOCKS = 16, 8, 4
"""Sides of blocks whose means tell structure from noise, px: pixel noise alone keeps 1 / side of its deviation."""
MIN_STRUCTURE = 0.6
"""Structure that training images must keep in the blocks that are used."""
STRUCTURE_SHARE = 0.5
"""A field is noise when its structure is nearer to that of pixel noise than to that of the training images."""
MAX_STRETCH = 4.0
"""A field with structure is stretched at most this many times as much as the training images."""
LOW_SHARE = 10
"""Percentile over the training images that stands for their least usual contrast and structure."""
MIN_GRAIN = 0.02
"""Least noise of training images that is assumed, as share of their range."""
AROUND = 5
"""Width of the surroundings that an object is compared with, px."""
MIN_CONTRAST = 0.2
"""Objects with less than this share of the contrast of the faintest training objects (5 %) are dropped."""
MIN_AREA = 15
"""Smaller training objects tell nothing about contrast, px."""


@dataclass(frozen=True)
class TrainingRange:
    """Contrast, noise and background of the training images, after `intensity_range` brought them to 0 to 1.

    Parameters
    ----------
    dtype : str
        Pixel type; contrasts of another type cannot be compared.
    span : tuple of float
        For each channel the least usual distance from 0 to 1, in native intensity.
    level : tuple of float
        Normalised value of the background: the median of the pixels without object.
    block : int
        Side of the blocks that `structure` is measured with, px.
    structure : tuple of float in [0, 1]
        The least usual deviation of the means of blocks, as share of that of the pixels.
    grain : tuple of float
        Standard deviation of the noise, as share of the span.
    contrast : float
        Distance of objects to their surroundings, see `contrasts`; 0 where it cannot be measured.
    """

    dtype: str
    span: tuple[float, ...]
    level: tuple[float, ...]
    block: int
    structure: tuple[float, ...]
    grain: tuple[float, ...]
    contrast: float

    @classmethod
    def of(cls, pairs: Sequence[SamplePair]) -> Self:
        """Measure training pairs, at least one; those without objects count only if there are no others."""
        drawn = [pair for pair in pairs if pair.labels.any()] or list(pairs)
        for block in BLOCKS:
            fields = [_Field.of(pair.image, block, pair.labels) for pair in drawn]
            structure = np.percentile([field.structure for field in fields], LOW_SHARE, axis=0)
            if structure.min() >= MIN_STRUCTURE:
                break
        grains = [_grain(pair.image) / intensity_range(pair.image)[1][:, 0, 0] for pair in drawn]
        found = np.concatenate([_training_contrasts(pair) for pair in drawn])
        return cls(
            pairs[0].image.dtype.name,
            tuple(np.percentile([field.span for field in fields], LOW_SHARE, axis=0).tolist()),
            tuple(np.median([field.level for field in fields], axis=0).tolist()),
            block,
            tuple(structure.tolist()),
            tuple(np.maximum(np.median(grains, axis=0), MIN_GRAIN).tolist()),
            float(np.percentile(found, 5)) if found.size else 0.0,
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Self | None:
        """Read what `dataclasses.asdict` wrote; None for a segmenter that was saved without it.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        if values is None:
            return None
        numbers = {key: np.atleast_1d(np.array(values[key], float)) for key in set(values) - {"dtype", "block"}}
        if not all(np.isfinite(one).all() for one in numbers.values()):
            raise ValueError("the contrast of its training images is not finite")
        return cls(
            str(values["dtype"]),
            tuple(numbers["span"].tolist()),
            tuple(numbers["level"].tolist()),
            int(values["block"]),
            tuple(numbers["structure"].tolist()),
            tuple(numbers["grain"].tolist()),
            float(numbers["contrast"][0]),
        )

    def range_of(self, image: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Measure the range of an image as `intensity_range` does, except for channels with little contrast.

        A channel of noise alone, or a constant one, gets at least the span of the training images, and one at which
        its noise is as strong as theirs. Any other gets at least a quarter of that span. The median of such a channel
        moves towards the background of the training images.

        Parameters
        ----------
        image : NDArray (C, Y, X), native dtype
            Finite values.

        Returns
        -------
        low, span : NDArray (C, 1, 1) float32
        """
        low, span = intensity_range(image)
        field, background = _Field.of(image, self.block), np.array(self.level)
        usual = np.array(self.span) if image.dtype.name == self.dtype else np.zeros(len(self.span))
        noise = field.structure < 1 / self.block + STRUCTURE_SHARE * (np.array(self.structure) - 1 / self.block)
        alike = field.deviation / np.array(self.grain)  # the span at which noise alone looks like theirs
        wanted = np.maximum(field.span, np.where(noise, np.maximum(usual, alike), usual / MAX_STRETCH))
        changed = wanted > field.span
        wanted = np.where(wanted > 0, wanted, 1.0)
        share = np.where(noise, 0.0, field.span / wanted)
        middle = low[:, 0, 0] + field.level * field.span
        lows = middle - (share * field.level + (1 - share) * background) * wanted
        return (
            np.where(changed[:, None, None], lows[:, None, None], low).astype(np.float32),
            np.where(changed[:, None, None], wanted[:, None, None], span).astype(np.float32),
        )

    def visible(self, planes: NDArray[np.float32], labels: NDArray[np.int32], kind: MaskKind) -> NDArray[np.int32]:
        """Return predicted labels (Y, X) without the objects that hardly differ from their surroundings.

        Parameters
        ----------
        planes : NDArray (C, Y, X) float32
            The image, normalised by `range_of`.
        labels : NDArray (Y, X) int32, 0 is background
            Prediction; ids stay consecutive.
        kind : {"binary", "classes", "instances"}
            Meaning of the labels.
        """
        if planes.min() == planes.max():
            return np.zeros_like(labels)
        if not self.contrast or not labels.any():
            return labels
        objects = labels if kind == "instances" else pieces_of(labels)
        keep = ~(contrasts(planes, objects) < MIN_CONTRAST * self.contrast)  # unknown is kept
        keep[0] = False
        if keep[1:].all():
            return labels
        if kind == "instances":
            kept: NDArray[np.int32] = np.where(keep, np.cumsum(keep), 0)[objects].astype(np.int32)
            return kept
        return np.where(keep[objects], labels, 0).astype(np.int32)


def contrasts(planes: NDArray[np.float32], objects: NDArray[np.int32]) -> NDArray[np.float64]:
    """Compute how much objects differ from the background within 5 px around them.

    Parameters
    ----------
    planes : NDArray (C, Y, X) float32
        Normalised image.
    objects : NDArray (Y, X) int32, 0 is background
        Ids 1..n.

    Returns
    -------
    NDArray (n + 1,) float64
        √(Δmean² + Δdeviation²) of the pixels in and around each object, of the channel where it is largest. NaN for 0,
        and where an object has no background around it.
    """
    from skimage.segmentation import expand_labels

    length = int(objects.max(initial=0)) + 1
    around = np.where(objects == 0, expand_labels(objects, AROUND), 0)
    inside, outside = (np.bincount(part.ravel(), minlength=length).astype(float) for part in (objects, around))
    result = np.full(length, np.nan)
    for plane in planes.astype(np.float64):
        mean, deviation = _moments(plane, objects, inside)
        other_mean, other_deviation = _moments(plane, around, outside)
        result = np.fmax(result, np.hypot(mean - other_mean, deviation - other_deviation))
    result[0] = np.nan
    return result


def _moments(
    plane: NDArray[np.float64], objects: NDArray[np.int32], area: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation (n,) of the pixels of each object; NaN for an object without pixels."""
    size = np.where(area > 0, area, np.nan)
    mean = np.bincount(objects.ravel(), plane.ravel(), len(area)) / size
    square = np.bincount(objects.ravel(), plane.ravel() ** 2, len(area)) / size
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _training_contrasts(pair: SamplePair) -> NDArray[np.float64]:
    labels = pair.labels if pair.mask_kind == "instances" else pieces_of(pair.labels)
    _, numbers = np.unique(labels, return_inverse=True)
    background = int(not pair.labels.all())  # 0 stays background
    objects: NDArray[np.int32] = (numbers.reshape(pair.labels.shape) + 1 - background).astype(np.int32)
    found = contrasts(normalise(pair.image, *intensity_range(pair.image)), objects)
    return found[np.isfinite(found) & (np.bincount(objects.ravel(), minlength=len(found)) >= MIN_AREA)]


class _Field(NamedTuple):
    """Values of an image, each (C,), see `TrainingRange`; and the deviation of its pixels from a smooth background."""

    span: NDArray[np.float64]  # 0 where constant
    level: NDArray[np.float64]  # of the pixels without object, or of all
    structure: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, image: NDArray[Any], block: int, labels: NDArray[np.int32] | None = None) -> Self:
        values, (low, high) = sampled(image), ends(image)
        outside = np.ones(values.shape[1:], bool) if labels is None else sampled(labels) == 0
        outside |= not outside.any()
        level = (np.median(values[:, outside], axis=1) - low) / np.where(high > low, high - low, 1.0)
        pixels, blocks = _deviations(image, block)
        structure = np.divide(blocks, pixels, out=np.zeros(len(image)), where=pixels > 0)
        return cls(high - low, level, structure, pixels)


def _deviations(image: NDArray[Any], block: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the deviation (C,) of the pixels, and of the means of blocks, from a quadratic background."""
    rows, columns = (min(block, side) for side in image.shape[1:])
    height, width = image.shape[1] // rows, image.shape[2] // columns  # in blocks
    step = max(1, max(height, width) * block // 1024)
    even = image[:, : height * rows, : width * columns].reshape(len(image), height, rows, width, columns)
    values = even[:, ::step, :, ::step].astype(np.float64)
    means, noise = values.mean(axis=(2, 4)), values.var(axis=(2, 4)).mean(axis=(1, 2))
    if min(means.shape[1:]) >= 3:
        y, x = (part.ravel() for part in np.meshgrid(*(np.linspace(-1, 1, n) for n in means.shape[1:]), indexing="ij"))
        terms = np.stack([np.ones_like(y), y, x, y * y, x * x, x * y], axis=1)
        flat = means.reshape(len(image), -1).T  # (blocks, C)
        means = (flat - terms @ np.linalg.lstsq(terms, flat, rcond=None)[0]).T.reshape(means.shape)
    structure = means.std(axis=(1, 2))
    return np.hypot(structure, np.sqrt(noise)), structure


def _grain(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviation (C,) of the noise, from the differences of neighbouring pixels."""
    part = image[:, :1024, :1024].astype(np.float64)
    if part.shape[2] < 2:
        return np.zeros(len(image))
    steps = np.abs(np.diff(part, axis=2)).reshape(len(image), -1)
    grain: NDArray[np.float64] = np.percentile(steps, 68, axis=1) / np.sqrt(2)
    return grain
