"""Masks that a painter paints on, one for each sample: from real pairs, a mask generator, a simulator or a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.pairs.tiling import (
    MIN_AREA,
    TileGrid,
    clean_instances,
    cut_pair,
    list_tiles,
    used_whole,
)
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import capital, plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.seeds import seed_of
from napari_organoid_synth.core.simulators.population import place
from napari_organoid_synth.core.simulators.real_outlines import why_not_arranged
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

MARGIN = 1.25  # a mask is warped on a larger square, so that fewer pixels are mirrored in at the border


@dataclass(frozen=True)
class Mask:
    """A mask to paint on.

    Parameters
    ----------
    labels : NDArray (Y, X) int32
    origin : dict
        Origin, for the provenance of the sample.
    left_out : int
        Objects that found no place in it.
    layout_of : tuple of str
        Real images whose layout the mask keeps; a painter that copies texture must not take it from these.
    """

    labels: NDArray[np.int32]
    origin: dict[str, Any] = field(default_factory=dict)
    left_out: int = 0
    layout_of: tuple[str, ...] = ()


MaskSource: TypeAlias = Callable[[int, int], Mask]
"""Returns the mask of (index of the sample, number of the attempt)."""


def project_masks(project: Project, painter: TrainedGenerator, settings: GenerateSettings) -> MaskSource:
    """Return the masks that the settings name; real ones are those of the project's training pairs.

    Raises
    ------
    UserError
        If there are no such masks, or they do not fit the painter.
    """
    if settings.masks == "generated":
        run = Run(project.run_path(settings.mask_run or _newest_mask_run(project)))
        return generated_masks(painter, run, load_pairs(project, split="train"), settings)
    if settings.masks in {"simulated", "file"}:
        return masks_of(painter, (), settings)
    return masks_of(painter, used_whole(load_pairs(project, split="train"), painter.recipe.tiles), settings)


def masks_of(painter: TrainedGenerator, pairs: Sequence[SamplePair], settings: GenerateSettings) -> MaskSource:
    """Return the masks that the settings name, all but generated ones; no project is needed.

    Parameters
    ----------
    painter : TrainedGenerator
        Painter of the samples.
    pairs : sequence of SamplePair
        Real pairs; not used for simulated masks and those of a file.
    settings : GenerateSettings
        ``masks`` says which; ``seed``, ``cover``, ``contact`` and ``warp`` how.

    Raises
    ------
    UserError
        If there are no such masks, or they do not fit the painter.
    """
    side, codec = settings.size or painter.sample_side, painter.codec
    layout = settings.layout(codec.mask_kind)
    if layout == "simulated":
        return simulated_masks(codec, side, settings.seed)
    if layout == "file":
        return file_mask(codec, settings.mask_file)
    if layout == "generated":
        raise UserError(
            "Generated masks need the run that draws them.",
            "Expected arranged, moved, warped, real, fitted, simulated or file.",
            "Generate in the project of that run.",
        )
    if not pairs:
        raise UserError(
            f"There are no real pairs whose masks could be {layout}.",
            "Expected at least one.",
            "Pass real pairs, or choose simulated masks.",
        )
    pairs = [pair for pair in pairs if pair.labels.any()]  # an empty field holds nothing to paint
    if not pairs:
        raise UserError("The real masks hold no object.", "Expected at least one.", "Choose simulated masks.")
    if settings.masks == "auto" and layout == "arranged" and why_not_arranged(pairs) is not None:
        layout = "moved"
    match layout:
        case "real":
            return real_masks(pairs, painter.recipe, side)
        case "fitted":
            return fitted_masks(pairs, codec, side, settings.seed)
        case "arranged":
            return arranged_masks(pairs, side, settings)
        case "moved":
            return moved_masks(pairs, side, settings.seed)
    return warped_masks(pairs, side, settings)


def generated_masks(
    painter: TrainedGenerator, run: Run, pairs: Sequence[SamplePair], settings: GenerateSettings
) -> MaskSource:
    """Return new masks of a mask generator; one that fails the check comes back empty, and another is tried."""
    from napari_organoid_synth.core.synthesis.mask_sampler import MaskSampler, check_same_masks

    sampler = MaskSampler(run, pairs, settings.device, settings.mask_checkpoint)
    check_same_masks(painter, sampler.model)
    model = sampler.model
    refuse_size(model, settings.size)
    origin = {"kind": "generated", "run": model.name, "checkpoint": model.step, "model_sha256": model.sha256}

    def mask(index: int, attempt: int) -> Mask:
        labels, check = sampler.draw(settings.seed, "mask", index, attempt, variety=settings.variety)
        if not check.passed:
            return Mask(np.zeros_like(labels))
        return Mask(labels, {**origin, "check": check.as_dict()})

    return mask


def refuse_size(model: TrainedGenerator, size: int) -> None:
    """Raise if a model that draws from noise is asked for another size (0: none) than that of its tiles."""
    side = model.sample_side
    if size not in (0, side):
        raise UserError(
            f"{capital(model.title)} draws from noise, always {side} px; {size} px cannot be asked for.",
            f"Expected 0 or {side}; a painter paints masks of any size.",
            "Set size to 0, or choose a painter with masks that are warped, fitted or simulated.",
        )


def real_masks(pairs: Sequence[SamplePair], recipe: Recipe, side: int) -> MaskSource:
    """Return the upright tiles of the real pairs, one after the other."""
    upright = recipe.tiles.replace(turn=False, flip=False, size=side)
    tiles = [tile for tile in list_tiles(pairs, upright) if tile.kept]

    def mask(index: int, attempt: int) -> Mask:
        tile = tiles[(index + attempt) % len(tiles)]
        pair = cut_pair(pairs[tile.pair], tile)
        origin = {"kind": "real", "name": pair.name}
        return Mask(np.ascontiguousarray(pair.labels), origin, layout_of=(pairs[tile.pair].name,))

    return mask


def arranged_masks(pairs: Sequence[SamplePair], side: int, settings: GenerateSettings) -> MaskSource:
    """Return real objects, turned and scaled, at other places."""
    from napari_organoid_synth.core.simulators.arranged import Arranger

    arranger = Arranger(pairs)

    def mask(index: int, attempt: int) -> Mask:
        rng = np.random.default_rng(seed_of(settings.seed, "arranged", index, attempt))
        made = arranger.arrange(side, rng, settings.cover, settings.contact, settings.warp)
        return Mask(made.labels, {"kind": "arranged", **made.as_dict()}, made.left_out)

    return mask


def moved_masks(pairs: Sequence[SamplePair], side: int, seed: int) -> MaskSource:
    """Return parts of real masks, bent strongly, whose organelles are exchanged."""
    from napari_organoid_synth.core.simulators.moved import Mover

    mover = Mover(pairs)

    def mask(index: int, attempt: int) -> Mask:
        made = mover.move(side, np.random.default_rng(seed_of(seed, "moved", index, attempt)))
        return Mask(made.labels, {"kind": "moved", **made.as_dict()}, layout_of=(made.name,))

    return mask


def warped_masks(pairs: Sequence[SamplePair], side: int, settings: GenerateSettings) -> MaskSource:
    """Return a random square of a random real mask, turned, mirrored and bent."""
    from napari_organoid_synth.core.simulators.warp import warp_labels

    wide = int(side * MARGIN)
    squares = [_square_of(TilePlace.from_name(name), pairs, side, wide) for name in settings.mask_tiles]

    def mask(index: int, attempt: int) -> Mask:
        rng = np.random.default_rng(seed_of(settings.seed, "mask", index, attempt))
        if squares:
            pair, y, x = squares[int(rng.integers(len(squares)))]
            labels = TileGrid(pair.size, wide).padded(pair.labels)
        else:
            pair = pairs[int(rng.integers(len(pairs)))]
            labels = TileGrid(pair.size, wide).padded(pair.labels)
            y, x = (int(rng.integers(length - wide + 1)) for length in labels.shape)
        warped = warp_labels(labels[y : y + wide, x : x + wide], rng, settings.warp)
        start = (wide - side) // 2
        labels = np.ascontiguousarray(warped[start : start + side, start : start + side])
        if pair.mask_kind == "instances":
            labels = clean_instances(labels)
        origin = {"kind": "warped", "name": pair.name, "y": y, "x": x, "warp": settings.warp}
        return Mask(labels, origin, layout_of=(pair.name,))

    return mask


def fitted_masks(pairs: Sequence[SamplePair], codec: Codec, side: int, seed: int) -> MaskSource:
    """Return new objects, each mask with the count, sizes and shapes of a random real one and the clusters of all."""
    from napari_organoid_synth.core.simulators.population_fit import fit_each, refuse_classes

    refuse_classes(codec.mask_kind, codec.class_names)
    fitted = [one.replace(mask_kind=codec.mask_kind) for one in fit_each(pairs)]

    def mask(index: int, attempt: int) -> Mask:
        number = seed_of(seed, "fitted", index, attempt)
        population = fitted[number % len(fitted)]
        labels, left_out = place(population, np.random.default_rng(number), side)
        provenance = {"seed": str(number), "left_out": left_out, "population": population.model_dump(mode="json")}
        return Mask(labels, {"kind": "fitted", **provenance}, left_out)

    return mask


def simulated_masks(codec: Codec, side: int, seed: int) -> MaskSource:
    """Return masks of the simulator that draws the same kind of mask with the same classes."""
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    fitting = {"binary": "organoid_brightfield", "instances": "tissue", "classes": "em"}[codec.mask_kind]
    first = SIMULATORS[fitting](0, side)
    if first.mask_kind != codec.mask_kind or (codec.mask_kind == "classes" and first.class_names != codec.class_names):
        raise UserError(
            f"The simulator '{fitting}' draws {', '.join(first.class_names)}.",
            f"Expected {', '.join(codec.class_names)}.",
            "Paint on real masks, warped.",
        )

    def mask(index: int, attempt: int) -> Mask:
        number = seed_of(seed, "simulated", index, attempt)
        labels = SIMULATORS[fitting](number, side).labels
        return Mask(labels, {"kind": "simulated", "name": fitting, "seed": str(number)})

    return mask


def file_mask(codec: Codec, file: str) -> MaskSource:
    """Return one label image for all samples; they differ by the noise."""
    from napari_organoid_synth.core.pairs.ome_tiff import read_labels

    if not file:
        raise UserError("No label image is given.", "Expected the path of a file.", "Choose a mask file.")
    labels = checked_labels(read_labels(file), codec, file)

    def mask(index: int, attempt: int) -> Mask:
        return Mask(labels, {"kind": "file", "name": file})

    return mask


def checked_labels(labels: NDArray[np.integer[Any]], codec: Codec, name: str) -> NDArray[np.int32]:
    """Return a drawn mask (Y, X) as the painter learned masks.

    Raises
    ------
    UserError
        If it is empty, has a class that the training masks lack, or has no number for each object where the painter
        learned instances.
    """
    checked = np.ascontiguousarray(labels != 0 if codec.mask_kind == "binary" else labels, np.int32)
    highest = int(checked.max(initial=0))
    if codec.mask_kind == "classes" and highest > len(codec.class_names):
        raise UserError(
            f"{name} has the label {highest}.",
            f"Expected 0 to {len(codec.class_names)}: {', '.join(codec.class_names)}.",
            "Use the labels of the training masks.",
        )
    if not highest:
        raise UserError(f"{name} is empty: every pixel is 0.", "Expected objects.", "Choose another mask.")
    if codec.mask_kind == "instances":
        _refuse_shared_numbers(checked, name)
    return checked


def _refuse_shared_numbers(labels: NDArray[np.int32], name: str) -> None:
    """Raise if the labels look like classes: few numbers, each in several large pieces."""
    pieces = pieces_of(labels)
    areas = np.bincount(pieces.ravel())[1:]
    numbers = np.unique(labels[labels > 0]).size
    large = int(np.count_nonzero(areas >= MIN_AREA))
    if large > 2 * numbers:
        raise UserError(
            f"{name} has {plural(numbers, 'number')} in {large} pieces, a mask of classes or a binary mask.",
            "Expected masks of instances, a number for each object, as the generator learned.",
            "Number the objects, or choose a generator of binary masks.",
        )


def _newest_mask_run(project: Project) -> str:
    for path in reversed(project.runs()):
        with suppress(UserError):  # a damaged run is none to draw with
            if Run(path).recipe.shape == "mask":
                return path.name
    raise UserError(
        f"{project.path.name} has no run that draws masks.",
        "Expected a trained mask generator.",
        "Train one with draws=masks, or choose other masks to paint on.",
    )


def _square_of(place: TilePlace, pairs: Sequence[SamplePair], side: int, wide: int) -> tuple[SamplePair, int, int]:
    """Return the pair of a real tile, and first row and column of the larger square around it, inside the image."""
    matches = [pair for pair in pairs if pair.name == place.pair]
    if not matches:
        raise UserError(
            f"The real image '{place.pair}' is not among the training pairs.",
            todo="Make the map again, then choose tiles.",
        )
    most = (max(length, wide) - wide for length in matches[0].size)
    y, x = (min(max(0, first - (wide - side) // 2), last) for first, last in zip((place.y, place.x), most, strict=True))
    return matches[0], y, x
