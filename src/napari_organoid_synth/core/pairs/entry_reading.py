"""The one way to read the files of a row: which slice, which projection, which colours, which masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.outlines import DrawnMask
from napari_organoid_synth.core.pairs.annotations.reading import is_annotation, read_annotation
from napari_organoid_synth.core.pairs.file_sets import holds_objects
from napari_organoid_synth.core.pairs.mask_kind import inspect_mask, merge_classes
from napari_organoid_synth.core.pairs.object_masks import read_objects
from napari_organoid_synth.core.pairs.ome_tiff import ImageInfo, read_image, read_info, read_labels
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.pairs.stacks import USE_TEXTS, Channels, StackUse, combine, recolour
from napari_organoid_synth.core.pairs.table import PairEntry
from napari_organoid_synth.core.quantities import pixels


def read_plane(
    path: Path | str, page: int | None = None, use: StackUse = "", channels: Channels = "as-stored"
) -> tuple[NDArray[Any], ImageInfo]:
    """Read an image file as one image.

    Parameters
    ----------
    path : Path
        Of any format that `read_image` reads.
    page : int, optional
        Slice of a stack, from 0; not needed with a projection.
    use : {"", "ask", "slice", "channels", "max", "mean"}
        What becomes of the slices; see `stacks.combine`.
    channels : {"as-stored", "grey", "rgb"}
        See `stacks.recolour`.

    Returns
    -------
    image : NDArray (C, Y, X), native dtype
    info : ImageInfo
        With shape and channel names of that image.

    Raises
    ------
    UserError
        If the file cannot be read, is a stack that nobody chose a slice or projection of, or has other channels.
    """
    if use in ("channels", "max", "mean"):
        count = read_info(path).n_pages
        first, info = read_image(path, 0)
        if count == 1:
            image = first
        else:
            image = combine((read_image(path, number)[0] for number in range(count)), use)
            names = info.channel_names if use != "channels" else ()
            info = replace(info, page=None, channel_names=names)
    else:
        image, info = read_image(path, page)
    image, names = recolour(image, info.channel_names, channels, short(Path(path)))
    shape = (image.shape[0], image.shape[1], image.shape[2])
    return image, replace(info, shape=shape, channel_names=names)


def read_entry_image(entry: PairEntry) -> tuple[NDArray[Any], ImageInfo]:
    """Read the image of a row as the row says: slice, projection, colours."""
    return read_plane(entry.image, entry.page, entry.stack_use, entry.channels)


def stack_remark(entry: PairEntry) -> str:
    """Describe the slice or projection and the colours of a row; empty for an image as it is."""
    parts = []
    if entry.stack_use in ("slice", "") and entry.page is not None:
        whose = "image and mask" if entry.stack_use == "" and entry.masks else "the image"
        parts.append(f"slice {entry.page} of {whose}")
    elif entry.stack_use in USE_TEXTS:
        parts.append(USE_TEXTS[entry.stack_use])
    if entry.channels != "as-stored":
        parts.append(f"used as {'RGB' if entry.channels == 'rgb' else entry.channels}")
    return "; ".join(parts)


ONE_CLASS = "become one class beside other masks"


def read_masks(entry: PairEntry, size: tuple[int, int]) -> tuple[DrawnMask, int]:
    """Read the masks of a row as one label image, whatever they are: files, outlines, a folder of objects.

    Parameters
    ----------
    entry : PairEntry
        Names the files.
    size : (int, int)
        Height and width of the image, px.

    Returns
    -------
    mask : DrawnMask
        labels (Y, X) int32, as in the file; several masks are merged to classes 1..K; all 0 for an image without mask.
    overlap : int
        Pixels that more than one mask claims.
    """
    masks = [_read_mask(Path(path), entry, size) for path in entry.masks.values()]
    if not masks:
        return DrawnMask(np.zeros(size, np.int32), is_objects=False), 0
    if len(masks) == 1:
        return masks[0], 0
    if len({mask.labels.shape for mask in masks}) > 1:
        sizes = ", ".join(f"{name} {pixels(mask.labels.shape)}" for name, mask in zip(entry.masks, masks, strict=True))
        raise UserError(
            f"The masks of '{entry.name}' differ in size: {sizes}.", "Expected the same height and width.",
            "Export them again at the size of the image.",
        )  # fmt: skip
    labels, overlap = merge_classes([mask.labels for mask in masks])
    return DrawnMask(labels, tuple(remark for mask in masks for remark in mask.remarks), is_objects=False), overlap


def merged_remarks(entry: PairEntry, size: tuple[int, int]) -> list[str]:
    """Check each mask of a row with several, and say which lose their numbers because they become one class each.

    Raises
    ------
    UserError
        If one of them is an image or has blurred edges: merged, every pixel above 0 would be its class.
    """
    remarks = []
    for name, path in entry.masks.items() if len(entry.masks) > 1 else ():
        mask = _read_mask(Path(path), entry, size)
        number = np.count_nonzero(np.unique(mask.labels))
        facts = inspect_mask(mask.labels, f"of '{name}', {short(Path(path))},", drawn_singly=mask.is_objects)
        if (mask.is_objects or facts.kind == "instances") and number > 1:
            remarks.append(f"the {number:,} numbered objects of '{name}' {ONE_CLASS}")
    return remarks


def _read_mask(path: Path, entry: PairEntry, size: tuple[int, int]) -> DrawnMask:
    if is_annotation(path):
        return read_annotation(path, Path(entry.image), size)
    if holds_objects(path):
        return read_objects(path, size)
    return DrawnMask(read_labels(path, None if entry.stack_use else entry.page), is_objects=False)
