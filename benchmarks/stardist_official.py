"""Our StarDist beside the official one: same images, steps, crops, augmentation and test.

``python benchmarks/stardist_official.py [--data FOLDER] [--steps 400] [--seeds 3] [--grid 2] [--tile 128]``

Needs TensorFlow beside torch; the environment ``tox -e stardist-official`` holds both. ``FOLDER`` holds ``images`` and
``masks`` with the same file names (``nuclei_dsb2018`` of the shared data by default). Every fourth image is a test
image; of the others every seventh is held back: it chooses the thresholds in both, in the package also the weights. The
numbers are
those of ``stardist.matching.matching_dataset`` on the test images: accuracy = TP / (TP + FP + FN) at IoU 0.5 and 0.7.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.network_input import intensity_range, normalise
from napari_organoid_synth.core.segmentation.segmenters.stardist import StarDist
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig

IOU = (0.5, 0.7)
EPOCH = 100
"""Steps after which the package looks at the held-back images."""
Labels = list[NDArray[np.int32]]


def read(folder: Path, pattern: str, number: int) -> list[SamplePair]:
    pairs = []
    for file in sorted((folder / "images").glob(pattern))[:number]:
        image, labels = iio.imread(file), iio.imread(folder / "masks" / file.name)
        if image.ndim == 2:
            pairs.append(SamplePair(file.stem, image[None], labels.astype(np.int32), "instances"))
    return pairs


def scores(truth: Labels, found: Labels) -> list[float]:
    from stardist.matching import matching_dataset

    return [one.accuracy for one in matching_dataset(truth, found, thresh=IOU, show_progress=False)]


def ours(config: StarDistConfig, parts: dict[str, list[SamplePair]], steps: int, seed: int) -> Labels:
    model = StarDist(config, SegmentSpec(1, "instances", ("nucleus",)), "cpu", seed)
    pool = CropPool(parts["train"], augment=True, seed=seed, held=parts["held"])
    for _ in model.fit(pool, steps, Control(), floor=steps):  # no rule: both take as many
        pass
    print("    thresholds", [round(value, 3) for value in model.network.thresholds.tolist()], flush=True)
    return [model.predict(pair.image)[0] for pair in parts["test"]]


def theirs(config: StarDistConfig, parts: dict[str, list[SamplePair]], steps: int, seed: int) -> Labels:
    import tensorflow
    from stardist.models import Config2D, StarDist2D

    tensorflow.keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)

    def augment(image: NDArray[np.float32], labels: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """As the example of stardist, and as `CropPool` without free turns."""
        turns = int(rng.integers(4))
        image, labels = np.rot90(image, turns), np.rot90(labels, turns)
        if rng.integers(2):
            image, labels = image[:, ::-1], labels[:, ::-1]
        image = image * rng.uniform(0.6, 2) + rng.uniform(-0.2, 0.2)
        return (image + rng.normal(0, 0.02, image.shape)).astype(np.float32), labels

    data = {
        name: (
            [normalise(pair.image, *intensity_range(pair.image))[0] for pair in pairs],
            [pair.labels for pair in pairs],
        )
        for name, pairs in parts.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        model = StarDist2D(
            Config2D(
                grid=(config.grid, config.grid),
                n_rays=config.rays,
                unet_n_filter_base=config.channels,
                unet_n_depth=config.depth,
                train_patch_size=(config.tile, config.tile),
                train_batch_size=config.batch,
                train_learning_rate=config.learning_rate,
                train_foreground_only=config.foreground,
                train_tensorboard=False,
            ),
            "official",
            folder,
        )
        epoch = min(EPOCH, steps)
        times = {"epochs": steps // epoch, "steps_per_epoch": epoch}
        model.keras_model.fit = _quietly(model.keras_model.fit)
        model.train(*data["train"], data["held"], augmenter=augment, seed=seed, **times)
        if parts["held"]:
            model.optimize_thresholds(*data["held"], optimize_kwargs={"verbose": 0})
        return [model.predict_instances(image)[0] for image in data["test"][0]]


def _quietly(fit):
    return lambda *args, **kwargs: fit(*args, **{**kwargs, "verbose": 0})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("ORGANOID_SYNTH_DATA", "shared/data")) / "nuclei_dsb2018"
    parser.add_argument("--data", type=Path, default=shared)
    parser.add_argument("--pattern", default="fluorescence_*.png")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=400, help="a multiple of 100, or less than 100")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--grid", type=int, default=2)
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON with all numbers")
    args = parser.parse_args()
    use_threads(args.threads)
    config = StarDistConfig(
        grid=args.grid, tile=args.tile, channels=args.channels, learning_rate=args.learning_rate, batch=4
    )
    pairs = [pair for pair in read(args.data, args.pattern, args.images) if min(pair.size) >= args.tile]
    rest = [pair for index, pair in enumerate(pairs) if index % 4 != 3]
    parts = {
        "train": [pair for index, pair in enumerate(rest) if index % 7 != 6],
        "held": [pair for index, pair in enumerate(rest) if index % 7 == 6],
        "test": pairs[3::4],
    }
    print({name: len(part) for name, part in parts.items()}, "images;", config, f"; {args.steps} steps", flush=True)
    truth = [pair.labels for pair in parts["test"]]
    result: dict[str, list[list[float]]] = {"ours": [], "official": []}
    for seed in range(args.seeds):
        for name, run in (("ours", ours), ("official", theirs)):
            began = time.monotonic()
            result[name].append(scores(truth, run(config, parts, args.steps, seed)))
            text = "  ".join(f"{value:.3f} at {iou}" for value, iou in zip(result[name][-1], IOU, strict=True))
            print(f"  seed {seed}  {name:<9} {text}  ({time.monotonic() - began:.0f} s)", flush=True)
    for name, values in result.items():
        mean, spread = np.mean(values, axis=0), np.std(values, axis=0, ddof=min(1, args.seeds - 1))
        text = ", ".join(f"{one:.3f} ± {sd:.3f} at IoU {iou}" for one, sd, iou in zip(mean, spread, IOU, strict=True))
        print(f"{name:<9} accuracy {text} (mean ± sd of {args.seeds} seeds)")
    if args.out:
        args.out.write_text(json.dumps({"steps": args.steps, "config": config.model_dump(), **result}, indent=1))


if __name__ == "__main__":
    main()
