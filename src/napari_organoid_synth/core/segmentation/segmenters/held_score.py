"""Cheap scores in [0, 1] of what a network predicts on held-back crops; they need no objects, only maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.network_input import normalise, whole_image, whole_labels

Found = TypeVar("Found")
FEWEST, MOST, PER_CROP = 16, 32, 4
"""Held-back crops: four for each crop of a batch, within these bounds."""
Held = tuple[NDArray[np.float32], NDArray[np.int32]]
"""Images (N, C, Y, X), labels (N, Y, X)."""


def held_number(batch: int) -> int:
    """Return the number of held-back crops for batches of a size; scoring them then takes less than training.

    Examples
    --------
    >>> [held_number(batch) for batch in (1, 4, 8, 64)]
    [16, 16, 32, 32]
    """
    return min(max(FEWEST, PER_CROP * batch), MOST)


def held_images(pool: CropPool, batch: int, size: int, whole: bool = False) -> Held | None:
    """Return crops of the held-back pairs, or these as a whole; None if there are none.

    Parameters
    ----------
    pool : CropPool
        With its ``held`` pairs.
    batch, size : int
        Crops of a training step; their side, px.
    whole : bool
        Take whole images, resized by `whole_image`.
    """
    number = held_number(batch)
    if not pool.held or not whole:
        return pool.held_crops(number, size) if pool.held else None
    pairs = pool.held[:number]
    images = [whole_image(normalise(pair.image, *pool.usual.range_of(pair.image)), size) for pair in pairs]
    return np.stack(images), np.stack([whole_labels(pair.labels, size) for pair in pairs])


def in_batches(predict: Callable[..., Found], batch: int, *arrays: Tensor) -> list[Found]:
    """Call a function with batch after batch of tensors (N, ...), and return its results."""
    return [predict(*(one[start : start + batch] for one in arrays)) for start in range(0, len(arrays[0]), batch)]


def mean_dice(found: Tensor, truth: Tensor, classes: int, scored: Sequence[int] = ()) -> Tensor:
    """Compute the mean Dice of the classes that are in the truth, pixels of all images together.

    Parameters
    ----------
    found, truth : Tensor of int64, of one shape
        Class of each pixel, 0 is background.
    classes : int
        Number, background included.
    scored : sequence of int
        Classes that count; empty: all but the background.

    Returns
    -------
    Tensor ()
        Without any class that counts in the truth, the share of pixels that are found to be background.

    Examples
    --------
    >>> truth = torch.tensor([0, 1, 1, 2])
    >>> mean_dice(torch.tensor([1, 1, 1, 0]), truth, 4).item()  # 0.8 and 0; class 3 is not there
    0.4000000059604645
    >>> round(mean_dice(torch.tensor([1, 1, 1, 0]), truth, 4, scored=[1]).item(), 4)
    0.8
    """
    counts = torch.bincount(found.flatten() * classes + truth.flatten(), minlength=classes**2).view(classes, classes)
    both, of_found, of_truth = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
    there = of_truth[1:] > 0
    if scored:
        there &= torch.isin(torch.arange(1, classes, device=there.device), torch.tensor(scored, device=there.device))
    dice = 2 * both[1:] / (of_found[1:] + of_truth[1:]).clamp(min=1)
    return torch.where(there.any(), (dice * there).sum() / there.sum().clamp(min=1), both[0] / of_found.sum())


def overlap(found: Tensor, truth: Tensor) -> Tensor:
    """Compute the sums of the smaller and of the larger of two non-negative numbers; their ratio is a soft IoU.

    Returns
    -------
    Tensor (2,)

    Examples
    --------
    >>> overlap(torch.tensor([1.0, 0.0, 0.5]), torch.tensor([1.0, 1.0, 0.0])).tolist()
    [1.0, 2.5]
    """
    return torch.stack([torch.minimum(found, truth).sum(), torch.maximum(found, truth).sum()])
