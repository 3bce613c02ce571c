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
MIXED = 1.6
"""Ratio of the quartiles of the widths in one set, above which it is of mixed sizes."""
MOST_IMAGES, LONGEST = 12, 512
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
    pixels = [[pair.pixel_size[0] for pair in pairs if pair.pixel_size] for pairs in (source, target)]
    if all(pixels):
        return _believed(float(np.median(pixels[0]) / np.median(pixels[1])), "by the sizes of the pixels")
    sign = float(np.sign(sum(contrast(pair) for pair in source)) or 1.0)
    found, other = spots_of(source, sign), spots_of(target, -sign if inverted else sign)
    if not found or not other:
        return Ratio(1.0, "spots have no clear size; set size_ratio if you know it")
    if max(_spread(found), _spread(other)) > MIXED:
        return Ratio(
            1.0, "sizes differ so much from image to image that no single ratio fits; set size_ratio to resize"
        )
    here, there = (float(np.median(spots)) for spots in (found, other))
    own = float(np.median(np.concatenate([diameters(pair.labels, pair.mask_kind) for pair in source])))
    if not 1 / NEAR < here / own < NEAR:
        return Ratio(1.0, "the images alone do not say how large objects are there; set size_ratio if you know it")
    return _believed(there / here, f"spots are {there:.3g} px wide there, {here:.3g} px here")


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


def spots_of(pairs: Sequence[SamplePair], sign: float) -> list[float]:
    """Return the widths, px, of the spots of evenly chosen images; without images whose spots have no clear size."""
    chosen = np.unique(np.linspace(0, len(pairs) - 1, MOST_IMAGES).round().astype(int))
    found = [spot_width(pairs[index].image, sign) for index in chosen]
    known = [one for one in found if one is not None]
    return known if 2 * len(known) > len(found) else []


def _spread(widths: Sequence[float]) -> float:
    """Return the ratio of the third to the first quartile."""
    low, high = np.percentile(widths, [25, 75])
    return float(high / low)


def spot_width(image: NDArray[Any], sign: float) -> float | None:
    """Return the width, px, of bright (sign 1) or dark (-1) spots: of those that answer strongest; None without."""
    from scipy.ndimage import gaussian_laplace

    shrink = max(1, int(np.ceil(max(image.shape[1:]) / LONGEST)))
    plane = _shrunk(grey(image), shrink)
    largest = max(3.0, min(plane.shape) / 8)
    number = int(np.ceil(STEPS_PER_OCTAVE * np.log2(largest / 1.5))) + 1
    sigmas = 1.5 * 2 ** (np.arange(number) / STEPS_PER_OCTAVE)
    answers = np.array(
        [
            np.quantile(-sign * sigma**2 * gaussian_laplace(plane, sigma, mode="reflect", truncate=3), 1 - TOP)
            for sigma in sigmas
        ]
    )
    best = int(answers.argmax())
    if best in (0, number - 1):
        return None
    left, middle, right = answers[best - 1 : best + 2]
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    return float(WIDTH * shrink * sigmas[best] * 2 ** (shift / STEPS_PER_OCTAVE))


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
