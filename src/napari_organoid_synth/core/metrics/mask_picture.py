"""Masks as pictures, so that the features that compare images compare masks too (mask space)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.heatflow import encode
from napari_organoid_synth.core.metrics.nearest import shrink
from napari_organoid_synth.core.pairs.pair import SamplePair

FLOWS = "masks as heat flows, arrows from -1 to 1"
CLASSES = "masks as one map for each class"


def mask_picture(pair: SamplePair, objects: NDArray[np.int32], side: int) -> NDArray[np.float16]:
    """Return a mask as a picture.

    Parameters
    ----------
    pair : SamplePair
        Of any mask kind.
    objects : NDArray (Y, X) int32
        Its objects, 0 is background; of classes not used.
    side : int
        Of the picture, px.

    Returns
    -------
    NDArray (3, side, side) or (K, side, side) float16 in [0, 1]
        The heat flow that generators draw, as the tissue study compares masks: object, dy, dx, with 0.5 for arrows of
        length 0. Of classes, whose masks are no flows, the share of each pixel that each of the K classes covers.
    """
    if pair.mask_kind == "classes":
        planes = np.stack([pair.labels == value + 1 for value in range(len(pair.class_names))])
        return shrink(planes.astype(np.float32), side).astype(np.float16)
    rows, columns = (((np.arange(side) + 0.5) * length / side).astype(np.intp) for length in objects.shape)
    return ((encode(objects[np.ix_(rows, columns)]) + 1) / 2).astype(np.float16)
