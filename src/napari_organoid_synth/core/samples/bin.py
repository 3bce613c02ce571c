"""The bin of a project: files of deleted samples, to be brought back."""

from __future__ import annotations

import glob
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.samples.row import EDITED


def bin_of(folder: Path) -> Path:
    """Return the folder of the deleted files of the folder ``samples`` of a project."""
    return folder.parent / "bin" / folder.name


def to_bin(folder: Path, id: str) -> None:
    """Move the files of a sample into the bin."""
    _move(id, folder, bin_of(folder))


def from_bin(folder: Path, id: str) -> None:
    """Move the files of a sample out of the bin.

    Raises
    ------
    UserError
        If they are neither there nor in the folder.
    """
    _move(id, bin_of(folder), folder)
    if not all(path.exists() for path in ome_tiff.pair_paths(folder, id)):
        raise UserError(
            f"The files of '{id}' are not in {bin_of(folder)}.", "Expected them where they were moved when deleted."
        )


def _move(id: str, old: Path, new: Path) -> None:
    """Move image, labels and the masks that a person edited; the image last: where it is, the pair is complete."""
    edited = sorted((old / EDITED).glob(f"{glob.escape(id)}.*{ome_tiff.LABELS_ENDING}"))
    for path in (*edited, *reversed(ome_tiff.pair_paths(old, id))):
        if path.exists():
            target = new / path.relative_to(old)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
