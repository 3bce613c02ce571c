"""How large structures are in two sets of images, and pairs resized by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.adapt.tones import grey
from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import SamplePair

SMALLEST, LARGEST = 1 / 3, 3.0
"""Ratios beyond these are not believed."""
NO_MATTER = 1.15
"""Ratios nearer to 1 than this change nothing."""
STEPS_PER_OCTAVE = 4
TOP = 0.02
"""Share of the pixels with the strongest answer; the least of them counts."""
WIDTH = 2.8
"""Diameter of a disc over the σ at which it answers strongest."""
NEAR = 1.8
"""Spots of the source that are this many times smaller or larger than its objects are not these."""
MOST_IMAGES, LONGEST = 6, 512
"""Images that are looked at, and the side, px, to which they are shrunk for that."""


@dataclass(frozen=True)
class Ratio:
    """How many times larger structures are in the target, in pixels, and why."""

    value: float
    reason: str

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if self.value == 1:
            return f"Sizes stay as they are: {self.reason}."
        return f"Your pairs are resized to {self.value:.2g} times their size: {self.reason}."


def find_ratio(source: Sequence[SamplePair], target: Sequence[SamplePair], inverted: bool, wanted: float = 0) -> Ratio:
    """Find how many times larger structures are in the images of the target.

    By the sizes of the pixels where both sets know them, else by the images: the answer to a Laplacian of Gaussian
    (Lindeberg 1998), multiplied with the variance of its Gaussian, is strongest at the size of the spots. Objects are
    bright or dark spots as the masks of the source say.

    Parameters
    ----------
    source : sequence of SamplePair
        With masks.
    target : sequence of SamplePair
        Without.
    inverted : bool
        Whether dark and bright are exchanged between the two.
    wanted : float
        A ratio that a person gave; 0: none.
    """
    if wanted:
        return Ratio(wanted, "as you set it")
    here, there = ([pair.pixel_size[0] for pair in pairs if pair.pixel_size] for pairs in (source, target))
    if here and there:
        return _believed(float(np.median(here) / np.median(there)), "by the sizes of the pixels")
    sign = float(np.sign(sum(contrast(pair) for pair in source)) or 1.0)
    found = spot_size([pair.image for pair in source], sign)
    other = spot_size([pair.image for pair in target], -sign if inverted else sign)
    if found is None or other is None:
        return Ratio(1.0, "spots have no clear size; set size_ratio if you know it")
    own = float(np.median(np.concatenate([diameters(pair.labels, pair.mask_kind) for pair in source])))
    if not 1 / NEAR < WIDTH * found / own < NEAR:
        return Ratio(1.0, "the images alone do not say how large objects are there; set size_ratio if you know it")
    return _believed(other / found, f"spots are {WIDTH * other:.3g} px wide there, {WIDTH * found:.3g} px here")


def _believed(ratio: float, reason: str) -> Ratio:
    if not SMALLEST <= ratio <= LARGEST:
        return Ratio(1.0, f"{reason}, {ratio:.2g} times as large, is not believed; set size_ratio if you know it")
    if max(ratio, 1 / ratio) < NO_MATTER:
        return Ratio(1.0, reason)
    return Ratio(round(ratio, 2), reason)


def contrast(pair: SamplePair) -> float:
    """Return how much brighter objects are than what is around them, where an image spans 0 to 1."""
    inside = pair.labels > 0
    if not inside.any() or inside.all():
        return 0.0
    plane = grey(pair.image)
    return float(plane[inside].mean() - plane[~inside].mean())


def spot_size(images: Sequence[NDArray[Any]], sign: float) -> float | None:
    """Return the σ, px, at which bright (sign 1) or dark (-1) spots answer strongest; None if that is at an end."""
    from scipy.ndimage import gaussian_laplace

    chosen = [images[index] for index in np.unique(np.linspace(0, len(images) - 1, MOST_IMAGES).round().astype(int))]
    shrink = max(1, *(int(np.ceil(max(image.shape[1:]) / LONGEST)) for image in chosen))
    planes = [_shrunk(grey(image), shrink) for image in chosen]
    largest = max(3.0, min(min(plane.shape) for plane in planes) / 8)
    number = int(np.ceil(STEPS_PER_OCTAVE * np.log2(largest / 1.5))) + 1
    sigmas = 1.5 * 2 ** (np.arange(number) / STEPS_PER_OCTAVE)
    answers = np.zeros(number)
    for plane in planes:
        for index, sigma in enumerate(sigmas):
            answer = -sign * sigma**2 * gaussian_laplace(plane, sigma, mode="reflect", truncate=3)
            answers[index] += float(np.quantile(answer, 1 - TOP))
    best = int(answers.argmax())
    if best in (0, number - 1):
        return None
    left, middle, right = answers[best - 1 : best + 2]
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    return float(shrink * sigmas[best] * 2 ** (shift / STEPS_PER_OCTAVE))


def _shrunk(plane: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Return a plane whose pixels are means of ``by`` × ``by``."""
    if by == 1:
        return plane
    height, width = (side // by * by for side in plane.shape)
    blocks = plane[:height, :width].reshape(height // by, by, width // by, by)
    mean: NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return mean


def resized(pair: SamplePair, ratio: float) -> SamplePair:
    """Return a pair at ``ratio`` times its height and width; pixels interpolated, labels of the nearest pixel."""
    if ratio <= 1:
        return pair.shrunk(ratio)
    from skimage.transform import resize

    height, width = (max(1, round(side * ratio)) for side in pair.size)
    image = resize(pair.image, (len(pair.image), height, width), order=1, preserve_range=True, mode="edge")
    if pair.image.dtype.kind in "iu":
        image = np.rint(image)
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip((height, width), pair.size, strict=True)
    )
    return pair.replace(
        image=image.astype(pair.image.dtype),
        labels=np.ascontiguousarray(pair.labels[np.ix_(rows, columns)]),
        pixel_size=pair.pixel_size and (pair.pixel_size[0] / ratio, pair.pixel_size[1] / ratio),
    )


def diameters(labels: NDArray[np.int32], mask_kind: str) -> NDArray[np.float64]:
    """Return the diameter, px, of the circle with the area of each object; pieces of a binary mask are objects."""
    objects = labels if mask_kind == "instances" else pieces_of(labels)
    areas = np.bincount(objects.ravel())[1:]
    found: NDArray[np.float64] = 2 * np.sqrt(areas[areas > 0] / np.pi)
    return found
