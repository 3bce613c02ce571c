"""Outlines of real objects that can be turned and placed elsewhere, and how they lie in each real mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.cutouts import SCALES
from napari_organoid_synth.core.simulators.pieces import (
    Piece,
    clump_size,
    contact_share,
    find_pieces,
    net_values,
    numbered,
)
from napari_organoid_synth.core.simulators.texture import enlarge

MARGIN = 4
"""Surroundings of an outline, px: as far as the distance to it has to be known."""
FRAME = 8
"""Sides of the frames of turned outlines are multiples of it, px: weights of few sizes are kept."""
SMOOTHING = 1.0
"""Sigma, px, that takes the steps between pixels out of an outline."""
MIN_SMOOTHED = 2.0
"""Depth, px, below which an object is so thin that this would harm it."""
ALIGNED, TILT = 0.3, 0.15
"""Order above which objects point in one direction (0: none, 1: parallel lines), and how far each deviates, radians."""
MAX_WEIGHT = 4.0
"""Of an object that is so large that hardly any image holds it whole."""
MAX_COVER = 0.8
"""Share of the masks that objects cover, above which there is no room to arrange them."""
PUSH, STRETCH = 0.16, 0.2
"""Of a warp of strength 1: how far knots of an outline move, as share of its diameter, and how far it is stretched."""
MIN_OWN = 12
"""Outlines that a mask needs to be arranged from its own alone."""
ALIKE = 1.6
"""Ratio of typical diameters up to which masks lend each other outlines."""
FEW_CUT = 0.35
"""Objects at the border, as share of those that would be there if the image were cut out of a larger field; below it
objects were chosen to lie inside."""

Cut = tuple[bool, bool, bool, bool]
WHOLE: Cut = (False, False, False, False)


@dataclass(frozen=True, eq=False)
class Outline:
    """An object of a real mask, without its place.

    Parameters
    ----------
    depth : NDArray (Y, X) float32
        Distance to the border of the object, px, above 0 inside, with `MARGIN` px around it. Holes are kept.
    area : int
        Pixels.
    cut : (bool, bool, bool, bool)
        Whether the upper, lower, left and right border of its image cut it.
    weight : float
        Large objects are cut more often, so those that are whole stand for more than one.
    name : str
        Of the image that it comes from.
    axis : float
        Direction of most objects of that image, radians; 0 where they have none.
    """

    depth: NDArray[np.float32]
    area: int
    cut: Cut = WHOLE
    weight: float = 1.0
    name: str = ""
    axis: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether no border cuts it."""
        return not any(self.cut)

    @property
    def reach(self) -> float:
        """Half of the diagonal of its bounding box, px."""
        height, width = self.depth.shape
        return float(np.hypot(height - 2 * MARGIN, width - 2 * MARGIN)) / 2

    def turned(self, rng: np.random.Generator, warp: float = 0.3, axis: float | None = None) -> NDArray[np.float32]:
        """Mirror, turn, scale by up to 10 % and warp; return the distances (Y, X) in a frame that holds them.

        Parameters
        ----------
        rng : numpy.random.Generator
            Fixes everything.
        warp : float
            0: the outline stays as it is; 1: knots move by 16 % of the diameter.
        axis : float, optional
            Direction, radians, into which that of most objects is turned, about; default: any.
        """
        from scipy.ndimage import map_coordinates

        mirrored, angle = bool(rng.integers(2)), float(rng.uniform(0, 2 * np.pi))
        if axis is not None:
            angle = axis - (-self.axis if mirrored else self.axis) + float(rng.normal(0, TILT))
        depth = self.depth[:, ::-1] if mirrored else self.depth
        scale, diameter = rng.uniform(*SCALES), 2 * np.sqrt(self.area / np.pi)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        stretch, shift = float(np.exp(warp * STRETCH * rng.normal() / 2)), float(warp * PUSH * diameter)
        tall, wide = scale * stretch, scale / stretch  # a pixel at (y, x) comes from rotation @ (y / tall, x / wide)
        (old_y, old_x), (abs_cos, abs_sin) = depth.shape, (abs(cos), abs(sin))
        extent = tall * (abs_cos * old_y + abs_sin * old_x), wide * (abs_sin * old_y + abs_cos * old_x)
        height, width = (FRAME * int(np.ceil((side + 2 * shift) / FRAME)) for side in extent)
        y, x = (np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in (height, width))
        places = shift * enlarge(rng.standard_normal((2, 5, 5), np.float32), (height, width))
        places[0] += (cos / tall) * y[:, None] - ((sin / wide) * x - (old_y - 1) / 2)
        places[1] += (sin / tall) * y[:, None] + ((cos / wide) * x + (old_x - 1) / 2)
        moved = map_coordinates(depth, places, order=1, mode="constant", cval=-MARGIN)
        return _trimmed(np.asarray(moved, np.float32) * np.float32(scale), self.depth)

    def quartered(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], Cut]:
        """Mirror and turn by right angles; return the distances, and which of their borders are cut."""
        up, down, left, right = self.cut
        depth = self.depth
        if rng.integers(2):
            depth, left, right = depth[:, ::-1], right, left
        for _ in range(int(rng.integers(4))):
            depth, (up, right, down, left) = np.rot90(depth), (right, down, left, up)
        return depth, (up, down, left, right)


def _trimmed(depth: NDArray[np.float32], otherwise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return distances without rows and columns farther than `MARGIN` from the object; others where nothing is left."""
    inside = depth > 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not rows.size:  # a line of one pixel
        return otherwise
    rows_kept = slice(max(0, rows[0] - MARGIN), rows[-1] + 1 + MARGIN)
    return depth[rows_kept, max(0, columns[0] - MARGIN) : columns[-1] + 1 + MARGIN]


def signed_distance(mask: NDArray[np.bool_], cut: Cut = WHOLE) -> NDArray[np.float32]:
    """Compute the distance to the border of an object, px, with `MARGIN` px around it; 0.5 is a border pixel.

    Parameters
    ----------
    mask : NDArray (Y, X) bool
        The object in its bounding box.
    cut : (bool, bool, bool, bool)
        Borders beyond which it goes on.
    """
    from scipy.ndimage import distance_transform_edt

    padded = np.pad(mask, MARGIN)
    up, down, left, right = cut
    if any(cut):
        ends = [((MARGIN if a else 0), (MARGIN if b else 0)) for a, b in ((up, down), (left, right))]
        grown = np.pad(mask, ends, mode="edge")
        padded = np.pad(grown, [(MARGIN - a, MARGIN - b) for a, b in ends])
    inside, outside = distance_transform_edt(padded), distance_transform_edt(~padded)
    return np.asarray(np.where(padded, inside - 0.5, 0.5 - outside), np.float32)


@dataclass(frozen=True, eq=False)
class RealLayout:
    """How the objects of a real mask lie.

    Parameters
    ----------
    name : str
        Of the image.
    size : (int, int)
        Height and width, px.
    outlines : tuple of Outline
        Its objects without specks, those that the border cuts included.
    places : NDArray (N, 2) float
        Their centres, as shares of height and width.
    cover : float
        Share of the area.
    contact : float
        Share of the objects that touch another.
    clump : float
        Mean number of objects in a group that touch one another.
    is_aligned : bool
        Whether most objects point in one direction.
    """

    name: str
    size: tuple[int, int]
    outlines: tuple[Outline, ...]
    places: NDArray[np.float64]
    cover: float
    contact: float
    clump: float = 2.0
    is_aligned: bool = False

    @property
    def whole(self) -> tuple[Outline, ...]:
        """The objects that no border cuts."""
        return tuple(one for one in self.outlines if one.is_whole)

    @property
    def diameter(self) -> float:
        """Median diameter, px."""
        return float(np.median([2 * np.sqrt(one.area / np.pi) for one in self.outlines]))

    @property
    def density(self) -> float:
        """Objects per px² of a larger field of which this is a part; those at the border count half."""
        whole = len(self.whole)
        return (whole + (len(self.outlines) - whole) / 2) / (self.size[0] * self.size[1])


def measure_layout(pair: SamplePair) -> RealLayout | None:
    """Measure a mask of instances or a binary one; None if it holds no object.

    Returns
    -------
    RealLayout or None
    """
    objects = numbered(pair.labels, pair.mask_kind)
    pieces = find_pieces(objects, objects, pair.mask_kind)
    if not pieces:
        return None
    axis, order = _direction(pieces)
    outlines = tuple(_outline(piece, pair, axis if order > ALIGNED else 0.0) for piece in pieces)
    middles = [[(part.start + part.stop) / 2 for part in piece.box] for piece in pieces]
    return RealLayout(
        name=pair.name,
        size=pair.size,
        outlines=outlines,
        places=np.array(middles) / pair.size,
        cover=float(np.count_nonzero(objects) / objects.size),
        contact=contact_share(objects) if pair.mask_kind == "instances" else 0.0,
        clump=clump_size(objects) if pair.mask_kind == "instances" else 2.0,
        is_aligned=order > ALIGNED and len(pieces) >= MIN_OWN,
    )


def _direction(pieces: Sequence[Piece]) -> tuple[float, float]:
    """Return the direction (radians from the columns to the rows) of the long axes of objects, and their order.

    The order is the length of the mean of unit vectors at twice the angle of each axis, each times its anisotropy: 0
    for a circle, 1 for a line.
    """
    total = 0j
    for piece in pieces:
        y, x = np.nonzero(piece.mask)
        (yy, xy), (_, xx) = np.cov(np.stack([y, x])) if len(y) > 1 else np.eye(2)
        total += complex(xx - yy, 2 * xy) / max(xx + yy, 1e-9)
    mean = total / max(1, len(pieces))
    return float(np.angle(mean) / 2), abs(mean)


def smooth_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Compute `signed_distance` without the steps between pixels, which would turn with the outline; the area stays.

    Lines and rings that are hardly wider than the blur are left as they are.
    """
    from scipy.ndimage import gaussian_filter

    depth, area = signed_distance(mask), int(np.count_nonzero(mask))
    if depth.max() < MIN_SMOOTHED:
        return depth
    smooth = gaussian_filter(depth, SMOOTHING)
    place = smooth.size - area
    ordered = np.partition(smooth.ravel(), (place - 1, place))
    return np.asarray(smooth - (ordered[place - 1] + ordered[place]) / 2, np.float32)


def _outline(piece: Piece, pair: SamplePair, axis: float) -> Outline:
    room = [max(1, whole - side) / whole for whole, side in zip(pair.size, piece.mask.shape, strict=True)]
    weight = min(MAX_WEIGHT, 1 / (room[0] * room[1])) if piece.is_whole else 1.0
    depth = smooth_distance(piece.mask) if piece.is_whole else signed_distance(piece.mask, piece.cut)
    return Outline(depth, piece.area, piece.cut, weight, pair.name, axis)


def is_framed(layouts: Sequence[RealLayout]) -> bool:
    """Return whether images were taken so that objects lie inside, as one organoid in each; else they show a part.

    In a part of a larger field, whole objects of weight w go with w - 1 that its border cuts.
    """
    expected = sum(one.weight - 1 for layout in layouts for one in layout.whole)
    cut = sum(not one.is_whole for layout in layouts for one in layout.outlines)
    whole = sum(len(layout.whole) for layout in layouts)
    return cut < FEW_CUT * expected or whole < MIN_OWN * max(1, len(layouts)) / 4


def why_not_arranged(pairs: Sequence[SamplePair]) -> UserError | None:
    """Return why the objects of these masks cannot be arranged; None if they can."""
    masks = [pair for pair in pairs if pair.labels.any()]
    todo = "Choose moved masks."
    if not masks:
        return UserError("The real masks hold no object.", "Expected at least one.", "Choose simulated masks.")
    if any(pair.mask_kind == "classes" for pair in masks):
        names = ", ".join(masks[0].class_names)
        return UserError(
            f"The masks have named classes ({names}), which belong together.",
            "Single objects are arranged: instances, or the pieces of a binary mask.",
            todo,
        )
    cover = float(np.mean([np.count_nonzero(pair.labels) / pair.labels.size for pair in masks]))
    if cover > MAX_COVER:
        return UserError(
            f"Objects cover {cover:.0%} of the masks.",
            f"Objects that are arranged need room: they cover at most {MAX_COVER:.0%}.",
            todo,
        )
    if all(net_values((pair.labels > 0).astype(np.int32), numbered(pair.labels, pair.mask_kind)) for pair in masks[:5]):
        return UserError("The masks are thin nets, such as membranes.", "Compact objects are arranged.", todo)
    return None
