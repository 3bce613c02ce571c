"""Real pairs as arrays: read the rows of a table, and all pairs of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.adding import add_pair
from napari_organoid_synth.core.pairs.checking import (
    check_entry,
    check_pairs,
    conclude,
    drawn_classes,
    predicted_classes,
)
from napari_organoid_synth.core.pairs.discovery import find_pairs
from napari_organoid_synth.core.pairs.entry_reading import read_entry_image, read_masks
from napari_organoid_synth.core.pairs.mask_kind import convert
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable, Split
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural

__all__ = [
    "PairEntry",
    "PairTable",
    "add_pair",
    "check_entry",
    "check_pairs",
    "conclude",
    "drawn_classes",
    "find_pairs",
    "load_pairs",
    "predicted_classes",
    "read_entry",
    "split_table",
]


def read_entry(
    entry: PairEntry, kind: MaskKind | None = None, class_names: tuple[str, ...] | None = None
) -> SamplePair:
    """Read the pair of a row.

    Parameters
    ----------
    entry : PairEntry
        Checked, so that it knows its class codes.
    kind : str, optional
        Meaning of the labels; default: as checked. A binary mask as instances is split into connected pieces.
    class_names : tuple of str, optional
        Default: those of the row.

    Raises
    ------
    UserError
        If a file cannot be read or changed since the check.
    """
    image, info = read_entry_image(entry)
    mask, _ = read_masks(entry, (image.shape[1], image.shape[2]))
    labels = mask.labels
    kind = kind or entry.mask_kind or "binary"
    values = entry.class_values
    if kind == "classes" and not values:
        values = tuple(int(value) for value in np.unique(labels[labels != 0]))
    if not (kind == "instances" and mask.is_objects):  # an object of several pieces stays one
        labels = convert(labels, kind, values, short(Path(next(iter(entry.masks.values()), ""))))
    names = class_names or entry.class_names or (OBJECT,)
    if kind == "classes" and len(names) != len(values):
        names = tuple(f"class {value}" for value in values)
    pair = SamplePair(
        name=entry.name,
        image=image,
        labels=labels,
        mask_kind=kind,
        class_names=names,
        pixel_size=entry.pixel_size or info.pixel_size,
        channel_names=info.channel_names,
        image_class=entry.image_class,
        source=Source("real", (entry.image, *entry.masks.values()), _provenance(entry)),
    )
    return pair.whole(entry.whole) if entry.whole else pair.shrunk(entry.scale)


def _provenance(entry: PairEntry) -> dict[str, Any]:
    """Return what a row says about its files beyond their names."""
    values: dict[str, Any] = {"page": entry.page, "stack_use": entry.stack_use or None}
    values["channels"] = None if entry.channels == "as-stored" else entry.channels
    return {key: value for key, value in values.items() if value is not None}


def load_pairs(
    project: Project | PairTable, split: Split | None = None, images_alone: bool = False
) -> list[SamplePair]:
    """Read all usable pairs of a project or table, or only those to ``"train"`` or ``"test"``.

    Parameters
    ----------
    project : Project or PairTable
        A table that was not checked yet is checked first.
    split : {"train", "test"}, optional
        Default: both.
    images_alone : bool
        Include images without mask, with empty labels; otherwise they are left out.

    Returns
    -------
    list of SamplePair
        In the order of the table.

    Raises
    ------
    UserError
        If the project has no table, the table no usable pair of that split, or no training mask holds an object.
    """
    table = project if isinstance(project, PairTable) else PairTable.from_file(project.pairs_path)
    if table.mask_kind is None:
        table = check_pairs(table)
    rows = {None: table.matched, "train": table.train, "test": table.test}[split]
    if rows and not images_alone:
        with_mask = tuple(entry for entry in rows if entry.masks)
        if not with_mask:
            raise UserError(
                f"None of {plural(len(rows), 'image')} has a mask.",
                "Expected images with masks.",
                "Add masks, or let a generator draw images alone (draws=images).",
            )
        rows = with_mask
    if not rows:
        which = "usable pair" if split is None else f"usable pair to {split}"
        raise UserError(
            f"The table has no {which} ({table.summary().rstrip('.')}).",
            "Expected at least one image with its mask.",
            "Check the pairs." if split != "test" else "Choose some pairs for testing.",
        )
    if split != "test" and not images_alone and all(entry.is_empty_field for entry in rows):
        raise UserError(
            f"{'The mask is' if len(rows) == 1 else f'All {len(rows)} masks are'} empty.",
            "Expected at least one object in the images to train on.",
            "Draw the objects, or add images with some.",
        )
    return [read_entry(entry, table.mask_kind, table.class_names) for entry in rows]
