"""Fitted population against real masks: speed, and how counts, areas and distances of neighbours agree.

``python benchmarks/population.py --masks FOLDER [--only WORD] [--sheet sheet.png]``

Real windows of 256 × 256 px are cut out of the masks at random; as many are drawn from the populations that are fitted
to the same masks, one for each. The table shows median, 5th and 95th percentile, and the largest difference between the
two cumulative distributions (Kolmogorov and Smirnov's D: 0 the same, 1 apart), also for one population fitted to all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from imageio.v3 import imwrite
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp

from napari_organoid_synth.core.simulators.population import MIN_VISIBLE_AREA, PopulationSettings, draw, place
from napari_organoid_synth.core.simulators.population_fit import MAX_SHAPES, fit, fit_each, read_masks

SIZE = 256
SHOWN = 8  # columns of the sheet


def windows(masks: list[NDArray[np.int32]], number: int) -> list[NDArray[np.int32]]:
    """Random windows, one mask after the other, without the slivers that the drawn ones have none of."""
    rng, found = np.random.default_rng(0), []
    for index in range(number):
        mask = masks[index % len(masks)]
        y, x = (int(rng.integers(0, length - SIZE + 1)) for length in mask.shape)
        _, labels = np.unique(mask[y : y + SIZE, x : x + SIZE], return_inverse=True)
        labels = labels.reshape(SIZE, SIZE).astype(np.int32)
        found.append((labels * (np.bincount(labels.ravel()) >= MIN_VISIBLE_AREA)[labels]).astype(np.int32))
    return found


def measured(masks: list[NDArray[np.int32]]) -> dict[str, NDArray[np.float64]]:
    """Of all windows together: objects in each, area of each, and distance of each to its nearest neighbour."""
    counts: list[int] = []
    areas: list[float] = []
    distances: list[float] = []
    for mask in masks:
        y, x = np.nonzero(mask)
        ids, of = np.unique(mask[y, x], return_inverse=True)
        size = np.bincount(of, minlength=len(ids))
        counts.append(len(ids))
        areas += size.tolist()
        if len(ids) > 1:
            centres = np.stack([np.bincount(of, axis) / size for axis in (y, x)], -1)
            distances += cKDTree(centres).query(centres, 2)[0][:, 1].tolist()
    return {
        "objects in 256 × 256 px": np.array(counts, float),
        "area, px": np.array(areas, float),
        "nearest neighbour, px": np.array(distances, float),
    }


def rate(task: Callable[[int], object], number: int = 20) -> float:
    """Calls in a second of processor time."""
    task(0)
    began = time.process_time()
    for seed in range(number):
        task(seed)
    return number / (time.process_time() - began)


def words(values: NDArray[np.float64]) -> str:
    low, middle, high = np.percentile(values, (5, 50, 95))
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def sheet(
    real: list[NDArray[np.int32]], drawn: list[NDArray[np.int32]], fitted: list[PopulationSettings], file: Path
) -> None:
    """Real masks, fitted masks, and images of such: three rows."""
    colours = np.random.default_rng(0).integers(80, 256, (4096, 3)).astype(np.uint8)
    colours[0] = 0
    images = [draw(fitted[i % len(fitted)], np.random.default_rng(i), SIZE).image[0] for i in range(SHOWN)]
    rows = [
        [colours[mask] for mask in real[:SHOWN]],
        [colours[mask] for mask in drawn[:SHOWN]],
        [np.repeat(image[..., None], 3, axis=-1) for image in images],
    ]
    framed = [[np.pad(tile, ((2, 2), (2, 2), (0, 0)), constant_values=255) for tile in row] for row in rows]
    imwrite(file, np.concatenate([np.concatenate(row, axis=1) for row in framed]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--only", default="", help="word that the names of the masks begin with")
    parser.add_argument("--number", type=int, default=150, help="windows of each kind")
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()

    number = options.number
    pairs = [pair for pair in read_masks(options.masks) if pair.name.startswith(options.only)]
    began = time.process_time()
    each = fit_each(pairs)
    print(f"{len(pairs)} masks, fitted in {time.process_time() - began:.1f} s")
    together = fit(pairs, MAX_SHAPES)
    print(f"together: {together.replace(shapes=())!r}")
    real = windows([pair.labels for pair in pairs if min(pair.size) >= SIZE], number)
    tables = {}
    for name, fitted in (("one for each mask", each), ("one for all masks", [together])):
        placed = [place(fitted[seed % len(fitted)], np.random.default_rng(seed), SIZE) for seed in range(number)]
        drawn, left_out = [labels for labels, _ in placed], sum(left for _, left in placed)
        print(f"{name}: {left_out} of {left_out + sum(int(labels.max()) for labels in drawn)} objects left out")
        tables[name] = measured(drawn)
        if name == "one for each mask" and options.sheet:
            sheet(real, drawn, each, options.sheet)
    print("| | real |", *(f"{name} | D |" for name in tables))
    print("|---|---|" + "---|---|" * len(tables))
    for what, values in measured(real).items():
        cells = (f"{words(t[what])} | {ks_2samp(values, t[what]).statistic:.2f} |" for t in tables.values())
        print(f"| {what} | {words(values)} |", *cells)
    for name, fitted in (("default", [PopulationSettings()]), ("fitted", each)):
        masks_a_second = rate(lambda seed, of=fitted: place(of[seed % len(of)], np.random.default_rng(seed), SIZE))
        pairs_a_second = rate(lambda seed, of=fitted: draw(of[seed % len(of)], np.random.default_rng(seed), SIZE))
        print(f"{name}: {masks_a_second:.0f} masks, {pairs_a_second:.0f} pairs a second")
        assert pairs_a_second > 5, "far below the 20 that are expected of an idle core"


if __name__ == "__main__":
    main()
