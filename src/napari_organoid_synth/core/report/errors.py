"""Errors of segmenters: pictures of one test image, an arm each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.storage import predictions_folder
from napari_organoid_synth.core.pairs.pictures import decode_png
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.pictures import Picture

COLOURS = {"false positive": "#f0f", "missed": "#0ff", "wrong class": "#ff0"}


@dataclass(frozen=True)
class Errors:
    """Pictures of the errors in one image, with the meaning of their colours."""

    image: str
    is_only_image: bool
    key: tuple[tuple[str, str], ...]
    pictures: tuple[Picture, ...]


def errors(contents: Contents, result: GainResult, names: Mapping[str, str]) -> Errors | None:
    """Collect error pictures of the test image that differs most between arms; None where none were written.

    Parameters
    ----------
    contents : Contents
        Of the project.
    result : GainResult
        Of the comparison.
    names : mapping of str to str
        Titles of the arms.
    """
    arms = result.arms
    images = list(next(iter(arms.values())).per_image)
    tested = {name: [arm.per_image[name]["dice"] for arm in arms.values() if name in arm.per_image] for name in images}
    if not images:
        return None
    image = max(images, key=lambda name: np.ptp(tested[name]))
    pictures = []
    for name, arm in arms.items():
        path = predictions_folder(Path(result.folder), name) / f"{file_stem(image)}_errors.png"
        if image in arm.per_image and path.is_file():
            caption = f"{names.get(name, name)}: Dice {arm.per_image[image]['dice']:.3f}"
            pictures.append(contents.album.whole(decode_png(path.read_bytes()), caption))
    if not pictures:
        return None
    has_classes = result.mask_kind == "classes"
    key = tuple((kind, colour) for kind, colour in COLOURS.items() if kind != "wrong class" or has_classes)
    return Errors(image, len(images) == 1, key, tuple(pictures))
