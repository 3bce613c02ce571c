"""Check drawn masks: decode one, look at it object by object, and compare with real masks.

A mask generator draws a field (a heat flow or class maps), and decoding finds some objects in any field. The check
looks at what decoding hides: arrows that do not belong to the objects found, objects in pieces, several objects in one,
holes; and, where classes of the real masks are thin (membranes, fibres), whether their network is as long and branches
as often as in real tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.heatflow import flow_error
from napari_organoid_synth.core.metrics.network import junctions, length, only_thin, skeleton, thin_classes
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.synthesis.decode_report import DecodeReport, Quartiles

MAX_ERROR = 0.4  # mean squared error of the arrows above which Cellpose drops an object
MIN_GOOD = 0.8  # least share of the mask's object pixels that lies in objects below that error
SOLIDITY_MARGIN = 0.1
NETWORK_MARGIN = 0.25  # by which a network may leave the range of 98 of 100 real tiles
MAX_BROKEN = 0.1  # largest share of objects that are in pieces or seem to be several


@dataclass(frozen=True)
class MaskCheck:
    """The check of one drawn mask.

    Parameters
    ----------
    objects : int
        Number of objects.
    error : float
        Squared distance between the drawn arrows and those that the decoded objects would have, mean over object
        pixels; for binary masks and classes the mean squared distance of the drawn values to -1 or +1. 0 is perfect.
    good : float
        Share of the object pixels that belong to objects whose own error is at most 0.4; 1 without arrows.
    fragments : int
        Objects that fall into several pieces.
    merged : int
        Objects that seem to be several: their solidity (area over convex area) is clearly below, by 0.1, that of 99 of
        100 real objects.
    holes : int
        Objects with a hole.
    at_border : int
        Objects that touch the border of the tile.
    reasons : tuple of str
        Why the mask fails, in words; empty when it passes.
    length : float
        Of the middle lines of thin classes (membranes, fibres), px; 0 where no class is thin.
    junctions : int
        Of these lines.
    """

    objects: int
    error: float
    good: float
    fragments: int
    merged: int
    holes: int
    at_border: int
    reasons: tuple[str, ...] = ()
    length: float = 0.0
    junctions: int = 0

    @property
    def passed(self) -> bool:
        """Whether the mask is usable."""
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for provenance and reports."""
        return asdict(self)


class MaskChecker:
    """Checks masks; the limits come from real ones.

    Parameters
    ----------
    codec : Codec
        Of the mask generator.
    real : sequence of SamplePair
        Real tiles of the same size.
    """

    def __init__(self, codec: Codec, real: Sequence[SamplePair]) -> None:
        self.codec = codec
        shapes = [_shapes(_instances(pair.labels, codec)) for pair in real]
        counts = [len(areas) for areas, *_ in shapes]
        areas = np.concatenate([areas for areas, *_ in shapes] or [np.zeros(0)])
        solidity = np.concatenate([solidity for _, solidity, _ in shapes] or [np.zeros(0)])
        self.real_objects = _quartiles(counts)
        self.real_areas = _quartiles(areas)
        self.min_solidity = float(np.percentile(solidity, 1)) - SOLIDITY_MARGIN if solidity.size else 0.0
        self.thin = thin_classes(real) if codec.mask_kind != "instances" else ()
        networks = np.array([self._network(pair.labels) for pair in real if pair.labels.any()]) if self.thin else None
        self.real_networks = None if networks is None else np.percentile(networks, (1, 99), axis=0)
        self._has_objects = not (self.thin and only_thin(real))

    def __call__(self, field: NDArray[np.floating[Any]], labels: NDArray[np.int32]) -> MaskCheck:
        """Check a mask.

        Parameters
        ----------
        field : NDArray (M, Y, X) float
            As drawn.
        labels : NDArray (Y, X) int32
            Labels that the codec decoded from it.
        """
        objects = _instances(labels, self.codec)
        areas, solidity, holes = _shapes(objects)
        if self.codec.mask_kind == "instances":
            each = flow_error(objects, field)
            size = np.bincount(objects.ravel(), minlength=len(each))
            inside = size[1:].sum()
            error = float((each * size)[1:].sum() / max(inside, 1))
            good = float(size[1:][each[1:] <= MAX_ERROR].sum() / max(inside, 1))
            fragments = _fragments(objects)
        else:
            error = float(np.square(np.abs(np.asarray(field, np.float64)) - 1).mean())
            good, fragments = 1.0, 0
        edge = np.concatenate([objects[0], objects[-1], objects[:, 0], objects[:, -1]])
        merged = int(np.count_nonzero(solidity < self.min_solidity)) if self._has_objects else 0
        lines, meetings = self._network(labels)
        check = MaskCheck(
            len(areas),
            error,
            good,
            fragments,
            merged,
            int(np.count_nonzero(holes)),
            len(np.unique(edge[edge > 0])),
            length=lines,
            junctions=int(meetings),
        )
        return MaskCheck(**{**check.as_dict(), "reasons": self._reasons(check)})

    def _network(self, labels: NDArray[np.int32]) -> tuple[float, float]:
        """Return length, px, and junctions of the middle lines of the thin classes."""
        lines = [skeleton(labels == value) for value in self.thin]
        return sum(map(length, lines), 0.0), float(sum(map(junctions, lines)))

    def _reasons(self, check: MaskCheck) -> tuple[str, ...]:
        if not check.objects:
            return ("no object",)
        reasons = []
        if check.good < MIN_GOOD:
            reasons.append(f"the arrows fit only {check.good:.0%} of the object pixels")
        if check.fragments > MAX_BROKEN * check.objects:
            reasons.append(f"{check.fragments} of {check.objects} objects are in pieces")
        if check.merged > max(MAX_BROKEN * check.objects, 1):
            reasons.append(f"{check.merged} of {check.objects} objects seem to be several")
        if self.real_networks is not None:
            (shortest, fewest), (longest, most) = self.real_networks
            less, more = 1 - NETWORK_MARGIN, 1 + NETWORK_MARGIN
            if not less * shortest <= check.length <= more * longest:
                reasons.append(f"the network is {'longer' if check.length > longest else 'shorter'} than real ones")
            if not less * fewest <= check.junctions <= more * most:
                reasons.append(
                    f"the network has {'more' if check.junctions > most else 'fewer'} junctions than real ones"
                )
        return tuple(reasons)


def summarize(checks: Sequence[MaskCheck], areas: Sequence[int], checker: MaskChecker) -> DecodeReport:
    """Compute shares and means of many checks, and counts and sizes beside those of real tiles.

    Parameters
    ----------
    checks : sequence of MaskCheck
        One per mask.
    areas : sequence of int
        Pixels of every object of all masks.
    checker : MaskChecker
        With the limits of real masks.
    """
    objects = sum(check.objects for check in checks)
    reasons: dict[str, int] = {}
    for check in checks:
        for reason in check.reasons:
            kind = " ".join(word for word in reason.split() if not word[0].isdigit())
            reasons[kind] = reasons.get(kind, 0) + 1
    return DecodeReport(
        masks=len(checks),
        passed=float(np.mean([check.passed for check in checks])) if checks else 0.0,
        error=float(np.mean([check.error for check in checks])) if checks else 0.0,
        fragments=sum(check.fragments for check in checks) / max(objects, 1),
        merged=sum(check.merged for check in checks) / max(objects, 1),
        holes=sum(check.holes for check in checks) / max(objects, 1),
        at_border=sum(check.at_border for check in checks) / max(objects, 1),
        objects=_quartiles([check.objects for check in checks]),
        real_objects=checker.real_objects,
        area_px=_quartiles(areas),
        real_area_px=checker.real_areas,
        reasons=reasons,
    )


def object_sizes(labels: NDArray[np.int32], codec: Codec) -> list[int]:
    """Count the pixels of every object of a mask."""
    return [int(area) for area in _shapes(_instances(labels, codec))[0]]


def _instances(labels: NDArray[np.int32], codec: Codec) -> NDArray[np.int32]:
    """Return one number per object; connected pieces where the labels are classes."""
    if codec.mask_kind == "instances":
        return labels
    from skimage.measure import label

    return np.asarray(label(labels, background=0, connectivity=2), np.int32)


def _shapes(objects: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Measure area in px, solidity, and whether there is a hole, of every object."""
    from skimage.measure import regionprops

    regions = regionprops(objects)
    area = np.array([region.area for region in regions], np.float64)
    # a convex hull wants three points that are not on one line
    solid = [region.solidity if min(region.image.shape) > 2 else 1.0 for region in regions]
    holes = [region.area_filled > region.area for region in regions]
    return area, np.array(solid, np.float64), np.array(holes, bool)


def _fragments(objects: NDArray[np.int32]) -> int:
    """Count objects that are not connected (8 neighbours)."""
    from skimage.measure import label

    pieces = label(objects, background=0, connectivity=2)
    pairs = np.unique(np.stack([objects.ravel(), pieces.ravel()]), axis=1)
    ids, count = np.unique(pairs[0][pairs[0] > 0], return_counts=True)
    return int(np.count_nonzero(count[: len(ids)] > 1))


def _quartiles(values: Sequence[float] | NDArray[np.float64]) -> Quartiles:
    """Compute the 25th, 50th and 75th percentile."""
    if not len(values):
        return 0.0, 0.0, 0.0
    low, middle, high = np.percentile(np.asarray(values, np.float64), (25, 50, 75))
    return float(low), float(middle), float(high)
