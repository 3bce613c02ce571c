"""The real tiles that synthetic pairs are compared with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.groups import GROUP, tile_groups
from napari_organoid_synth.core.pairs.loading import load_pairs, predicted_classes
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.pairs.tiling import Tile, cut_pair, list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe

MAX_TILES = 400
PREDICTED = "predicted"
"""What a tile's `Source.provenance` has where a segmenter marked its mask, or some of its classes."""


@dataclass(frozen=True, eq=False)
class RealTiles:
    """Upright square tiles of the real pairs.

    Parameters
    ----------
    pairs : list of SamplePair
        Each tile; ``source.files`` names the image that it was cut from, its provenance the group of that, and whether
        its mask was predicted.
    places : list of TilePlace
        Place of each tile.
    number : int
        Tiles that there are, of which these are some.
    note : str
        What a person should know of the groups (`metrics.groups`) and of predicted masks; empty if there is nothing.
    """

    pairs: list[SamplePair]
    places: list[TilePlace]
    number: int = 0
    note: str = ""


def real_tiles(project: Project, side: int, split: Literal["train", "test"] = "train") -> RealTiles:
    """Cut tiles from the real pairs, as for the newest run, so that a copied tile lies in the same place.

    Parameters
    ----------
    project : Project
        With real pairs.
    side : int
        Of the tiles, px.
    split : {"train", "test"}
        Split of the pairs.

    Returns
    -------
    RealTiles
        400 at most, evenly chosen.
    """
    pairs = load_pairs(project, split=split, images_alone=True)
    table = PairTable.from_file(project.pairs_path)
    groups = tile_groups(table)
    predicted = {entry.name for entry in table.matched if predicted_classes(entry)}
    tiles = cut_tiles(pairs, _tile_settings(project).replace(size=side), groups.labels, predicted)
    notes = groups.note, _note_of_predicted(predicted, pairs)
    return replace(tiles, note=" ".join(filter(None, notes)))


def _note_of_predicted(predicted: Collection[str], pairs: Sequence[SamplePair]) -> str:
    """Return what a person should know of predicted masks; empty where all were drawn."""
    number = sum(pair.name in predicted for pair in pairs)
    if not number:
        return ""
    if number == len(pairs):
        return "All masks of real pairs were predicted, not drawn: 'fits' says what that segmenter would."
    which = f"{number} of {plural(len(pairs), 'real pair')}"
    return f"The masks of {which} were predicted, not drawn: 'fits' learns from the others where these are enough."


def cut_tiles(
    pairs: Sequence[SamplePair],
    settings: TileSettings,
    groups: Mapping[str, str] | None = None,
    predicted: Collection[str] = (),
) -> RealTiles:
    """Cut upright tiles from pairs.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Of any size.
    settings : TileSettings
        Side, overlap, and which tiles are kept; the fewest objects are 0 where no pair has a mask.
    groups : mapping of str to str, optional
        Group of each pair, by its name; default: each stands alone.
    predicted : collection of str
        Names of the pairs whose masks a segmenter marked, all or some classes.

    Returns
    -------
    RealTiles
        400 at most, evenly chosen.
    """
    kept = _kept(pairs, settings)
    chosen = _some(kept, MAX_TILES)
    cut = [_with_source(cut_pair(pairs[tile.pair], tile), pairs[tile.pair], groups or {}, predicted) for tile in chosen]
    return RealTiles(cut, [TilePlace(tile.name, tile.y, tile.x) for tile in chosen], len(kept))


def every_real_tile(project: Project, side: int, most: int) -> Iterator[SamplePair]:
    """Cut all training tiles of a project, one by one; parameters as of `real_tiles`, and the most tiles."""
    pairs = load_pairs(project, split="train", images_alone=True)
    return every_tile(pairs, _tile_settings(project).replace(size=side), most)


def every_tile(pairs: Sequence[SamplePair], settings: TileSettings, most: int) -> Iterator[SamplePair]:
    """Cut all tiles, one by one; parameters as of `cut_tiles`, and the most tiles."""
    for tile in _some(_kept(pairs, settings), most):
        yield cut_pair(pairs[tile.pair], tile)


def _kept(pairs: Sequence[SamplePair], settings: TileSettings) -> list[Tile]:
    """List the upright tiles that are kept."""
    settings = settings.replace(turn=False, flip=False)
    if not any(pair.labels.any() for pair in pairs):
        settings = settings.replace(min_objects=0)
    return [tile for tile in list_tiles(pairs, settings) if tile.kept]


def _some(tiles: list[Tile], most: int) -> list[Tile]:
    """Return some tiles, evenly chosen."""
    number = min(most, len(tiles))
    return [tiles[index * len(tiles) // number] for index in range(number)]


def _tile_settings(project: Project) -> TileSettings:
    for path in reversed(project.runs()):
        with suppress(UserError):  # a damaged run says nothing about tiles
            return Recipe.from_file(path / "recipe.yaml").tiles
    return TileSettings()


def _with_source(
    tile: SamplePair, pair: SamplePair, groups: Mapping[str, str], predicted: Collection[str]
) -> SamplePair:
    """Return a tile that names the image it was cut from, the group of that, and whether its mask was predicted."""
    files, provenance = pair.source.files or (pair.name,), tile.source.provenance
    if pair.name in groups:
        provenance = {**provenance, GROUP: groups[pair.name]}
    if pair.name in predicted:
        provenance = {**provenance, PREDICTED: True}
    return tile.replace(source=replace(tile.source, files=files, provenance=provenance))
