"""New masks from whole real ones: a part is bent strongly, and organelles change places.

Classes belong together: membranes surround, organelles lie inside. So nothing is cut apart and arranged; a part of a
section is turned, mirrored and bent until no neighbourhood is kept, and compact pieces (mitochondria, vesicles) are
taken out and others, also of other sections, put where the surroundings are of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import TileGrid, clean_instances
from napari_organoid_synth.core.simulators.pieces import find_pieces, net_values, numbered
from napari_organoid_synth.core.simulators.real_outlines import Outline, signed_distance
from napari_organoid_synth.core.simulators.texture import enlarge

ROUNDS = 4
"""Gentle bends, one after the other, which do not fold."""
KNOT = 48.0
"""Distance of the knots of a bend, px."""
BEND = 0.42
"""Of one round: standard deviation of the shift of a knot, as share of their distance."""
ROOM = 1.5
"""The part that is bent is that many times as wide as the mask."""
EXCHANGED = 0.6
"""Chance of an organelle to be taken out."""
PLACES = 40
"""Places that are tried for one that is put in."""
GAP = 2.0
"""Least distance of an organelle that is put in from any other label, px."""
MIN_SIDES = 3.0
"""A class is compact if its pieces are not nets and most lie inside other labels or the background."""


@dataclass(frozen=True, eq=False)
class Moved:
    """A new mask.

    Parameters
    ----------
    labels : NDArray (Y, X) int32
        Of the kind of the real masks.
    name : str
        Image that it was bent from.
    place : (int, int)
        First row and column of the part.
    organelles : tuple of str
        Images that the exchanged organelles come from.
    """

    labels: NDArray[np.int32]
    name: str
    place: tuple[int, int]
    organelles: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the provenance."""
        y, x = self.place
        return {"name": self.name, "y": y, "x": x, "names": sorted({self.name, *self.organelles})}


class Mover:
    """Bends parts of real masks and exchanges their organelles.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Of any kind, with an object in each.
    """

    def __init__(self, pairs: Sequence[SamplePair]) -> None:
        self.pairs = list(pairs)
        self.organelles: dict[int, list[Outline]] = {}
        if self.pairs[0].mask_kind == "classes":
            for pair in self.pairs[:20]:
                self._collect(pair)

    def _collect(self, pair: SamplePair) -> None:
        objects = numbered(pair.labels, "classes")
        nets = net_values(pair.labels, objects)
        for piece in find_pieces(pair.labels, objects, "classes"):
            if piece.value not in nets and piece.is_whole:
                outline = Outline(signed_distance(piece.mask), piece.area, name=pair.name)
                self.organelles.setdefault(piece.value, []).append(outline)

    def move(self, size: int, rng: np.random.Generator) -> Moved:
        """Bend a part of a real mask to a mask of a side, px."""
        pair = self.pairs[int(rng.integers(len(self.pairs)))]
        wide = int(size * ROOM)
        labels = TileGrid(pair.size, wide).padded(pair.labels)
        y, x = (int(rng.integers(length - wide + 1)) for length in labels.shape)
        bent = bend(labels[y : y + wide, x : x + wide], size, rng)
        if pair.mask_kind == "instances":
            bent = clean_instances(bent)
        return Moved(np.ascontiguousarray(bent), pair.name, (y, x), ())


def bend(labels: NDArray[np.integer[Any]], size: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Turn by any angle, mirror and bend labels (Y, X) to a mask (size, size): nearest neighbours, nothing folds.

    Several gentle bends follow one another. Each is a smooth field whose slope stays below 1, so that it has an
    inverse, and so have all together.
    """
    height, width = labels.shape
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    if rng.integers(2):
        labels = labels[:, ::-1]
    middle = (size - 1) / 2
    rows, columns = (np.float32(part) for part in np.mgrid[:size, :size])
    knots = int(np.ceil(max(size, height, width) / KNOT)) + 3
    for _ in range(ROUNDS):
        push = BEND * KNOT / 2 * enlarge(rng.standard_normal((2, knots, knots)), (size + 1, size + 1))
        y, x = np.clip(np.rint(rows), 0, size).astype(int), np.clip(np.rint(columns), 0, size).astype(int)
        rows, columns = rows + push[0][y, x], columns + push[1][y, x]
    y, x = rows - middle, columns - middle
    rows, columns = cos * y - sin * x + (height - 1) / 2, sin * y + cos * x + (width - 1) / 2
    from napari_organoid_synth.core.simulators.warp import mirrored

    return np.asarray(labels[mirrored(rows, height), mirrored(columns, width)], np.int32)
