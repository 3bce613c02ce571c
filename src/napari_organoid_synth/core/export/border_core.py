"""Instances as two classes, core and border, for programs that know classes alone; and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CORE, BORDER = 1, 2
WIDTH = 2
"""Width of the border, px."""


def to_border_core(labels: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Divide each object into a core and a border of 2 px inside its edge.

    Each object has one core in one piece, so that cores can be counted: of several pieces the largest stays core, and
    an object too thin for a core keeps its innermost pixels. An edge of the image is not an edge of an object.

    Parameters
    ----------
    labels : NDArray (Y, X), whole numbers
        A number per object, 0 is background.

    Returns
    -------
    NDArray (Y, X) uint8
        0 background, 1 core, 2 border.
    """
    from scipy import ndimage
    from skimage.segmentation import find_boundaries

    labels = np.asarray(labels)
    result = np.where(labels > 0, BORDER, 0).astype(np.uint8)
    inner = (labels > 0) & ~find_boundaries(labels, connectivity=2, mode="inner")
    depth = ndimage.distance_transform_cdt(inner, "chessboard") if not inner.all() else np.full(labels.shape, WIDTH)
    for number, place in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if place is None:
            continue
        own = labels[place] == number
        within = np.where(own, depth[place], -1)
        core, n_pieces = ndimage.label(within >= min(WIDTH, within.max()))
        largest = 1 + int(np.argmax(np.bincount(core.ravel())[1:])) if n_pieces > 1 else 1
        result[place][core == largest] = CORE
    return result


def from_border_core(classes: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Turn core and border back into objects: each core is one, and grows over the border beside it.

    Parameters
    ----------
    classes : NDArray (Y, X), whole numbers
        0 background, 1 core, 2 border, such as a prediction of nnU-Net.

    Returns
    -------
    NDArray (Y, X) int32
        A number per object, 0 is background; a border without core is left out.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    classes = np.asarray(classes)
    cores, _ = ndimage.label(classes == CORE)
    distance = ndimage.distance_transform_edt(cores == 0)
    objects: NDArray[np.int32] = watershed(distance, cores, mask=(classes == CORE) | (classes == BORDER))
    return objects.astype(np.int32)
