"""The real tiles that generated samples are compared with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import load_pairs, read_entry
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.tiling import Tile, cut_pair, list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleRow

MOST_TILES = 400


def tile_side(rows: Sequence[SampleRow]) -> int:
    """Side of the real tiles to compare samples with: the shorter edge that most of them have, 32 to 1024 px."""
    side = Counter(min(row.size) for row in rows).most_common(1)[0][0]
    return min(max(side, 32), 1024)


def real_tiles(project: Project, side: int, split: Literal["train", "test"] = "train") -> list[SamplePair]:
    """Tiles of the real pairs, 400 at most, cut as for the newest run, so that a copied tile lies in the same place."""
    pairs = load_pairs(project, split=split, images_alone=True)
    settings = _tile_settings(project).replace(size=side, turn=False, flip=False)
    if not any(pair.labels.any() for pair in pairs):
        settings = settings.replace(min_objects=0)
    tiles = list_tiles(pairs, settings)
    kept = [tile for tile in tiles if tile.kept]
    number = min(MOST_TILES, len(kept))
    chosen = [kept[index * len(kept) // number] for index in range(number)]
    return [_named(cut_pair(pairs[tile.pair], tile), pairs[tile.pair]) for tile in chosen]


def tile_place(tile: str) -> tuple[str, int, int]:
    """Pair, first row and column of an upright tile, from the name that `cut_pair` gave it.

    Raises
    ------
    UserError
        If it is no such name.
    """
    found = re.fullmatch(r"(.*)_y(\d+)_x(\d+)_r0", tile)
    if not found:
        raise UserError(f"'{tile}' is no real tile.", "Expected a name such as image_y0_x128_r0.")
    return found[1], int(found[2]), int(found[3])


def read_tile(project: Project, tile: str, side: int) -> SamplePair:
    """The pixels of an upright real tile.

    Parameters
    ----------
    project : Project
        Has the table of real pairs.
    tile : str
        Its name.
    side : int
        Its side, px.

    Raises
    ------
    UserError
        If its image is no longer among the training pairs.
    """
    name, y, x = tile_place(tile)
    table = PairTable.from_file(project.pairs_path)
    entries = [entry for entry in table.train if entry.name == name]
    if not entries:
        raise UserError(f"The real image '{name}' is not among the training pairs.", todo="Score again.")
    pair = read_entry(entries[0], table.mask_kind, table.class_names)
    return cut_pair(pair, Tile(0, pair.name, y, x, side))


def _tile_settings(project: Project) -> TileSettings:
    runs = project.runs()
    return Recipe.from_file(runs[-1] / "recipe.yaml").tiles if runs else TileSettings()


def _named(tile: SamplePair, pair: SamplePair) -> SamplePair:
    """A tile that says which image it was cut from."""
    return tile if pair.source.files else tile.replace(source=Source(files=(pair.name,)))
