"""Tiles: their places, the choice of those to keep, cutting and blending."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.quantities import pixels, plural

MIN_AREA = 15
"""Area in px below which the remnant of a cut object is removed."""

EMPTY = "no objects: an empty field"
FULL = "one object fills the image"
UNIFORM_SHARE = 0.1
"""Tiles of empty fields that are kept, as share of the others; and of images that one object fills."""

MIN_OBJECTS: dict[MaskKind, int] = {"instances": 3, "binary": 1, "classes": 0}


def _starts(length: int, tile: int, overlap: float) -> tuple[int, ...]:
    """Return evenly spread first pixels; neighbours share at least ``overlap`` of a tile, the last ends at the edge."""
    if length <= tile:
        return (0,)
    stride = max(1, math.floor(tile * (1 - overlap)))
    number = math.ceil((length - tile) / stride) + 1
    return tuple(round(i * (length - tile) / (number - 1)) for i in range(number))


@dataclass(frozen=True)
class TileGrid:
    """Square tiles over an image of any size.

    Parameters
    ----------
    size : (int, int)
        Height and width of the image, px.
    tile : int
        Side of a tile, px. An image that is smaller is mirrored at its edges up to this side.
    overlap : float in [0, 1)
        Minimum share of a tile that its neighbour repeats.
    """

    size: tuple[int, int]
    tile: int
    overlap: float = 0.2

    @property
    def pad(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Pixels mirrored (above, below), (left, right); zero where the image is large enough."""
        missing = [max(0, self.tile - length) for length in self.size]
        return (missing[0] // 2, missing[0] - missing[0] // 2), (missing[1] // 2, missing[1] - missing[1] // 2)

    @cached_property
    def starts_y(self) -> tuple[int, ...]:
        """First rows of the tiles in the padded image."""
        return _starts(self.size[0], self.tile, self.overlap)

    @cached_property
    def starts_x(self) -> tuple[int, ...]:
        """First columns of the tiles in the padded image."""
        return _starts(self.size[1], self.tile, self.overlap)

    @property
    def boxes(self) -> list[tuple[int, int]]:
        """First row and column of every tile, row by row."""
        return list(product(self.starts_y, self.starts_x))

    @cached_property
    def window(self) -> NDArray[np.float32]:
        """Weight of each pixel of a tile (tile, tile) in a blend, above 0 and at most 1: a pyramid."""
        ramp = np.minimum(np.arange(1, self.tile + 1), np.arange(self.tile, 0, -1)).astype(np.float32)
        return np.asarray(ramp[:, None] * ramp / ramp.max() ** 2, np.float32)

    def padded(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array (..., Y, X), mirrored up to the size of a tile; itself where it is large enough."""
        if array.shape[-2:] != self.size:
            raise ValueError(f"array of {array.shape[-2:]} px in a grid of {self.size} px")
        if not any(map(any, self.pad)):
            return array
        return np.pad(array, [(0, 0)] * (array.ndim - 2) + list(self.pad), mode="reflect")

    def cut(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """Yield every tile of an array (..., Y, X) as a view (..., tile, tile), in the order of `boxes`."""
        array, t = self.padded(array), self.tile
        return [array[..., y : y + t, x : x + t] for y, x in self.boxes]

    def blend(self, tiles: Iterable[NDArray[np.floating[Any]]]) -> NDArray[np.float32]:
        """Blend encoded tiles; in overlaps, the pixel nearer to the centre of its tile has more weight.

        Weights are a pyramid (a triangle along each axis), so there is no seam; for unchanged tiles this is the
        inverse of `cut`.

        Parameters
        ----------
        tiles : iterable of NDArray (C, tile, tile), float
            In the order of `boxes`; may be a generator, only one tile is in memory.

        Returns
        -------
        NDArray (C, Y, X), float32

        Raises
        ------
        ValueError
            If the tiles are integers (labels have no average: blend while encoded, then decode), or their number is
            wrong.
        """
        window = self.window
        height, width = (max(length, self.tile) for length in self.size)
        weights = np.zeros((height, width), np.float32)
        total: NDArray[np.float32] | None = None
        for (y, x), tile in zip(self.boxes, tiles, strict=True):
            if tile.dtype.kind != "f":
                raise ValueError(f"tiles of {tile.dtype} cannot be averaged; blend them while encoded")
            if total is None:
                total = np.zeros((len(tile), height, width), np.float32)
            total[:, y : y + self.tile, x : x + self.tile] += tile * window
            weights[y : y + self.tile, x : x + self.tile] += window
        assert total is not None  # a grid has at least one tile, zip is strict
        total /= weights
        (above, _), (left, _) = self.pad
        return total[:, above : above + self.size[0], left : left + self.size[1]]


def middle(array: NDArray[Any], side: int) -> NDArray[Any]:
    """Return the middle (..., side, side) of an array (..., Y, X), as before `TileGrid.padded`; all of it at 0."""
    top, left = ((length - side) // 2 if side else 0 for length in array.shape[-2:])
    return array[..., top : top + side, left : left + side] if side else array


def used_whole(pairs: Sequence[SamplePair], settings: TileSettings) -> list[SamplePair]:
    """Return the pairs that tiles are cut from: where images are used whole, the middle square of larger ones."""
    side = settings.whole
    return [pair.whole(side) if side and max(pair.size) > side else pair for pair in pairs]


@dataclass(frozen=True)
class Tile:
    """One square of one pair, in one of eight orientations.

    Parameters
    ----------
    pair : int
        Number of the pair in the list that was tiled.
    name : str
        Name of that pair.
    y, x : int
        First row and column in the (padded) image.
    size : int
        Side, px.
    turns : int in 0..3
        Quarter turns, anticlockwise as shown (`numpy.rot90`).
    flip : bool
        Whether it is mirrored left to right before it is turned.
    kept : bool
        Whether to train on it.
    reason : str
        Why it is left out.
    """

    pair: int
    name: str
    y: int
    x: int
    size: int
    turns: int = 0
    flip: bool = False
    kept: bool = True
    reason: str = ""


def orient(array: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    """Return a view of (..., Y, X), mirrored left to right if asked, then turned by quarter turns anticlockwise."""
    return np.rot90(array[..., ::-1] if flip else array, turns, axes=(-2, -1))


def clean_instances(labels: NDArray[np.int32], min_area: int = MIN_AREA) -> NDArray[np.int32]:
    """Number instances 1..n from the top, each connected piece separately, without pieces below ``min_area`` px.

    A cut can split an object into several pieces, and a mirrored edge repeats it: each piece becomes an object.
    """
    pieces = pieces_of(labels)
    large = np.bincount(pieces.ravel()) >= min_area
    large[0] = False
    numbers: NDArray[np.int32] = np.cumsum(large, dtype=np.int32) * large
    return numbers[pieces]


def list_tiles(pairs: Sequence[SamplePair], settings: TileSettings) -> list[Tile]:
    """List all tiles of all pairs, in the order pair, y, x, turns, flip.

    A tile with too few objects or too much cover appears once with ``kept=False`` and the reason, so that a person can
    see what is left out. Pairs without any object are data, too: of their tiles a tenth of the number of the others is
    kept, evenly spread, unless the settings ask for objects. The same holds for binary masks that one object fills, of
    which all tiles are kept where there are no others.

    Raises
    ------
    UserError
        If no tile is kept.
    """
    upright: list[Tile] = []
    for index, pair in enumerate(pairs):
        grid = TileGrid(pair.size, settings.size, settings.overlap)
        uniform = _uniform(pair, settings)
        for (y, x), labels in zip(grid.boxes, grid.cut(pair.labels), strict=True):
            reason = uniform or _refusal(labels, pair.mask_kind, settings)
            upright.append(Tile(index, pair.name, y, x, settings.size, kept=not reason, reason=reason))
    tiles: list[Tile] = []
    for tile in _keep_some(_keep_some(upright, EMPTY), FULL):
        for turns in range(4 if settings.turn and tile.kept else 1):
            for flip in (False, True) if settings.flip and tile.kept else (False,):
                tiles.append(replace(tile, turns=turns, flip=flip))
    if tiles and not any(tile.kept for tile in tiles):
        raise UserError(
            f"None of {plural(len(tiles), 'tile')} of {settings.size} px can be used; the first has {tiles[0].reason}.",
            "Expected at least one.",
            "Lower 'tiles.min_objects', raise 'tiles.max_cover', or change 'tiles.size'.",
        )
    return tiles


def _uniform(pair: SamplePair, settings: TileSettings) -> str:
    """Return why the tiles of a pair tell little: its mask has the same value everywhere. Empty for any other."""
    if settings.min_objects is None and not pair.labels.any():
        return EMPTY
    return FULL if pair.mask_kind == "binary" and pair.labels.all() else ""


def _keep_some(tiles: Sequence[Tile], reason: str) -> list[Tile]:
    """Keep some of the tiles left out for a reason: a tenth of the number of kept ones, at least one, evenly spread."""
    uniform = [place for place, tile in enumerate(tiles) if tile.reason == reason]
    others = sum(tile.kept for tile in tiles)
    number = min(len(uniform), max(1, round(UNIFORM_SHARE * others)))
    if not others:
        number = len(uniform) if reason == FULL else 0
    chosen = {uniform[int((k + 0.5) * len(uniform) / number)] for k in range(number)}
    return [replace(tile, kept=True, reason="") if place in chosen else tile for place, tile in enumerate(tiles)]


def small_image_warning(sizes: Sequence[tuple[int, int]], tile: int) -> str:
    """Describe images smaller than a tile, whose missing pixels are filled by mirroring; empty if there are none.

    Parameters
    ----------
    sizes : sequence of (int, int)
        Height and width of each image, px.
    tile : int
        Side of a tile, px.
    """
    small = [size for size in sizes if min(size) < tile]
    if not small:
        return ""
    smallest = min(small, key=min)
    number = f"All {len(sizes)} images are" if len(small) == len(sizes) else f"{len(small)} of {len(sizes)} images are"
    if len(small) == 1:
        number = "The image is" if len(sizes) == 1 else f"1 of {len(sizes)} images is"
    return (
        f"{number} smaller than a tile of {tile} px ({pixels(smallest)}): the missing pixels are filled by mirroring "
        f"at the edges. Choose a tile of at most {min(smallest)} px to use only real pixels."
    )


def _refusal(labels: NDArray[np.int32], kind: MaskKind, settings: TileSettings) -> str:
    """Return why a tile is left out; empty if it is kept."""
    nouns = ("class", "classes") if kind == "classes" else ("object", "objects")
    fewest = MIN_OBJECTS[kind] if settings.min_objects is None else settings.min_objects
    if kind == "instances":
        labels = clean_instances(labels)
        number = int(labels.max(initial=0))
    else:
        number = int(np.count_nonzero(np.unique(labels)))
    if number < fewest:
        return f"{plural(number, *nouns)}, fewer than {fewest}"
    cover = np.count_nonzero(labels) / labels.size
    if kind == "binary" and cover > settings.max_cover:  # classes and instances may well fill an image
        return f"{100 * cover:.0f} % covered, more than {100 * settings.max_cover:.0f} %"
    return ""


def cut_pair(pair: SamplePair, tile: Tile) -> SamplePair:
    """Cut the square of a pair that a tile names.

    Image and labels are views where the image is large enough; instances are numbered again from 1, without remnants
    below 15 px.
    """
    grid = TileGrid(pair.size, tile.size)
    box = (..., slice(tile.y, tile.y + tile.size), slice(tile.x, tile.x + tile.size))
    image = orient(grid.padded(pair.image)[box], tile.turns, tile.flip)
    labels = orient(grid.padded(pair.labels)[box], tile.turns, tile.flip)
    return pair.replace(
        name=f"{pair.name}_y{tile.y}_x{tile.x}_r{tile.turns}{'m' if tile.flip else ''}",
        image=image,
        labels=clean_instances(labels) if pair.mask_kind == "instances" else labels,
    )
