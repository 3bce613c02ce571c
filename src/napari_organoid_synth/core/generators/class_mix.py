"""Image classes as what networks see of them: a vector of one class, or between those of several."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def class_vectors(image_class: Tensor, weight: Tensor) -> Tensor:
    """Return the vector of each sample's class, or the weighted mean of several.

    Parameters
    ----------
    image_class : Tensor (N,) int64 or (N, K) float32
        Classes, or the share of each class in each sample.
    weight : Tensor (K, L)
        One vector per class.

    Returns
    -------
    Tensor (N, L)
    """
    if image_class.is_floating_point():
        return image_class.to(weight.dtype) @ weight
    return functional.embedding(image_class, weight)


def class_shares(image_class: Tensor, classes: int) -> Tensor:
    """Return the share (N, K) of each class: one-hot numbers of (N,) int64, or the shares that are given."""
    return image_class if image_class.is_floating_point() else functional.one_hot(image_class, classes)
