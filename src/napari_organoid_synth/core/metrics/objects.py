"""Number, size and cover of the objects in a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from napari_organoid_synth.core.metrics.base import Metric, Score
from napari_organoid_synth.core.metrics.network import only_thin
from napari_organoid_synth.core.pairs.pair import SamplePair

MAX_COVER = 0.98


def object_areas(pair: SamplePair) -> list[int]:
    """Count the pixels of every object: of every id for instances, else of every connected piece (8 neighbours)."""
    labels = pair.labels
    if pair.mask_kind != "instances":
        from skimage.measure import label

        labels = label(labels, background=0, connectivity=2)
    ids, areas = np.unique(labels, return_counts=True)
    return [int(area) for id, area in zip(ids, areas, strict=True) if id != 0]


class Objects(Metric):
    """Whether a mask holds as many objects, as large, as real masks do.

    Where no real tile has an object, the images have no masks: an empty mask is right then, and there are no ranges.
    Networks, such as membranes, are not judged by number and area of their pieces: every gap changes them (see
    `metrics.network`).
    """

    name = "objects"
    title = "Objects"
    scores = (
        Score("objects", "Number of objects"),
        Score("mean_area", "Mean area", "px", is_log=True),
        Score("covered", "Share covered by objects"),
        Score("valid", "Usable mask", better="high", unusual=""),
    )
    flag_name = "mask"

    _with_masks, _with_objects = True, True

    def fit(self, real: Sequence[SamplePair]) -> Self:
        """Take ranges from real tiles."""
        self._with_masks = any(pair.labels.any() for pair in real)
        if self._with_masks:
            self._fit_ranges(real)
        self._with_objects = self._with_masks and not only_thin(real)
        if self._with_masks and not self._with_objects:
            for name in ("objects", "mean_area"):
                del self.ranges[name], self.real_values[name]
        return self

    def __call__(self, pair: SamplePair) -> dict[str, float]:
        """Compute count, mean area in px (0 without objects), share of pixels, and 1 for a usable mask.

        Usable: not empty (unless no real image has a mask), and not more than 98 % object (named classes may fill an
        image).
        """
        areas = object_areas(pair)
        covered = sum(areas) / pair.labels.size
        valid = (bool(areas) or not self._with_masks) and (pair.mask_kind == "classes" or covered <= MAX_COVER)
        mean_area = sum(areas) / len(areas) if areas else 0.0
        return {"objects": float(len(areas)), "mean_area": mean_area, "covered": covered, "valid": float(valid)}

    def is_flagged(self, values: dict[str, float]) -> bool:
        """Return whether the mask is unusable."""
        return not values["valid"]

    def describe(self, values: dict[str, float]) -> str:
        """Describe the number of objects, and anything unusual about them."""
        count = int(values["objects"])
        if not values["valid"]:
            return "empty mask" if count == 0 else f"mask covers {100 * values['covered']:.0f} %"
        if count == 0:
            return ""
        words = f"{count} object{'s' if count != 1 else ''}"
        if not self._with_objects:
            return words
        number = self.ranges["objects"].word(count, "fewer", "", "more")
        size = self.ranges["mean_area"].word(values["mean_area"], "smaller", "", "larger")
        unusual = " and ".join(word for word in (number, size) if word)
        return f"{words} ({unusual} than real)" if unusual else words
