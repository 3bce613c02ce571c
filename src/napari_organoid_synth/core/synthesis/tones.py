"""Sketches: a mask as a rough picture of flat tones, which a generator turns into an image (SDEdit).

Meng 2022, arXiv 2108.01073; for microscopy Eschweiler 2024, PLoS Computational Biology 20:e1011890.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_kind import pieces_of

BLUR = 2.0  # px, of the edges of a sketch
SMOOTH = 1.5  # px, before pixels are told apart by their brightness
MAX_IMAGES = 50


@dataclass(frozen=True, eq=False)
class Tones:
    """Brightness of background and objects.

    Parameters
    ----------
    means, spreads : NDArray (K + 1, C) float32 in [-1, 1], at least 0
        Encoded mean of background and of each class, and the standard deviation from object to object.
    """

    means: NDArray[np.float32]
    spreads: NDArray[np.float32]

    @classmethod
    def guess(cls, images: Sequence[NDArray[Any]], codec: Codec, bright: bool = True) -> Tones:
        """Guess the tones of background and objects from images without masks, by two-class brightness (Otsu 1979).

        Parameters
        ----------
        images : sequence of NDArray (C, Y, X)
            Native pixels; the first 50 count.
        codec : Codec
            Of the training.
        bright : bool
            Whether objects are brighter than the background.

        Raises
        ------
        UserError
            If there is no image.
        """
        from scipy import ndimage
        from skimage.filters import threshold_otsu

        if not images:
            raise UserError("There is no image.", "Expected at least one.", "Add images.")
        encoded = [codec.encode_image(image) for image in images[:MAX_IMAGES]]
        smooth = [ndimage.gaussian_filter(one.mean(0), SMOOTH) for one in encoded]
        border = float(threshold_otsu(np.concatenate([one.ravel() for one in smooth])))
        return measure_tones(encoded, [(one > border) == bright for one in smooth], 1)

    @property
    def classes(self) -> int:
        """Number of classes of objects."""
        return len(self.means) - 1


def measure_tones(encoded: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[Any]], classes: int) -> Tones:
    """Measure tones where it is known what is an object.

    Parameters
    ----------
    encoded : sequence of NDArray (C, Y, X) float32 in [-1, 1]
        Images.
    labels : sequence of NDArray (Y, X)
        0 is background; with one class every other label is an object, else labels are the classes.
    classes : int
        K; a class without any pixel has the tone of the background.
    """
    means: list[NDArray[Any]] = []
    spreads: list[NDArray[Any]] = []
    for number in range(classes + 1):
        tones, areas = _tones_of(encoded, [_of_class(one, number, classes) for one in labels], number == 0)
        if not len(areas):
            means.append(means[0] if means else np.zeros(len(encoded[0]), np.float32))
            spreads.append(np.zeros(len(encoded[0]), np.float32))
            continue
        mean = np.average(tones, axis=0, weights=areas)
        means.append(mean)
        spreads.append(np.sqrt(np.average((tones - mean) ** 2, axis=0, weights=areas)))
    return Tones(np.array(means, np.float32), np.array(spreads, np.float32))


def _of_class(labels: NDArray[Any], number: int, classes: int) -> NDArray[np.int32]:
    """Number the objects of a class; of the background every pixel is 1."""
    if number == 0:
        return np.asarray(labels == 0, np.int32)
    objects = labels if classes == 1 else np.where(labels == number, number, 0)
    return pieces_of(np.asarray(objects, np.int32))


def _tones_of(
    encoded: Sequence[NDArray[np.float32]], objects: Sequence[NDArray[np.int32]], whole: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (n, C) and area (n,) of every object, or of the background of each image."""
    tones, areas = [], []
    for image, pieces in zip(encoded, objects, strict=True):
        area = np.bincount(pieces.ravel())[1:]
        sums = [np.bincount(pieces.ravel(), weights=channel.ravel())[1:] for channel in image]
        here = area > 0
        tones.append((np.stack(sums, 1) / np.maximum(area, 1)[:, None])[here])
        areas.append(area[here].astype(float))
    return np.concatenate(tones), np.concatenate(areas)


def draw_sketch(
    labels: NDArray[np.integer[Any]], tones: Tones, rng: np.random.Generator, blur: float = BLUR
) -> NDArray[np.float32]:
    """Draw a mask as flat tones that vary from object to object, with soft edges.

    Parameters
    ----------
    labels : NDArray (Y, X) int
        With one class every label is an object, else labels are the classes 1..K.
    tones : Tones
        Brightness of background and objects.
    rng : numpy.random.Generator
        Source of the tones of the objects.
    blur : float
        Standard deviation of the blur, px.

    Returns
    -------
    NDArray (C, Y, X) float32 in [-1, 1]

    Raises
    ------
    UserError
        If a label has no tone.
    """
    if tones.classes > 1 and labels.max(initial=0) > tones.classes:
        raise UserError(
            f"The mask has the class {labels.max()}.",
            f"Expected 0 to {tones.classes}, for which there are tones.",
            "Measure the tones with all classes.",
        )
    pieces = pieces_of(labels.astype(np.int32))
    number = int(pieces.max(initial=0))
    kind = np.zeros(number + 1, np.int64)
    kind[pieces.ravel()] = np.minimum(labels.ravel(), tones.classes) if tones.classes > 1 else labels.ravel() > 0
    drawn = tones.means[kind] + tones.spreads[kind] * rng.standard_normal((number + 1, 1))
    from scipy import ndimage

    sketch = ndimage.gaussian_filter(drawn[pieces].transpose(2, 0, 1), (0, blur, blur))
    return np.asarray(np.clip(sketch, -1, 1), np.float32)
