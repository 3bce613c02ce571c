"""What the rule of the plateau costs: seconds of steps, of the moving average, and of looks, for every segmenter.

``python benchmarks/plateau.py [--steps 10 --side 128 --threads 1 --device cpu --only unet,stardist]``

Each segmenter learns drawn nuclei with its own default settings but for the side of the crops. A look is counted as
one per 100 steps, an update of the average as one per 4. On a processor the times are those of the processor, which
other programs do not change. The target is less than 10 % of a training in all, and less than 3 % for the average.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from napari_organoid_synth.core.device import pick_device, synchronize, use_threads
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.segmenters.averaging import EVERY, MovingAverage
from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter, SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.config import segmenter_config
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts
from napari_organoid_synth.core.segmentation.segmenters.plateau import LOOK
from napari_organoid_synth.core.simulators.simulate import SIMULATORS

SIDES = {"unet": "tile", "stardist": "tile", "cellpose": "tile", "multiscale_adversarial": "side"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="that are timed, after two that are not")
    parser.add_argument("--side", type=int, default=128, help="of crops, px")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default=",".join(SIDES))
    args = parser.parse_args()
    use_threads(args.threads)
    draw = SIMULATORS["population"]
    pairs = [draw(seed, 256).replace(mask_kind="instances", class_names=("nucleus",)) for seed in range(10)]
    print("| segmenter | step, ms | average, % | held-back crops | look, ms | looks, % | together, % |")
    print("|---|---|---|---|---|---|---|")
    for name in args.only.split(","):
        config = segmenter_config(name).parse({"name": name, SIDES[name]: args.side})
        train, held = hold_parts(pairs, whole=config.sees_whole)
        spec = SegmentSpec(1, "instances", ("nucleus",))
        segmenter: Segmenter = SEGMENTERS.load(name)(config, spec, args.device, 0)
        step, look, crops = _times(segmenter, CropPool(train, held=held), args.steps)
        average = MovingAverage(segmenter.network)
        update = _seconds(lambda average=average: [average.update(done) for done in range(4, 44, 4)], args.device) / 10
        shares = [100 * update / EVERY / step, 100 * look / LOOK / step]
        print(
            f"| {config.title} | {1000 * step:.0f} | {shares[0]:.2f} | {crops} | {1000 * look:.0f} | {shares[1]:.1f} "
            f"| {sum(shares):.1f} |",
            flush=True,
        )


def _times(segmenter: Segmenter, pool: CropPool, steps: int) -> tuple[float, float, int]:
    """Return the seconds of a step and of a look, and the number of held-back crops."""
    looks: list[float] = []
    crops = 0
    device = str(segmenter.device)
    score_of = segmenter._scored

    def watched(images, *rest):
        nonlocal crops
        crops, score = len(images), score_of(images, *rest)

        def timed() -> float:
            values: list[float] = []
            looks.append(_seconds(lambda: values.append(score()), device))
            return values[0]

        return timed

    segmenter._scored = watched
    segmenter.fit_thresholds = lambda pairs: None  # of StarDist: once a training, whatever its length

    def fit(number: int) -> float:
        return _seconds(lambda: list(segmenter.fit(pool, number, Control())), device)

    fit(2)  # also makes the crops ready
    once = fit(1) - looks[-1]
    return (fit(1 + steps) - looks[-1] - once) / steps, looks[-1], crops


def _seconds(work: Callable[[], object], device: str) -> float:
    where = pick_device(device)
    clock = time.process_time if where.type == "cpu" else time.perf_counter
    began = clock()
    work()
    synchronize(where)
    return clock() - began


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
