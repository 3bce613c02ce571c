"""Pictures of a study: what generators draw, and the errors of segmenters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.storage import predictions_folder
from napari_organoid_synth.core.pairs.loading import read_entry
from napari_organoid_synth.core.pairs.pictures import decode_png
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.report.pictures import Album
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.studies.page import Gallery, Prose

EACH = 6
"""Pictures of a run."""
COLOURS = "Magenta: marked and not there; cyan: there and not marked."


def sample_gallery(project: Project, runs: Mapping[str, str], each: int = EACH) -> list[Any]:
    """Return pictures of originals, and of the first samples of each run, all with the same contrast.

    Parameters
    ----------
    project : Project
        With samples.
    runs : mapping of str to str
        Title to run.
    each : int
        Pictures of each.
    """
    table = PairTable.from_file(project.pairs_path)
    rows = [table.train[place] for place in _places(len(table.train), each)]
    real = [read_entry(entry, table.mask_kind, table.class_names) for entry in rows]
    album = Album(real)
    blocks: list[Any] = [Gallery([album.tile(pair) for pair in real], "Originals")]
    with SampleStore(project.samples_path) as store:
        samples = store.rows()
        for title, run in runs.items():
            own = [row for row in samples if row.run == run]
            pictures = [album.tile(store.pair(own[place].id)) for place in _places(len(own), each)]
            blocks.append(Gallery(pictures, title) if pictures else Prose(f"{title}: no samples.", "faint"))
    return blocks


def error_gallery(project: Project, name: str, result: GainResult, titles: Mapping[str, str]) -> list[Any]:
    """Return a picture of the errors of each arm, of the image in which arms differ most; nothing without pictures.

    Parameters
    ----------
    project : Project
        With the comparison.
    name : str
        Of its folder.
    result : GainResult
        Of the comparison.
    titles : mapping of str to str
        Title of each arm by its key.
    """
    folder = project.path / "segment" / name
    tested = [image for image in result.test if all(image in arm.per_image for arm in result.arms.values())]
    if not tested:
        return []
    image = max(tested, key=lambda one: np.ptp([arm.per_image[one]["dice"] for arm in result.arms.values()]))
    album, pictures = Album(), []
    for key, arm in result.arms.items():
        path = predictions_folder(Path(folder), key) / f"{file_stem(image)}_errors.png"
        if path.is_file():
            caption = f"{titles.get(key, key)}: Dice {arm.per_image[image]['dice']:.3f}"
            pictures.append(album.whole(decode_png(path.read_bytes()), caption))
    caption = f"Errors in {image}, in which the rows differ most. {COLOURS}"
    return [Gallery(pictures, caption, "row")] if pictures else []


def _places(number: int, wanted: int) -> list[int]:
    """Return evenly spread indices."""
    return np.unique(np.linspace(0, number - 1, min(number, wanted)).round().astype(int)).tolist() if number else []
