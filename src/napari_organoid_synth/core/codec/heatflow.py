"""Instances as a smooth field and back: heat spreads from the centre of each object, arrows point up the heat.

The encoding is that of Cellpose (Stringer 2021, doi 10.1038/s41592-020-01018-x): a channel that says object or not, and
a unit vector per pixel that leads, step by step, to the centre of its object. Each object is spread in its own crop,
so that the heat of a touching neighbour never affects its arrows.

Fields are (3, Y, X) float32: 0 is -1 on background and +1 on objects, 1 and 2 are dy and dx in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bool2D = NDArray[np.bool_]
Float2D = NDArray[np.floating[Any]]
Box = tuple[int, slice, slice]

SHEET_PIXELS = 1 << 16  # objects are spread in sheets of about this many pixels, which stay in the processor's cache
COARSE_SIDE = 128  # px; larger objects are spread at half size first
SMOOTHING = 48  # passes that turn the doubled heat of the half size into that of the full size
MIN_HOLE = 15  # px; smaller gaps in an object are noise, not holes
CRACK = 2  # px; half the width of a crack that is closed in a ring
WALK = 8  # Euler steps of every pixel before whole walks are chained


# ---------------------------------------------------------------------------------------------------------- encode


def encode(labels: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Encode labels as a field.

    Parameters
    ----------
    labels : NDArray (Y, X) integer, 0 is background
        Any ids. Pieces of one id that do not touch lead each to its own centre.

    Returns
    -------
    NDArray (3, Y, X) float32
        Object (-1 or 1), dy, dx; the arrows have length 1 on objects and 0 on background, and in objects of one pixel.
    """
    labels = np.asarray(labels)
    field = np.zeros((3, *labels.shape), np.float32)
    field[0] = np.where(labels != 0, 1, -1)
    flat = field[1:].reshape(2, -1)
    place = np.arange(labels.size, dtype=np.int32).reshape(labels.shape)
    for boxes in _sheets(_boxes(labels)):
        mask, index = _lay_out(labels, place, boxes)
        longest = max(y.stop - y.start + x.stop - x.start for _, y, x in boxes)
        heat = _spread(mask, 2 * (longest + 4))
        inside = np.flatnonzero(mask)
        heat, width = heat.ravel(), mask.shape[1]
        dy = heat[inside + width] - heat[inside - width]
        dx = heat[inside + 1] - heat[inside - 1]
        length = np.hypot(dy, dx) + np.finfo(heat.dtype).tiny
        where = index.ravel()[inside]
        flat[0, where], flat[1, where] = dy / length, dx / length
    return field


def _boxes(labels: NDArray[np.integer[Any]]) -> list[Box]:
    """Return id and bounding box of every object, by size, smallest first."""
    from scipy.ndimage import find_objects

    ids: NDArray[Any] | None = None
    if labels.size and (labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > labels.size):
        ids, dense = np.unique(labels, return_inverse=True)  # find_objects makes a list as long as the largest id
        zero = np.searchsorted(ids, 0)
        dense = np.where(labels == 0, 0, dense.reshape(labels.shape) + 1)
        slices = find_objects(dense.astype(np.int32))
        boxes = [(int(ids[k]), *box) for k, box in enumerate(slices) if box is not None and k != zero]
    else:
        boxes = [(k + 1, *box) for k, box in enumerate(find_objects(labels)) if box is not None]
    return sorted(boxes, key=lambda box: box[1].stop - box[1].start + box[2].stop - box[2].start)


def _sheets(boxes: list[Box]) -> Iterator[list[Box]]:
    """Split into runs of similar size that fill a sheet; a large object has its own sheet."""
    run: list[Box] = []
    area = 0
    for box in boxes:
        pixels = (box[1].stop - box[1].start + 1) * (box[2].stop - box[2].start + 1)
        if run and area + pixels > SHEET_PIXELS:
            yield run
            run, area = [], 0
        run.append(box)
        area += pixels
    if run:
        yield run


def _lay_out(
    labels: NDArray[np.integer[Any]], place: NDArray[np.int32], boxes: list[Box]
) -> tuple[Bool2D, NDArray[np.int32]]:
    """Lay objects side by side on shelves with empty pixels between, and return the origin of each pixel."""
    boxes = sorted(boxes, key=lambda box: box[1].stop - box[1].start)
    sizes = [(y.stop - y.start, x.stop - x.start) for _, y, x in boxes]
    area = sum((h + 1) * (w + 1) for h, w in sizes)
    width = max(int(area**0.5) + 2, max(w for _, w in sizes) + 2)
    spots, top, left, shelf = [], 1, 1, 0
    for h, w in sizes:
        if left + w + 1 > width:
            top, left, shelf = top + shelf + 1, 1, 0
        spots.append((top, left))
        left, shelf = left + w + 1, max(shelf, h)
    mask = np.zeros((top + shelf + 1, width), bool)
    index = np.zeros(mask.shape, np.int32)
    for (number, y, x), (top, left), (h, w) in zip(boxes, spots, sizes, strict=True):
        np.equal(labels[y, x], number, out=mask[top : top + h, left : left + w])
        index[top : top + h, left : left + w] = place[y, x]
    return mask, index


def _spread(mask: Bool2D, steps: int) -> Float2D:
    """Compute heat (Y, X) after ``steps`` rounds of: one unit into each centre, mean over 3×3, zero outside the mask.

    float32, unless heat falls below its range along thin objects.
    """
    start = None
    if max(mask.shape) > 2 * COARSE_SIDE and steps > 4 * COARSE_SIDE:
        # Far from its source heat arrives late: large objects take it from their half size, where the same number of
        # sources gives the same heat (the equation in the plane has no length scale), and only smooth it.
        half = _halve(mask)
        start = np.repeat(np.repeat(_spread(half, steps // 2), 2, axis=0), 2, axis=1)
        start = start[1 : mask.shape[0] + 1, 1 : mask.shape[1] + 1]
        steps = SMOOTHING
    sources = _middles(mask)
    heat = _rounds(mask, sources, steps, start, np.float32)
    if heat[mask].min() < 1e-30:
        heat = _rounds(mask, sources, 2 * steps, start, np.float64)
    return heat


def _halve(mask: Bool2D) -> Bool2D:
    """Halve the size; a block counts if any of its pixels does, and a margin of one empty pixel stays."""
    h, w = mask.shape
    padded = np.zeros((h + 2 + h % 2, w + 2 + w % 2), bool)
    padded[1 : h + 1, 1 : w + 1] = mask
    rows = padded[0::2] | padded[1::2]
    return np.asarray(rows[:, 0::2] | rows[:, 1::2])


def _middles(mask: Bool2D) -> NDArray[np.intp]:
    """Return the flat index of the pixel nearest to the centroid of each connected piece."""
    from scipy.ndimage import label

    pieces, count = label(mask, np.ones((3, 3), bool))
    inside = np.flatnonzero(mask)
    piece = pieces.ravel()[inside] - 1
    y, x = np.divmod(inside, mask.shape[1])
    area = np.bincount(piece, minlength=count)
    distance = (y - (np.bincount(piece, y, count) / area)[piece]) ** 2
    distance += (x - (np.bincount(piece, x, count) / area)[piece]) ** 2
    least = np.full(count, np.inf)
    np.minimum.at(least, piece, distance)
    nearest = np.flatnonzero(distance == least[piece])[::-1]  # of equals the first wins, being written last
    middles = np.zeros(count, np.intp)
    middles[piece[nearest]] = inside[nearest]
    return middles


def _rounds(
    mask: Bool2D, sources: NDArray[np.intp], steps: int, start: Float2D | None, dtype: type[np.floating[Any]]
) -> Float2D:
    """Diffuse on the flattened sheet; its empty columns keep rows from mixing."""
    width = mask.shape[1]
    share = (mask / 9).astype(dtype).ravel()[width:-width]
    heat = np.zeros(mask.size, dtype) if start is None else np.where(mask, start, 0).astype(dtype).ravel()
    rows = np.zeros_like(heat)
    inner, middle, left, right = rows[1:-1], heat[1:-1], heat[:-2], heat[2:]
    target, above, centre, below = heat[width:-width], rows[: -2 * width], rows[width:-width], rows[2 * width :]
    for _ in range(steps):
        heat[sources] += 1
        np.add(left, middle, out=inner)
        np.add(inner, right, out=inner)
        np.add(above, centre, out=target)
        np.add(target, below, out=target)
        np.multiply(target, share, out=target)
    return heat.reshape(mask.shape)


# ---------------------------------------------------------------------------------------------------------- decode


def decode(
    field: NDArray[np.floating[Any]],
    threshold: float = 0.0,
    steps: int = 200,
    min_size: int = 15,
    max_share: float = 1.0,
    fill_holes: bool = True,
) -> NDArray[np.int32]:
    """Decode a field, exact or drawn by a network, to labels.

    Every object pixel follows the arrows; pixels that end together are one object.

    Parameters
    ----------
    field : NDArray (3, Y, X) float
        As `encode` gives it. Arrows longer than 1 are shortened, shorter ones kept.
    threshold : float
        Pixels whose channel 0 is above it belong to objects.
    steps : int
        Maximum number of steps of one pixel along interpolated arrows. Larger objects are also found, because walks are
        chained.
    min_size : int
        Smaller objects, px, are removed.
    max_share : float
        Objects that cover more than this share of the image are removed.
    fill_holes : bool
        Fill every background that one object encloses; otherwise only gaps below 15 px, and rings stay rings.

    Returns
    -------
    NDArray (Y, X) int32
        1..n without gaps, 0 is background.
    """
    from skimage.segmentation import expand_labels

    object_, dy, dx = np.asarray(field, np.float32)
    shape = object_.shape
    inside = np.flatnonzero(object_.ravel() > threshold).astype(np.int32)
    labels = np.zeros(shape, np.int32)
    if not inside.size:
        return labels
    ends = _walk(inside, dy, dx, steps)
    labels.ravel()[inside] = _gather(np.bincount(ends, minlength=labels.size).reshape(shape)).ravel()[ends]
    if not fill_holes:  # where the two ways around a hole are equally long, arrows lead nowhere: a crack in the ring
        labels = np.where(object_ > threshold, expand_labels(labels, CRACK), 0)
    _fill_holes(labels, labels.size if fill_holes else MIN_HOLE - 1)
    sizes = np.bincount(labels.ravel())
    keep = (sizes >= min_size) & (sizes <= max_share * labels.size)
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return numbers[labels]


def _walk(inside: NDArray[np.int32], dy: Float2D, dx: Float2D, steps: int) -> NDArray[np.int32]:
    """Return the flat index at which the walk of each pixel of ``inside`` ends.

    A few Euler steps of every pixel give a map from pixel to pixel. Chaining that map with itself doubles the walk each
    time, which replaces hundreds of steps; the few pixels at which walks end then continue by Euler steps.
    """
    height, width = dy.shape
    arrows = np.zeros((height + 1, width + 1), np.complex64)  # y + ix: one look-up per corner instead of two
    arrows[:-1, :-1].real, arrows[:-1, :-1].imag = dy, dx
    np.nan_to_num(arrows, copy=False, nan=0, posinf=0, neginf=0)
    length = np.abs(arrows)
    np.divide(arrows, length, out=arrows, where=length > 1)
    flat = arrows.ravel()

    def euler(start: NDArray[np.int32], count: int) -> NDArray[np.int32]:
        y, x = (part.astype(np.float32) for part in np.divmod(start, width))
        for _ in range(count):
            row, column = y.astype(np.int32), x.astype(np.int32)
            corner = row * np.int32(width + 1) + column
            down, across = y - row, x - column
            top = flat.take(corner)
            corner += 1
            top += across * (flat.take(corner) - top)
            corner += width
            bottom = flat.take(corner)
            corner += 1
            bottom += across * (flat.take(corner) - bottom)
            top += down * (bottom - top)
            y += top.real
            x += top.imag
            np.clip(y, 0, height - 1, out=y)
            np.clip(x, 0, width - 1, out=x)
        return np.rint(y).astype(np.int32) * np.int32(width) + np.rint(x).astype(np.int32)

    goal = np.arange(height * width, dtype=np.int32)
    ends = euler(inside, min(WALK, steps))
    for _ in range(max(1, int(np.ceil(np.log2(max(steps, height, width) / WALK))))):
        goal[inside] = ends
        ends = goal[ends]
    if steps > WALK:
        last = np.flatnonzero(np.bincount(ends)).astype(np.int32)
        goal[last] = euler(last, min(steps - WALK, 4 * WALK))
        ends = goal[ends]
    return ends


def _gather(hits: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Number the object that collects the walks ending at each pixel, from the count of walks (Y, X).

    Seeds are the largest counts within 5×5 above 10; each grows five times by one pixel where more than two walks end.
    """
    pad = 6
    height, width = (n + 2 * pad for n in hits.shape)
    count = np.pad(hits, pad).ravel()
    places = np.flatnonzero(count > 10)
    offsets = np.arange(-2, 3)
    near = (offsets[:, None] * width + offsets).ravel()
    around = count[places[:, None] + near]
    own = count[places][:, None]
    places = places[((around < own) | ((around == own) & (near >= 0))).all(axis=1)]  # of equals the last wins
    places = places[np.argsort(count[places], kind="stable")]  # the strongest is painted last
    offsets = np.arange(-6, 7)
    window = places[:, None, None] + (offsets[:, None] * width + offsets)
    open_ = count[window] > 2
    grown = np.zeros(open_.shape, bool)
    grown[:, 6, 6] = True
    for _ in range(5):
        rows = grown[:, :-2] | grown[:, 1:-1] | grown[:, 2:]
        grown[:, 1:-1, 1:-1] = (rows[:, :, :-2] | rows[:, :, 1:-1] | rows[:, :, 2:]) & open_[:, 1:-1, 1:-1]
        grown[:, 6, 6] = True
    collected = np.zeros(height * width, np.int32)
    owner = np.broadcast_to(np.arange(1, len(places) + 1, dtype=np.int32)[:, None, None], grown.shape)
    collected[window[grown]] = owner[grown]
    return collected.reshape(height, width)[pad:-pad, pad:-pad]


def count_holes(labels: NDArray[np.integer[Any]]) -> int:
    """Count the gaps of 15 px or more that one object of a label image (Y, X) encloses: holes, not noise."""
    return sum(int(np.count_nonzero(hole)) >= MIN_HOLE for _, hole, _ in _gaps(labels))


def _fill_holes(labels: NDArray[np.int32], largest: int) -> None:
    """Add background of at most ``largest`` px that one object encloses to that object, in place."""
    for box, hole, owner in _gaps(labels):
        if np.count_nonzero(hole) <= largest:
            labels[box][hole] = owner


def _gaps(labels: NDArray[np.integer[Any]]) -> Iterator[tuple[tuple[slice, slice], Bool2D, int]]:
    """Yield every piece of background that one object encloses: its box, its pixels therein, and the object."""
    from scipy.ndimage import find_objects, label

    gaps, count = label(labels == 0)
    open_ = np.zeros(count + 1, bool)
    for edge in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        open_[edge] = True
    for number, box in enumerate(find_objects(gaps), 1):
        if open_[number] or box is None:
            continue
        y, x = (slice(s.start - 1, s.stop + 1) for s in box)
        hole = gaps[y, x] == number
        rim = hole.copy()
        rim[1:] |= hole[:-1]
        rim[:-1] |= hole[1:]
        rim[:, 1:] |= hole[:, :-1]
        rim[:, :-1] |= hole[:, 1:]
        owners = np.unique(labels[y, x][rim & ~hole])
        if owners.size == 1:
            yield (y, x), hole, int(owners[0])


# ------------------------------------------------------------------------------------------- quality and geometry


def flow_error(labels: NDArray[np.integer[Any]], field: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Compute, per object, the mean squared distance between the arrows of a field and those of its labels.

    Parameters
    ----------
    labels : NDArray (Y, X) integer
        As `decode` returns them for ``field``.
    field : NDArray (3, Y, X) float
        As drawn; channel 0 is not used.

    Returns
    -------
    NDArray (largest id + 1,) float64
        0 for a perfect object, 4 for opposite arrows; entry 0 and ids that do not occur are 0. Cellpose drops objects
        above 0.4.
    """
    labels = np.asarray(labels)
    error = ((encode(labels)[1:] - np.asarray(field)[1:]) ** 2).sum(axis=0, dtype=np.float64).ravel()
    inside = np.flatnonzero(labels)
    number = labels.ravel()[inside]
    length = int(labels.max(initial=0)) + 1
    total = np.bincount(number, error[inside], length)
    return np.asarray(total / np.maximum(np.bincount(number, minlength=length), 1))


def turn(field: NDArray[np.floating[Any]], turns: int, flip: bool = False) -> NDArray[np.floating[Any]]:
    """Mirror left to right, then turn counter-clockwise by right angles; the arrows are turned as well.

    Parameters
    ----------
    field : NDArray (..., 3, Y, X) float
        One field or a stack.
    turns : int
        Quarter turns as in `numpy.rot90`.
    flip : bool
        Whether to mirror first.

    Returns
    -------
    NDArray (..., 3, Y, X)
        A copy; height and width are swapped if ``turns`` is odd.
    """
    if flip:
        field = field[..., ::-1]
    field = np.rot90(field, turns, axes=(-2, -1)).copy()
    dy, dx = field[..., 1, :, :].copy(), field[..., 2, :, :].copy()
    if flip:
        dx = -dx
    for _ in range(turns % 4):
        dy, dx = -dx, dy
    field[..., 1, :, :], field[..., 2, :, :] = dy, dx
    return field
