"""Sources of a table: the folders of its images and masks and its table of classes; remove one, or find it again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.reading import is_annotation
from napari_organoid_synth.core.pairs.file_sets import files_of_set, holds_objects
from napari_organoid_synth.core.pairs.ome_tiff import read_info
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.quantities import pixels, plural

MIN_FOLDERS, MAX_FOLDERS = 3, 8
"""Up to so many folders are always listed one by one, or unless each holds a single file; more never are."""
SourceKind = Literal["images", "masks", "classes"]


@dataclass(frozen=True)
class PairSource:
    """A folder of images, a folder of the masks of one class, or the table of classes.

    Parameters
    ----------
    kind : {"images", "masks", "classes"}
    path : Path
        The folder, or the file of the table of classes.
    class_name : str
        Of masks.
    files : int
        Its files that the table names.
    missing : int
        Those of them that are not there.
    """

    kind: SourceKind
    path: Path
    class_name: str = ""
    files: int = 1
    missing: int = 0


def list_sources(table: PairTable) -> list[PairSource]:
    """List the sources of a table: folders of images, folders of masks by class, the table of classes.

    Whether files are there is looked up, which takes time on a network: call it in a worker thread.
    """
    found: list[PairSource] = []
    images = dict.fromkeys(entry.image for entry in table.entries if entry.image)
    names = dict.fromkeys(name for entry in table.entries for name in entry.masks)
    groups: list[tuple[SourceKind, str, list[str]]] = [("images", "", list(images))]
    for name in names:
        files = dict.fromkeys(entry.masks[name] for entry in table.entries if name in entry.masks)
        groups.append(("masks", name, list(files)))
    for kind, name, files_of in groups:
        folders = _folders(files_of)
        counts = Counter(folders.values())
        missing = Counter(folders[file] for file in files_of if not _exists(Path(file)))
        found += [PairSource(kind, path, name, number, missing[path]) for path, number in counts.items()]
    if table.grades_file:
        path = Path(table.grades_file)
        found.append(PairSource("classes", path, missing=int(not path.is_file())))
    return found


def remove_source(table: PairTable, source: PairSource) -> PairTable:
    """Return a table without a source; its rows are to be checked again.

    Without a folder of images its rows go, with those of their masks. Images without their last masks stay as orphans.
    Without the table of classes all images lose their class.
    """
    if source.kind == "classes":
        entries = tuple(entry.replace(image_class=None) for entry in table.entries)
        return table.replace(entries=entries, grades_file="", grade_notes=())
    of_masks = {name: _folders(files) for name, files in _mask_files(table).items()}
    folders = _folders(list(dict.fromkeys(entry.image for entry in table.entries if entry.image)))
    kept = []
    for entry in table.entries:
        if source.kind == "images":
            if not entry.image or folders[entry.image] != source.path:
                kept.append(entry)
            continue
        file = entry.masks.get(source.class_name)
        if file is None or of_masks[source.class_name][file] != source.path:
            kept.append(entry)
        elif rest := {name: path for name, path in entry.masks.items() if name != source.class_name}:
            kept.append(entry.replace(masks=rest))
        elif entry.image:
            orphan = {"masks": {}, "status": "orphan", "reason": "its mask was removed"}
            kept.append(entry.replace(**orphan, n_objects=None, object_size=None, mask_kind=None))
    used = {path for entry in kept if entry.image for path in entry.masks.values()}
    gone = {path for entry in table.entries if entry.image for path in entry.masks.values()} - used
    entries = tuple(entry for entry in kept if entry.image or not gone & set(entry.masks.values()))
    notes = table.folder_notes if source.kind == "masks" else ()
    return table.replace(entries=entries, folder_notes=notes)


def find_again(
    table: PairTable, folder: Path, new: Path, progress: Callable[[int, int], object] = lambda done, total: None
) -> PairTable:
    """Return a table whose files below a folder are those below another one, where the folder moved.

    Splits, classes and everything else that was chosen stay. Other files of the table that moved with it are found,
    too: where ``data/images`` became ``archive/images``, those missing in ``data`` are looked for in ``archive``.

    Parameters
    ----------
    table : PairTable
        Of the project.
    folder, new : Path
        Where the files were and where they are; of a table of classes its file.
    progress : callable
        Called with the number of files that were compared, and of all.

    Raises
    ------
    UserError
        If a file is not there, or an image has another size than at the last check.
    """
    if not _exists(new):
        raise UserError(f"There is no {new}.", "Expected the folder that moved.", "Choose the folder again.")
    pairs = [(folder, new), *_parents(folder, new)]
    named = [*_files_below(table, folder)]
    gone = [file for file in named if not _exists(_moved(file, folder, new))]
    if gone:
        examples = ", ".join(file.name for file in gone[:3]) + (", …" if len(gone) > 3 else "")
        raise UserError(
            f"{len(gone)} of {plural(len(named), 'file')} {'is' if len(gone) == 1 else 'are'} not in {new}: "
            f"{examples}.",
            "Expected files of the same names as before.",
            "Choose the folder with these files; files that were renamed are to be added as new ones.",
        )
    moved = table.replace(
        entries=tuple(_entry_moved(entry, pairs) for entry in table.entries),
        grades_file=_text_moved(table.grades_file, pairs),
    )
    changed = [(a, b) for a, b in zip(table.entries, moved.entries, strict=True) if a != b]
    for number, (before, entry) in enumerate(changed, 1):
        _refuse_other_size(before, entry)
        progress(number, len(changed))
    return moved


def _refuse_other_size(before: PairEntry, entry: PairEntry) -> None:
    """Raise `UserError` if a file of a row that moved has another size than the image had at its check."""
    files = [entry.image] * (before.image != entry.image)
    if before.mask_size is None:  # they had one size
        files += [file for name, file in entry.masks.items() if file != before.masks[name]]
    for file in files:
        if entry.shape is None or is_annotation(Path(file)) or holds_objects(Path(file)):
            continue
        size = tuple(read_info(file).shape[-2:])
        if size != entry.shape[1:]:
            raise UserError(
                f"{short(Path(file))} is {pixels(size)}, '{entry.name}' was {pixels(entry.shape[1:])}.",
                "Expected the same files as before.",
                "Choose the folder with the same files, or add the others as new images.",
            )


def _mask_files(table: PairTable) -> dict[str, list[str]]:
    files: dict[str, dict[str, None]] = {}
    for entry in table.entries:
        for name, path in entry.masks.items():
            files.setdefault(name, {})[path] = None
    return {name: list(paths) for name, paths in files.items()}


def _folders(files: list[str]) -> dict[str, Path]:
    """Return the folder of each file; of very many, or of a folder for each file, the one that holds them."""
    folders = {file: _home(Path(file)) for file in files}
    while (number := len(set(folders.values()))) > MIN_FOLDERS and (number == len(files) or number > MAX_FOLDERS):
        above = {file: folder.parent for file, folder in folders.items()}
        if above == folders:
            break
        folders = above
    return folders


def _home(file: Path) -> Path:
    """Return the folder of a file; of a label image inside an OME-Zarr that of the Zarr."""
    inside = next((parent for parent in reversed(file.parents) if parent.suffix.lower() == ".zarr"), None)
    return (inside or file).parent


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path) or ("*" in path.name and bool(files_of_set(path)))
    except OSError:
        return False


def _files_below(table: PairTable, folder: Path) -> Iterator[Path]:
    files = [file for entry in table.entries for file in (entry.image, *entry.masks.values())]
    for file in dict.fromkeys(filter(None, [*files, table.grades_file])):
        if Path(file).is_relative_to(folder):
            yield Path(file)


def _parents(folder: Path, new: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the folders above that moved as well: as long as the names of both are the same."""
    while folder.name == new.name and folder.parent != folder and new.parent != new:
        folder, new = folder.parent, new.parent
        yield folder, new


def _moved(file: Path, folder: Path, new: Path) -> Path:
    return new / file.relative_to(folder)


def _text_moved(text: str, pairs: list[tuple[Path, Path]]) -> str:
    """Return the new place of a file: below the folder itself, or where it is missing, below one above."""
    path = Path(text)
    for number, (folder, new) in enumerate(pairs):
        if not text or not path.is_relative_to(folder):
            continue
        if number == 0:
            return str(_moved(path, folder, new))
        if not _exists(path) and _exists(_moved(path, folder, new)):
            return str(_moved(path, folder, new))
    return text


def _entry_moved(entry: PairEntry, pairs: list[tuple[Path, Path]]) -> PairEntry:
    image = _text_moved(entry.image, pairs)
    masks = {name: _text_moved(mask, pairs) for name, mask in entry.masks.items()}
    if (image, masks) == (entry.image, entry.masks):
        return entry
    files = [file for file in (entry.image, *entry.masks.values()) if file]
    was_missing = entry.status == "broken" and not all(_exists(Path(file)) for file in files)
    back = {"status": "matched", "reason": ""} if was_missing else {}
    return entry.replace(image=image, masks=masks, **back)
