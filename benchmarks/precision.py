"""Whether bf16 costs quality: the same trainings in float32 and in bf16, several seeds each.

``python benchmarks/precision.py PROJECT [--gan dcgan] [--seeds 3] [--steps 400] [--set key=value]``

The kernel distance is that of `core.watch`: statistics of tiles, 0 for samples of the same distribution; it is taken
between 256 samples and 256 real tiles. The precisions take turns. They are alike where the difference of their means is
within the range of the seeds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from napari_organoid_synth.core.device import random_stream, use_threads
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.tiling import list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.training.dataset import PairDataset
from napari_organoid_synth.core.training.monitor import Scale, kernel_distance
from napari_organoid_synth.core.training.train import train

NUMBER = 256


def distance(project: Project, run: Run) -> float:
    """Kernel distance of samples of a run to real tiles."""
    gan = new_generator(run.recipe, run.spec)
    run.load(gan)
    pairs = load_pairs(project, "train", images_alone=True)
    dataset = PairDataset(
        pairs, [t for t in list_tiles(pairs, run.recipe.tiles) if t.kept], run.codec, run.recipe.shape
    )
    batch = dataset.batch(np.random.default_rng(0).permutation(len(dataset))[:NUMBER])
    painter = gan.kind == "painter"
    scale = Scale([batch.image if painter else batch.joint])
    samples = [
        gan.sample(
            random_stream(torch.device("cpu"), "precision", number),
            condition=batch.mask[[number]] if painter else None,
            image_class=batch.image_class[[number]],
        )
        for number in range(len(scale.real))
    ]
    return kernel_distance(scale([torch.cat(samples)]), scale.real)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--gan", default="dcgan")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()

    project = Project(options.project, make=False)
    found: dict[str, list[float]] = {"float32": [], "bf16": []}
    print("| precision | seed | kernel distance | seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            for precision, distances in found.items():
                own = [
                    f"train.{k}={v}" for k, v in (("seed", seed), ("steps", options.steps), ("precision", precision))
                ]
                own += [f"train.checkpoint_every={options.steps}", f"train.threads={options.threads}"]
                recipe = Recipe.parse({"gan": options.gan}).override(*options.overrides, *own)
                began, path = time.perf_counter(), Path(folder) / f"{precision}-{seed}"
                for _ in train(project, recipe, Control(), path):
                    pass
                seconds = time.perf_counter() - began
                use_threads(options.threads)
                distances.append(distance(project, Run(path)))
                print(f"| {precision} | {seed} | {distances[-1]:.2f} | {seconds:.0f} |", flush=True)
    apart = abs(np.mean(found["float32"]) - np.mean(found["bf16"]))
    spread = max(np.ptp(values) for values in found.values())
    means = ", ".join(f"{name} {np.mean(values):.2f}" for name, values in found.items())
    print(f"\nmean: {means}; apart {apart:.2f}, range of the seeds {spread:.2f}")


if __name__ == "__main__":
    main()
