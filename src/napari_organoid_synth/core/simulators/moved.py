"""New masks from whole real ones: a part is bent strongly, and organelles change places.

Classes belong together: membranes surround, organelles lie inside. So nothing is cut apart; a part of a section is
turned, mirrored and bent until no neighbourhood is kept, and compact pieces (mitochondria, vesicles) are taken out and
others, also of other sections, put where the surroundings are of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import TileGrid, clean_instances
from napari_organoid_synth.core.simulators.pieces import Piece, find_pieces, net_values, numbered
from napari_organoid_synth.core.simulators.real_outlines import Outline, smooth_distance
from napari_organoid_synth.core.simulators.texture import enlarge
from napari_organoid_synth.core.simulators.warp import mirrored

ROUNDS = 3
"""Gentle bends, one after the other, which do not fold."""
KNOT = 64.0
"""Distance of the knots of a bend, px."""
BEND = 0.27
"""Of one bend: standard deviation of the shift of a knot, as share of their distance."""
ROOM = 1.5
"""The part that is bent is that many times as wide as the mask, which is turned in it."""
SPREAD = 2
"""How far around an organelle all pixels have one other label, px: it lies in that and touches nothing else."""
MIN_RADIUS = 3.0
"""Of the largest disc in an organelle, px; thinner pieces may be parts of a line."""
EXCHANGED = 0.7
"""Chance of an organelle to be taken out."""
PLACES = 60
"""Places that are tried for one that is put in."""
GAP = 2.0
"""Least distance of an organelle that is put in from any other label, px."""
MAX_ORGANELLE = 0.1
"""Largest share of a mask that an organelle covers; larger pieces are surroundings."""

AROUND = tuple((0.5 * y, 0.5 * x) for y, x in product((0, -1, 1), repeat=2))
"""Places around a pixel, px, of whose labels it takes the most frequent one, so that borders have no teeth."""


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
    names : tuple of str
        Images that exchanged organelles come from.
    exchanged : int
        Organelles that were taken out and replaced.
    """

    labels: NDArray[np.int32]
    name: str
    place: tuple[int, int]
    names: tuple[str, ...]
    exchanged: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the provenance."""
        y, x = self.place
        names = sorted({self.name, *self.names})
        return {"name": self.name, "y": y, "x": x, "names": names, "exchanged": self.exchanged}


class Mover:
    """Bends parts of real masks and exchanges their organelles.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Of any kind, with an object in each; organelles are those of named classes.
    """

    def __init__(self, pairs: Sequence[SamplePair]) -> None:
        self.pairs = list(pairs)
        self._known: dict[int, dict[int, list[Outline]]] = {}  # by number of the pair, then by class

    def _organelles(self, number: int) -> dict[int, list[Outline]]:
        """Return the outlines of the organelles of a real mask by class; looked for once."""
        if number not in self._known:
            pair = self.pairs[number]
            found = self._known[number] = {}
            for piece, _ in organelles_of(pair.labels):
                outline = Outline(smooth_distance(piece.mask), piece.area, name=pair.name)
                found.setdefault(piece.value, []).append(outline)
        return self._known[number]

    def move(self, size: int, rng: np.random.Generator) -> Moved:
        """Bend a part of a real mask, and exchange organelles.

        Parameters
        ----------
        size : int
            Side of the new mask, px.
        rng : numpy.random.Generator
            Fixes everything.
        """
        pair = self.pairs[int(rng.integers(len(self.pairs)))]
        wide = int(size * ROOM)
        labels = TileGrid(pair.size, wide).padded(pair.labels)
        y, x = (int(rng.integers(length - wide + 1)) for length in labels.shape)
        bent = bend(labels[y : y + wide, x : x + wide], size, rng)
        if pair.mask_kind == "instances":
            bent = clean_instances(bent)
        names = self._exchange(bent, rng) if pair.mask_kind == "classes" else []
        return Moved(bent, pair.name, (y, x), tuple(names), len(names))

    def _exchange(self, labels: NDArray[np.int32], rng: np.random.Generator) -> list[str]:
        """Take organelles out of a mask, put others elsewhere in it; return the images that these come from.

        One that finds no other place stays.
        """
        names: list[str] = []
        if not (own := organelles_of(labels)):
            return names
        donor = self._organelles(int(rng.integers(len(self.pairs))))
        for piece, around in own:
            if rng.random() >= EXCHANGED:
                continue
            before = labels.copy()
            labels[piece.box][piece.mask] = around
            chosen = donor.get(piece.value, [])
            outline = chosen[int(rng.integers(len(chosen)))] if chosen else None
            if outline is None or not _put(labels, outline.turned(rng), piece.value, around, rng):
                labels[:] = before
            else:
                names.append(outline.name)
        return names


def organelles_of(labels: NDArray[np.int32]) -> list[tuple[Piece, int]]:
    """Return the organelles of a mask of classes (Y, X), each with the label that it lies in.

    An organelle is a piece of a class that is not a net; it does not reach the border, covers at most a tenth of the
    mask, is at least 6 px wide, and has one other label all around. Pieces that touch a membrane are none.
    """
    from scipy.ndimage import binary_dilation, distance_transform_edt

    objects = numbered(labels, "classes")
    nets = net_values(labels, objects)
    found = []
    for piece in find_pieces(labels, objects, "classes"):
        if piece.value in nets or not piece.is_whole or piece.area > MAX_ORGANELLE * labels.size:
            continue
        rows, columns = (
            slice(max(0, part.start - SPREAD), min(length, part.stop + SPREAD))
            for part, length in zip(piece.box, labels.shape, strict=True)
        )
        inside = objects[rows, columns] == piece.number
        ring = labels[rows, columns][binary_dilation(inside, iterations=SPREAD) & ~inside]
        if not ring.size or (ring != ring[0]).any() or int(ring[0]) in nets:
            continue
        if distance_transform_edt(inside).max() >= MIN_RADIUS:
            found.append((piece, int(ring[0])))
    return found


def _put(
    labels: NDArray[np.int32], depth: NDArray[np.float32], value: int, around: int, rng: np.random.Generator
) -> bool:
    """Put an organelle (distances to its border, px) at a random place that has one label all around."""
    near = depth > -GAP
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    near, mask = near[part], depth[part] > 0
    room = [whole - side for whole, side in zip(labels.shape, near.shape, strict=True)]
    if min(room) < 0:
        return False
    for y, x in rng.integers(0, np.array(room) + 1, (PLACES, 2)).tolist():
        here = labels[y : y + near.shape[0], x : x + near.shape[1]]
        if not (near & (here != around)).any():
            here[mask] = value
            return True
    return False


def bend(labels: NDArray[np.integer[Any]], size: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Turn by any angle, mirror and bend labels (Y, X) to a mask (size, size): nearest neighbours, nothing folds.

    Several gentle bends follow one another. Each is a smooth field whose slope stays below 1, so it has an inverse, and
    so have all together. What would come from beyond the labels is a reflection of them.
    """
    from scipy.ndimage import map_coordinates

    height, width = labels.shape
    angle = float(rng.uniform(0, 2 * np.pi))
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    flipped = labels[:, ::-1] if rng.integers(2) else labels
    places = np.mgrid[:size, :size].astype(np.float32)
    knots = max(4, int(np.ceil(size / KNOT)) + 3)
    for _ in range(ROUNDS):
        push = BEND * KNOT * enlarge(rng.standard_normal((2, knots, knots)), (size, size))
        here = np.clip(places, 0, size - 1)
        places = places + np.stack([map_coordinates(one, here, order=1) for one in push])
    y, x = places - (size - 1) / 2
    rows, columns = cos * y - sin * x + (height - 1) / 2, sin * y + cos * x + (width - 1) / 2
    votes = [flipped[mirrored(rows + up, height), mirrored(columns + right, width)] for up, right in AROUND]
    return np.ascontiguousarray(_majority(votes), np.int32)


def _majority(votes: list[NDArray[np.integer[Any]]]) -> NDArray[np.integer[Any]]:
    """Return for each pixel the label that most of nine (Y, X) have; the first, in the middle, where none has five."""
    stack = np.sort(np.stack(votes), axis=0)
    middle = stack[len(votes) // 2]  # a label that most have lies in the middle of the sorted ones
    enough = np.count_nonzero(stack == middle, axis=0) > len(votes) // 2
    return np.where(enough, middle, votes[0])
