"""Whether the gain meter finds a gain that is there, and none where there is none: rates over simulated comparisons.

    python benchmarks/meter.py --comparisons 10 --seeds 2 --steps 2500

Each comparison is simulated: bright discs on a noisy ground. Training images hold small bright ones only, test images
also large and faint ones. Added pairs of the kind *missing* are drawn as the test images are; those of the kind
*repeated* are the training images again, moved and mirrored. For each kind it prints in how many comparisons the
interval of the change lay above zero, held it, or lay below. ``--segmenter forest`` takes a random forest of pixels,
which takes seconds.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.segmentation.agreement import image_scores
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

Kind = Literal["missing", "repeated"]
SMALL, LARGE = (5, 8), (12, 20)
"""Radii of discs, px."""
SIDE, DISCS = 192, 14
TRAIN, TEST, ADDED = 3, 12, 12
"""Training images, test images, added pairs."""
Predict: TypeAlias = Callable[[NDArray[Any]], NDArray[np.int32]]


@dataclass(frozen=True)
class Options:
    """How many comparisons, and of what."""

    segmenter: str = "forest"
    comparisons: int = 10
    seeds: int = 2
    steps: int = 2500
    floor: int = 600


def draw(name: str, rng: np.random.Generator, varied: bool, source: Source | None = None) -> SamplePair:
    """Draw an image (1, SIDE, SIDE) uint8 of discs, with its mask; ``varied``: half of them large and faint."""
    y, x = np.mgrid[:SIDE, :SIDE]
    labels, image = np.zeros((SIDE, SIDE), np.int32), np.full((SIDE, SIDE), 60.0)
    image += 15 * np.sin(x / rng.uniform(9, 15)) * np.sin(y / rng.uniform(9, 15))  # a ground that is not plain
    for _ in range(DISCS):
        is_large = varied and rng.random() < 0.5
        radius, level = rng.uniform(*(LARGE if is_large else SMALL)), 35 if is_large else 110
        middle = rng.uniform(0, SIDE, 2)
        inside = (y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2
        image[inside & (labels == 0)] += level
        labels[inside] = 1
    image += rng.normal(0, 12, image.shape)
    pixels = image.clip(0, 255).astype(np.uint8)[None]
    return SamplePair(name, pixels, labels, class_names=("disc",), source=source or Source("real"))


def added(train: list[SamplePair], kind: Kind, rng: np.random.Generator) -> list[SamplePair]:
    """Return the pairs that an arm adds: with the variation that the training images lack, or these again."""
    if kind == "missing":
        return [draw(f"added{k}", rng, varied=True, source=Source("synthetic")) for k in range(ADDED)]
    pairs = []
    for k in range(ADDED):
        pair = train[k % len(train)]
        shift = tuple(rng.integers(0, SIDE, 2))
        image, labels = np.roll(pair.image, shift, (1, 2)), np.roll(pair.labels, shift, (0, 1))
        pairs.append(
            pair.replace(
                name=f"added{k}",
                image=np.ascontiguousarray(image[..., ::-1]),
                labels=np.ascontiguousarray(labels[:, ::-1]),
                source=Source("synthetic"),
            )
        )
    return pairs


def unet(train: list[SamplePair], extra: list[SamplePair], seed: int, options: Options) -> tuple[Predict, Curve | None]:
    """Train a U-Net of width 8 on crops with classical augmentation, to its plateau."""
    from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
    from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
    from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts
    from napari_organoid_synth.core.segmentation.segmenters.unet import UNet

    real, held = hold_parts(train)
    pool = CropPool(real, extra, augment="classical", seed=seed, ratio=1.0, held=held)
    config = UNetConfig(channels=8, depth=2, tile=64, batch=4, learning_rate=3e-3)
    segmenter = UNet(config, SegmentSpec(1, "binary", train[0].class_names), "cpu", seed)
    for _ in segmenter.fit(pool, options.steps, Control(), floor=options.floor):
        pass
    return lambda image: segmenter.predict(image).labels, segmenter.curve


def forest(
    train: list[SamplePair], extra: list[SamplePair], seed: int, options: Options
) -> tuple[Predict, Curve | None]:
    """Train a random forest on smoothed grey values of 2,000 pixels, half of them of the added pairs."""
    from sklearn.ensemble import ExtraTreesClassifier

    rng = np.random.default_rng(seed)
    values, truth = [], []
    parts = [part for part in (train, extra) if part]
    for part in parts:
        for pair in part:
            pixels = rng.choice(pair.labels.size, 2000 // len(parts) // len(part))
            values.append(smoothed(pair.image)[pixels])
            truth.append(pair.labels.ravel()[pixels])
    trees = ExtraTreesClassifier(10, max_depth=8, random_state=seed).fit(np.concatenate(values), np.concatenate(truth))
    return lambda image: trees.predict(smoothed(image)).reshape(image.shape[1:]).astype(np.int32), None


def smoothed(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return an image (1, Y, X) smoothed at four scales, (Y · X, 4)."""
    from scipy.ndimage import gaussian_filter

    plane = image[0].astype(np.float64)
    return np.stack([gaussian_filter(plane, sigma).ravel() for sigma in (1, 2, 4, 8)], axis=1)


SEGMENTERS = {"unet": unet, "forest": forest}


def compare(kind: Kind, number: int, options: Options) -> GainResult:
    """Make one comparison of training with and without the added pairs."""
    rng = np.random.default_rng([number, kind == "missing"])
    train = [draw(f"train{k}", rng, varied=False) for k in range(TRAIN)]
    test = [draw(f"test{k}", rng, varied=True) for k in range(TEST)]
    extra = added(train, kind, rng)
    records = []
    for seed in range(options.seeds):
        for arm, pairs in (("classical", []), ("classical+synthetic", extra)):
            predict, curve = SEGMENTERS[options.segmenter](train, pairs, 100 * number + seed, options)
            scores = {pair.name: image_scores(pair, predict(pair.image))[0] for pair in test}
            records.append(
                ArmRecord(arm=arm, seed=seed, per_image=scores, curve=curve, steps=curve.taken if curve else 0)
            )
    fold = Fold(train=tuple(pair.name for pair in train), test=tuple(sorted(pair.name for pair in test)))
    return summarise(records, Design(folds=(fold,), repeats=options.seeds))


def verdicts(kind: Kind, options: Options) -> Iterator[tuple[str, GainResult]]:
    """Yield what each comparison found: ``"gain"``, ``"no clear difference"`` or ``"loss"``."""
    for number in range(options.comparisons):
        result = compare(kind, number, options)
        row = next(row for row in result.table if row.arm == "classical+synthetic")
        change = row.over_best["dice"]
        yield "no clear difference" if not change.is_clear else "gain" if change.mean > 0 else "loss", result


def main() -> None:
    """Print the rates of both kinds of pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segmenter", choices=SEGMENTERS, default="unet")
    parser.add_argument("--comparisons", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2500, help="most steps of a training")
    parser.add_argument("--floor", type=int, default=600)
    options = Options(**vars(parser.parse_args()))
    kinds: tuple[Kind, ...] = ("missing", "repeated")
    for kind in kinds:
        began, rates, changes, plateau = time.perf_counter(), Counter[str](), [], 0
        for verdict, result in verdicts(kind, options):
            rates[verdict] += 1
            row = next(row for row in result.table if row.arm == "classical+synthetic")
            changes.append(row.over_best["dice"].mean)
            plateau += all(one.rising == 0 for one in result.table)
            print(kind, verdict, f"{changes[-1]:+.3f}", result.sentences[0], flush=True)
        print(
            f"{kind}: {dict(rates)} of {options.comparisons}; mean change {np.mean(changes):+.3f}; all at the plateau "
            f"in {plateau}; {(time.perf_counter() - began) / options.comparisons:.0f} s each\n"
        )


if __name__ == "__main__":
    main()
