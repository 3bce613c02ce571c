"""Tile and size at which images are used, suggested by the objects: a whole one should fit a tile."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.quantities import plural

FITTING = 0.9
"""Share of a tile that a whole object should fill at most."""
SMALL, USUAL, LARGE = 64, 128, 256
"""Tiles that are suggested, px: the time of a training grows with their area."""
MUCH = 0.4
"""Below this share of their size images lose so much detail that a large tile is worth its time."""
SPREAD = 1.5
"""Objects that are larger than the one in the middle by more than this factor need not fit: small ones would vanish."""
MIRRORED = 1.25
"""A tile may be longer than the image by this factor; what is missing is mirrored."""
STEP = 0.05


class Suggestion(FrozenModel):
    """A tile and a size that suit the objects."""

    tile: int = Field(description="Side of a tile, px.")
    scale: float = Field(1.0, gt=0, le=1, description="Share of their size at which images are used.")
    width: int = Field(description="Longer side of the object in the middle, px of the image as stored.")
    widest: int = Field(description="Longer side that 90 % of the objects do not exceed, px of the image as stored.")
    sentence: str = Field(description="Why.")


def fitting_scale(side: float, tile: int) -> float:
    """Return the scale, at most 1, at which an object of that side, px, fits a tile; two significant digits, down.

    Examples
    --------
    >>> fitting_scale(1000, 256), fitting_scale(100, 256)
    (0.23, 1.0)
    """
    scale = min(1.0, FITTING * tile / side)
    unit = 10.0 ** (math.floor(math.log10(scale)) - 1)
    return round(math.floor(scale / unit + 1e-9) * unit, 6)


def suggest(sides: Sequence[float], images: Sequence[tuple[int, int]]) -> Suggestion | None:
    """Suggest the smallest tile that a whole object fits, and how much images are to be shrunk for it.

    Parameters
    ----------
    sides : sequence of float
        Longer side of the bounding box of each object, px of the images as stored.
    images : sequence of (int, int)
        Height and width of the images as stored, px.

    Returns
    -------
    Suggestion or None
        None without objects or images.

    Examples
    --------
    >>> found = suggest([200, 220, 220], [(1024, 1024)])
    >>> found.tile, found.scale, found.sentence
    (128, 0.5, 'Your objects are about 220 px wide; at 50 % of that size a whole one fits a tile of 128 px.')
    """
    if not len(sides) or not len(images):
        return None
    width, widest = float(np.median(sides)), float(np.percentile(sides, 90))
    shorter = float(np.median([min(size) for size in images]))
    tile, scale = _fit(min(widest, SPREAD * width), shorter)
    sentence = f"Your objects are about {width:,.0f} px wide"
    if scale < 1:
        sentence += f"; at {100 * scale:g} % of that size a whole one fits a tile of {tile} px."
    elif widest <= FITTING * tile:
        sentence += f"; whole ones fit a tile of {tile} px."
    else:
        sentence += f", some {widest:,.0f} px; a tile of {tile} px holds most of them whole."
    return Suggestion(tile=tile, scale=scale, width=round(width), widest=round(widest), sentence=sentence)


def _fit(reach: float, shorter: float) -> tuple[int, float]:
    """Return tile and scale for objects up to ``reach`` px across in images of that shorter side, px."""
    if shorter < USUAL and reach <= FITTING * SMALL:
        return SMALL, 1.0
    for tile, least in ((USUAL, MUCH), (LARGE, 0.0)):
        scale = _round_down(fitting_scale(reach, tile))
        if scale >= least and MIRRORED * shorter * scale >= tile:
            return tile, scale
    return USUAL, _round_down(fitting_scale(reach, USUAL))


def _round_down(scale: float) -> float:
    """Round a share down to a multiple of 5 %, below 20 % of 1 %."""
    step = STEP if scale >= 4 * STEP else STEP / 5
    return round(max(math.floor(scale / step + 1e-9), 1) * step, 6)


def few_tiles(images: Sequence[tuple[int, int]], tile: int, overlap: float, enough: int) -> str:
    """Say that images give too few tiles to learn from, and what would help; empty where there are enough.

    Parameters
    ----------
    images : sequence of (int, int)
        Height and width as used, px.
    tile : int
        Its side, px.
    overlap : float
        Share that neighbours repeat.
    enough : int
        Tiles from which on nothing is said.
    """
    stride = max(1.0, tile * (1 - overlap))
    number = sum(math.prod(max(1, math.ceil((side - tile) / stride) + 1) for side in size) for size in images)
    if not images or number >= enough:
        return ""
    smaller = f"tiles of {tile // 2} px" if tile > SMALL else "images at a larger size"
    return (
        f"{plural(len(images), 'image')} give{'s' * (len(images) == 1)} only {plural(number, 'tile')} of {tile} px. "
        f"More images help most, then {smaller}; a painter without training needs none."
    )
