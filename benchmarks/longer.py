"""Whether the plateau rule ends where a training of twice as many steps would: held-back and test score of both.

    python benchmarks/longer.py DATA --set nuclei --images 3 --seeds 2 --width 8 --out longer

Sets and training images are those of `worth.py`. Each training goes on to its plateau, then another one with the same
seed takes twice as many steps (floor and cap are set there; it decays as the first one does). The arm is *classical*.
Seconds are those of the processor, a compiler included. Finished trainings are read from ``--out``.
"""

from __future__ import annotations

import argparse
import json
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.agreement import image_scores
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from worth import SETS, prepare


def learn(
    config: UNetConfig, train: list[SamplePair], test: list[SamplePair], seed: int, cap: int, floor: int
) -> dict[str, Any]:
    """Train a U-Net with classical augmentation; return steps, held-back score, test scores and seconds."""
    began = seconds()
    real, held = hold_parts(train)
    segmenter = UNet(config, SegmentSpec(len(train[0].image), train[0].mask_kind, train[0].class_names), "cpu", seed)
    for _ in segmenter.fit(CropPool(real, augment="classical", seed=seed, held=held), cap, Control(), floor=floor):
        pass
    took = seconds() - began
    found = [image_scores(pair, segmenter.predict(pair.image).labels)[0] for pair in test]
    scores = {name: float(np.mean([one[name] for one in found])) for name in ("dice", "ap") if name in found[0]}
    curve = segmenter.curve
    return {"steps": curve.taken, "at_plateau": curve.at_plateau, "held": curve.best, **scores, "seconds": took}


def seconds() -> float:
    """Return the processor time of this process and of those that it started and that ended."""
    return sum(
        use.ru_utime + use.ru_stime for use in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    """Train, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", dest="images_of", choices=SETS, default="nuclei")
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--times", type=float, default=2.0, help="steps of the longer training; 0: none")
    parser.add_argument("--cap", type=int, default=8000)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--with", dest="more", nargs="*", default=[], help="key=value of the U-Net")
    parser.add_argument("--out", type=Path, default=Path("longer"))
    options = parser.parse_args()
    use_threads(1)
    images = SETS[options.images_of]
    images = replace(images, most=options.most or images.most)
    project = Project(options.out / f"{options.images_of}-{options.images}-draw{options.draw}")
    prepare(project, options.data, images, options.images, options.draw)
    train, test = (load_pairs(project, part) for part in ("train", "test"))
    config = UNetConfig(channels=options.width, depth=3, tile=images.crop, batch=4).override(*options.more)
    print("| seed | floor | steps | at the plateau | held-back score | Dice of test images | accuracy | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in range(options.seeds):
        cap, floor = options.cap, FLOOR
        for _ in range(2 if options.times else 1):
            name = "-".join([f"width{options.width}", *sorted(options.more), f"floor{floor}", f"seed{seed}"])
            path = project.path / f"{name}.json"
            if not path.exists():
                path.write_text(json.dumps(learn(config, train, test, seed, cap, floor)))
            one = json.loads(path.read_text())
            cells = [seed, floor, one["steps"], one["at_plateau"], *(f"{one[key]:.3f}" for key in ("held", "dice"))]
            cells += [f"{one['ap']:.3f}" if "ap" in one else "–", f"{one['seconds']:.0f}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            cap = floor = round(options.times * one["steps"])


if __name__ == "__main__":
    main()
