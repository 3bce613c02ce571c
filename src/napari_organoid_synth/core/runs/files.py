"""Files of a run that are named by step: checkpoints and live samples; read without torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.array_file import read_npz
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.plain_values import read_object, reason

SCORE = "kernel_distance"  # the number by which checkpoints are ranked; low is good


def checkpoint_path(run: Path, step: int) -> Path:
    """Return the path of the tensors of a step, which need not exist."""
    return run / "checkpoints" / f"step_{step:08d}.safetensors"


def checkpoint_steps(run: Path) -> list[int]:
    """List the steps of a run that have a checkpoint, oldest first."""
    steps = [step for step, _ in numbered(run / "checkpoints", ".json")]
    return [step for step in steps if checkpoint_path(run, step).exists()]


def best_checkpoint(run: Path) -> tuple[int, float] | None:
    """Return step and kernel distance of the best checkpoint, the first of equals; None where none was assessed."""
    scores: dict[int, float] = {}
    for step in checkpoint_steps(run):
        try:
            header = read_object(checkpoint_path(run, step).with_suffix(".json"))
            scores[step] = float(header["numbers"][SCORE])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    best = min(scores, key=lambda step: (scores[step], step), default=None)
    return (best, scores[best]) if best is not None else None


def previews(run: Path) -> list[tuple[int, Path]]:
    """List steps and files of all live samples of a run, oldest first."""
    return numbered(run / "previews", ".npz")


def read_preview(path: Path) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Read a preview file: image (N, C, Y, X) native and labels (N, Y, X).

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    try:
        image, labels = read_npz(path, "image", "labels")
        if image.ndim != 4 or labels.shape != (len(image), *image.shape[2:]) or not image.size:
            raise ValueError(f"it holds arrays of {image.shape} and {labels.shape}")
        if image.dtype.kind not in "uif" or labels.dtype.kind not in "ui":
            raise ValueError(f"it holds {image.dtype} and {labels.dtype}")
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {path}: {reason(error)}.", "Expected live samples of a training.") from None
    return image, labels.astype(np.int32)


def numbered(folder: Path, ending: str) -> list[tuple[int, Path]]:
    """List steps and paths of the files that are named by step, oldest first; foreign names are left out."""
    named = [(path.name.removeprefix("step_").removesuffix(ending), path) for path in folder.glob(f"step_*{ending}")]
    return sorted((int(step), path) for step, path in named if re.fullmatch("[0-9]{8,12}", step))
