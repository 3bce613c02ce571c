"""Sharpness and noise: energy of fine structure, and blur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import Metric, Score, intensity_limits, to_grey
from napari_organoid_synth.core.pairs.pair import SamplePair

BLOCK = 16


def hf_energy(grey: NDArray[Any]) -> float:
    r"""Compute the mean local variance of the difference from a 3 × 3 median.

    .. math:: p = I - \mathrm{median}_{3×3}(I), \qquad
              \frac{1}{B} \sum_b \frac{1}{|b|} \sum_{i ∈ b} (p_i - \mathrm{median}_b\, p)^2

    over 16 × 16 blocks (what is left at the edges belongs to no block unless the image is smaller than one).

    Parameters
    ----------
    grey : NDArray (Y, X)
        Any number type; computed as float.

    Returns
    -------
    float
        In squared units of the image. Noise raises it, blur lowers it: compare with real images in both directions.
    """
    from scipy.ndimage import median_filter

    grey = np.asarray(grey, dtype=np.float32)
    residue = (grey - median_filter(grey, size=3, mode="nearest")).astype(np.float64)
    side = min(BLOCK, *residue.shape)
    rows, columns = residue.shape[0] // side, residue.shape[1] // side
    blocks = residue[: rows * side, : columns * side].reshape(rows, side, columns, side)
    blocks = blocks.swapaxes(1, 2).reshape(rows * columns, side * side)
    return float(((blocks - np.median(blocks, axis=1, keepdims=True)) ** 2).mean())


class Sharpness(Metric):
    """Whether fine structure is as strong as in real images."""

    name = "sharpness"
    title = "Sharpness"
    scores = (
        Score("hf_energy", "Fine structure", "grey levels²", is_log=True),
        Score("blur", "Blur (0 sharp, 1 blurred)"),
    )

    def fit(self, real: Sequence[SamplePair]) -> Self:
        """Take intensity limits and ranges from real tiles."""
        self._limits = intensity_limits(real)
        self._fit_ranges(real)
        return self

    def __call__(self, pair: SamplePair) -> dict[str, float]:
        """Compute `hf_energy` on 0–255 between the real intensity limits, and scikit-image's ``blur_effect``."""
        from skimage.measure import blur_effect

        grey = to_grey(pair.image, self._limits)
        if np.ptp(grey) == 0 or min(grey.shape) < 3:
            return {"hf_energy": 0.0, "blur": 1.0}
        blur = blur_effect(grey)
        return {"hf_energy": hf_energy(grey * 255), "blur": float(blur)}

    def describe(self, values: dict[str, float]) -> str:
        """Describe whether it is sharp, blurred or noisy compared with real images."""
        energy, blur = self.ranges["hf_energy"], self.ranges["blur"]
        if values["blur"] > blur.high or values["hf_energy"] < energy.low:
            return "blurred"
        return energy.word(values["hf_energy"], "blurred", "sharp", "noisy")
