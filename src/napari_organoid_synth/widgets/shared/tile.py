"""The tile that suits the objects of a project: chosen once, used where something is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.suggestion import USUAL
from napari_organoid_synth.core.recipe import Recipe

if TYPE_CHECKING:
    from napari_organoid_synth.widgets.shared.workspace import Workspace

KEY = "tile"


def use_tile(workspace: Workspace, size: int, object_side: float) -> None:
    """Remember a tile, px, and the side that most objects do not exceed, px as used; also for a training chosen before.

    Pages take it up with the next change of the pairs.
    """
    workspace.remember(KEY, {"size": size, "object_side": object_side})
    if stored := workspace.remembered("train"):
        tiles = stored.get("tiles")
        workspace.remember("train", stored | {"tiles": {**(tiles if isinstance(tiles, dict) else {}), "size": size}})


def chosen_tile(workspace: Workspace) -> tuple[int | None, float]:
    """Return the tile that was chosen for the objects, px, and the side that most do not exceed; None: not chosen."""
    stored = workspace.remembered(KEY)
    size, side = stored.get("size"), stored.get("object_side")
    return (size if isinstance(size, int) else None), (float(side) if isinstance(side, int | float) else 0.0)


def tile_settings(workspace: Workspace) -> TileSettings:
    """Return the tiles of the training: as chosen there, else the tile chosen for the objects, else the defaults."""
    size, _ = chosen_tile(workspace)
    stored = workspace.remembered("train").get("tiles", {"size": size} if size is not None else {})
    try:
        return TileSettings.parse(stored)
    except UserError:  # stored by another version
        return TileSettings()


def learned_tile(workspace: Workspace) -> int | None:
    """Return the side of the tiles, px, that suits pairs of the newest generator; None without a generator.

    A painter paints masks of any size, so that its pairs are larger than the tiles it learned from.
    """
    for path in reversed(workspace.project.runs() if workspace.project is not None else []):
        try:
            recipe = Recipe.from_file(path / "recipe.yaml")
        except UserError:  # a damaged run is named where runs are listed
            continue
        if recipe.gan.trains:
            return max(recipe.tiles.side, USUAL) if recipe.shape == "painter" else recipe.tiles.side
    return None
