"""The tiles that a training learns from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.grades import ungraded_warning
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import Tile, list_tiles, small_image_warning, used_whole
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe, TrainSettings

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator

MIN_TILES = 20  # below, a warning is due


def load_training_pairs(project: Project, recipe: Recipe) -> list[SamplePair]:
    """Read the pairs of a project that are not marked "test", as tiles are cut from them.

    Raises
    ------
    UserError
        If there are none.
    """
    if not project.pairs_path.exists():
        raise UserError(
            f"Project {project.path.name} has no pairs.", "Expected images with masks.", "Load and check pairs first."
        )
    pairs = load_pairs(project, split="train", images_alone=recipe.draws == "images")
    return used_whole(pairs, recipe.tiles)


def pick_tiles(pairs: list[SamplePair], recipe: Recipe) -> list[Tile]:
    """Return the tiles to learn from; without any mask no objects are asked for.

    Raises
    ------
    UserError
        If no tile is usable.
    """
    settings = recipe.tiles if any(pair.labels.any() for pair in pairs) else recipe.tiles.replace(min_objects=0)
    return [tile for tile in list_tiles(pairs, settings) if tile.kept]


def tile_warnings(pairs: list[SamplePair], tiles: int, recipe: Recipe) -> Iterator[str]:
    """Yield warnings about the tiles before the training starts."""
    if tiles < MIN_TILES:
        are = "is only 1 tile" if tiles == 1 else f"are only {tiles} tiles"
        yield f"There {are}; samples will look much like them."
    if not recipe.tiles.whole and (small := small_image_warning([pair.size for pair in pairs], recipe.tiles.size)):
        yield small
    ungraded = [pair.name for pair in pairs if pair.image_class is None]
    if ungraded and len(ungraded) < len(pairs) and recipe.gan.class_conditional:
        yield ungraded_warning(len(ungraded), len(pairs))


def in_steps(settings: TrainSettings, generator: Generator, tiles: int) -> TrainSettings:
    """Return settings whose steps last as many epochs as they say, if any.

    Parameters
    ----------
    settings : TrainSettings
        As in the recipe.
    generator : Generator
        Knows how many tiles a step takes.
    tiles : int
        Of an epoch, turned and mirrored ones included.
    """
    if not settings.epochs:
        return settings
    return settings.replace(steps=generator.steps_for(settings.epochs * tiles, settings.batch))


def refuse_one_tile(side: int) -> UserError:
    """Return the error of a memory that does not suffice for one tile of a side, px."""
    return UserError(
        f"Memory is full with one tile of {side} px.",
        "Expected room for one training step.",
        "Choose smaller tiles or fewer channels, or close other programs.",
    )
