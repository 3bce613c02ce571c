"""Measure the pixels of some pairs: usable tiles, sizes of objects, background, shapes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import read_entry
from napari_organoid_synth.core.pairs.mask_kind import compact_ids, pieces_of
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.tiling import TileGrid, list_tiles, used_whole
from napari_organoid_synth.core.segmentation.survival import Survival, survival_of
from napari_organoid_synth.core.simulators.pieces import boxes, contact_share
from napari_organoid_synth.core.training.object_size import median_diameter

T = TypeVar("T")
MAX_MEASURED = 10
"""Images that are read, evenly chosen."""
MAX_SHAPES, MAX_OBJECTS = 3, 10
"""Of these, images whose shapes are encoded and decoded, and objects of each."""
MAX_SECONDS, MAX_SHAPE_SECONDS = 1.2, 0.5
"""After that, no further image is read, or its shapes measured; one always is."""
MIN_SOLID = 0.25
"""Share of its bounding box that an object fills at least; networks of lines fill less."""

MIN_SOLID_SHARE = 0.5
"""Share of the marked pixels that solid objects hold at least, where masks are of objects."""


@dataclass
class Measures:
    """What was measured.

    Parameters
    ----------
    images : int
        Images that were read.
    tiles, kept : int
        Tiles of these images, orientations counted once, and those that a training would use.
    refusals : Counter of str
        Reasons why tiles are left out, without numbers.
    sides : list of int
        Longer side of the bounding box of each solid object, px, as used.
    areas : list of int
        Area of each solid object, px.
    marked : int
        Pixels of all objects and nets.
    contacts : list of float
        Share of the objects that touch another, of each image whose objects are told apart.
    full : list of str
        Names of images without background.
    survivals : list of Survival
        Of some of the masks.
    """

    images: int = 0
    tiles: int = 0
    kept: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    sides: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    marked: int = 0
    contacts: list[float] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    survivals: list[Survival] = field(default_factory=list)

    @property
    def diameter(self) -> float:
        """Median diameter of the solid objects, px, as in training; 0 without any."""
        return median_diameter(self.areas) if self.areas else 0.0

    @property
    def are_objects(self) -> bool:
        """Whether most of what is marked are solid objects rather than nets."""
        return bool(self.areas) and sum(self.areas) >= MIN_SOLID_SHARE * self.marked

    @property
    def touching(self) -> float | None:
        """Mean share of the objects that touch another; None where objects are not told apart."""
        return float(np.mean(self.contacts)) if self.contacts else None

    @property
    def object_side(self) -> float:
        """Side below which 90 % of the solid objects are, px; 0 without any."""
        return float(np.percentile(self.sides, 90)) if self.sides else 0.0


def measure(table: PairTable, settings: TileSettings, is_canceled: Callable[[], bool] = lambda: False) -> Measures:
    """Read some images that are trained on, evenly chosen, and measure them.

    Parameters
    ----------
    table : PairTable
        Checked.
    settings : TileSettings
        Tiles of the training.
    is_canceled : callable
        Asked before each image.
    """
    rows, result, shaping = evenly(table.train, MAX_MEASURED), Measures(), 0.0
    began = time.monotonic()
    once = settings.replace(turn=False, flip=False)
    for entry in rows:
        if is_canceled() or (result.images and time.monotonic() - began > MAX_SECONDS):
            break
        try:
            pair = read_entry(entry, table.mask_kind, table.class_names)
        except UserError:
            continue  # the table tells what is wrong with it
        result.images += 1
        _count_tiles(result, pair, once if entry.masks else once.replace(min_objects=0))
        if entry.masks:
            objects = _measure_objects(result, pair)
            before = time.monotonic()
            if objects is not None and len(result.survivals) < MAX_SHAPES and shaping < MAX_SHAPE_SECONDS:
                result.survivals.append(survival_of(_some_objects(objects, pair), pair.mask_kind))
                shaping += time.monotonic() - before
                began += time.monotonic() - before
    return result


def evenly(items: Sequence[T], number: int) -> list[T]:
    """Return at most that many of some items, evenly chosen."""
    number = min(number, len(items))
    return [items[index * len(items) // number] for index in range(number)]


def _some_objects(objects: NDArray[np.int32], pair: SamplePair) -> NDArray[np.int32]:
    """Return the labels of a pair with some of its objects (Y, X) alone, evenly chosen."""
    present = np.flatnonzero(np.bincount(objects.ravel()))
    chosen = np.zeros(present[-1] + 1, bool)
    chosen[evenly(present[present > 0].tolist(), MAX_OBJECTS)] = True
    return np.where(chosen[objects], pair.labels, 0).astype(np.int32)


def _count_tiles(result: Measures, pair: SamplePair, settings: TileSettings) -> None:
    (pair,) = used_whole([pair], settings)
    try:
        tiles = list_tiles([pair], settings)
    except UserError as error:  # none is kept; the sentence names the first reason
        number = len(TileGrid(pair.size, settings.size, settings.overlap).boxes)
        result.tiles += number
        result.refusals[_reason(error.found)] += number
        return
    result.tiles += len(tiles)
    result.kept += sum(tile.kept for tile in tiles)
    result.refusals.update(_reason(tile.reason) for tile in tiles if not tile.kept)


def _reason(text: str) -> str:
    return "full" if "covered" in text else "few"


def _measure_objects(result: Measures, pair: SamplePair) -> NDArray[np.int32] | None:
    """Measure the sizes of the objects of a pair and return them, numbered (Y, X); None without any."""
    labels = pair.labels
    if not labels.any():
        return None
    if labels.all():
        result.full.append(pair.name)
    objects = compact_ids(labels) if pair.mask_kind == "instances" else pieces_of(labels)
    _add_solid_sizes(result, objects)
    if pair.mask_kind == "instances":
        result.contacts.append(contact_share(objects))
    return objects


def _add_solid_sizes(result: Measures, objects: NDArray[np.int32]) -> None:
    """Note area and longer side of each object that fills enough of its bounding box, px."""
    areas = np.bincount(objects.ravel())
    result.marked += int(areas[1:].sum())
    for number, box in enumerate(boxes(objects), 1):
        if box is None:
            continue
        height, width = (side.stop - side.start for side in box)
        if areas[number] >= MIN_SOLID * height * width:
            result.sides.append(max(height, width))
            result.areas.append(int(areas[number]))
