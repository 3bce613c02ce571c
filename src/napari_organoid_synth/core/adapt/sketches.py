"""Objects drawn by rule, on which side of the background objects lie, and whether a painter swapped that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.adapt.sizes import contrast
from napari_organoid_synth.core.adapt.sketch_settings import FIELD, ObjectSettings
from napari_organoid_synth.core.adapt.tones import grey
from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.population import PopulationSettings, draw_labels

TOP = 0.02
"""Share of the pixels with the strongest answer; the least of them counts."""
MOST_IMAGES = 8
SMOOTH = 1.5
"""σ, px, of the blur before a threshold."""
ALIKE = 0.8
"""Share of the painted pairs whose objects must lie on the right side of the background."""
LEAST_CONTRAST = 0.05
"""Difference, where an image spans 0 to 1, below which objects cannot be told from the background."""
TRIES = 50


def draw_objects(objects: ObjectSettings, size: int, seed: int) -> NDArray[np.int32]:
    """Draw a mask (size, size) by rule; never an empty one, if a field holds objects at all."""
    wanted = PopulationSettings.parse(
        {
            **objects.model_dump(),
            "field": FIELD,
            "clusters": 3 if objects.clustering else 0,
            "spread": 2 * float(np.mean(objects.radius)),
        }
    )
    rng = np.random.default_rng(seed)
    labels = draw_labels(wanted, rng, size)
    for _ in range(TRIES):
        if labels.any():
            break
        labels = draw_labels(wanted, rng, size)
    return labels


def objects_are_bright(images: Sequence[NDArray[Any]], radius: float) -> bool:
    """Return whether spots of a size are rather brighter than darker than what is around them.

    The answer to a Laplacian of Gaussian at that size (σ = radius / √2) has two tails; the longer one decides.

    Parameters
    ----------
    images : sequence of NDArray (C, Y, X)
        At most eight are looked at.
    radius : float
        Of the objects, px.
    """
    from scipy.ndimage import gaussian_laplace

    tails = np.zeros(2)
    for image in images[:MOST_IMAGES]:
        answer = -gaussian_laplace(grey(image), max(1.0, radius / 2**0.5), mode="reflect")
        tails += np.quantile(answer, 1 - TOP), -np.quantile(answer, TOP)
    return bool(tails[0] >= tails[1])


def threshold(image: NDArray[Any], bright: bool, mask_kind: str) -> NDArray[np.int32]:
    """Segment an image (C, Y, X) without learning: blur, Otsu's threshold (1979), connected pieces of 15 px or more."""
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    plane = gaussian_filter(grey(image), SMOOTH)
    level = threshold_otsu(plane)
    pieces = pieces_of(((plane > level) == bright).astype(np.int32))
    large = np.bincount(pieces.ravel()) >= 15
    large[0] = False
    numbers = np.cumsum(large) * large if mask_kind == "instances" else large
    labels: NDArray[np.int32] = numbers.astype(np.int32)[pieces]
    return labels


def share_on_side(pairs: Sequence[SamplePair], bright: bool) -> float:
    """Return the share of pairs whose objects are clearly on a side of the background: brighter, or darker."""
    sign = 1 if bright else -1
    return float(np.mean([sign * contrast(pair) > LEAST_CONTRAST for pair in pairs]))
