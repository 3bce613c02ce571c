"""Simulated tissue as the source, and the same sort of tissue inverted, enlarged and blurred as the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.simulators.tissue import tissue

RATIO = 1.5
SMALL = UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2)


def here(seed: int, size: int = 96) -> SamplePair:
    pair = tissue(seed, size, n_cells=10, touching=False)
    labels = (pair.labels > 0).astype(np.int32)
    return SamplePair(f"here{seed}", pair.image, labels, "binary", ("nucleus",))


def there(seed: int, size: int = 96) -> SamplePair:
    """Dark nuclei on a bright ground, 1.5 times as large, blurred, in a narrower range."""
    pair = here(seed, size)
    image = gaussian_filter(zoom(pair.image[0].astype(float), RATIO, order=1), 1.0)
    image = 230 - 0.7 * image
    labels = zoom(pair.labels, RATIO, order=0)
    return SamplePair(f"there{seed}", image.clip(0, 255).astype(np.uint8)[None], labels, "binary", ("nucleus",))


def source(path: Path, number: int = 3) -> Project:
    project = Project(path)
    for seed in range(number):
        add_pair(project, here(seed), "binary")
    return project


def write_target(folder: Path, seeds: range) -> Path:
    """Images alone."""
    for seed in seeds:
        pair = there(seed)
        _image, labels = write_pair(folder, pair)
        labels.unlink()
    return folder


def write_annotated(folder: Path, seeds: range) -> Path:
    """Folders of images and masks."""
    from skimage.io import imsave

    for seed in seeds:
        pair = there(seed)
        for name, plane in (("images", pair.image[0]), ("masks", (255 * pair.labels).astype(np.uint8))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            imsave(folder / name / f"{pair.name}.png", plane, check_contrast=False)
    return folder


def settings(target: Path, **changes) -> AdaptSettings:
    values = {
        "target": (str(target),),
        "segmenter": SMALL.model_dump(),
        "steps": 40,
        "floor": 20,
        "size": 64,
        "painter": {"name": "analogy", "quality": "fast"},
        "number": 5,
        "repeats": 1,
        "device": "cpu",
        "threads": 1,
    }
    return AdaptSettings.parse(values | changes)
