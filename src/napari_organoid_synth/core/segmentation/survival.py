"""Measure how the objects of a mask survive the encodings that generators and segmenters use; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec import heatflow
from napari_organoid_synth.core.pairs.mask_kind import compact_ids, pieces_of
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.segmentation.segmenters.instances import outline_classes, split_instances

MAX_OBJECTS = 20
"""Objects of a mask that are measured."""
MAX_SIDE = 256
"""Larger objects are measured at a smaller scale, px."""
RAYS = 32
"""Directions of a star-convex shape, as in StarDist."""
KEPT = 0.8
"""Overlap (IoU) from which an object counts as kept."""


@dataclass(frozen=True)
class Survival:
    """Overlap (IoU, 0 to 1) of each measured object of a mask with itself after an encoding and back.

    Parameters
    ----------
    kind : {"binary", "classes", "instances"}
        Of the mask. Of a binary mask the connected pieces are measured; of classes nothing, for they need no encoding.
    flow : tuple of float
        Heat flow: joint and mask generators of instances, Cellpose.
    rays : tuple of float
        32 star-convex rays from the middle: StarDist.
    outlines : tuple of float
        Inside and outline: the U-Net for instances.
    thin : int
        Measured objects that are nowhere wider than 2 px.
    rings : int
        Measured objects with a hole, empty or with another object in it.
    """

    kind: MaskKind
    flow: tuple[float, ...]
    rays: tuple[float, ...]
    outlines: tuple[float, ...]
    thin: int
    rings: int


def survival_of(labels: NDArray[np.int32], kind: MaskKind) -> Survival:
    """Encode and decode the objects of a mask, at most 20 of them; takes some milliseconds per object.

    Parameters
    ----------
    labels : NDArray (Y, X) int32, 0 is background
        An empty mask has no objects to measure.
    kind : {"binary", "classes", "instances"}
        Meaning of the labels.

    Returns
    -------
    Survival
    """
    from scipy.ndimage import find_objects

    if kind == "classes":
        return Survival(kind, (), (), (), 0, 0)
    objects = pieces_of(labels != 0) if kind == "binary" else compact_ids(labels)  # of find_objects the list is as long
    boxes = [(number, box) for number, box in enumerate(find_objects(objects), 1) if box is not None]
    chosen = [boxes[k] for k in np.unique(np.linspace(0, len(boxes) - 1, MAX_OBJECTS).astype(int))] if boxes else []
    measured = [_measure(*_crop(objects, number, box), kind) for number, box in chosen]
    flow, rays, outlines = (tuple(one[k] for one in measured) for k in range(3))
    return Survival(kind, flow, rays, outlines, sum(one[3] for one in measured), sum(one[4] for one in measured))


def survival_sentences(survivals: Sequence[Survival]) -> list[str]:
    """Describe which generators and segmenters suit the objects of a set of masks, and which do not.

    Parameters
    ----------
    survivals : sequence of Survival
        Of some masks of the set.

    Returns
    -------
    list of str
        Empty if nothing was measured.

    Examples
    --------
    >>> survival_sentences([Survival("instances", (1.0,), (0.97,), (1.0,), 0, 0)])
    ['The object that was measured keeps its shape in every generator and segmenter.']
    """
    flow, rays, outlines = ([x for one in survivals for x in getattr(one, name)] for name in _ENCODINGS)
    rings, thin = sum(one.rings for one in survivals), sum(one.thin for one in survivals)
    n, kind = len(rays), survivals[0].kind if survivals else "classes"
    if not n:
        return []
    lost_flow, lost_rays, lost_outlines = (sum(x < KEPT for x in one) for one in (flow, rays, outlines))
    sentences = []
    if rings:
        keepers = "the U-Net and all generators keep it" if kind == "instances" else "use the U-Net, which keeps it"
        sentences.append(
            f"{_of(rings, n)} {'has' if rings == 1 else 'have'} a hole (rings, objects around others): StarDist and "
            f"Cellpose fill it; {keepers}."
        )
    if lost_rays > rings:
        sentences.append(
            f"{_of(lost_rays, n)} {'is' if lost_rays == 1 else 'are'} not star-convex (bent, branched or thin): "
            "StarDist cuts parts off; use the U-Net or Cellpose."
        )
    if kind == "instances" and lost_flow:
        sentences.append(
            f"{_of(lost_flow, n)} {'is' if lost_flow == 1 else 'are'} lost or broken by heat flow: joint and mask "
            "generators and Cellpose do not suit; use a painter on real masks, and the U-Net."
        )
    if kind == "instances" and lost_outlines:
        sentences.append(
            f"{_of(lost_outlines, n)} {'is' if lost_outlines == 1 else 'are'} too thin for the inside and outline that "
            "the U-Net separates instances by; use larger images, or a binary mask."
        )
    if thin:
        sentences.append(
            f"{_of(thin, n)} {'is' if thin == 1 else 'are'} at most 2 px wide; do not shrink the images further."
        )
    if sentences:
        return sentences
    every = "generator and segmenter" if kind == "instances" else "segmenter"
    subject = "The object that was measured keeps its shape" if n == 1 else f"All {n} measured objects keep their shape"
    return [f"{subject} in every {every}."]


_ENCODINGS = "flow", "rays", "outlines"


def _of(number: int, n: int) -> str:
    return f"{number} of {plural(n, 'measured object')}"


def _crop(
    objects: NDArray[np.int32], number: int, box: tuple[slice, slice]
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Return one object and the labels around it, with a margin of empty pixels; a large one at a smaller scale."""
    step = -(-max(side.stop - side.start for side in box) // MAX_SIDE)
    around = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in box)
    labels = np.pad(objects[around][::step, ::step], 2)
    return labels == number, labels


def _measure(
    mask: NDArray[np.bool_], labels: NDArray[np.int32], kind: MaskKind
) -> tuple[float, float, float, bool, bool]:
    """Return the overlap after heat flow, rays and outlines, and whether the object is thin, and has a hole."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    ring = int(np.count_nonzero(binary_fill_holes(mask) & ~mask)) >= heatflow.MIN_HOLE
    fill = kind == "binary" or not ring  # of binary masks only Cellpose makes heat flow, which fills holes
    flow = _best(mask, heatflow.decode(heatflow.encode(labels), fill_holes=fill))
    shares = (outline_classes(labels) == np.arange(3)[:, None, None]).astype(np.float32)
    depth = distance_transform_edt(mask)
    thin = bool(depth.max() < 2 <= np.count_nonzero(mask) / 8)
    return flow, _rays(mask, depth), _best(mask, split_instances(shares)), thin, ring


def _best(mask: NDArray[np.bool_], found: NDArray[np.int32]) -> float:
    """Return the overlap of an object with the found object that overlaps it most."""
    common = np.bincount(found[mask], minlength=2)[1:]
    area = np.bincount(found.ravel(), minlength=len(common) + 1)[1 : len(common) + 1]
    return float((common / (np.count_nonzero(mask) + area - common)).max(initial=0.0))


def _rays(mask: NDArray[np.bool_], depth: NDArray[np.float64]) -> float:
    """Return the overlap of an object with its star-convex shape, from its deepest or its most central pixel."""
    pixels = np.argwhere(mask)
    central = pixels[((pixels - pixels.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    deepest = np.array(np.unravel_index(depth.argmax(), mask.shape))
    return max(_star_overlap(mask, central), _star_overlap(mask, deepest))


def _star_overlap(mask: NDArray[np.bool_], middle: NDArray[np.intp]) -> float:
    """Return the overlap of an object with the polygon of the 32 distances from a pixel to its edge."""
    from skimage.draw import polygon

    angles = np.arange(RAYS) * 2 * np.pi / RAYS
    ways = np.stack([np.sin(angles), np.cos(angles)], axis=1)  # (rays, 2)
    lengths = np.arange(0, sum(mask.shape), 0.5)
    places = np.rint(middle + lengths[:, None, None] * ways).astype(int)  # (lengths, rays, 2)
    last = np.array(mask.shape) - 1
    inside = mask[tuple(np.moveaxis(places.clip(0, last), -1, 0))] & ((places >= 0) & (places <= last)).all(axis=-1)
    edge = middle + lengths[inside.argmin(axis=0)][:, None] * ways
    star = np.zeros_like(mask)
    star[polygon(edge[:, 0], edge[:, 1], mask.shape)] = True
    return float(np.count_nonzero(star & mask) / np.count_nonzero(star | mask))
