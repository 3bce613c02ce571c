"""flow: speed against the ceiling of convolutions, and pictures finished from sketches at three times.

    python benchmarks/flow.py [--threads 1] [--rounds 10]
    python benchmarks/flow.py --sketches RUN IMAGES MASKS [--dark] [--out sketches.png]

The first form prints a training step of four tiles of 64 px, one pass over 256 × 256 px and a picture of that size in
16 steps, in float32, each as the least of some rounds in processor time of this thread (so take one thread on a busy
machine), with the share of the ceiling: the fastest of some 3 × 3 convolutions of 64 channels, in the same rounds.

RUN learned images alone (``--gan flow_joint --set draws=images``). The tones of objects and background are guessed from
IMAGES, and the masks of MASKS are finished at the times 0.3, 0.45 and 0.6: a sheet with the masks above.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imageio.v3 import imwrite
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.device import random_stream, use_threads
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.flow_config import FlowConfig
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, read_entry
from napari_organoid_synth.core.synthesis.tones import Tones
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

TIMES = (0.3, 0.45, 0.6)
SHOWN, MARGIN = 6, 2


def seconds_of(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the least processor time of each call, s; calls take turns."""
    least = dict.fromkeys(calls, float("inf"))
    for number in range(rounds + 1):
        for name, call in calls.items():
            began = time.thread_time()
            call()
            if number:  # the first round prepares kernels
                least[name] = min(least[name], time.thread_time() - began)
    return least


def speed(rounds: int) -> None:
    """Print the table of speeds."""
    cpu = torch.device("cpu")
    small, mask = build_generator(FlowConfig(), PairSpec(64, 1, 2)), torch.ones(1, 2, 256, 256)
    batch = Batch(torch.zeros(4, 1, 64, 64), torch.ones(4, 2, 64, 64), torch.zeros(4, dtype=torch.int64))
    x, weight = torch.randn(8, 64, 128, 128), torch.randn(64, 64, 3, 3)
    x, weight = (one.to(memory_format=torch.channels_last) for one in (x, weight))

    def draw(steps: int) -> None:
        small.steer(steps)
        small.sample(random_stream(cpu, 0), condition=mask)

    calls: dict[str, Callable[[], Any]] = {
        "training step, 4 tiles of 64 px": lambda: small.step(batch, random_stream(cpu, 0), 0.0),
        "one pass, 256 × 256 px": lambda: draw(1),
        "a picture of 256 × 256 px, 16 steps": lambda: draw(16),
    }
    flops = {}
    for name, call in calls.items():
        with FlopCounterMode(display=False) as counter:
            call()
        flops[name] = counter.get_total_flops()
    ceiling = "convolution"
    found = seconds_of(calls | {ceiling: lambda: functional.conv2d(x, weight, padding=1)}, rounds)
    most = 2 * 9 * x.numel() * 64 / found.pop(ceiling) / 1e9
    print("| | ms | GF/s | of the ceiling |\n|---|---|---|---|")
    for name, spent in found.items():
        rate = flops[name] / spent / 1e9
        print(f"| {name} | {1e3 * spent:.0f} | {rate:.0f} | {rate / most:.0%} |")
    print(f"\nceiling {most:.0f} GF/s, {torch.get_num_threads()} thread(s), torch {torch.__version__}")


def sketches(run: str, images: str, masks: str, bright: bool, out: Path) -> None:
    """Write the sheet of masks and what becomes of them at three times."""
    model = TrainedGenerator.open(run, device="cpu")
    pairs = [read_entry(entry) for entry in check_pairs(find_pairs(images, masks)).matched[:SHOWN]]
    tones, side = Tones.guess([pair.image for pair in pairs], model.codec, bright), 2 * model.side
    labels = [pair.labels[:side, :side] for pair in pairs]
    rows = [[np.where(one > 0, 255, 0).astype(np.uint8) for one in labels]]
    for at in TIMES:
        drawn = [model.codec.encode_image(model.sketch(one, tones, index, at))[0] for index, one in enumerate(labels)]
        rows.append([np.clip((one + 1) * 127.5, 0, 255).astype(np.uint8) for one in drawn])
    height, width = (max(one.shape[axis] for one in labels) + MARGIN for axis in (0, 1))
    page = np.full((height * len(rows), width * len(labels)), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, one in enumerate(row):
            page[y * height : y * height + one.shape[0], x * width : x * width + one.shape[1]] = one
    imwrite(out, page)
    print(f"{out}: masks, then the times {', '.join(map(str, TIMES))}")


def main() -> None:
    """Measure, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sketches", nargs=3, metavar=("RUN", "IMAGES", "MASKS"))
    parser.add_argument("--dark", action="store_true", help="objects are darker than the background")
    parser.add_argument("--out", type=Path, default=Path("sketches.png"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    use_threads(options.threads)
    if options.sketches:
        sketches(*options.sketches, not options.dark, options.out)
    else:
        speed(options.rounds)


if __name__ == "__main__":
    main()
