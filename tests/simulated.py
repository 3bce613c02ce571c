"""Simulated scenes for tests of scores, and a small project of simulated electron microscopy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import em


def scene(seed: int, size: int, objects: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on grain: image (1, Y, X) uint16 and instance labels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    y, x = np.mgrid[:size, :size]
    per_row = size // 32
    for number in range(min(objects, per_row**2)):
        row, column = divmod(number, per_row)
        cy, cx = 32 * row + rng.integers(10, 22), 32 * column + rng.integers(10, 22)
        labels[(y - cy) ** 2 + (x - cx) ** 2 < rng.integers(36, 90)] = number + 1
    grain = gaussian_filter(rng.normal(size=(size, size)), 1.0)
    return (2000 + 1500 * (labels > 0) + 900 * grain).astype(np.uint16)[None], labels


def sample(name: str, image: np.ndarray, labels: np.ndarray) -> SamplePair:
    return SamplePair(name, image, labels, "instances", ("cell",))


def em_project(path: Path, number: int) -> Project:
    """A new project of pairs with two classes, 96 x 96 px."""
    project = Project(path)
    for seed in range(number):
        pair = em(seed, 96)
        simulated = SamplePair(
            f"em{seed}", pair.image, pair.labels, class_names=pair.class_names, pixel_size=(0.0046, 0.0046)
        )
        add_pair(project, simulated, "classes")
    return project


def add_made(project: Project, number: int, accepted: int = 0) -> None:
    """Add synthetic pairs that fit an `em_project`, the first of them accepted."""
    with SampleStore(project.samples_path) as store:
        ids = []
        for seed in range(number):
            made = Source("synthetic", provenance={"run": "one", "seed": seed})
            ids.append(
                store.add(em(100 + seed, 96).replace(name=f"made {seed}", pixel_size=(0.0046, 0.0046), source=made))
            )
        store.decide(ids[:accepted], "accepted")
