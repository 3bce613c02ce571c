"""Networks and thin structures (membranes, fibres, vessels): length and junctions of the skeleton of a mask.

Objects are counted and measured; a network is one object whose area says little and whose number changes with every
gap. Its middle line says more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import Metric, Score
from napari_organoid_synth.core.pairs.pair import SamplePair

MIN_SLIMNESS = 10  # times as long as wide: thin
MIN_SHARE = 0.5  # of a class that has to lie in thin pieces
PROBE = 20  # masks that are looked at for it
_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def skeleton(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the middle lines of a mask (Y, X), one pixel wide; scikit-image's ``skeletonize`` (Zhang & Suen 1984)."""
    from skimage.morphology import skeletonize

    inside = np.asarray(mask) != 0
    return np.asarray(skeletonize(inside), bool) if inside.any() else inside


def _neighbours(lines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the eight neighbours of every pixel in the order around it, (8, Y, X)."""
    padded = np.pad(lines, 1)
    rows, columns = lines.shape
    return np.stack([padded[1 + y : 1 + y + rows, 1 + x : 1 + x + columns] for y, x in _AROUND])


def length(lines: NDArray[np.bool_]) -> float:
    """Compute the length of a skeleton, px: steps along rows and columns are 1, diagonal ones √2.

    A diagonal step counts only where no pixel beside it makes two straight ones.

    Examples
    --------
    >>> length(np.eye(4, dtype=bool)) / 2**0.5
    3.0
    """
    straight = np.count_nonzero(lines[1:] & lines[:-1]) + np.count_nonzero(lines[:, 1:] & lines[:, :-1])
    a, b, c, d = lines[:-1, :-1], lines[1:, 1:], lines[:-1, 1:], lines[1:, :-1]
    diagonal = np.count_nonzero(a & b & ~c & ~d) + np.count_nonzero(c & d & ~a & ~b)
    return float(straight + np.sqrt(2) * diagonal)


def junctions(lines: NDArray[np.bool_]) -> int:
    """Count the places of a skeleton where three or more lines meet; touching pixels are one place."""
    from skimage.measure import label

    around = _neighbours(lines)
    lines_out = (~around & np.roll(around, -1, axis=0)).sum(0)
    return int(label(lines & (lines_out >= 3), connectivity=2).max())


def is_thin(masks: Sequence[NDArray[Any]]) -> bool:
    """Return whether more than half of the area of masks lies in pieces at least ten times as long as wide.

    Length is the number of pixels of the skeleton, width the area over it.
    """
    from skimage.measure import label

    thin = total = 0.0
    for mask in masks:
        pieces = label(np.asarray(mask) != 0, connectivity=2)
        area = np.bincount(pieces.ravel())[1:]
        long = np.bincount(pieces[skeleton(mask)], minlength=len(area) + 1)[1:]
        thin += area[long * long >= MIN_SLIMNESS * area].sum()
        total += area.sum()
    return bool(thin > MIN_SHARE * total)


def thin_classes(pairs: Sequence[SamplePair]) -> tuple[int, ...]:
    """Return the label values of classes that are thin in real masks; none where masks tell objects apart."""
    pairs = [pair for pair in pairs if pair.mask_kind != "instances" and pair.labels.any()]
    number = min(PROBE, len(pairs))
    probe = [pairs[index * len(pairs) // number].labels for index in range(number)]
    values = sorted({int(value) for labels in probe for value in np.unique(labels)} - {0})
    return tuple(value for value in values if is_thin([labels == value for labels in probe]))


def only_thin(pairs: Sequence[SamplePair]) -> bool:
    """Return whether all classes of real masks are thin, so that number and area of objects say nothing."""
    thin = set(thin_classes(pairs))
    values = {int(value) for pair in pairs for value in np.unique(pair.labels)} - {0}
    return bool(values) and values <= thin


class Network(Metric):
    """Whether thin structures, such as membranes or fibres, are as long and branch as often as in real masks.

    They are judged where classes of the real masks are thin: mostly pieces at least ten times as long as wide.
    """

    name = "network"
    title = "Network"
    scores = (
        Score("skeleton", "Length of the middle lines of the mask", "px"),
        Score("junctions", "Junctions of the middle lines of the mask"),
    )

    def fit(self, real: Sequence[SamplePair]) -> Self:
        """Find the thin classes of real tiles, and take ranges where there are any."""
        self._thin = thin_classes(real)
        if self._thin:
            self._fit_ranges(real)
        return self

    def __call__(self, pair: SamplePair) -> dict[str, float]:
        """Compute length, px, and number of junctions of the thin classes; of all objects where none is thin."""
        values = self._thin or tuple(int(value) for value in np.unique(pair.labels) if value)
        if pair.mask_kind == "instances":
            lines = [skeleton(pair.labels)]
        else:
            lines = [skeleton(pair.labels == value) for value in values]
        return {"skeleton": sum(map(length, lines), 0.0), "junctions": float(sum(map(junctions, lines)))}

    def describe(self, values: dict[str, float]) -> str:
        """Describe a network that is shorter, longer, or branches more or less than any real one."""
        if not self._thin:
            return ""
        long = self.ranges["skeleton"].word(values["skeleton"], "shorter", "", "longer")
        many = self.ranges["junctions"].word(values["junctions"], "fewer junctions", "", "more junctions")
        unusual = " and ".join(word for word in (long, many) if word)
        return f"network: {unusual} than real" if unusual else ""
