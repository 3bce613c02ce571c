"""Facts of one tile for the scores of whole sets, so that its pixels are read once and not kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.heatflow import decode, encode, flow_error
from napari_organoid_synth.core.metrics.base import to_grey, to_unit
from napari_organoid_synth.core.metrics.groups import group_of
from napari_organoid_synth.core.metrics.mask_picture import mask_picture
from napari_organoid_synth.core.metrics.nearest import shrink
from napari_organoid_synth.core.metrics.sharpness import hf_energy
from napari_organoid_synth.core.pairs.pair import SamplePair

SIDE = 128  # px at which tiles are compared
OUTLINE = 64  # px at which masks are


@dataclass(frozen=True)
class TileFacts:
    """One tile.

    Parameters
    ----------
    name : str
    source : str
        The image that it was cut from, or the group of that (`metrics.groups`).
    image : NDArray (C, S, S) float32
        0 and 1 at the limits of the real images, not clipped; S is 128, or the side of the real tiles if that is less.
    mask : NDArray (K, 64, 64) float32
        Share of each pixel that each class covers, without the lines where objects touch.
    hf_energy, blur : float
        As in `metrics.sharpness`.
    areas : NDArray (n,) float64
        Of the objects, px.
    eccentricities : NDArray (n,) float64
        0 for a circle, towards 1 for a line.
    touching : float
        Share of the objects that touch another; NaN without objects or when the mask does not tell objects apart.
    decode_error : float
        Mean squared distance of flow arrows that a round trip through the flow encoding leaves, over object pixels;
        NaN when not asked for.
    mask_picture : NDArray (3, S, S) or (K, S, S) float16 in [0, 1], optional
        From `mask_picture`.
    """

    name: str
    source: str
    image: NDArray[np.float32]
    mask: NDArray[np.float32]
    hf_energy: float
    blur: float
    areas: NDArray[np.float64]
    eccentricities: NDArray[np.float64]
    touching: float
    decode_error: float
    mask_picture: NDArray[np.float16] | None = None


def look(pair: SamplePair, limits: NDArray[np.float64], side: int = SIDE, round_trip: bool = False) -> TileFacts:
    """Compute the facts of a tile.

    Parameters
    ----------
    pair : SamplePair
        Real or synthetic.
    limits : NDArray (C, 2)
        From `intensity_limits` of the real tiles.
    side : int
        Of the image that is kept, px.
    round_trip : bool
        Whether to take `TileFacts.decode_error`, which is the slow one.
    """
    from skimage.measure import blur_effect, regionprops

    grey = to_grey(pair.image, limits)
    instances = pair.mask_kind == "instances"
    objects = _objects(pair)
    regions = regionprops(objects)
    meeting = _contact_pixels(objects)
    return TileFacts(
        pair.name,
        group_of(pair),
        shrink(to_unit(pair.image, limits), side),
        _outlines_of(pair, meeting),
        hf_energy(grey * 255),
        float(blur_effect(grey)) if np.ptp(grey) > 0 else 1.0,
        np.array([region.area for region in regions], np.float64),
        np.array([region.eccentricity for region in regions], np.float64),
        len(np.setdiff1d(objects[meeting], 0)) / len(regions) if instances and regions else np.nan,
        _round_trip(objects) if round_trip and instances and regions else np.nan,
        mask_picture(pair, objects, side),
    )


def pictures(
    pair: SamplePair, limits: NDArray[np.float64], side: int
) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Return image and mask of a tile as pictures alone, the same as in its facts; parameters as of `look`."""
    image = shrink(to_unit(pair.image, limits), side)
    return image, mask_picture(pair, _objects(pair), side)


def _objects(pair: SamplePair) -> NDArray[np.int32]:
    """Return the objects of a mask, (Y, X); those of other masks than of instances are connected pixels."""
    from skimage.measure import label

    if pair.mask_kind == "instances":
        return pair.labels
    return np.asarray(label(pair.labels, background=0, connectivity=2), np.int32)


def _contact_pixels(objects: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return the pixels of an object next to a pixel of another one (8 neighbours), (Y, X)."""
    meeting = np.zeros(objects.shape, bool)
    views: list[tuple[Any, Any]] = [
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:, 1:], np.s_[:-1, :-1]),
        (np.s_[1:, :-1], np.s_[:-1, 1:]),
    ]
    for here, there in views:
        a, b = objects[here], objects[there]
        meet = (a != b) & (a > 0) & (b > 0)
        meeting[here] |= meet
        meeting[there] |= meet
    return meeting


def _outlines_of(pair: SamplePair, meeting: NDArray[np.bool_]) -> NDArray[np.float32]:
    if pair.mask_kind == "classes":
        planes = np.stack([pair.labels == value + 1 for value in range(len(pair.class_names))])
    else:
        planes = ((pair.labels > 0) & ~meeting)[None]
    return shrink(planes.astype(np.float32), OUTLINE)


def _round_trip(objects: NDArray[np.int32]) -> float:
    field = encode(objects)
    decoded = decode(field)
    size = np.bincount(decoded.ravel())
    error = flow_error(decoded, field)
    lost_pixels = np.count_nonzero((objects > 0) & (decoded == 0))  # counts as arrows of length 1 against none
    decoded_pixels = size[1:].sum()
    return float(((error * size)[1:].sum() + lost_pixels) / max(decoded_pixels + lost_pixels, 1))
