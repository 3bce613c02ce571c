"""The real tiles that generated samples are compared with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from napari_organoid_synth.core.curation import SampleRow
from napari_organoid_synth.core.pair import SamplePair, Source
from napari_organoid_synth.core.pairing import load_pairs
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe, TileSettings
from napari_organoid_synth.core.tiling import cut_pair, list_tiles

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


def _tile_settings(project: Project) -> TileSettings:
    runs = project.runs()
    return Recipe.from_file(runs[-1] / "recipe.yaml").tiles if runs else TileSettings()


def _named(tile: SamplePair, pair: SamplePair) -> SamplePair:
    """A tile that says which image it was cut from."""
    return tile if pair.source.files else tile.replace(source=Source(files=(pair.name,)))


def place_of(tile: str) -> tuple[str, int, int]:
    """Pair, first row and column of an upright tile, from the name that `cut_pair` gave it."""
    name, y, x = re.fullmatch(r"(.*)_y(\d+)_x(\d+)_r0", tile).groups()  # type: ignore[union-attr]
    return name, int(y), int(x)
