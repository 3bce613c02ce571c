"""The images of a study in its project: found as in any project, used whole and grey where the study asks for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress
from napari_organoid_synth.core.pairs.checking import check_entry, conclude
from napari_organoid_synth.core.pairs.discovery import find_pairs
from napari_organoid_synth.core.pairs.file_sets import files_of_set, is_file_set
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.studies.parts import Part, Results

PREPARE = "prepare"
BLOCK = 1 << 20


@dataclass(frozen=True)
class Data:
    """The files of a study.

    Parameters
    ----------
    table : PairTable
        Their rows, not checked.
    fingerprint : str
        Hash of the names and bytes of all files.
    """

    table: PairTable
    fingerprint: str


def find_data(folder: str, no_masks: bool = False) -> Data:
    """Find the images of a folder, with their masks, and hash them; no pixels are decoded.

    Parameters
    ----------
    folder : str
        With ``images`` and ``masks``, or with pairs as `find_pairs` finds them; without masks ``images`` alone, or the
        images themselves.
    no_masks : bool
        The study needs no masks.

    Raises
    ------
    UserError
        If there are no images, or no masks where they are needed.
    """
    path = Path(folder).expanduser()
    images, masks = path / "images", path / "masks"
    if no_masks:
        table = find_pairs(images if images.is_dir() else path, no_masks=True)
    elif images.is_dir() and masks.is_dir():
        table = find_pairs(images, masks)
    elif images.is_dir():
        raise UserError(
            f"{path} has images/ and no masks/.", "Expected both, with the same file names.", "Add the masks."
        )
    else:
        table = find_pairs(path)
    return Data(table, _fingerprint(table))


def find_classes(folder: str, classes: Sequence[str]) -> Data:
    """Find the images of a folder with the masks of some classes, ``masks/CLASS``, and hash them.

    Raises
    ------
    UserError
        If a folder is missing.
    """
    path = Path(folder).expanduser()
    masks = {name: path / "masks" / name for name in classes}
    for wanted in (path / "images", *masks.values()):
        if not wanted.is_dir():
            raise UserError(
                f"There is no folder {wanted}.",
                f"Expected images/ and {', '.join(f'masks/{name}/' for name in classes)} in {path.name}.",
                "Name the folders so, or choose another one.",
            )
    table = find_pairs(path / "images", masks)
    return Data(table, _fingerprint(table))


def preparing(
    project: Project,
    data: Data,
    control: Control,
    least: int,
    needs: str,
    whole: int = 0,
    grey: bool = False,
    classes: str = "",
    more: Callable[[PairTable], PairTable] | None = None,
    of_more: Mapping[str, Any] | None = None,
) -> Part:
    """Return the part ``prepare``: check the pairs and write the table of the project.

    Parameters
    ----------
    project : Project
        Gets the table.
    data : Data
        From `find_data`.
    control : Control
        Asked before every image.
    least : int
        Fewest usable images.
    needs : str
        What the study needs, for the message.
    whole : int
        Side of whole images, px; 0: images as they are.
    grey : bool
        Use colours as grey.
    classes : str
        Regular expression that finds the class in a name; empty: none.
    more : callable, optional
        Changes the table at last, such as grades from a file.
    of_more : mapping, optional
        Plain values that determine what that does.

    Returns
    -------
    Part
        Its result: ``images`` (number), ``names``, ``classes`` (of whole images), ``mask_kind``, ``class_names``,
        ``sentence``.
    """

    def work(_: Results, key: str) -> Iterator[Event]:
        rows = [_asked(entry, whole, grey, classes) for entry in data.table.entries]
        checked = []
        for number, entry in enumerate(rows):
            yield from control.wait_while_paused(number)
            if control.canceled:
                yield Finished(number, "canceled")
                return
            yield Progress(number, len(rows), note=entry.name)
            checked.append(check_entry(entry))
        table = conclude(data.table, checked)
        table = more(table) if more is not None else table
        if len(table.matched) < least:
            raise UserError(
                f"Only {plural(len(table.matched), 'image')} can be used ({table.summary().rstrip('.')}).",
                f"Expected {needs}.",
                "Add images, or mend those that cannot be used.",
            )
        table.to_file(project.pairs_path)
        result = {
            "images": len(table.matched),
            "names": [entry.name for entry in table.matched],
            "classes": sorted({entry.image_class for entry in table.matched if entry.image_class}),
            "mask_kind": table.mask_kind,
            "class_names": list(table.class_names),
            "sentence": table.summary(),
        }
        yield Progress(len(rows), len(rows))
        yield Finished(len(rows), "completed", result)

    determined_by = {"data": data.fingerprint, "whole": whole, "grey": grey, "classes": classes, **(of_more or {})}
    return Part(PREPARE, "check the images", work, determined_by, (), 1.0)


def _asked(entry: PairEntry, whole: int, grey: bool, classes: str) -> PairEntry:
    """Return a row as it is used."""
    found = re.search(classes, entry.name) if classes else None
    changes = {
        **({"whole": whole} if whole else {}),
        **({"channels": "grey"} if grey else {}),
        **({"image_class": found[found.lastindex or 0]} if found else {}),
    }
    return entry.replace(**changes) if changes else entry


def _fingerprint(table: PairTable) -> str:
    """Return a hash of names and bytes of all files of the rows."""
    digest = hashlib.sha256()
    files = {file for entry in table.entries for file in (entry.image, *entry.masks.values()) if file}
    for file in sorted(files):
        digest.update(Path(file).name.encode("utf-8", "surrogateescape"))
        digest.update(fingerprint_of(Path(file)).encode())
    return digest.hexdigest()[:16]


def fingerprint_of(path: Path) -> str:
    """Return a hash of the bytes of a file, of all files of a folder such as a Zarr store, or of a set of files."""
    digest = hashlib.sha256()
    files = sorted(path.rglob("*")) if path.is_dir() else files_of_set(path) if is_file_set(path) else [path]
    for file in filter(Path.is_file, files):
        with file.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()
