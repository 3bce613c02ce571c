"""The files that pass between us and a command: pairs to learn from, images to mark, its held-back scores."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import imwrite

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from napari_organoid_synth.core.segmentation.segmenters.plateau import PATIENCE_SHARE, TOLERANCE, smoothed

DATA, CURVE = "data.json", "curve.json"
FEWEST_LOOKS = 4


def write_data(folder: Path, pool: CropPool, spec: SegmentSpec, seed: int, steps: int) -> None:
    """Write the pairs of a pool as TIFF, and what to do with them as ``data.json``.

    ``images`` and ``masks`` hold what is learned from, real pairs first, then the synthetic ones; ``held/images`` and
    ``held/masks`` the held-back parts. In ``data.json`` each pair to learn from has a ``weight``, the probability
    that the next crop comes from it: in proportion to its area among those of its kind, and ``ratio`` synthetic
    crops for each real one. The weights sum to 1.

    Parameters
    ----------
    folder : Path
        Is there and empty.
    pool : CropPool
        Of the arm.
    spec : SegmentSpec
        Meaning of the masks.
    seed, steps : int
        Noted.
    """
    shares = (1 - pool.ratio / (1 + pool.ratio), pool.ratio / (1 + pool.ratio)) if pool.extra else (1.0, 0.0)
    learned: list[dict[str, Any]] = []
    for pairs, share in zip((pool.real, pool.extra), shares, strict=True):
        area = sum(pair.labels.size for pair in pairs)
        for pair in pairs:
            learned.append(_write_pair(folder, "", len(learned), pair) | {"weight": share * pair.labels.size / area})
    held = [_write_pair(folder, "held/", number, pair) for number, pair in enumerate(pool.held)]
    facts = {
        "format": 1,
        "mask_kind": spec.mask_kind,
        "class_names": spec.class_names,
        "channels": spec.channels,
        "augment": pool.augment,
        "ratio": pool.ratio if pool.extra else 0,
        "seed": seed,
        "steps": steps,
        "train": learned,
        "held": held,
    }
    write_text(folder / DATA, json.dumps(facts, indent=1))


def write_images(folder: Path, images: Sequence[NDArray[Any]]) -> list[str]:
    """Write images (C, Y, X) as TIFF; returns their names without ending."""
    names = [f"image_{number:04d}" for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        _write_image(folder / f"{name}.tif", image)
    return names


def read_curve(model: Path) -> Curve | None:
    """Read the held-back scores that a command wrote to ``curve.json``: ``{"steps": [...], "scores": [...]}``.

    The training was at its plateau if the score, as the mean of three, rose by at most 0.003 over the last 30 % of
    the steps.

    Returns
    -------
    Curve or None
        None where there is no such file.

    Raises
    ------
    UserError
        If it holds anything else.
    """
    path = model / CURVE
    if not path.is_file():
        return None
    try:
        values = read_object(path)
        steps, scores = [int(step) for step in values["steps"]], [float(score) for score in values["scores"]]
        rises = all(later > step for step, later in zip([0, *steps], steps, strict=False))
        if len(steps) != len(scores) or not steps or not rises or not all(0 <= score <= 1 for score in scores):
            raise ValueError("steps must rise, and scores lie in 0 to 1")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Cannot read {CURVE} of the command: {error}.",
            'Expected {"steps": [100, 200], "scores": [0.5, 0.6]}: as many of each, scores in 0 to 1.',
        ) from None
    level, before = smoothed(scores), (1 - PATIENCE_SHARE) * steps[-1]
    then = [one for step, one in zip(steps, level, strict=True) if step <= before]
    rise = max(0.0, level[-1] - then[-1]) if then else math.inf
    flat = rise <= TOLERANCE and len(steps) >= FEWEST_LOOKS
    return Curve(
        steps=tuple(steps),
        scores=tuple(scores),
        taken=steps[-1],
        at_plateau=flat,
        best=scores[-1],
        rise=0.0 if flat or math.isinf(rise) else rise,
        wanted=0 if flat else 2 * steps[-1],
    )


def held_score(pairs: Sequence[SamplePair], found: Sequence[NDArray[np.int32]], scored: Sequence[int] = ()) -> float:
    """Compute how well label images fit the masks of held-back pairs, in [0, 1].

    Dice, the mean over the classes that are in the masks (and in ``scored``, if any), pixels of all images together.
    For instances the mean of two figures: how much each object of the masks overlaps with the found one that fits it
    best (intersection over union), and the reverse.

    Examples
    --------
    >>> truth = np.array([[0, 1, 1, 2]], np.int32)
    >>> pair = SamplePair("held", truth[None].astype(np.uint8), truth, "instances")
    >>> held_score([pair], [np.array([[0, 1, 1, 0]], np.int32)])  # one of two objects: (1 + 0) / 2, and 1
    0.75
    """
    if pairs[0].mask_kind == "instances":
        fits = [_best_overlaps(pair.labels, labels) for pair, labels in zip(pairs, found, strict=True)]
        sides = [np.concatenate(side) for side in zip(*fits, strict=True)]
        return float(np.mean([side.mean() if side.size else 0.0 for side in sides]))
    truth, labels = (np.concatenate([one.ravel() for one in many]) for many in ([p.labels for p in pairs], found))
    dice = [
        2 * np.sum((truth == value) & (labels == value)) / (np.sum(truth == value) + np.sum(labels == value))
        for value in np.unique(truth[truth > 0])
        if not scored or value in scored
    ]
    return float(np.mean(dice)) if dice else float(np.mean(labels == 0))


def _best_overlaps(truth: NDArray[np.int32], found: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the best intersection over union of each object of the truth, and of each found one."""
    (true_ids, rows), (found_ids, columns) = (np.unique(labels, return_inverse=True) for labels in (truth, found))
    counts = np.zeros((len(true_ids), len(found_ids)))
    np.add.at(counts, (rows.ravel(), columns.ravel()), 1)
    union = counts.sum(1, keepdims=True) + counts.sum(0, keepdims=True) - counts
    overlap = (counts / union)[true_ids > 0][:, found_ids > 0]
    if not overlap.size:
        return np.zeros(len(overlap)), np.zeros(overlap.shape[1])
    return overlap.max(1), overlap.max(0)


def _write_pair(folder: Path, part: str, number: int, pair: SamplePair) -> dict[str, Any]:
    """Write a pair below a part of the folder; returns its entry in ``data.json``."""
    name = f"{number:04d}_{file_stem(pair.name)}.tif"
    image, mask = f"{part}images/{name}", f"{part}masks/{name}"
    for path in (image, mask):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    _write_image(folder / image, pair.image)
    imwrite(folder / mask, pair.labels.astype(np.uint16 if pair.labels.max() < 2**16 else np.int32))
    size = list(pair.pixel_size) if pair.pixel_size else None
    return {"name": pair.name, "image": image, "mask": mask, "source": pair.source.kind, "pixel_size": size}


def _write_image(path: Path, image: NDArray[Any]) -> None:
    """Write (Y, X) for one channel, (Y, X, 3) for three, else (C, Y, X)."""
    axes = {1: image[0], 3: np.moveaxis(image, 0, -1)}.get(len(image), image)
    imwrite(path, np.ascontiguousarray(axes), photometric="rgb" if len(image) == 3 else "minisblack")
