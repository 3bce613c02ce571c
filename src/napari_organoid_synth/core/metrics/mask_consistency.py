r"""Match of mask and image: whether they belong together.

Real pairs are compared with real images under the masks of other images. Eight traits of a pair (see `traits`) tell the
two apart by the discriminant of Fisher 1936 with equal covariances,

.. math:: z = w \cdot (x - \tfrac12 (μ_1 + μ_0)), \qquad w = (Σ + 0.1\,\bar σ^2 I)^{-1} (μ_1 - μ_0),

with the mean variance :math:`\barσ^2`. :math:`z_0` is what 5 of 100 real pairs stay below when images are put aside in
turn. The score is 0.5 there, and so below 0.5 for few real pairs,

.. math:: 0.5 + 0.5\,G(z) \text{ from } z_0 \text{ on}, \qquad 0.5 / (1 + (z_0 - z) / w) \text{ below},

with :math:`G` the share of those put aside, of the 95 of 100, that fit worse, and :math:`w` the distance of their
median from :math:`z_0`: the median real pair has about 0.75, and pairs above :math:`z_0` are told apart, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import Metric, RealRange, Score, intensity_limits, to_grey
from napari_organoid_synth.core.metrics.groups import group_of, related
from napari_organoid_synth.core.metrics.real_tiles import PREDICTED
from napari_organoid_synth.core.pairs.pair import SamplePair

TRAITS = 8
LEVELS = 16  # grey levels, as many pixels in each
BAND = 3  # px on either side of an outline
SHIFT = 6  # px by which an outline is moved for comparison
MAX_TILES = 150  # real tiles
OTHER_MASKS = 3  # strange masks for each of them
FOLDS = 5
REJECTED_SHARE = 0.05
THRESHOLD = 0.5  # of the score
MIN_DETECTED = 0.5  # share of strange masks that has to be found for the score to say something


class MaskConsistency(Metric):
    """Whether a mask belongs to its image, learned from the real pairs.

    Attributes
    ----------
    detected : float
        Share of strange masks on real images of the folds put aside that are below 0.5; NaN when it could not be
        learned: too few tiles, or none with objects.
    rejected : float
        The same of right real pairs, about 0.05.
    """

    name = "fits"
    title = "Mask fits image"
    scores = (Score("fits", "Mask fits image (below 0.5: as few real pairs)", better="high", unusual="low"),)

    def fit(self, real: Sequence[SamplePair]) -> Self:
        """Learn from real tiles and from their images under masks of other images.

        Tiles whose masks were predicted are left out as long as six with drawn ones, of two images, remain.
        """
        self._limits = intensity_limits(real)
        self._weights: NDArray[np.float64] | None = None
        self.detected = self.rejected = np.nan
        with_objects = _drawn([index for index, pair in enumerate(real) if pair.labels.any()], real)
        number = min(MAX_TILES, len(with_objects))
        places = [with_objects[index * len(with_objects) // number] for index in range(number)]
        tiles = [real[place] for place in places]
        labels = [group_of(pair) for pair in tiles]
        groups, independent = np.array([labels.index(label) for label in labels]), ~related(labels)
        if len(np.unique(groups)) < 2:
            groups = np.arange(len(tiles))  # one image: its tiles stand for images
            independent = groups[:, None] != groups[None]
        if len(tiles) < 2 * OTHER_MASKS:
            return self
        greys = [to_grey(pair.image, self._limits) for pair in tiles]
        rng = np.random.default_rng(0)
        rows, right, group = [], [], []
        for index, (grey, pair) in enumerate(zip(greys, tiles, strict=True)):
            others = np.flatnonzero(independent[index] & [one.size == pair.size for one in tiles])
            strange = rng.choice(others, min(OTHER_MASKS, len(others)), replace=False)
            for mask in (index, *strange):
                rows.append(traits(grey, tiles[mask].labels))
                right.append(mask == index)
                group.append(groups[index])
        margins = self._calibrate(np.array(rows), np.array(right), np.array(group))
        if margins is not None and self.useful:
            self.real_values["fits"] = np.full(len(real), np.nan)
            self.real_values["fits"][places] = self._score(margins)
            self.ranges["fits"] = RealRange(self.real_values["fits"])
        return self

    def _calibrate(
        self, rows: NDArray[np.float64], right: NDArray[np.bool_], group: NDArray[np.intp]
    ) -> NDArray[np.float64] | None:
        """Compute the discriminant of all tiles, and its threshold and rates from held-out folds of images.

        Returns the values of the right pairs put aside, or None where there is no mask of another image.
        """
        if right.all():
            return None
        order = np.random.default_rng(1).permutation(np.unique(group))
        z = np.full(len(rows), np.nan)
        for fold in range(min(FOLDS, len(order))):
            aside = np.isin(group, order[fold::FOLDS])
            z[aside] = _apply(_discriminant(rows[~aside], right[~aside]), rows[aside])
        self._weights = _discriminant(rows, right)
        self._edge = float(np.quantile(z[right], REJECTED_SHARE))
        self.rejected, self.detected = float((z[right] < self._edge).mean()), float((z[~right] < self._edge).mean())
        self._kept = np.sort(z[right & (z > self._edge)])
        return z[right]

    def _score(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the score of values of the discriminant: 0.5 at the edge, above it by rank among real pairs."""
        kept, edge = self._kept, self._edge
        if not kept.size:  # all real pairs alike
            return np.where(z < edge, 0.0, 1.0)
        spread = float(np.median(kept)) - edge
        rank = np.interp(z, [edge, *kept], np.arange(len(kept) + 1) / (len(kept) + 1))
        beyond = np.maximum(z - kept[-1], 0) / (kept[-1] - edge)
        above = np.where(beyond > 0, 1 - 1 / (len(kept) + 1) / (1 + beyond) ** 2, rank)
        return np.where(z < edge, THRESHOLD / (1 + np.maximum(edge - z, 0) / spread), (1 + above) / 2)

    @property
    def useful(self) -> bool:
        """Whether right masks and those of other images can be distinguished."""
        return bool(self.detected >= MIN_DETECTED)

    def __call__(self, pair: SamplePair) -> dict[str, float]:
        """Compute the score; 0.5 where it is unknown: no object, or nothing learned."""
        if self._weights is None or not pair.labels.any():
            return {"fits": THRESHOLD}
        z = _apply(self._weights, traits(to_grey(pair.image, self._limits), pair.labels)[None])
        return {"fits": float(self._score(z)[0])}

    def describe(self, values: dict[str, float]) -> str:
        """Describe a mask that may not belong to its image; other masks give an empty text."""
        return "mask may not fit" if values["fits"] < THRESHOLD and self.useful else ""


def _drawn(places: list[int], real: Sequence[SamplePair]) -> list[int]:
    """Return the places of tiles whose masks were drawn; all where these are too few to learn from."""
    drawn = [place for place in places if not real[place].source.provenance.get(PREDICTED)]
    images = {real[place].source.files for place in drawn}
    return drawn if len(drawn) >= 2 * OTHER_MASKS and len(images) > 1 else places


def _discriminant(rows: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the weights and, last, the constant of `z` in the description of this file."""
    good, bad = rows[right], rows[~right]
    within = np.concatenate([good - good.mean(0), bad - bad.mean(0)])
    scale = within.std(0) + 1e-6  # traits differ in size
    covariance = np.cov((within / scale).T) + 0.1 * np.eye(rows.shape[1])
    weights = np.linalg.solve(covariance, (good.mean(0) - bad.mean(0)) / scale) / scale
    return np.append(weights, -weights @ (good.mean(0) + bad.mean(0)) / 2)


def _apply(weights: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows @ weights[:-1] + weights[-1])


def traits(grey: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Compute the traits of a mask on its image.

    Parameters
    ----------
    grey : NDArray (Y, X) float
        One channel, in any unit.
    labels : NDArray (Y, X) int
        0 is background; at least one object.

    Returns
    -------
    NDArray (8,) float64
        Contrast of objects and background in units of the standard deviation, and its size; the same of local
        roughness; information that grey level and roughness share with the mask, as part of the mask's own; contrast
        of a band of 3 px inside the outlines with one outside, its size; slope on the outlines, over the slope on the
        same outlines moved by 6 px in four directions (logarithm).
    """
    from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter, gaussian_gradient_magnitude

    grey = np.asarray(grey, np.float64)
    inside = labels > 0
    smooth = gaussian_filter(grey, 1.0)
    rough = np.log(gaussian_filter((grey - smooth) ** 2, 2.0) + 1e-8)
    slope = gaussian_gradient_magnitude(grey, 1.5)
    edge = _outlines(labels)
    near, far = binary_erosion(inside, iterations=BAND), binary_dilation(inside, iterations=BAND)
    rim = _contrast(smooth, inside & ~near, far & ~inside)
    steepness = 0.0  # of a mask without outlines
    if edge.any():
        moved = np.mean([slope[np.roll(edge, step, axis)].mean() for axis in (0, 1) for step in (-SHIFT, SHIFT)])
        steepness = float(np.log((slope[edge].mean() + 1e-6) / (moved + 1e-6)))
    contrast, texture = _contrast(grey, inside, ~inside), _contrast(rough, inside, ~inside)
    return np.array(
        [
            contrast,
            abs(contrast),
            texture,
            abs(texture),
            _shared_information(grey, inside),
            _shared_information(rough, inside),
            abs(rim),
            steepness,
        ]
    )


def _outlines(labels: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return the pixels next to one of another label, down or across."""
    edge = np.zeros(labels.shape, bool)
    down, across = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge


def _contrast(values: NDArray[np.floating[Any]], a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    if not (a.any() and b.any()):
        return 0.0
    return float((values[a].mean() - values[b].mean()) / (values.std() + 1e-6))


def _shared_information(values: NDArray[np.floating[Any]], inside: NDArray[np.bool_]) -> float:
    """Compute the mutual information of values, in 16 levels, and the mask, over the entropy of the mask, in [0, 1]."""
    bins = np.searchsorted(np.quantile(values, np.linspace(0, 1, LEVELS + 1)[1:-1]), values.ravel())
    joint = np.bincount(bins + LEVELS * inside.ravel(), minlength=2 * LEVELS).reshape(2, LEVELS) / bins.size
    entropies = [-(part[part > 0] * np.log(part[part > 0])).sum() for part in (joint, joint.sum(0), joint.sum(1))]
    return float((entropies[1] + entropies[2] - entropies[0]) / entropies[2]) if entropies[2] > 1e-9 else 0.0
