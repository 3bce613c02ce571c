"""Match the lines of a table with images by their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath

from napari_organoid_synth.core.pairs.annotations.documents import name_parts
from napari_organoid_synth.core.pairs.filenames import stem
from napari_organoid_synth.core.pairs.table import PairEntry


def match_names(values: Sequence[str], images: Sequence[PairEntry]) -> dict[int, str]:
    """Return the image that each line names: by name, file name or stem, and by folders where the value has some.

    Parameters
    ----------
    values : sequence of str
        One text a line.
    images : sequence of PairEntry
        The images.

    Returns
    -------
    dict of int to str
        Number of a line to the name of its image; lines that name none or several are left out.
    """
    by_key: dict[str, list[PairEntry]] = defaultdict(list)
    for entry in images:
        file = Path(entry.image)
        for key in {entry.name, file.name, stem(file)}:
            by_key[key.casefold()].append(entry)
    matched = {}
    for line, value in enumerate(values):
        parts = name_parts(value)
        last = parts[-1].casefold() if parts else ""
        fitting = by_key.get(last) or by_key.get(stem(Path(last)).casefold(), [])
        if len(fitting) > 1:
            fitting = [entry for entry in fitting if entry.name.casefold() == last] or fitting
        if len(parts) > 1:
            folders = tuple(part.casefold() for part in parts[:-1])
            fitting = [entry for entry in fitting if _folders(entry)[-len(folders) :] == folders] or fitting
        if len(fitting) == 1:
            matched[line] = fitting[0].name
    return matched


def _folders(entry: PairEntry) -> tuple[str, ...]:
    return tuple(part.casefold() for part in PurePath(entry.image).parts[:-1])
