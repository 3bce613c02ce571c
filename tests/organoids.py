"""Tiny organoids on disk, and the organoid study at its smallest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from imageio.v3 import imwrite

from napari_organoid_synth.core.studies.catalog import study_settings
from napari_organoid_synth.core.studies.organoid_settings import OrganoidSettings

TINY = (
    "side=60", "tile=64", "epochs=1", "batch=4", "extractor=random", "restarts=1", "segmenter_steps=1", "device=cpu",
    "precision=float32",
    "threads=1", "segmenter={name: unet, channels: 8, depth: 2, tile: 64, batch: 1}", "images=8",
    "generators={gan: {name: gan, width: 16}}", "planned={gan_poisson: {name: gan, width: 16, loss: poisson}}",
    "losses={bce: {name: aae, channels: 8, max_channels: 16, image_critic: off, width: 16}, "
    "poisson: {name: aae, loss: poisson, channels: 8, max_channels: 16, image_critic: off, width: 16}}",
)  # fmt: skip


def write_organoids(folder: Path, number: int = 8, height: int = 50, width: int = 40) -> Path:
    """Write dark blobs on a bright ground, RGB, with their masks; return the folder."""
    y, x = np.mgrid[:height, :width]
    for seed in range(number):
        rng = np.random.default_rng(seed)
        mask = (y - 25) ** 2 + (x - 20) ** 2 < rng.integers(60, 200)
        grey = 180 - 90 * mask + rng.normal(0, 9, mask.shape)
        image = np.stack([grey, grey + 4, grey - 4], -1).clip(0, 255).astype(np.uint8)
        for below, array in (("images", image), ("masks", 255 * mask.astype(np.uint8))):
            (folder / below).mkdir(parents=True, exist_ok=True)
            imwrite(folder / below / f"{('healthy', 'ill')[seed % 2]}-{seed}.png", array)
    return folder


def tiny(data: Path, *more: str) -> OrganoidSettings:
    """Return the settings of a study of seconds."""
    settings = study_settings("organoid", str(data), "small", *TINY, *more)
    assert isinstance(settings, OrganoidSettings)
    return settings
