"""The check that objects are large enough for a painter: smaller ones come out as mush."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.simulators.pieces import evenly_spaced, find_pieces, net_values, numbered

MIN_DIAMETER = 8.0
"""Of the objects in a tile, px; a painter that learned smaller ones made pairs that harm a segmentation."""
MIN_PIECE = 2
"""Smallest piece that counts, px: single pixels are specks."""


def object_diameter(pairs: Sequence[SamplePair]) -> float | None:
    """Compute the median diameter of the objects, px, as used; None without compact objects.

    The diameter is that of the circle with the area of an object. Half of the area of all objects lies in larger ones,
    so that specks count little. Thin nets, such as membranes, are not objects.

    Parameters
    ----------
    pairs : sequence of SamplePair
        At most 50 are measured.
    """
    areas: list[int] = []
    for pair in evenly_spaced([pair for pair in pairs if pair.labels.any()]):
        objects = numbered(pair.labels, pair.mask_kind)
        nets = set() if pair.mask_kind == "instances" else net_values(pair.labels, objects)
        areas += [
            piece.area
            for piece in find_pieces(pair.labels, objects, pair.mask_kind, MIN_PIECE)
            if not nets or int(pair.labels[piece.box][piece.mask][0]) not in nets
        ]
    return median_diameter(areas) if areas else None


def median_diameter(areas: Sequence[int]) -> float:
    """Compute the diameter, px, of the circle with the area above which half of the area of all objects lies.

    Examples
    --------
    >>> round(median_diameter([1, 1, 1, 1, 50, 50]), 2)
    7.98
    """
    ordered = np.sort(np.asarray(areas))
    middle = ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)]
    return float(2 * np.sqrt(middle / np.pi))


def tiny_objects(pairs: Sequence[SamplePair], recipe: Recipe) -> UserError | None:
    """Return what is wrong where the objects are too small for the painter of a recipe; None where nothing is."""
    if recipe.shape != "painter":
        return None
    diameter = object_diameter(pairs)
    if diameter is None or diameter >= MIN_DIAMETER:
        return None
    todo = "Use the images at a larger scale (pair --scale), or of higher resolution."
    if recipe.gan.trains:
        todo += " gan=analogy copies pieces of your images and takes small objects, too."
    return UserError(
        f"The objects are about {diameter:.0f} px across.",
        f"Expected at least {MIN_DIAMETER:.0f} px: smaller ones are painted as blurred spots.",
        todo,
    )


def refuse_tiny_objects(pairs: Sequence[SamplePair], recipe: Recipe) -> None:
    """Raise `UserError` where objects are too small for a painter that is trained."""
    if recipe.gan.trains and (problem := tiny_objects(pairs, recipe)) is not None:
        raise problem
