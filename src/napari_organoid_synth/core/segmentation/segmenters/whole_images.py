"""Whole images on the terms of the spheroid study: which are drawn, what the loss weighs, how masks are cleaned.

What networks of a comparison share, so that they differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_organoid_synth.core.job import Event, Warned
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.network_input import whole_size
from napari_organoid_synth.core.segmentation.segmenters.whole_images_config import WholeImagesConfig, is_hard

# --- training ---


def favoured(pool: CropPool, config: WholeImagesConfig, facts: dict[str, str]) -> Generator[Event, None, CropPool]:
    """Return the pool from which hard images are drawn as often as the settings say; their number goes to ``facts``.

    Yields
    ------
    Warned
        If all images are hard, or none.
    """
    if not config.hard:
        return pool
    hard = [is_hard(pair, config.hard) for pair in pool.real]
    facts["hard"] = f"{sum(hard)} of {len(hard)} images"
    if len(set(hard)) < 2:
        subject = f"All {len(hard)} training images are" if hard[0] else f"None of {len(hard)} training images is"
        yield Warned(0, f"{subject} hard by '{config.hard}': all are drawn equally often.")
    return pool.favouring(hard, config.hard_share)


def weighted_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, foreground: float = 3.0, cap: float = 1000.0
) -> torch.Tensor:
    """Compute the cross entropy with classes weighted by their rarity in the image, mean over pixels.

    Parameters
    ----------
    logits : Tensor (N, K, Y, X) float32
        Class 0 is background, its weight is 1.
    target : Tensor (N, Y, X) int64
        Classes 0..K-1.
    foreground : float
        Class k of an image weighs ``foreground`` · N_0 / N_k; 1 where either is 0.
    cap : float
        Largest weight.

    Examples
    --------
    >>> logits, target = torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 0, 1]]])
    >>> round(float(weighted_cross_entropy(logits, target) / np.log(2)), 4)  # (1 + 1 + 1 + 9) / 4
    3.0
    """
    kinds = torch.arange(logits.shape[1], device=target.device)
    counts = (target[:, None] == kinds[:, None, None]).sum(dim=(2, 3)).float()  # (N, K)
    background = counts[:, :1]
    weights = (foreground * background / counts.clamp(min=1)).clamp(max=cap)
    weights = torch.where((counts > 0) & (background > 0) & (kinds > 0), weights, torch.ones_like(weights))
    each = weights.gather(1, target.flatten(1)).view_as(target)
    return (each * F.cross_entropy(logits, target, reduction="none")).mean()


def turned(
    images: NDArray[np.float32], labels: NDArray[np.int32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Turn and mirror a batch (N, C, Y, X) and (N, Y, X) by one of the eight symmetries of the square."""
    quarters, mirror = int(rng.integers(4)), bool(rng.integers(2))
    if mirror:
        images, labels = images[..., ::-1], labels[..., ::-1]
    images, labels = np.rot90(images, quarters, (-2, -1)), np.rot90(labels, quarters, (-2, -1))
    return np.ascontiguousarray(images), np.ascontiguousarray(labels)


# --- from probabilities to objects ---


def objects_of(
    shares: NDArray[np.float32], config: WholeImagesConfig, side: int, single: bool, instances: bool
) -> NDArray[np.int32]:
    """Return the label image of an image from probabilities (1 + K, Y, X) of background and classes.

    Parameters
    ----------
    shares : NDArray (1 + K, Y, X) float32
        At the size of the image.
    config : WholeImagesConfig
        How masks are cleaned.
    side : int
        Longer side to which the image was resized, px.
    single : bool
        Whether no training mask has two objects of a class.
    instances : bool
        Number the connected pieces of the foreground.
    """
    largest = config.objects == "largest" or (config.objects == "auto" and single)
    smallest = min_area(config.smallest, side, (shares.shape[1], shares.shape[2]))
    labels = clean(shares, config.threshold, config.fill_holes, smallest, largest)
    return _pieces(labels > 0)[0] if instances else labels


def clean(shares: NDArray[np.float32], threshold: int, fill: bool, smallest: float, largest: bool) -> NDArray[np.int32]:
    """Classify pixels, fill holes and drop small pieces.

    Parameters
    ----------
    shares : NDArray (1 + K, Y, X) float32
        Probabilities of background and classes.
    threshold : int
        A pixel is foreground where its probability, as 8-bit number, is above this.
    fill : bool
        Fill holes; pixels of another class stay.
    smallest : float
        Pieces of fewer px are dropped; diagonal neighbours are connected.
    largest : bool
        Keep only the largest piece of each class.

    Returns
    -------
    NDArray (Y, X) int32
        0..K; the likeliest class of each foreground pixel.
    """
    from scipy.ndimage import binary_fill_holes

    foreground = np.rint(255 * (1 - shares[0])) > threshold
    labels: NDArray[np.int32] = np.where(foreground, shares[1:].argmax(axis=0) + 1, 0).astype(np.int32)
    for value in range(1, len(shares)):
        mask = labels == value
        if fill:
            mask |= binary_fill_holes(mask) & (labels == 0)
        pieces, sizes = _pieces(mask)
        keep = (sizes > 0) & (sizes >= smallest)
        if largest:
            keep &= np.arange(len(sizes)) == sizes.argmax()
        labels[labels == value] = 0
        labels[keep[pieces]] = value
    return labels


def _pieces(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Label connected pieces 1..n and count the pixels of each; the background (piece 0) counts 0."""
    from scipy.ndimage import label

    pieces, _ = label(mask, structure=np.ones((3, 3)), output=np.int32)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces, sizes


def is_single(pair: SamplePair, smallest: float) -> bool:
    """Return whether each class of the mask has at most one object of at least so many px."""
    values = [value for value in np.unique(pair.labels) if value]
    if pair.mask_kind == "instances":
        return len(values) < 2
    return all(np.count_nonzero(_pieces(pair.labels == value)[1] >= smallest) < 2 for value in values)


def min_area(smallest: int, side: int, size: tuple[int, int]) -> float:
    """Convert px of the resized image, whose longer side is ``side``, to px of an image of a size (Y, X)."""
    height, width = whole_size(size, side)
    return smallest * size[0] * size[1] / (height * width)
