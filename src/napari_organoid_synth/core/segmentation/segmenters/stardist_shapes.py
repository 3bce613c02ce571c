"""Star-convex shapes that compete for an image, and the thresholds that decide between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.segmentation.segmenters.stardist_net import THRESHOLDS

OVERLAPS = 0.3, 0.4, 0.5
"""Overlap thresholds that are tried."""
MATCHES = 0.3, 0.5, 0.7
"""Intersection over union at which thresholds are judged."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """Star-convex shapes proposed in an image, row by row.

    Parameters
    ----------
    size : (int, int)
        Of the image, px.
    points : NDArray (n, 2) int, px
        Their origins (y, x).
    prob : NDArray (n,) float32 in [0, 1]
    dist : NDArray (n, rays) float32, px
        Above 0.
    """

    size: tuple[int, int]
    points: NDArray[np.int64]
    prob: NDArray[np.float32]
    dist: NDArray[np.float32]

    def labels(self, prob_threshold: float, overlap_threshold: float) -> NDArray[np.int32]:
        """Return the objects (Y, X): of two that overlap by more than the threshold the more probable one."""
        from stardist.geometry import polygons_to_label
        from stardist.nms import non_maximum_suppression_sparse

        likely = self.prob > np.float32(prob_threshold)
        if not likely.any():
            return np.zeros(self.size, np.int32)
        points, prob, dist, _ = non_maximum_suppression_sparse(
            self.dist[likely], self.prob[likely], self.points[likely], nms_thresh=overlap_threshold
        )
        labels: NDArray[np.int32] = polygons_to_label(dist, points, self.size, prob)
        return labels


def fit_thresholds(proposed: Sequence[Shapes], truth: Sequence[NDArray[np.int32]]) -> tuple[float, float]:
    """Choose both thresholds by the mean accuracy of objects at IoU 0.3, 0.5 and 0.7, as stardist does.

    Parameters
    ----------
    proposed : sequence of Shapes
        Of each image.
    truth : sequence of NDArray (Y, X) int32
        Its objects, at least one in each.

    Returns
    -------
    probability, overlap : float
        The defaults where no threshold finds an object.
    """
    from stardist.utils import optimize_threshold

    top = max((float(shapes.prob.max(initial=0)) for shapes in proposed), default=0.0)
    best, thresholds = 0.0, THRESHOLDS
    for overlap in OVERLAPS if top > 0 else ():
        threshold, accuracy = optimize_threshold(
            truth,
            [(shapes,) for shapes in proposed],
            model=_Marker(),
            nms_thresh=overlap,
            iou_threshs=MATCHES,
            bracket=(top / 2, top),
            verbose=0,
        )
        if accuracy > best:
            best, thresholds = accuracy, (float(np.clip(threshold, top / 2, top)), overlap)
    return thresholds


class _Marker:
    """Model that stardist's search for thresholds calls."""

    @staticmethod
    def _instances_from_prediction(
        shape: tuple[int, int], shapes: Shapes, prob_thresh: float, nms_thresh: float
    ) -> tuple[NDArray[np.int32], None]:
        return shapes.labels(prob_thresh, nms_thresh), None
