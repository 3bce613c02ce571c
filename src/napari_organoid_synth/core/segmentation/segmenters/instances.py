"""Instances as three classes (background, inside, outline) and back; without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pictures import outline

MIN_AREA = 15
"""Smaller instances are dropped, px."""


def outline_classes(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the class of each pixel of a label image (Y, X): 0 background, 1 inside, 2 outline."""
    classes: NDArray[np.int64] = (labels > 0).astype(np.int64) + outline(labels)
    return classes


def split_instances(shares: NDArray[np.float32]) -> NDArray[np.int32]:
    """Separate objects by the probabilities of background, inside and outline.

    Parameters
    ----------
    shares : NDArray (3, Y, X) float32
        They sum to 1.

    Returns
    -------
    NDArray (Y, X) int32
        Ids 1..n. Each connected inside grows over the foreground around it; connected foreground without an inside is
        one more object; objects below 15 px are dropped. Holes stay holes.
    """
    from scipy.ndimage import label
    from skimage.segmentation import watershed

    foreground = shares[0] < 0.5
    touching = np.ones((3, 3))  # an inside of 1 px, as in a ring, is connected at its corners; those of two never are
    insides, n = label(foreground & (shares[1] > shares[2]), touching)
    objects = watershed(-shares[1], insides, mask=foreground)
    rest, _ = label(foreground & (objects == 0), touching)
    objects = np.where(rest > 0, rest + n, objects)
    keep = np.bincount(objects.ravel()) >= MIN_AREA
    keep[0] = False
    labels: NDArray[np.int32] = np.where(keep, np.cumsum(keep), 0)[objects].astype(np.int32)
    return labels
