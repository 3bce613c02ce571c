"""Tones: how bright an image is, and how far its grey levels reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from napari_organoid_synth.core.metrics.base import Metric, Score, intensity_limits, to_grey
from napari_organoid_synth.core.pairs.pair import SamplePair


class Tones(Metric):
    """Whether an image is as bright, and as rich in contrast, as real ones."""

    name = "tones"
    title = "Tones"
    scores = (
        Score("brightness", "Median grey level (0 to 1)"),
        Score("contrast", "Grey levels from the 5th to the 95th percentile"),
    )

    def fit(self, real: Sequence[SamplePair]) -> Self:
        """Take intensity limits and ranges from real tiles."""
        self._limits = intensity_limits(real)
        self._fit_ranges(real)
        return self

    def __call__(self, pair: SamplePair) -> dict[str, float]:
        """Compute median and reach of the mean of the channels; 0 and 1 are the limits of real intensities."""
        low, middle, high = np.percentile(to_grey(pair.image, self._limits), (5, 50, 95))
        return {"brightness": float(middle), "contrast": float(high - low)}

    def describe(self, values: dict[str, float]) -> str:
        """Describe an image that is darker, brighter, paler or harder than any real one."""
        bright = self.ranges["brightness"].word(values["brightness"], "darker", "", "brighter")
        reach = self.ranges["contrast"].word(values["contrast"], "paler", "", "harder")
        unusual = " and ".join(word for word in (bright, reach) if word)
        return f"{unusual} than real" if unusual else ""
