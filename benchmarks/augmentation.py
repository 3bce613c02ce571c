"""How strong classical augmentation should be: short trainings of the U-Net with one change at a time.

``python benchmarks/augmentation.py DATA nuclei [--steps 1500] [--seeds 0] [--only "usual" "no zoom"]``
``python benchmarks/augmentation.py DATA mitochondria``

DATA holds ``nuclei_dsb2018`` and ``drosophila_vnc_em``. Three fluorescence images are learned from, or two sections at
a quarter of their resolution. None of these images, and none of those that are tested here, belongs to the tables of
gain: those use the first 18 fluorescence images by name, and sections 00 to 09.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from skimage.io import imread

from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.agreement import image_scores
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.classical import Strength
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

USUAL = Strength(zoom=1.3, bend=4.0, gamma=1.4, gain=1.4, offset=0.1, blur=1.0, noise=0.05)
NO_CHANGE = Strength(zoom=1.0, bend=0.0, gamma=1.0, gain=1.0, offset=0.0, blur=0.0, noise=0.0)
LIGHT = {"gamma": 1.0, "gain": 1.0, "offset": 0.0, "blur": 0.0, "noise": 0.0}
VARIANTS: dict[str, Strength | str] = {
    "none": "",
    "tissue": "tissue",
    "flips and turns": NO_CHANGE,
    "usual": USUAL,
    "weak": Strength(zoom=1.15, bend=2.0, gamma=1.2, gain=1.2, offset=0.05, blur=0.5, noise=0.02),
    "strong": Strength(zoom=1.6, bend=6.0, gamma=2.0, gain=2.0, offset=0.2, blur=1.5, noise=0.1),
    "no zoom": replace(USUAL, zoom=1.0),
    "zoom 1.6": replace(USUAL, zoom=1.6),
    "not bent": replace(USUAL, bend=0.0),
    "shape alone": replace(USUAL, **LIGHT),
    "light alone": replace(USUAL, zoom=1.0, bend=0.0),
    "strong light": replace(USUAL, gamma=2.0, gain=2.0, offset=0.2),
}


def nuclei(data: Path) -> tuple[list[SamplePair], list[SamplePair]]:
    """Return three images to learn from and six to test."""
    pairs = []
    for file in sorted((data / "nuclei_dsb2018" / "images").glob("fluorescence_*"))[18:]:
        labels = imread(file.parents[1] / "masks" / file.name).astype(np.int32)
        pairs.append(SamplePair(file.stem, imread(file)[None], labels, "instances", ("nucleus",)))
    return pairs[:3], pairs[3:]


def mitochondria(data: Path) -> tuple[list[SamplePair], list[SamplePair]]:
    """Return sections 12 and 13 to learn from, 10 and 11 to test, at a quarter of their resolution."""
    pairs = []
    folder = data / "drosophila_vnc_em"
    for number in (12, 13, 10, 11):
        name = f"section_{number:02d}"
        labels = imread(folder / "masks" / "mitochondria" / f"{name}.png") > 0
        pair = SamplePair(name, imread(folder / "images" / f"{name}.png")[None], labels.astype(np.int32))
        pairs.append(pair.shrunk(0.25))
    return pairs[:2], pairs[2:]


def trained(train: list[SamplePair], variant: Strength | str, steps: int, seed: int) -> UNet:
    """Return a small U-Net after its training."""
    config = UNetConfig(channels=8, depth=3, tile=96, batch=4)
    spec = SegmentSpec(len(train[0].image), train[0].mask_kind, train[0].class_names)
    unet = UNet(config, spec, "cpu", seed)
    pool = CropPool(train, augment=variant if isinstance(variant, str) else "classical", seed=seed)
    if isinstance(variant, Strength):
        pool.strength = variant
    for _ in unet.fit(pool, steps, Control()):
        pass
    return unet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("set", choices=["nuclei", "mitochondria"])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    train, test = {"nuclei": nuclei, "mitochondria": mitochondria}[options.set](options.data)
    print(f"learned from {', '.join(p.name for p in train)}; tested on {', '.join(p.name for p in test)}", flush=True)
    for name in options.only:
        for seed in options.seeds:
            started = time.process_time()
            unet = trained(train, VARIANTS[name], options.steps, seed)
            scores = [image_scores(pair, unet.predict(pair.image).labels)[0] for pair in test]
            dice = [score["dice"] for score in scores]
            seconds = time.process_time() - started
            each = " ".join(f"{value:.3f}" for value in dice)
            print(f"{name} | seed {seed} | {np.mean(dice):.3f} | {each} | {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
