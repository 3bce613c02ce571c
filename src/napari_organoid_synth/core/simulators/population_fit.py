"""Measure a population on real masks, so that a simulated one resembles it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.heatflow import count_holes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.outlines import DrawnMask
from napari_organoid_synth.core.pairs.annotations.reading import list_annotations
from napari_organoid_synth.core.pairs.file_sets import OBJECT_TAIL
from napari_organoid_synth.core.pairs.filenames import is_mask_name, list_files, stem
from napari_organoid_synth.core.pairs.mask_kind import convert, decide_kind, inspect_mask, pieces_of
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.pairs.reading.formats import short
from napari_organoid_synth.core.pairs.table import PairEntry
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.simulators.clusters import Clusters, find_clusters
from napari_organoid_synth.core.simulators.outlines import contour, describe
from napari_organoid_synth.core.simulators.pieces import evenly_spaced
from napari_organoid_synth.core.simulators.population import PopulationSettings, Range

MAX_SHAPES = 40  # real shapes: enough for the spread of sizes and few enough for the record of every sample
MIN_SHAPE_AREA = 30  # px, below which an object has no measurable shape
MAX_COVER = 0.9  # of the masks by objects; above it there is hardly any background
MAX_RINGS = 0.2  # share of objects with holes, above which shapes without holes are wrong


def fit(pairs: Sequence[SamplePair], shapes: int = 0) -> PopulationSettings:
    """Measure a population on real masks: count, radius, elongation, clusters, and optionally shapes.

    Ranges are those of an even distribution with the 5th and 95th percentile of what is measured, within it. Sizes come
    from objects that do not touch the border, if there are any.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Only their masks are used, at most 50 of them; of a binary mask the connected pieces.
    shapes : int
        Number of real shapes to keep, which drawn objects must resemble; 0: radius and elongation alone count.

    Returns
    -------
    PopulationSettings
        For `population`.

    Raises
    ------
    UserError
        If the masks are named classes, or contain no object.
    """
    return _measure_all(pairs).population(shapes)


def fit_each(pairs: Sequence[SamplePair], shapes: int = MAX_SHAPES) -> list[PopulationSettings]:
    """Measure one population for each mask, with its number of objects and its shapes; clusters are those of all.

    Drawing each image from one of them keeps few large and many small objects apart, as in the real masks.
    """
    whole = _measure_all(pairs)
    return [replace(whole, measured=[one]).population(shapes) for one in whole.measured]


@dataclass(frozen=True)
class _MaskSet:
    """Measurements of several masks, and those of all masks together."""

    measured: list[_MaskObjects]
    clusters: Clusters
    area: float  # of the typical mask, that the number of clusters refers to, px²
    mask_kind: Literal["instances", "binary"]
    pixel_size: float | None

    def population(self, shapes: int) -> PopulationSettings:
        """Describe the population of all these masks together."""
        measured, clusters = self.measured, self.clusters
        sides = np.array([mask.side for mask in measured])
        field = int(np.clip(np.median(sides).round(), 16, 16384))
        counts = np.array([len(mask.areas) for mask in measured]) * (field / sides) ** 2
        areas, elongations, whole = (
            np.concatenate([getattr(mask, name) for mask in measured]) for name in ("areas", "elongations", "whole")
        )
        whole = whole if whole.any() else ~whole
        radii = np.maximum(1, np.sqrt(areas[whole] / np.pi))
        shaped = elongations[whole & (areas >= MIN_SHAPE_AREA)]
        few, many = _ends(counts)
        masks = [shape for mask in measured for shape in mask.masks]
        examples = [describe(contour(masks[i])) for i in np.random.default_rng(0).permutation(len(masks))[:shapes]]
        return PopulationSettings(
            mask_kind=self.mask_kind,
            field=field,
            count=(int(np.floor(few)), max(1, int(np.ceil(many)))),
            clusters=round(clusters.number * field**2 / self.area),
            clustering=round(clusters.share, 3),
            spread=round(clusters.spread, 2) if clusters.number else 0.05 * field,
            radius=_rounded(_ends(radii)),
            elongation=_rounded(_ends(shaped)) if len(shaped) else (1.0, 1.0),
            shapes=tuple(tuple(float(f"{value:.4g}") for value in shape) for shape in examples),
            pixel_size=self.pixel_size,
        )


def _measure_all(pairs: Sequence[SamplePair]) -> _MaskSet:
    for pair in pairs:
        refuse_classes(pair.mask_kind, pair.class_names)
    chosen = evenly_spaced([pair for pair in pairs if pair.labels.any()])
    _refuse_shapes(chosen)
    measured = [mask for mask in map(_measure, chosen) if len(mask.areas)]
    if not measured:
        raise UserError("The masks contain no object.", "Expected at least one.", "Choose masks with objects.")
    squares = [mask.side**2 for mask in measured]
    return _MaskSet(
        measured,
        find_clusters([mask.centres for mask in measured], squares),
        float(np.median(squares)),
        "binary" if all(pair.mask_kind == "binary" for pair in pairs) else "instances",
        _pixel_size(chosen),
    )


def _refuse_shapes(pairs: Sequence[SamplePair]) -> None:
    """Raise `UserError` for objects that a population cannot draw: tissue without background, rings."""
    todo = "Paint on real masks, moved, or train a mask generator (draws=masks) and paint on what it draws."
    cover = float(np.mean([np.count_nonzero(pair.labels) / pair.labels.size for pair in pairs])) if pairs else 0.0
    if cover > MAX_COVER:
        raise UserError(
            f"Objects cover {100 * cover:.0f} % of the masks.",
            f"A population places separate objects, which cover at most {100 * MAX_COVER:.0f} %.",
            todo,
        )
    objects = [pieces_of(pair.labels) if pair.mask_kind == "binary" else pair.labels for pair in pairs]
    rings = sum(count_holes(labels) for labels in objects)
    number = sum(int(np.count_nonzero(np.unique(labels))) for labels in objects)
    if rings > MAX_RINGS * number:
        raise UserError(
            f"{rings:,} of {plural(number, 'object')} {'has a hole' if rings == 1 else 'have holes'}.",
            "A population draws objects without holes.",
            todo,
        )


def refuse_classes(kind: MaskKind, class_names: Sequence[str]) -> None:
    """Raise `UserError` if masks of this kind have no single objects."""
    if kind == "classes":
        raise UserError(
            f"The masks have named classes ({', '.join(class_names)}).",
            "A population is fitted to single objects: instances, or a binary mask.",
            "Paint on real masks, moved.",
        )


@dataclass(frozen=True)
class _MaskObjects:
    """Objects of one mask: areas (px), centres (n, 2), elongations, whether whole, and the shapes of the whole ones."""

    size: tuple[int, int]
    areas: NDArray[np.int64]
    centres: NDArray[np.float64]
    elongations: NDArray[np.float64]
    whole: NDArray[np.bool_]
    masks: list[NDArray[np.bool_]]

    @property
    def side(self) -> float:
        """Side of a square with the area of the mask, px."""
        return float(np.sqrt(np.prod(self.size)))


def _measure(pair: SamplePair) -> _MaskObjects:
    """Measure the objects of a mask by their moments."""
    from scipy.ndimage import find_objects

    objects = pieces_of(pair.labels) if pair.mask_kind == "binary" else pair.labels
    _, numbered = np.unique(objects, return_inverse=True)  # ids without gaps
    objects = (numbered.reshape(pair.size) + (pair.labels.min() > 0)).astype(np.int32)
    y, x = np.nonzero(objects)
    ids = objects[y, x]
    areas = np.bincount(ids)[1:]

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(ids, values)[1:] / areas)

    cy, cx = mean(y), mean(x)
    pixel = 1 / 12  # second moment of a pixel itself
    yy, xx, xy = mean(y * y) - cy**2 + pixel, mean(x * x) - cx**2 + pixel, mean(x * y) - cx * cy
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    boxes = find_objects(objects)
    whole = np.array(
        [all(part.start > 0 and part.stop < end for part, end in zip(box, pair.size, strict=True)) for box in boxes],
        bool,
    )
    good = np.flatnonzero(whole & (areas >= MIN_SHAPE_AREA))
    return _MaskObjects(
        size=pair.size,
        areas=areas,
        centres=np.stack([cy, cx], -1),
        elongations=np.sqrt((middle + half) / np.maximum(middle - half, pixel)),
        whole=whole,
        masks=[objects[boxes[i]] == i + 1 for i in good],
    )


def _pixel_size(pairs: Sequence[SamplePair]) -> float | None:
    """Return the side of a pixel, µm, if it is known, square and the same in all."""
    known = {side for pair in pairs for side in pair.pixel_size or (None,)}
    return known.pop() if len(known) == 1 else None


def _ends(values: NDArray[np.floating[Any]]) -> Range:
    """Return the ends of the even distribution with the same 5th and 95th percentile, within the measured range."""
    low, high = np.percentile(values, (5, 95))
    beyond = (high - low) / 18
    return float(max(low - beyond, values.min())), float(min(high + beyond, values.max()))


def _rounded(ends: Range) -> Range:
    return round(ends[0], 3), round(ends[1], 3)


def read_masks(folder: Path, failed: dict[str, str] | None = None) -> list[SamplePair]:
    """Read the label images of a folder, or the masks of a folder of pairs: at most 50, without empty ones.

    The image of each pair is its mask. Outlines and one mask file per object need the images in the same folder.

    Parameters
    ----------
    folder : Path
        Of label images or pairs.
    failed : dict of str to str, optional
        Gets the name and reason of each file that cannot be read, unless that is all; without it one is an error.

    Raises
    ------
    UserError
        If there is no label image that can be read, or they contain classes.
    """
    readers, read = _mask_readers(folder), {}
    for file in (chosen := evenly_spaced(list(readers))):
        try:
            read[file] = readers[file]()
        except UserError as error:
            if failed is None or len(failed) == len(chosen) - 1:
                raise
            failed[file.name] = str(error)
    masks = {file: mask for file, mask in read.items() if mask.labels.any()}
    kind, reason = decide_kind(
        [
            inspect_mask(mask.labels, short(file), "instances" if mask.is_objects else None, mask.is_objects)
            for file, mask in masks.items()
        ]
    )
    if kind == "classes":
        raise UserError(
            f"The label images in {folder} look like classes: {reason}.",
            "A population is fitted to single objects: one number for each, or 0 and 1.",
            "Choose a folder of masks with one number per object.",
        )
    return [
        SamplePair(file.stem, labels[None], labels, kind)
        for file, mask in masks.items()
        for labels in [mask.labels if mask.is_objects else convert(mask.labels, kind, (), short(file))]
    ]


def _mask_readers(folder: Path) -> dict[Path, Callable[[], DrawnMask]]:
    """Return for each mask file, or each image with outlines or masks of single objects, what reads its objects.

    Raises
    ------
    UserError
        If there is none.
    """
    from napari_organoid_synth.core.pairs.discovery import find_pairs

    files = list_files(folder)
    masks = [file for file in files if is_mask_name(file)]
    is_single = len(masks) < len(files) and any(OBJECT_TAIL.search(stem(file)) for file in masks)
    if files and not is_single and not list_annotations(folder):
        return {file: partial(_read_label_image, file) for file in masks or files}
    rows = [entry for entry in find_pairs(folder).entries if entry.status == "matched"]
    if not rows:
        raise UserError(
            f"No mask in {folder} fits an image.", "Expected images beside their masks or outlines.", "Add the images."
        )
    return {Path(entry.image): partial(_read_row, entry) for entry in rows}


def _read_label_image(file: Path) -> DrawnMask:
    from napari_organoid_synth.core.pairs.ome_tiff import read_labels

    return DrawnMask(read_labels(file), is_objects=False)


def _read_row(entry: PairEntry) -> DrawnMask:
    from napari_organoid_synth.core.pairs import entry_reading
    from napari_organoid_synth.core.pairs.ome_tiff import read_info

    _, height, width = read_info(entry.image, entry.page).shape
    return entry_reading.read_masks(entry, (height, width))[0]
