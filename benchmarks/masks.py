"""Masks that trained generators draw, beside masks drawn by rule and the real ones.

``python benchmarks/masks.py PROJECT RUN [RUN ...] [--number 200]``

Every source gives as many masks as asked for. A source that draws arrows is checked with the arrows as drawn; of any
other source the objects are encoded, so that only pieces and shapes can fail. For the distances all masks are decoded,
objects that touch stay one where the source cannot tell them apart, and encoded again: the Fréchet and the kernel
distance between their statistics and those of the real tiles. "real" is one half of the images against the other, the
least to expect.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.measure import label

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.distances import frechet_distance, kernel_distance
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import clean_instances, cut_pair, list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.simulators.population import place
from napari_organoid_synth.core.simulators.population_fit import fit_each
from napari_organoid_synth.core.synthesis.mask_check import MaskCheck, MaskChecker
from napari_organoid_synth.core.synthesis.mask_sampler import MaskSampler
from napari_organoid_synth.core.training.monitor import Scale

Labels = NDArray[np.int32]


def encoded(masks: Sequence[Labels], codec: Codec) -> list[torch.Tensor]:
    """Each mask as a batch of one, (1, 3, Y, X)."""
    return [torch.from_numpy(codec.encode_mask(mask))[None] for mask in masks]


def row(name: str, masks: Sequence[Labels], checks: Sequence[MaskCheck], scale: Scale, codec: Codec) -> None:
    """Print one line of the table."""
    found = scale(encoded(masks, codec))
    counts, areas = [int(mask.max()) for mask in masks], [n for mask in masks for n in np.bincount(mask.ravel())[1:]]
    middle = " | ".join("{:.0f} ({:.0f} to {:.0f})".format(*np.percentile(v, (50, 25, 75))) for v in (counts, areas))
    merged = sum(check.merged for check in checks) / max(sum(counts), 1)
    passed = sum(check.passed for check in checks) / max(len(checks), 1)
    far = frechet_distance(scale.real, found), kernel_distance(scale.real, found)
    print(f"| {name} | {passed:.0%} | {merged:.1%} | {middle} | {far[0]:.1f} | {far[1]:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("runs", nargs="+", help="folders of runs that draw masks; the first draws instances")
    parser.add_argument("--number", type=int, default=200)
    options = parser.parse_args()

    pairs = [pair for pair in load_pairs(Project(options.project, make=False), "train") if pair.labels.any()]
    first = Run(Path(options.runs[0]))
    codec, settings = first.codec, first.recipe.tiles.replace(turn=False, flip=False)
    tiles = [cut_pair(pairs[tile.pair], tile) for tile in list_tiles(pairs, settings) if tile.kept]
    names = sorted({tile.name.rsplit("_y", 1)[0] for tile in tiles})
    halves: list[list[SamplePair]] = [[], []]
    for tile in tiles:
        halves[names.index(tile.name.rsplit("_y", 1)[0]) % 2].append(tile)
    checker, scale = MaskChecker(codec, tiles), Scale(encoded([tile.labels for tile in tiles], codec))
    half = Scale(encoded([tile.labels for tile in halves[0]], codec))

    def checked(masks: Sequence[Labels]) -> list[MaskCheck]:
        return [checker(codec.encode_mask(mask), mask) for mask in masks]

    print(
        f"{len(tiles)} real tiles of {settings.size} px from {len(names)} images, {options.number} masks of each source"
    )
    print("| source | pass | seem several | objects | area, px | Fréchet | kernel |")
    print("|---|---|---|---|---|---|---|")
    real = [tile.labels for tile in halves[1]]
    row("real", real, checked(real), half, codec)
    for name in options.runs:
        run = Run(Path(name))
        source, masks = MaskSampler(run, pairs, "cpu"), []
        for index in range(options.number):
            mask, _ = source.draw("masks", 0, index, 0)
            masks.append(
                mask if run.codec.mask_kind == "instances" else clean_instances(label(mask > 0).astype(np.int32))
            )
        own = run.codec.mask_kind == "instances"
        title = f"{run.recipe.gan.name} {run.codec.mask_kind}, step {source.model.step}"
        row(title, masks, source.checks if own else checked(masks), scale, codec)
    fitted, rng = fit_each(pairs), np.random.default_rng(0)
    masks = []
    while len(masks) < options.number:
        labels, _ = place(fitted[int(rng.integers(len(fitted)))], rng, settings.size)
        if labels.max() >= 3:  # what tiles must have
            masks.append(clean_instances(labels))
    row("fitted population", masks, checked(masks), scale, codec)


if __name__ == "__main__":
    main()
