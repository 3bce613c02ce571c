"""Find pairs: match images with masks by name and by folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from napari_organoid_synth.core.errors import UserError, plain_text
from napari_organoid_synth.core.pairs.annotations.reading import is_annotation, list_annotations
from napari_organoid_synth.core.pairs.filenames import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    Pattern,
    Row,
    below_sentence,
    distinct_names,
    is_mask_name,
    list_files,
    match_files,
    natural,
    stem,
)
from napari_organoid_synth.core.pairs.mask_kind import inspect_mask
from napari_organoid_synth.core.pairs.object_masks import are_named_like, folders_named_like, folders_per_image
from napari_organoid_synth.core.pairs.ome_tiff import read_labels
from napari_organoid_synth.core.pairs.reading.formats import (
    READABLE,
    SUFFIXES,
    is_directory,
    is_folder,
    is_zarr,
    refuse_odd_name,
    short,
)
from napari_organoid_synth.core.pairs.stack_rows import expand_stack
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable, Status
from napari_organoid_synth.core.quantities import plural

Files = Path | str | Sequence[Path | str]
ONLY_PAIR = "the only image and the only mask"
"""Reason why two files of different names belong together."""


class NoMasks(UserError):
    """Raised where there are images and no masks; the masks may still be added."""


def find_pairs(
    images: Files,
    masks: Files | Mapping[str, Files] | None = None,
    image_pattern: str = "",
    mask_pattern: str = "",
    no_masks: bool = False,
    planes: str = "",
) -> PairTable:
    """Match images with masks by their names; no pixels of images are read.

    Parameters
    ----------
    images : folder, file, or list of them
        A name may contain ``*``; one with ``{name}`` is a pattern.
        Without ``masks``: a folder with ``images/`` and ``masks/``, or with such a folder for each image and one mask
        file per object, or files of both sorts that the patterns or endings such as ``_masks`` tell apart.
    masks : folder, file, list of them, or {class name: folder}, optional
        Also outlines: ImageJ ROIs (``.roi``, ``.zip``), COCO, labelme or QuPath (``.json``, ``.geojson``), which are
        instances. A folder whose subfolders hold binary masks gives one class per subfolder; subfolders named like the
        images hold one mask file per object.
    image_pattern, mask_pattern : str
        Names such as ``{name}_img.tif`` and ``{name}_masks.tif``; see `filenames.Pattern`.
    no_masks : bool
        There are no masks; a generator that draws images alone can learn from the images.
    planes : str
        How a stack with a mask of one plane is used: ``slices``, ``channels``, ``max``, ``mean``, or the number of a
        slice, from 0. Empty: its row is ambiguous and asks.

    Returns
    -------
    PairTable
        A stack with a stack of masks is matched slice by slice, ``name_000``, ``name_001``, ...

    Raises
    ------
    UserError
        If a folder is missing or contains no image file.
    """
    if no_masks and masks:
        raise UserError(
            "Both masks and 'no masks' are given.", "Expected only one of the two.", "Leave out one of them."
        )
    images, image_pattern = _as_pattern(images, image_pattern)
    if masks is not None and not isinstance(masks, Mapping):
        masks, mask_pattern = _as_pattern(masks, mask_pattern)
    sources = images
    if masks is None and not no_masks:
        if rows := _folders_per_image(paths_of(images)):
            return PairTable(entries=_entries(rows, planes))
        images, masks = _separate(paths_of(images), image_pattern, mask_pattern)
    image_files = _expand(paths_of(images), image_pattern)
    if not image_files:
        raise _no_files("image", sources, paths_of(images))
    mask_files: dict[str, list[Path]] = {}
    notes: list[str] = []
    if not no_masks:
        mask_files, notes = _masks_by_class(masks or (), mask_pattern or image_pattern, image_files)
    if "/" not in image_pattern:
        used = {folder for files in [image_files, *mask_files.values()] for file in files for folder in file.parents}
        used |= {file for files in mask_files.values() for file in files}
        given = {*paths_of(sources), *paths_of(images)}
        folders = dict.fromkeys(file.parent for file in image_files if file.parent in given)
        notes += filter(None, (below_sentence(folder, used) for folder in folders))
    rows = match_files(image_files, mask_files, image_pattern, mask_pattern)
    if not image_pattern and not mask_pattern and any(row.status != "matched" for row in rows):
        rows = _only_pair(image_files, mask_files) or rows
    _name_by_folder(rows)
    return PairTable(entries=_entries(rows, planes), folder_notes=tuple(notes))


def _entries(rows: Sequence[Row], planes: str) -> tuple[PairEntry, ...]:
    return tuple(_unique_names([entry for row in rows for entry in expand_stack(_as_entry(row), planes)]))


def _folders_per_image(paths: Sequence[Path]) -> list[Row]:
    """Return the rows of one folder in which each image has a folder of its own, with one mask file per object."""
    return folders_per_image(paths[0]) if len(paths) == 1 and is_folder(paths[0]) else []


def _only_pair(images: Sequence[Path], masks: Mapping[str, Sequence[Path]]) -> list[Row]:
    """Return the row of one image with one mask of each class, whatever their names; empty if there are more."""
    if not masks or len(images) != 1 or any(len(files) != 1 for files in masks.values()):
        return []
    only = {name: files[0] for name, files in masks.items()}
    return [Row(stem(images[0]), images[0], only, reason=ONLY_PAIR)]


def _name_by_folder(rows: Sequence[Row]) -> None:
    """Tell images of one name apart by their folders."""
    with_image = [(row, row.image) for row in rows if row.image is not None and row.status != "ambiguous"]
    names = distinct_names([image for _, image in with_image], [row.name for row, _ in with_image])
    for (row, _), name in zip(with_image, names, strict=True):
        row.name = name


def _unique_names(entries: Sequence[PairEntry]) -> list[PairEntry]:
    """Number entries that share a name: ``a``, ``a (2)``, ..."""
    counts: Counter[str] = Counter()
    unique = []
    for entry in entries:
        counts[entry.name] += 1
        number = counts[entry.name]
        unique.append(entry if number == 1 else entry.replace(name=f"{entry.name} ({number})"))
    return unique


def _as_pattern(files: Files, pattern: str) -> tuple[Files, str]:
    """Split ``folder/{name}.zarr/labels/cells`` into the folder and the pattern below it."""
    only = files if isinstance(files, str | Path) else files[0] if len(files) == 1 else ""
    path = Path(only).expanduser().absolute()
    place = next((index for index, part in enumerate(path.parts) if re.search(r"\{\w+\}", part)), None)
    if pattern or place is None or os.path.lexists(path):
        return files, pattern
    while is_zarr(Path(*path.parts[:place])):  # wells and fields of a plate
        place -= 1
    return Path(*path.parts[:place]), "/".join(path.parts[place:])


def paths_of(files: Files) -> list[Path]:
    """Return absolute paths; one with ``*`` (or ``{name}``) becomes the files that it matches."""
    paths: list[Path] = []
    for file in [files] if isinstance(files, str | Path) else files:
        path = Path(file).expanduser().absolute()
        places = [index for index, part in enumerate(path.parts) if re.search(r"\*|\{\w+\}", part)]
        if not places or os.path.lexists(path):
            paths.append(path)
            continue
        pattern = re.sub(r"\{\w+\}", "*", "/".join(path.parts[places[0] :]))
        paths += sorted(Path(*path.parts[: places[0]]).glob(pattern), key=natural)
    return paths


def _no_files(noun: str, given: Files, folders: Sequence[Path]) -> UserError:
    """Return the error for folders without image files; it names their content."""
    expected = f"Expected {READABLE} files."
    if noun == "mask":
        expected = "Expected TIFF, PNG, BMP or OME-Zarr files, or outlines: .roi, .zip, .json, .geojson."
    todo = f"Choose the folder with the {noun}s."
    if not folders:
        names = [given] if isinstance(given, str | Path) else given
        where = ", ".join(map(str, names)) or "the empty list"
        return UserError(f"There is no {noun} file in {where}.", expected, todo)
    content = [path for path in _content(folders[0]) if not path.name.startswith(".")]
    if len(content) > 1 and all(map(is_folder, content)):
        todo = f"Choose the folder with the {noun}s; '{folders[0]}/*' stands for all these folders."
    names = [path.name + "/" * is_directory(path) for path in content[:3]] + ["…"] * (len(content) > 3)
    contains = f"it contains {', '.join(names)}" if content else "it is empty"
    return UserError(f"There is no {noun} file in {folders[0]}: {contains}.", expected, todo)


def _content(folder: Path) -> list[Path]:
    """Return what is in a folder, in natural order.

    Raises
    ------
    UserError
        If it may not be read.
    """
    try:
        return sorted(folder.iterdir(), key=natural)
    except OSError as error:
        raise UserError(
            f"Cannot read the folder {folder}: {error.strerror}.", todo="Check the permissions of the folder."
        ) from None


def _expand(paths: Sequence[Path], pattern: str = "") -> list[Path]:
    """Replace folders by the images in them (as deep as the pattern has folders); files stay."""
    files: list[Path] = []
    for path in paths:
        if not os.path.lexists(path) and path.suffix.lower() in SUFFIXES:
            raise UserError(f"There is no file {path}.", todo="Check whether it was moved or renamed.")
        files += [path] if os.path.lexists(path) and not is_folder(path) else list_files(path, pattern)
    return list(dict.fromkeys(files))


def _expand_masks(paths: Sequence[Path], pattern: str = "") -> list[Path]:
    """Replace folders by the masks and outlines in them; files stay."""
    outlines = [file for path in paths if is_folder(path) for file in list_annotations(path, pattern.count("/"))]
    missing = next((path for path in paths if is_annotation(path) and not os.path.lexists(path)), None)
    if missing is not None:
        raise UserError(f"There is no file {missing}.", todo="Check whether it was moved or renamed.")
    return [*_expand(paths, pattern), *outlines]


def _separate(paths: list[Path], image_pattern: str, mask_pattern: str) -> tuple[list[Path], Files]:
    """Separate images from masks in one folder or list."""
    if both := [_image_and_mask_folder(path) for path in paths if is_folder(path)]:
        folders = [pair for pair in both if pair is not None]
        if len(folders) == len(paths):
            masks: list[Path | str] = [mask for _, mask in folders]
            return [image for image, _ in folders], masks[0] if len(masks) == 1 else masks
    if len(paths) == 1 and is_folder(paths[0]) and (beside := _outlines_beside_images(paths[0])):
        return beside
    files = _expand_masks(paths)
    if all(map(is_annotation, files)):
        raise _no_files("image", paths, paths)
    if mask_pattern:
        is_mask = {path for path in files if Pattern(mask_pattern).match(path)}
    else:
        is_mask = {path for path in files if is_mask_name(path) or is_annotation(path)}
    if image_pattern:
        is_mask -= {path for path in files if not mask_pattern and Pattern(image_pattern).match(path)}
    if not is_mask:
        inside = _labels_inside(files[0])
        raise NoMasks(
            f"There {'is' if len(files) == 1 else 'are'} {plural(len(files), 'image')} in {paths[0]} and no mask.",
            "Expected folders named images and masks, masks named like image_masks.tif, or files of outlines.",
            f"{short(files[0])} has label images inside: choose the masks {inside}."
            if inside
            else "Also choose the folder of the masks; if there are none, set no_masks.",
        )
    return [path for path in files if path not in is_mask], [path for path in files if path in is_mask]


def _labels_inside(image: Path) -> str:
    """Return the pattern of the first label image inside an OME-Zarr; empty if there is none."""
    names = sorted(path.name for path in (image / "labels").glob("*") if is_zarr(path)) if is_zarr(image) else []
    return f"'{image.parent}/{{name}}{image.suffix}/labels/{names[0]}'" if names else ""


def _image_and_mask_folder(folder: Path) -> tuple[Path, Path] | None:
    """Return the folders of images and of masks in a folder; None if it lacks one of them."""
    below = {path.name.lower(): path for path in _content(folder) if is_folder(path)}
    image_folder = next((below[name] for name in IMAGE_FOLDERS if name in below), None)
    mask_folder = next((below[name] for name in MASK_FOLDERS if name in below), None)
    return (image_folder, mask_folder) if image_folder and mask_folder else None


def _outlines_beside_images(folder: Path) -> tuple[list[Path], list[Path]] | None:
    """Return the folder of images in a folder, and the files of outlines beside or in it; None without outlines."""
    image_folder = next((path for path in _content(folder) if path.name.lower() in IMAGE_FOLDERS), None)
    if image_folder is None or not is_directory(image_folder):
        return None
    outlines = [*list_annotations(folder), *list_annotations(image_folder)]
    return ([image_folder], outlines) if outlines else None


def _masks_by_class(
    masks: Files | Mapping[str, Files], pattern: str, images: Sequence[Path]
) -> tuple[dict[str, list[Path]], list[str]]:
    """Return the mask files of each class, and sentences about folders that were left out."""
    if isinstance(masks, Mapping):
        by_class = {name: _masks_of(paths_of(files), pattern, images) for name, files in masks.items()}
        for name, files in by_class.items():
            if not files:
                raise _no_files("mask", masks[name], paths_of(masks[name]))
        return by_class, []
    paths = paths_of(masks)
    if objects := _masks_of(paths, pattern, images, only_objects=True):
        return {OBJECT: objects}, []
    if len(paths) == 1 and is_folder(paths[0]) and "/" not in pattern and not list_files(paths[0]):
        folders, unreadable = _mask_folders(paths[0])
        if folders:
            by_class, notes = _choose_folders(folders)
            return by_class, notes + unreadable
    files = _expand_masks(paths, pattern)
    if not files:
        raise _no_files("mask", masks, paths)
    return {OBJECT: files}, []


def _mask_folders(parent: Path) -> tuple[list[Path], list[str]]:
    """Return the folders that hold masks, and a sentence about each that may not be read."""
    folders, notes = [], []
    for path in _content(parent):
        try:
            if is_folder(path) and list_files(path):
                folders.append(path)
        except UserError as error:
            notes.append(str(error))
    return folders, notes


def _masks_of(paths: Sequence[Path], pattern: str, images: Sequence[Path], only_objects: bool = False) -> list[Path]:
    """Return the masks of one class: folders with one file per object if they are named like images, else files."""
    if all(map(is_folder, paths)) and are_named_like(paths, images):
        return list(paths)
    is_parent = len(paths) == 1 and is_folder(paths[0]) and not pattern and not list_files(paths[0])
    if is_parent and (folders := folders_named_like(images, paths[0])):
        return folders
    return [] if only_objects else _expand_masks(paths, pattern)


def _choose_folders(folders: list[Path]) -> tuple[dict[str, list[Path]], list[str]]:
    """Take subfolders with binary masks as classes; any other is an alternative that a person may choose instead."""
    kinds: dict[Path, str] = {}
    for folder in folders:
        kinds[folder] = "unreadable"
        for file in list_files(folder)[:5]:
            try:
                kinds[folder] = inspect_mask(read_labels(file), short(file)).kind
            except Exception:  # named where the pair is checked
                continue
            break
    classes = [folder for folder in folders if kinds[folder] == "binary"] or folders[:1]
    notes = [
        f"{short(folder)} ({kinds[folder]}) is left out; choose it as the mask folder to use it."
        for folder in folders
        if folder not in classes
    ]
    return {plain_text(folder.name): list_files(folder) for folder in classes}, notes


def _as_entry(row: Row) -> PairEntry:
    """Return the row as it is stored; a file whose name cannot be stored as text is broken."""
    try:
        for path in (row.image, *row.masks.values()):
            refuse_odd_name(path or Path())
    except UserError as error:
        return PairEntry(name=plain_text(row.name), status="broken", reason=str(error))
    return PairEntry(
        name=plain_text(row.name),
        image="" if row.image is None else str(row.image),
        masks={plain_text(name): str(path) for name, path in row.masks.items()},
        status=cast(Status, row.status),
        reason=plain_text(row.reason),
        image_class=row.image_class,
        group=row.group,
    )
