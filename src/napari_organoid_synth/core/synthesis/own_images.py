"""Which real images a mask may not be painted from: its own, for that would give the image back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from napari_organoid_synth.core.codec.codec import edges
from napari_organoid_synth.core.pairs.pair import SamplePair

ENOUGH_WARP = 1.0
"""Strength from which on a warped mask is a new one."""
SAME = 0.8
"""Share of common outlines (intersection over union) from which on a mask counts as a real one."""


def is_new_layout(origin: Mapping[str, Any]) -> bool:
    """Return whether a mask may be painted with the image that it was made from where there is no other.

    Parameters
    ----------
    origin : mapping
        Of the mask: its ``kind``, and the strength ``warp`` of a warped one.

    Examples
    --------
    >>> is_new_layout({"kind": "real"}), is_new_layout({"kind": "warped", "warp": 1.0})
    (False, True)
    """
    if origin.get("kind") == "warped":
        return float(origin.get("warp", 0.0)) >= ENOUGH_WARP
    return origin.get("kind") not in {"real", "file", "given"}


def pairs_with_mask(labels: NDArray[np.integer[Any]], pairs: Iterable[SamplePair]) -> frozenset[str]:
    """Return the names of the pairs that hold a mask (Y, X), or a part of it, somewhere in theirs, turned or mirrored.

    Outlines are compared, so that full masks are not alike because they are full. The smaller of the two is looked for
    in the larger one.
    """
    wanted = edges(labels)
    turned = [np.rot90(view, turns) for view in (wanted, wanted[:, ::-1]) for turns in range(4)]
    return frozenset(pair.name for pair in pairs if any(_holds(edges(pair.labels), view) for view in turned))


def _holds(real: NDArray[np.bool_], mask: NDArray[np.bool_]) -> bool:
    """Return whether the smaller of two outlines lies in the larger one; oblong ones are cut to the common part."""
    if mask.size > real.size:
        real, mask = mask, real
    mask = mask[: real.shape[0], : real.shape[1]].astype(np.float32)
    if not mask.any():
        return False
    common = fftconvolve(real.astype(np.float32), mask[::-1, ::-1], mode="valid")
    window = fftconvolve(real.astype(np.float32), np.ones_like(mask), mode="valid")
    return bool((common >= SAME * (mask.sum() + window - common)).any())
