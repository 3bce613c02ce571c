"""Rebuild a damaged database of samples from the pixel files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.pair_format import Misfit
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.store import SampleStore


@dataclass(frozen=True)
class Recovery:
    """Result of rebuilding a database of samples.

    Parameters
    ----------
    recovered : int
        Samples in the new database.
    edited : int
        Those of them whose mask a person had edited.
    unreadable : tuple of str
        Image files that cannot be read.
    misfits : tuple of str
        Image files that do not fit the real pairs of the project; they stay in the folder.
    old : Path, optional
        Present place of the damaged database.
    """

    recovered: int
    edited: int
    unreadable: tuple[str, ...]
    old: Path | None
    misfits: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """Sentences about the recovered samples and the losses."""
        sentences = [f"{plural(self.recovered, 'sample')} recovered; verdicts and scores are lost."]
        if self.edited:
            sentences.append(f"{self.edited} with the mask that was edited last.")
        if self.unreadable:
            sentences.append(f"Not readable: {', '.join(self.unreadable)}.")
        if self.misfits:
            sentences.append(f"Left out because they do not fit the real pairs: {', '.join(self.misfits)}.")
        if self.old is not None:
            sentences.append(f"The old list is in {self.old}.")
        return " ".join(sentences)


def rebuild(path: Path) -> Recovery:
    """Make a new database from the pixel files; a damaged one is moved to ``bin/`` beside it.

    Raises
    ------
    UserError
        If the database is intact, because rebuilding would only lose the verdicts; or if it is in use.
    """
    if path.exists() and (count := _intact_samples(path)) is not None:
        raise UserError(f"The list of {plural(count, 'sample')} is intact.", todo="There is nothing to rebuild.")
    old = _move_away(path)
    recovered, edited = 0, 0
    unreadable, misfits = list[str](), list[str]()
    with SampleStore(path) as store:
        images = store.folder.glob(f"*{ome_tiff.IMAGE_ENDING}")
        for image in sorted(images, key=lambda file: (file.stat().st_mtime, file.name)):
            if image.name.endswith(ome_tiff.LABELS_ENDING):
                continue
            try:
                edited += store.restore(image)
                recovered += 1
            except Misfit:
                misfits.append(image.name)
            except UserError:
                unreadable.append(image.name)
    return Recovery(recovered, edited, tuple(unreadable), old, tuple(misfits))


def _intact_samples(path: Path) -> int | None:
    """Return the number of samples in a database without damage; None when it is damaged."""
    try:
        with SampleStore(path) as store:
            store.rows()
            return sum(store.counts().values()) if store.is_intact() else None
    except UserError as error:
        if "in use" in error.found:
            raise
        return None


def _move_away(path: Path) -> Path | None:
    """Move a database with its log into a folder in ``bin/``; return that folder, None when there is nothing."""
    folder = path.parent / "bin" / f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    files = [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]
    files = [file for file in files if file.exists()]
    for file in files:
        folder.mkdir(parents=True, exist_ok=True)
        file.replace(folder / file.name)
    return folder if files else None
