"""Predict with a certainty for each pixel, and keep the squares in which a segmenter is sure.

The certainty of a pixel is by how much its likeliest class beats the next, over the image and its two mirror images:
what a network only guesses changes when the image is mirrored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source
from napari_organoid_synth.core.pairs.tiling import clean_instances

if TYPE_CHECKING:
    from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter

LEAST = 0.5
"""Certainty below which no square is kept, whatever its rank."""
LEAST_EMPTY = 0.8
"""The same of a square without objects."""
NEAR = 2
"""Around objects, px, the certainty counts, too: there the outline is decided."""
DOUBT = 0.25
"""Probability from which a pixel without an object counts like one."""


def predict_with_certainty(
    segmenter: Segmenter, pair: SamplePair
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Predict an image, and by how much each pixel's likeliest class beats the next.

    Parameters
    ----------
    segmenter : Segmenter
        Trained.
    pair : SamplePair
        Its labels are not used.

    Returns
    -------
    labels : NDArray (Y, X) int32
    certainty : NDArray (Y, X) float32 in [0, 1]
        1 is sure.
    probability : NDArray (Y, X) float32 in [0, 1]
        Of any object.
    """
    first = segmenter.predict(pair.image)
    shares = [_classes(first.probability, segmenter.spec.mask_kind)]
    for axis in (1, 2):
        turned = segmenter.predict(np.ascontiguousarray(np.flip(pair.image, axis)))
        shares.append(np.flip(_classes(turned.probability, segmenter.spec.mask_kind), axis))
    mean = np.mean(shares, axis=0)
    ordered = np.sort(np.concatenate([1 - mean.sum(axis=0, keepdims=True), mean]), axis=0)
    certainty = (ordered[-1] - ordered[-2]).clip(0, 1).astype(np.float32)
    return first.labels, certainty, mean.sum(axis=0).clip(0, 1).astype(np.float32)


def _classes(probability: NDArray[np.float32], kind: MaskKind) -> NDArray[np.float32]:
    """Return the probability of each class (K, Y, X); of instances that of an object."""
    return probability[:1] if kind == "instances" else probability


@dataclass(frozen=True)
class Square:
    """A square of an image.

    Parameters
    ----------
    image : str
        Name of the image.
    y, x, height, width : int
        First row and column, and its size, px.
    certainty : float in [0, 1]
        Mean over objects, what is near them, and what may be one; of a square without any, over all of it.
    empty : bool
        Whether no object was predicted.
    """

    image: str
    y: int
    x: int
    height: int
    width: int
    certainty: float
    empty: bool

    @property
    def name(self) -> str:
        """Name of the pair that it becomes."""
        return f"{self.image}_y{self.y}_x{self.x}"


def squares_of(
    name: str, labels: NDArray[np.int32], certainty: NDArray[np.float32], probability: NDArray[np.float32], side: int
) -> list[Square]:
    """Cut a prediction into squares, evenly spread, each with its certainty.

    Parameters
    ----------
    name : str
        Of the image.
    labels, certainty, probability : NDArray (Y, X)
        As of `predict_with_certainty`.
    side : int
        Px; an image that is smaller has smaller ones.
    """
    from scipy.ndimage import binary_dilation

    counted = binary_dilation(labels > 0, iterations=NEAR) | (probability > DOUBT)
    height, width = (min(side, length) for length in labels.shape)
    found = []
    for y in _starts(labels.shape[0], height):
        for x in _starts(labels.shape[1], width):
            box = slice(y, y + height), slice(x, x + width)
            inside = certainty[box][counted[box]]
            mean = float(inside.mean()) if inside.size else float(certainty[box].mean())
            found.append(Square(name, y, x, height, width, mean, not labels[box].any()))
    return found


def _starts(length: int, side: int) -> list[int]:
    number = max(1, length // side)
    return [int(start) for start in np.unique(np.linspace(0, length - side, number).round())]


def keep_sure(squares: Sequence[Square], share: float) -> list[Square]:
    """Keep a share of the squares with objects and of those without, the surest first; in the order of the images.

    Parameters
    ----------
    squares : sequence of Square
        Of all images.
    share : float in (0, 1]
        At least one square is kept of each, if it is sure enough.
    """
    kept = set[Square]()
    for empty, least in ((False, LEAST), (True, LEAST_EMPTY)):
        part = sorted((one for one in squares if one.empty == empty), key=lambda one: -one.certainty)
        number = max(1, round(share * len(part)))
        kept |= {one for one in part[:number] if one.certainty >= least}
    return [one for one in squares if one in kept]


def cut(pair: SamplePair, labels: NDArray[np.int32], square: Square, made: Mapping[str, object]) -> SamplePair:
    """Return a square of an image with its predicted mask, marked as predicted."""
    box = slice(square.y, square.y + square.height), slice(square.x, square.x + square.width)
    part = np.ascontiguousarray(labels[box])
    return pair.replace(
        name=square.name,
        image=np.ascontiguousarray(pair.image[(slice(None), *box)]),
        labels=clean_instances(part) if pair.mask_kind == "instances" else part,
        source=Source("predicted", pair.source.files, {**made, "certainty": round(square.certainty, 4)}),
    )
