"""Small models for painting live, really trained, and messages to a renderer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.live.frames import Message
from napari_organoid_synth.core.pairs.adding import add_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.training.train import train

SMALL = {"steps": 2, "previews": 1, "threads": 1, "precision": "float32", "batch": 2}
CHANNELS = {"generator_channels": 8, "discriminator_channels": 8}
GENERATORS: dict[str, dict[str, Any]] = {
    "analogy": {"name": "analogy", "quality": "fast"},
    "pix2pix": {"name": "pix2pix", **CHANNELS},
    "dcgan": {"name": "dcgan", **CHANNELS},
}


def train_model(folder: Path, name: str) -> Path:
    """Train a generator on two simulated images, if it trains, and return the folder of its run."""
    project = Project(folder / name)
    for seed in range(2):
        add_pair(project, tissue(seed, 96).replace(name=f"image_{seed}"), "instances")
    about_training = {"previews": 1} if name == "analogy" else SMALL
    recipe = Recipe.parse({"gan": GENERATORS[name], "tiles": {"size": 64}, "train": about_training})
    list(train(project, recipe, Control()))
    return project.run_path()


def mask(height: int = 64, width: int = 80) -> NDArray[np.int32]:
    """Two objects."""
    labels = np.zeros((height, width), np.int32)
    labels[10:26, 12:30], labels[34:50, 40:60] = 1, 2
    return labels


def opening(model: Path, serial: int = 1) -> Message:
    return Message("open", {"serial": serial, "model": str(model), "device": "cpu"})


def painting(serial: int, labels: NDArray[Any] | None, canvas: str = "a", **values: Any) -> Message:
    return Message(
        "paint", {"serial": serial, "canvas": canvas, **values}, {} if labels is None else {"labels": labels}
    )


def changing(serial: int, box: tuple[int, ...], labels: NDArray[Any], canvas: str = "a") -> Message:
    values = {"serial": serial, "canvas": canvas, "boxes": [list(box)], "quality": "full"}
    return Message("change", values, {"labels 0": np.asarray(labels, np.int32)})
