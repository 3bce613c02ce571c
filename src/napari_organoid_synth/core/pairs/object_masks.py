"""One mask file per object: a folder of masks is the mask of one image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.outlines import DrawnMask
from napari_organoid_synth.core.pairs.file_sets import files_of_set, is_file_set
from napari_organoid_synth.core.pairs.filenames import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    Row,
    holds_images,
    list_files,
    natural,
    plain_name,
    stem,
)
from napari_organoid_synth.core.pairs.ome_tiff import read_labels
from napari_organoid_synth.core.pairs.reading.formats import is_directory, is_folder
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.pairs.table import OBJECT
from napari_organoid_synth.core.quantities import pixels, plural


def folders_per_image(root: Path) -> list[Row]:
    """Match ``ID/images/*`` with ``ID/masks/*``, one file per object, for each folder ID; or in the root itself.

    Returns
    -------
    list of Row
        Empty if the root has another layout: an ID folder has one image, and masks of other names.
    """
    try:
        folders = sorted((path for path in root.iterdir() if is_folder(path)), key=natural)
    except OSError:
        return []
    rows = [row for folder in [root, *folders] if (row := _one_image(folder, least=1 + (folder == root))) is not None]
    is_layout = any(holds_images(mask) for row in rows for mask in row.masks.values())
    return rows if is_layout else []


def _one_image(folder: Path, least: int) -> Row | None:
    """Return the only image of a folder ``images`` with the folder ``masks``, of at least some files, beside it."""
    try:
        below = {path.name.lower(): path for path in sorted(folder.iterdir()) if is_folder(path)}
        image_folder = next((below[name] for name in IMAGE_FOLDERS if name in below), None)
        mask_folder = next((below[name] for name in MASK_FOLDERS if name in below), None)
        images = list_files(image_folder) if image_folder else []
        masks = list_files(mask_folder) if mask_folder else []
    except (OSError, UserError):  # a folder that may not be read is of no layout
        return None
    if len(images) != 1 or (masks and len(masks) < least):
        return None
    if mask_folder and not any(mask_folder.iterdir()):
        return Row(stem(images[0]), images[0], {OBJECT: mask_folder})
    if not mask_folder or not masks:
        return Row(stem(images[0]), images[0], {}, "orphan", f"no mask is in {short(folder / 'masks')}")
    alike = [mask for mask in masks if plain_name(mask) == plain_name(images[0])]
    return Row(stem(images[0]), images[0], {OBJECT: alike[0] if alike else mask_folder})


def folders_named_like(images: Sequence[Path], folder: Path) -> list[Path]:
    """Return the folders of masks, one file per object, in ``folder`` if at least one is named like an image.

    Empty ones are of images without objects.
    """
    folders = [path for path in sorted(folder.iterdir(), key=natural) if is_folder(path)]
    folders = [path for path in folders if holds_images(path) or not any(path.iterdir())]
    return folders if are_named_like(filter(holds_images, folders), images) else []


def are_named_like(folders: Iterable[Path], images: Sequence[Path]) -> bool:
    """Return whether at least one folder is named like an image."""
    names = {plain_name(image) for image in images}
    return any(plain_name(folder) in names for folder in folders)


def read_objects(folder: Path, size: tuple[int, int]) -> DrawnMask:
    """Read one mask file per object as numbered objects; a single file may number them itself.

    Parameters
    ----------
    folder : Path
        With the files in it, or a name with ``*`` for them; an empty folder is of an image without objects.
    size : (int, int)
        Height and width of the image, px.

    Raises
    ------
    UserError
        If files differ in size, or one of several has more than one value beside 0.
    """
    files = files_of_set(folder) if is_file_set(folder) else list_files(folder)
    if len(files) == 1:
        return DrawnMask(read_labels(files[0]), is_objects=False)
    if not files and is_directory(folder) and not any(folder.iterdir()):
        return DrawnMask(np.zeros(size, np.int32), ("no mask file in its folder",))
    labels: NDArray[np.int32] | None = None
    overlap = n_empty = 0
    for number, file in enumerate(files, start=1):
        mask = read_labels(file)
        labels = np.zeros(mask.shape, np.int32) if labels is None else labels
        if mask.shape != labels.shape:
            raise UserError(
                f"{short(file)} has {pixels(mask.shape)}, the other masks in its folder have {pixels(labels.shape)}.",
                "Expected the same height and width.",
                "Export the masks again at the size of the image.",
            )
        inside = mask != 0
        values = np.unique(mask[inside])
        if len(values) > 1:
            raise UserError(
                f"{short(file)} has {len(values)} values beside 0 and is one of {len(files)} masks of one image.",
                "Expected one object in each file, or one file with a number per object.",
                "Keep only one kind of mask in the folder.",
            )
        n_empty += not len(values)
        overlap += int(np.count_nonzero(labels[inside]))
        labels[inside] = number
    if labels is None:
        raise UserError(f"There is no mask file in {folder}.", "Expected one file per object.")
    sentences = {
        f"{len(files)} mask files, an object each": True,
        f"{overlap:,} px are in several objects, the later one wins": overlap,
        f"{plural(n_empty, 'mask file')} without object": n_empty,
    }
    return DrawnMask(labels, tuple(text for text, happened in sentences.items() if happened))
