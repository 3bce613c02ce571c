"""Heat-flow encoding and decoding beside those of Cellpose 3: ``python benchmarks/flows.py [rounds]``.

Both work on the same simulated labels in the same process, in turns (ours, theirs, ours, ...); the table shows medians
in ms, the ratio of the medians and the median of the ratios of each round, and AP@0.9 of decode(encode(labels)) by our
decoder. Cellpose (extra ``cellpose``, major 3) is a peer here and nowhere imported by the package. Its decoder fills
holes and drops objects below 15 px as ours does; the rule that drops objects above 40 % of the image is off in both.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec import heatflow
from napari_organoid_synth.core.simulators.simulate import tissue

Labels = NDArray[np.int32]


def scenes() -> dict[str, Labels]:
    """The label images of B6 and B7."""
    y, x = np.ogrid[:880, :880]
    angle = np.arctan2(y - 440.0, x - 440.0)
    large = np.hypot(y - 440, x - 440) < 390 * (1 + 0.025 * np.sin(5 * angle))
    return {
        "256 px, 49 cells": tissue(1, 256, n_cells=49).labels,
        "256 px, 150 cells": tissue(3, 256, n_cells=150).labels,
        "1024 px, 1500 cells": tissue(1, 1024, n_cells=1500).labels,
        "880 px, one cell of 800 px": large.astype(np.int32),
    }


def average_precision(truth: Labels, found: Labels, least: float = 0.9) -> float:
    """TP / (TP + FP + FN) at an intersection over union of ``least`` > 0.5, where matches are unique."""
    table = np.zeros((truth.max() + 1, found.max() + 1), np.int64)
    np.add.at(table, (truth.ravel(), found.ravel()), 1)
    union = table.sum(1, keepdims=True) + table.sum(0, keepdims=True) - table
    hits = int((table[1:, 1:] / np.maximum(union[1:, 1:], 1) >= least).sum())
    present = np.count_nonzero(np.bincount(truth.ravel())[1:]), np.count_nonzero(np.bincount(found.ravel())[1:])
    return hits / max(1, sum(present) - hits)


def race(runners: dict[str, Callable[[], Any]], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Seconds (rounds,) of each runner, in turns; one more round to warm up unless a single one is asked for."""
    taken: dict[str, list[float]] = {name: [] for name in runners}
    warm_up = rounds > 1
    for number in range(rounds + warm_up):
        for name, runner in runners.items():
            start = time.perf_counter()
            runner()
            if number or not warm_up:
                taken[name].append(time.perf_counter() - start)
    return {name: np.array(seconds) for name, seconds in taken.items()}


def report(title: str, taken: dict[str, NDArray[np.float64]], notes: dict[str, str]) -> None:
    ours = taken["ours"]
    print(f"\n{title}")
    for name, seconds in taken.items():
        low, middle, high = 1e3 * np.percentile(seconds, (25, 50, 75))
        ratios = f"{np.median(seconds) / np.median(ours):6.2f} {np.median(seconds / ours):6.2f}"
        print(f"  {name:28s} {middle:9.1f} ms  {low:9.1f} - {high:9.1f}  ours is {ratios} times  {notes.get(name, '')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    parser.add_argument("--slow-rounds", type=int, default=2, help="rounds of the two large scenes")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch and numba")
    parser.add_argument("--only", default="", help="scenes whose name contains this")
    arguments = parser.parse_args()

    import numba
    import torch
    from cellpose import dynamics, utils

    torch.set_num_threads(arguments.threads)
    numba.set_num_threads(arguments.threads)
    device = torch.device("cpu")
    names = ("numpy", "scipy", "numba", "torch", "cellpose")
    print(
        platform.processor() or platform.machine(),
        os.cpu_count(),
        "cores,",
        arguments.threads,
        "threads, load",
        os.getloadavg(),
    )
    print(", ".join(f"{name} {version(name)}" for name in names))

    for title, labels in scenes().items():
        if arguments.only not in title:
            continue
        rounds = arguments.rounds if labels.shape[0] == 256 else arguments.slow_rounds
        labels64 = labels.astype(np.int64)
        field = heatflow.encode(labels)

        def with_mask(flow: NDArray[Any], labels: Labels = labels) -> NDArray[np.float32]:
            return np.concatenate([np.where(labels > 0, 1, -1)[None], flow]).astype(np.float32)

        peers = {
            "ours": lambda labels=labels: heatflow.encode(labels),
            "cellpose torch": lambda labels=labels64: with_mask(dynamics.masks_to_flows_gpu(labels, device)[0]),
            "cellpose numba": lambda labels=labels64: with_mask(dynamics.masks_to_flows(labels, device)),
        }
        notes = {}
        for name, encode in peers.items():
            if rounds > 1 or name == "ours":  # the peers take minutes on the large scenes
                notes[name] = f"AP@0.9 {average_precision(labels, heatflow.decode(encode())):.3f}"
        report(f"encode, {title} ({np.count_nonzero(np.bincount(labels.ravel())) - 1})", race(peers, rounds), notes)

        def theirs(flow_threshold: float, field: NDArray[np.float32] = field) -> Labels:
            found = dynamics.compute_masks(
                5 * field[1:], field[0], flow_threshold=flow_threshold, min_size=-1, max_size_fraction=1.1
            )
            return utils.fill_holes_and_remove_small_masks(found.astype(np.int32), min_size=15)

        decoders: dict[str, Callable[[], Labels]] = {
            "ours": lambda field=field: heatflow.decode(field),
            "cellpose, no flow check": lambda: theirs(0),
        }
        if labels.shape[0] == 256:
            decoders["cellpose, flow check 0.4"] = lambda: theirs(0.4)
        notes = {name: f"AP@0.9 {average_precision(labels, decode()):.3f}" for name, decode in decoders.items()}
        report(f"decode, {title}", race(decoders, rounds), notes)
    print("\nload after", os.getloadavg())


if __name__ == "__main__":
    main()
