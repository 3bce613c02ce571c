"""Upright tiles of the real pairs: their names, and reading their pixels again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import read_entry
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.tiling import Tile, cut_pair
from napari_organoid_synth.core.project import Project

MIN_SIDE, MAX_SIDE = 32, 1024
"""Of tiles that samples are compared with, px."""


@dataclass(frozen=True, order=True)
class TilePlace:
    """Place of an upright tile: its real pair, and its first row and column there, px."""

    pair: str
    y: int
    x: int

    @classmethod
    def from_name(cls, name: str) -> TilePlace:
        """Read the name that `cut_pair` gives an upright tile, as in settings and files.

        Raises
        ------
        UserError
            If it is not such a name.

        Examples
        --------
        >>> TilePlace.from_name("image_y0_x128_r0")
        TilePlace(pair='image', y=0, x=128)
        """
        match = re.fullmatch(r"(.*)_y(\d+)_x(\d+)_r0", name)
        if not match:
            raise UserError(f"'{name}' is not the name of a real tile.", "Expected a name such as image_y0_x128_r0.")
        return cls(match[1], int(match[2]), int(match[3]))

    @property
    def name(self) -> str:
        """The inverse of `from_name`."""
        return f"{self.pair}_y{self.y}_x{self.x}_r0"

    def overlaps(self, other: TilePlace, side: int) -> bool:
        """Return whether two tiles of ``side`` px share a pixel."""
        return self.pair == other.pair and abs(self.y - other.y) < side and abs(self.x - other.x) < side


def tile_side(sizes: Iterable[tuple[int, int]]) -> int:
    """Return the side of real tiles to compare with pairs of these sizes: their most frequent shorter edge.

    Parameters
    ----------
    sizes : iterable of (int, int)
        Height and width of each pair, px; at least one.

    Returns
    -------
    int
        32 to 1024 px.
    """
    side = Counter(min(size) for size in sizes).most_common(1)[0][0]
    return min(max(side, MIN_SIDE), MAX_SIDE)


def read_tile(project: Project, place: TilePlace, side: int) -> SamplePair:
    """Read the pixels of a tile of a training pair.

    Parameters
    ----------
    project : Project
        Has the table of real pairs.
    place : TilePlace
        Its place.
    side : int
        Of the tile, px.

    Raises
    ------
    UserError
        If its image is no longer among the training pairs.
    """
    table = PairTable.from_file(project.pairs_path)
    entry = next((entry for entry in table.train if entry.name == place.pair), None)
    if entry is None:
        raise UserError(f"The real image '{place.pair}' is not among the training pairs.", todo="Score again.")
    pair = read_entry(entry, table.mask_kind, table.class_names)
    return cut_pair(pair, Tile(0, pair.name, place.y, place.x, side))
