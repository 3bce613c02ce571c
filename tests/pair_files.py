"""Small images and masks as files, for tests of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from napari_organoid_synth.core.pairs.loading import (
    PairTable,
)


def picture(seed: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, size).astype(np.uint8)


def disc(value: int = 255, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[4:12, 4:12] = value
    return mask


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array, photometric="minisblack", metadata=None)
    return path


def fill(folder: Path, images: str, masks: str, number: int = 3) -> Path:
    for index in range(1, number + 1):
        save(folder / images.format(index), picture(index))
        save(folder / masks.format(index), disc())
    return folder


def rows(table: PairTable) -> list[tuple[str, str]]:
    return [(entry.name, entry.status) for entry in table.entries]
