"""The guide: what a mask says about every pixel, as channels that patches are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_organoid_synth.core.pairs.mask_kind import compact_ids, pieces_of
from napari_organoid_synth.core.pairs.pair import MaskKind

CLASS_NEAR, CLASS_FAR = 3.0, 12.0  # px
CONTACT = 5  # px: side of the square in which two objects count as touching
OUTSIDE = 1e3  # px: distance where there is no border at all


@dataclass(frozen=True)
class Guide:
    """Scale of the guide, measured on the real masks, so that guides of real and new masks can be compared.

    Parameters
    ----------
    mask_kind : {"binary", "classes", "instances"}
    n_classes : int
        Classes 1..K of a mask of classes.
    near, far : float
        Lengths over which the distance to the border counts, px.
    depths : tuple of float
        Usual depth of a piece of each class, px.
    """

    mask_kind: MaskKind
    n_classes: int
    near: float
    far: float
    depths: tuple[float, ...] = ()

    @classmethod
    def measured(cls, masks: Sequence[NDArray[Any]], mask_kind: MaskKind, n_classes: int) -> Guide:
        """Choose the lengths from the median depth of the objects.

        Parameters
        ----------
        masks : sequence of NDArray (Y, X) int
            Real masks.
        mask_kind : {"binary", "classes", "instances"}
            What their numbers mean.
        n_classes : int
            Names of classes; where there are none, the largest label counts.
        """
        if mask_kind == "classes":
            n_classes = max([n_classes, *(int(mask.max(initial=0)) for mask in masks)])
            usual = tuple(_usual_depth([mask == k for mask in masks], "binary", 1.0) for k in range(1, n_classes + 1))
            return cls(mask_kind, n_classes, CLASS_NEAR, CLASS_FAR, usual)
        depth = _usual_depth(masks, mask_kind, 6.0)
        return cls(mask_kind, 0, float(np.clip(depth / 3, 1.2, 3)), max(4.0, depth / 1.5))

    @property
    def about_border(self) -> NDArray[np.bool_]:
        """Channels that say where the border is, (G,)."""
        if self.mask_kind == "classes":
            return np.array([True, False] * self.n_classes + [False])
        return np.array([True, False, False, False] + [True] * (self.mask_kind == "instances"))

    def of(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        """Compute the channels of a mask.

        ``binary`` and ``instances``: near and far distance to the border (inside an instance: to whatever is not this
        object), relative depth, size of the object; ``instances`` also nearness of a contact. ``classes``: near and far
        distance to each class; size of the piece.

        Parameters
        ----------
        labels : NDArray (Y, X) int
            0 is background.

        Returns
        -------
        NDArray (G, Y, X) float32, about -1 to 1
        """
        if self.mask_kind == "classes":
            return self._of_classes(labels)
        objects = _objects(labels, self.mask_kind)
        inside = _inside(objects)
        depths = _depths(objects, inside)
        distance = np.where(objects > 0, inside, -_distance(objects == 0) + 0.5)
        depth = np.maximum(depths, 0.5)[objects]
        channels = [
            np.tanh(distance / self.near),
            0.7 * np.tanh(distance / self.far),
            np.where(objects > 0, 0.5 * inside / depth, 0),
            np.where(objects > 0, 0.5 * np.log2(depth / self.far), 0),
        ]
        if self.mask_kind == "instances":
            channels.append(np.exp(-_distance(~_contacts(objects)) / self.near))
        return _stacked(channels)

    def _of_classes(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        channels: list[NDArray[Any]] = []
        size = np.zeros(labels.shape, np.float32)
        for number, usual in enumerate(self.depths, 1):
            inside = labels == number
            depth = _distance(inside)
            distance = np.where(inside, depth - 0.5, 0.5 - _distance(~inside))
            channels += [np.tanh(distance / self.near), 0.5 * np.tanh(distance / self.far)]
            pieces = pieces_of(inside.astype(np.int32))
            size[inside] = 0.5 * np.log2(np.maximum(_depths(pieces, depth), 0.5) / usual)[pieces[inside]]
        return _stacked([*channels, np.clip(size, -1, 2)])


def _stacked(channels: list[NDArray[Any]]) -> NDArray[np.float32]:
    return np.asarray(np.stack(channels), np.float32)


def _objects(labels: NDArray[Any], mask_kind: MaskKind) -> NDArray[np.int32]:
    """Number the objects with small ids; the pieces of a binary mask are its objects."""
    labels = np.asarray(labels, np.int32)
    return pieces_of((labels > 0).astype(np.int32)) if mask_kind == "binary" else compact_ids(labels)


def _distance(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Measure the distance of each pixel that is inside to the nearest one that is not, px."""
    if inside.all():
        return np.full(inside.shape, OUTSIDE, np.float32)
    found: NDArray[np.float32] = ndimage.distance_transform_edt(inside).astype(np.float32)
    return found


def _inside(objects: NDArray[np.int32]) -> NDArray[np.float32]:
    """Measure the distance to whatever is not this object, px; 0.5 at its rim, 0 in the background."""
    rim = np.zeros(objects.shape, bool)
    down, across = objects[1:] != objects[:-1], objects[:, 1:] != objects[:, :-1]
    rim[1:] |= down
    rim[:-1] |= down
    rim[:, 1:] |= across
    rim[:, :-1] |= across
    return np.asarray(np.where(objects > 0, _distance(~(rim & (objects > 0))) + 0.5, 0), np.float32)


def _usual_depth(masks: Sequence[NDArray[Any]], mask_kind: MaskKind, otherwise: float) -> float:
    """Return the median depth of all objects, px; ``otherwise`` where there are none."""
    found = [_depths(objects, _inside(objects))[1:] for objects in (_objects(mask, mask_kind) for mask in masks)]
    depths = np.concatenate(found)
    depths = depths[depths > 0]
    return float(np.median(depths)) if depths.size else otherwise


def _depths(objects: NDArray[np.int32], inside: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest depth of each object, by id, px; 0 for ids that are missing."""
    depths = np.zeros(int(objects.max(initial=0)) + 1, np.float32)
    np.maximum.at(depths, objects, inside)
    return depths


def _contacts(objects: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Find the pixels with two different objects close by."""
    highest = ndimage.maximum_filter(objects, CONTACT)
    lowest = ndimage.minimum_filter(np.where(objects > 0, objects, np.iinfo(np.int32).max), CONTACT)
    return np.asarray((highest > 0) & (highest != lowest))
