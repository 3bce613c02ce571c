"""The spheroid study in small: the multiscale network with and without adversary, and U-Net*, over folds of wells.

``python benchmarks/spheroids.py DATA/spheroids_microwell_phase [--folds 3 --steps 600 --out FOLDER]``

Every network sees whole images, one per step, for the same number of steps; days of one well (first letter of the name)
are in the same fold. Pixel scores are averaged over the images of a fold; the table has mean ± sd over folds.
``--out`` gets the errors (magenta: marked but not there, cyan: missed) and the interval plots.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from imageio.v3 import imread, imwrite

from napari_organoid_synth.core.configs.multiscale_adversarial import MultiscaleAdversarialConfig
from napari_organoid_synth.core.configs.unet import UNetConfig
from napari_organoid_synth.core.job import Control, Progress
from napari_organoid_synth.core.overlay import error_overlay
from napari_organoid_synth.core.pair import RGB, SamplePair
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmenters.base import Segmenter, SegmentSpec
from napari_organoid_synth.core.segmenters.crops import CropPool
from napari_organoid_synth.core.settings import Settings
from napari_organoid_synth.core.threshold_curves import SCORES, FoldScores, image_scores, threshold_svg


def read(folder: Path) -> list[SamplePair]:
    return [
        SamplePair(
            path.stem,
            np.moveaxis(imread(path), -1, 0),
            (imread(folder / "masks" / path.name) > 0).astype(np.int32),
            class_names=("spheroid",),
            channel_names=RGB,
        )
        for path in sorted((folder / "images").glob("*.png"))
    ]


def folds_of(pairs: list[SamplePair], number: int, seed: int) -> list[set[str]]:
    """Wells of each fold."""
    wells = sorted({pair.name[0] for pair in pairs})
    np.random.default_rng(seed).shuffle(wells)
    return [set(wells[start::number]) for start in range(number)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", type=int, default=3, help="wells are split into so many parts")
    parser.add_argument("--only", type=int, default=0, help="train only the first so many folds")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--side", type=int, default=192, help="images are resized to this (480 as published)")
    parser.add_argument("--width", type=int, default=16, help="of the multiscale network (60 as published)")
    parser.add_argument("--channels", type=int, default=16, help="of U-Net* (64 as published)")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (1e-4 and 12,000 steps as published)")
    parser.add_argument("--augment", action="store_true", help="classical augmentation besides")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)

    multiscale = MultiscaleAdversarialConfig(width=options.width, side=options.side, learning_rate=options.rate)
    star = UNetConfig(
        network="original",
        whole=True,
        tile=options.side,
        channels=options.channels,
        batch=1,
        learning_rate=options.rate,
    )
    methods: dict[str, Settings] = {
        "with adversary": multiscale,
        "without adversary": multiscale.replace(adversarial=False),
        "U-Net*": star.replace(learning_rate=options.rate),
    }
    pairs = read(options.data)
    folds = folds_of(pairs, options.folds, options.seed)[: options.only or None]
    print(f"{len(pairs)} images, folds of wells {' | '.join(''.join(sorted(fold)) for fold in folds)}; {vars(options)}")
    print("| method | weights, M | precision, % | recall, % | F, % | s / step | s / image |")
    print("|---|---|---|---|---|---|---|")
    curves: dict[str, dict[str, FoldScores]] = {score: {} for score in SCORES}
    for name, config in methods.items():
        found: list[list[dict[str, float]]] = []
        learning = marking = 0.0
        for fold in folds:
            train = [pair for pair in pairs if pair.name[0] not in fold]
            test = [pair for pair in pairs if pair.name[0] in fold]
            segmenter: Segmenter = SEGMENTERS.load(config.name)(  # type: ignore[attr-defined]
                config, SegmentSpec(3, "binary", ("spheroid",)), options.device, options.seed
            )
            began = time.perf_counter()
            for event in segmenter.fit(CropPool(train, (), options.augment, options.seed), options.steps, Control()):
                if isinstance(event, Progress) and event.step == options.steps:
                    losses = ", ".join(f"{key} {value:.3f}" for key, value in event.stats.items())
            learning += time.perf_counter() - began
            print(f"<!-- {name}, fold {''.join(sorted(fold))}: {losses} -->", flush=True)
            found.append([])
            for pair in test:
                began = time.perf_counter()
                labels, *_ = segmenter.predict(pair.image)
                marking += time.perf_counter() - began
                found[-1].append(dict(image_scores(pair.labels, labels)))
                if options.out is not None:
                    options.out.mkdir(parents=True, exist_ok=True)
                    picture = error_overlay(labels, pair.labels, np.moveaxis(pair.image, 0, -1))
                    imwrite(options.out / f"{name.replace('*', '_star').replace(' ', '_')}_{pair.name}.png", picture)
        for score in SCORES:
            curves[score][name] = FoldScores.of([[one[score] for one in fold] for fold in found])
        words = " | ".join(curves[score][name].words.removesuffix(" %") for score in SCORES)
        weights = sum(weight.numel() for weight in segmenter.network.parameters()) / 1e6
        steps, images = options.steps * len(folds), sum(map(len, found))
        print(f"| {name} | {weights:.2f} | {words} | {learning / steps:.2f} | {marking / images:.2f} |", flush=True)
    if options.out is not None:
        for score in SCORES:
            (options.out / f"{score}.svg").write_text(threshold_svg(curves[score], score), encoding="utf-8")


if __name__ == "__main__":
    main()
