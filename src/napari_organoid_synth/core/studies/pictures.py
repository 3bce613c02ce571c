"""Pictures of a study: what generators draw, and the errors of segmenters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.storage import predictions_folder
from napari_organoid_synth.core.pairs.loading import read_entry
from napari_organoid_synth.core.pairs.pictures import decode_png
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.report.pictures import Album, Picture
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


def mask_pictures(masks: Sequence[NDArray[np.integer[Any]]]) -> list[Picture]:
    """Return pictures of masks (Y, X), each object in a colour of its own; empty ones are black."""
    from skimage.color import label2rgb

    album = Album()
    shown = [(255 * label2rgb(labels, bg_label=0)).astype(np.uint8) for labels in masks]
    return [album.figure(one, None, "", f"mask {number}") for number, one in enumerate(shown, 1)]


@dataclass(frozen=True)
class Marked:
    """What the segmenters of an arm marked: folder of the comparison below ``segment/``, its result, key of the arm."""

    comparison: str
    result: GainResult
    arm: str

    @property
    def dice(self) -> dict[str, float]:
        """Dice by the name of the image."""
        return {image: scores["dice"] for image, scores in self.result.arms[self.arm].per_image.items()}


def marked_arms(comparison: str, result: GainResult, titles: Mapping[str, str]) -> dict[str, Marked]:
    """Return the arms of a comparison by their titles; one without a title by its key."""
    return {titles.get(arm, arm): Marked(comparison, result, arm) for arm in result.arms}


def error_gallery(project: Project, marked: Mapping[str, Marked]) -> list[Any]:
    """Return pictures of the errors in the image in which the networks differ most; nothing without pictures.

    Parameters
    ----------
    project : Project
        With the comparisons.
    marked : mapping of str to Marked
        Title to arm of a comparison, each tested on the same images.
    """
    dice = {title: one.dice for title, one in marked.items()}
    tested = [image for image in next(iter(dice.values()), {}) if all(image in scores for scores in dice.values())]
    if not tested:
        return []
    image = max(tested, key=lambda one: np.ptp([scores[one] for scores in dice.values()]))
    album, pictures = Album(), []
    for title, one in marked.items():
        folder = project.path / "segment" / one.comparison
        path = predictions_folder(folder, one.arm) / f"{file_stem(image)}_errors.png"
        if path.is_file():
            pictures.append(album.whole(decode_png(path.read_bytes()), f"{title}: Dice {dice[title][image]:.3f}"))
    which = ", in which they differ most" if len(marked) > 1 else ""
    return [Gallery(pictures, f"{image}{which}. {COLOURS}", "row wide")] if pictures else []


def _places(number: int, wanted: int) -> list[int]:
    """Return evenly spread indices."""
    return np.unique(np.linspace(0, number - 1, min(number, wanted)).round().astype(int)).tolist() if number else []
