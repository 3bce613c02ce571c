"""Finding pairs: which image belongs to which mask, by name and by folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.filenames import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    Pattern,
    Row,
    is_mask_name,
    list_files,
    match_files,
    natural,
    stem,
)
from napari_organoid_synth.core.pairs.mask_kind import inspect_mask
from napari_organoid_synth.core.pairs.ome_tiff import read_info, read_labels
from napari_organoid_synth.core.pairs.readers import SUFFIXES, short
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable, Status

Files = Path | str | Sequence[Path | str]
ONLY_PAIR = "the only image and the only mask"
"""Why two files of different names belong together."""


def find_pairs(
    images: Files,
    masks: Files | Mapping[str, Files] | None = None,
    image_pattern: str = "",
    mask_pattern: str = "",
    no_masks: bool = False,
) -> PairTable:
    """Match images with masks by their names; no pixels are read.

    Parameters
    ----------
    images : folder, file, or list of them
        A name may hold ``*``.
        Without ``masks``: a folder that holds ``images/`` and ``masks/``, or files of both sorts that the patterns or
        endings such as ``_masks`` tell apart.
    masks : folder, file, list of them, or {class name: folder}, optional
        A folder whose subfolders hold binary masks gives one class per subfolder.
    image_pattern, mask_pattern : str
        Names such as ``{name}_img.tif`` and ``{name}_masks.tif``; see `filenames.Pattern`.
    no_masks : bool
        Take every image as it is: there are no masks, and a generator of images alone is to learn.

    Returns
    -------
    PairTable
        Stacks are matched slice by slice, ``name_000``, ``name_001``, ...

    Raises
    ------
    UserError
        If a folder is missing or holds no image file.
    """
    notes: list[str] = []
    given = images
    if no_masks and masks:
        raise UserError("Masks are given, and that there are none.", "Expected one of both.", "Leave one out.")
    if masks is None and not no_masks:
        images, masks = _two_sorts(_paths(images), image_pattern, mask_pattern)
    image_files = _expand(_paths(images), image_pattern)
    if not image_files:
        raise _nothing("image", given, _paths(images))
    mask_files = {} if no_masks else _masks_by_class(masks or (), mask_pattern or image_pattern, notes)
    rows = match_files(image_files, mask_files, image_pattern, mask_pattern)
    alone = bool(mask_files) and len(image_files) == 1 and all(len(files) == 1 for files in mask_files.values())
    if alone and not image_pattern and not mask_pattern and any(row.status != "matched" for row in rows):
        only = {name: files[0] for name, files in mask_files.items()}  # chosen one by one: names need not agree
        rows = [Row(stem(image_files[0]), image_files[0], only, reason=ONLY_PAIR)]
    entries = [entry for row in rows for entry in _slices(row)]
    seen: Counter[str] = Counter()
    for index, entry in enumerate(entries):
        seen[entry.name] += 1
        if seen[entry.name] > 1:
            entries[index] = entry.replace(name=f"{entry.name} ({seen[entry.name]})")
    return PairTable(entries=tuple(entries), notes=tuple(notes))


def _paths(files: Files) -> list[Path]:
    many = [files] if isinstance(files, str | Path) else files
    found: list[Path] = []
    for path in (Path(file).expanduser().absolute() for file in many):
        found += sorted(path.parent.glob(path.name), key=natural) if "*" in path.name and not path.exists() else [path]
    return found


def _nothing(what: str, given: Files, folders: Sequence[Path]) -> UserError:
    """The sentence for folders without image files: what is in them instead."""
    expected = "Expected TIFF, PNG, JPEG, BMP or OME-Zarr files."
    todo = f"Choose the folder that holds the {what}s."
    if not folders:
        names = [given] if isinstance(given, str | Path) else given
        where = ", ".join(map(str, names)) or "the empty list"
        return UserError(f"There is no {what} file in {where}.", expected, todo)
    found = sorted((path for path in folders[0].iterdir() if not path.name.startswith(".")), key=natural)
    shown = ", ".join(path.name + "/" * path.is_dir() for path in found[:3]) + ", …" * (len(found) > 3)
    holds = f"it holds {shown}" if found else "it is empty"
    return UserError(f"There is no {what} file in {folders[0]}: {holds}.", expected, todo)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and path.suffix.lower() != ".zarr"


def _expand(paths: Sequence[Path], pattern: str = "") -> list[Path]:
    """Files as they are, folders as the images in them (as deep as the pattern has folders)."""
    found: list[Path] = []
    for path in paths:
        if not path.exists() and path.suffix.lower() in SUFFIXES:
            raise UserError(f"There is no file {path}.", todo="Check whether it was moved or renamed.")
        found += [path] if path.exists() and not _is_folder(path) else list_files(path, pattern.count("/"))
    return list(dict.fromkeys(found))


def _two_sorts(paths: list[Path], image_pattern: str, mask_pattern: str) -> tuple[list[Path], Files]:
    """Images and masks out of one folder or list."""
    if len(paths) == 1 and _is_folder(paths[0]):
        below = {path.name.lower(): path for path in sorted(paths[0].iterdir()) if path.is_dir()}
        image_folder = next((below[name] for name in IMAGE_FOLDERS if name in below), None)
        mask_folder = next((below[name] for name in MASK_FOLDERS if name in below), None)
        if image_folder and mask_folder:
            return [image_folder], mask_folder
    files = _expand(paths)
    if not files:
        raise _nothing("image", paths, paths)
    if mask_pattern:
        is_mask = {path for path in files if Pattern(mask_pattern).match(path)}
    else:
        is_mask = {path for path in files if is_mask_name(path)}
    if image_pattern:
        is_mask -= {path for path in files if not mask_pattern and Pattern(image_pattern).match(path)}
    if not is_mask:
        raise UserError(
            f"There {'is 1 image' if len(files) == 1 else f'are {len(files)} images'} in {paths[0]} and no mask.",
            "Expected folders named images and masks, or masks named like image_masks.tif.",
            "Choose the folder of the masks too; if there are none, say so with no_masks.",
        )
    return [path for path in files if path not in is_mask], [path for path in files if path in is_mask]


def _masks_by_class(masks: Files | Mapping[str, Files], pattern: str, notes: list[str]) -> dict[str, list[Path]]:
    if isinstance(masks, Mapping):
        by_class = {name: _expand(_paths(files), pattern) for name, files in masks.items()}
        for name, found in by_class.items():
            if not found:
                raise _nothing("mask", masks[name], _paths(masks[name]))
        return by_class
    paths = _paths(masks)
    if len(paths) == 1 and _is_folder(paths[0]) and "/" not in pattern and not list_files(paths[0]):
        folders = [path for path in sorted(paths[0].iterdir()) if _is_folder(path) and list_files(path)]
        if folders:
            return _choose_folders(folders, notes)
    files = _expand(paths, pattern)
    if not files:
        raise _nothing("mask", masks, paths)
    return {OBJECT: files}


def _choose_folders(folders: list[Path], notes: list[str]) -> dict[str, list[Path]]:
    """Subfolders with binary masks are classes; anything else is an alternative that a person may choose instead."""
    kinds: dict[Path, str] = {}
    for folder in folders:
        kinds[folder] = "unreadable"
        for file in list_files(folder)[:5]:
            try:
                kinds[folder] = inspect_mask(read_labels(file), short(file)).kind
            except UserError:
                continue
            break
    chosen = [folder for folder in folders if kinds[folder] == "binary"] or folders[:1]
    for folder in folders:
        if folder not in chosen:
            notes.append(f"{short(folder)} ({kinds[folder]}) is left out; choose it as the mask folder to use it.")
    return {folder.name: list_files(folder) for folder in chosen}


def _slices(row: Row) -> Iterator[PairEntry]:
    """One entry per slice when image and masks are stacks of the same length."""
    entry = PairEntry(
        name=row.name,
        image="" if row.image is None else str(row.image),
        masks={name: str(path) for name, path in row.masks.items()},
        status=cast(Status, row.status),
        reason=row.reason,
        image_class=row.image_class,
        group=row.group,
    )
    if row.image is None or entry.status != "matched":
        yield entry
        return
    try:
        n_image = read_info(row.image).n_pages
        n_masks = {path: read_info(path).n_pages for path in row.masks.values()}
    except UserError as error:
        yield entry.replace(status="broken", reason=str(error))
        return
    for path, number in n_masks.items():
        if number != n_image:
            reason = f"{short(row.image)} has {n_image} slice{'s' * (n_image > 1)}, {short(path)} has {number}."
            yield entry.replace(status="broken", reason=reason)
            return
    if n_image == 1:
        yield entry
        return
    for page in range(n_image):
        yield entry.replace(name=f"{row.name}_{page:03d}", page=page, group=row.group or row.name)
