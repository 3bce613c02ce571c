"""The spheroid study: the multiscale network with and without adversary, and U-Net*, over folds of wells.

``python benchmarks/spheroids.py DATA/spheroids_microwell_phase [--folds 3 --steps 600 --out FOLDER]``
``python benchmarks/spheroids.py DATA/spheroids_microwell_phase --published --device cuda --out FOLDER``

Every network sees whole images, one per step, for the same number of steps and on the same terms: turned by right
angles, hard images as often as asked, classes weighted by rarity, masks cleaned alike. Days of one well (first letter
of the name) are in the same part. Each part is tested in turn; with ``--apart`` one more part is never learned from,
and the networks of all folds are tested on it too. ``--published`` is the study's size: hours on a graphics card,
days on a processor. Options beside it win over it (``--published --steps 3``). Pixel scores are averaged over the
images of a fold; the table has mean ± sd over folds. ``--out`` gets ``results.json`` with the scores of every image,
the losses, times, memory, machine and versions of every training, written after each, so that the same command goes
on with the next; the errors (magenta: marked but not there, cyan: missed); and the interval plots.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imageio.v3 import imread, imwrite

import napari_organoid_synth
from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.device import describe_device, peak_bytes, pick_device
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.gain.folds import make_folds
from napari_organoid_synth.core.job import Control, Progress
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, content_hash
from napari_organoid_synth.core.pairs.pictures import error_overlay
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter, SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.segmentation.segmenters.whole_images import is_hard
from napari_organoid_synth.core.segmentation.threshold_curves import (
    SCORES,
    FoldScores,
    Score,
    foreground_scores,
    threshold_svg,
)

PUBLISHED = {
    "folds": 5,
    "apart": True,  # six parts: one for the test, the others for five folds
    "steps": 12_000,
    "side": 480,
    "width": 60,
    "channels": 64,
    "rate": 1e-4,
    "norm": "running",
}
Row = dict[str, Any]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    words = ", ".join(f"{key} {value}" for key, value in PUBLISHED.items())
    parser.add_argument("--published", action="store_true", help=f"the settings of the study: {words}")
    parser.add_argument("--folds", type=int, default=3, help="wells are split into so many parts, each tested in turn")
    parser.add_argument("--apart", action="store_true", help="one part more, for the test alone")
    parser.add_argument("--only", type=int, default=0, help="train only the first so many folds")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--side", type=int, default=192, help="images are resized to this")
    parser.add_argument("--width", type=int, default=16, help="of the multiscale network")
    parser.add_argument("--norm", choices=["image", "running"], default="image", help="of the multiscale network")
    parser.add_argument("--channels", type=int, default=16, help="of U-Net*")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--hard", default="", help="regular expression in the names of hard images")
    parser.add_argument("--hard-share", type=float, default=0.3, help="of the images that are drawn, for every method")
    parser.add_argument("--augment", action="store_true", help="classical augmentation besides")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    if parser.parse_known_args()[0].published:
        parser.set_defaults(**PUBLISHED)
    return parser.parse_args()


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


def methods_of(chosen: argparse.Namespace) -> dict[str, Settings]:
    hard = {"hard": chosen.hard, "hard_share": chosen.hard_share}
    multiscale = MultiscaleAdversarialConfig(
        width=chosen.width, side=chosen.side, learning_rate=chosen.rate, norm=chosen.norm, **hard
    )
    star = UNetConfig(
        network="original",
        study=True,
        tile=chosen.side,
        channels=chosen.channels,
        batch=1,
        learning_rate=chosen.rate,
        **hard,
    )
    return {
        "with adversary": multiscale,
        "without adversary": multiscale.replace(adversarial=False),
        "U-Net*": star,
    }


def machine(device: torch.device) -> dict[str, Any]:
    return {
        "device": describe_device(device),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "numpy": np.__version__,
        "napari-organoid-synth": napari_organoid_synth.__version__,
    }


def train(
    config: Settings, parts: dict[str, list[SamplePair]], chosen: argparse.Namespace, device: torch.device, out: str
) -> Row:
    """Train on the first part and mark the others; errors as pictures ``out``NAME.png."""
    segmenter: Segmenter = SEGMENTERS.load(config.name)(
        config, SegmentSpec(3, "binary", ("spheroid",)), str(device), chosen.seed
    )
    pool = CropPool(parts["train"], (), chosen.augment, chosen.seed)
    losses: list[dict[str, float]] = []
    began, busy = time.perf_counter(), time.process_time()
    for event in segmenter.fit(pool, chosen.steps, Control()):
        if isinstance(event, Progress):
            losses.append({"step": event.step, **event.stats})
    learned, used = time.perf_counter(), time.process_time() - busy
    images: dict[str, Row] = {}
    for part in ("validation", "test"):
        for pair in parts[part]:
            labels, *_ = segmenter.predict(pair.image)
            kind = {"part": part, "hard": bool(chosen.hard) and is_hard(pair, chosen.hard)}
            images[pair.name] = {**kind, **foreground_scores(pair.labels, labels)}
            if out:
                imwrite(f"{out}{pair.name}.png", error_overlay(labels, pair.labels, np.moveaxis(pair.image, 0, -1)))
    return {
        "train": [pair.name for pair in parts["train"]],
        "images": images,
        "losses": losses,
        "weights": sum(weight.numel() for weight in segmenter.network.parameters()),
        "seconds_per_step": (learned - began) / chosen.steps,
        "processor_seconds_per_step": used / chosen.steps,  # what counts on a processor that others use too
        "seconds_per_image": (time.perf_counter() - learned) / len(images),
        "peak_bytes_of_process": peak_bytes(device),
        "machine": machine(device),
    }


def scores(rows: list[Row], score: Score, part: str, hard: bool | None = None) -> FoldScores:
    """One score of the images of a part in every fold, of all of them or of the easy or hard ones alone."""
    return FoldScores.of(
        [
            [one[score] for one in row["images"].values() if one["part"] == part and hard in (None, one["hard"])]
            for row in rows
        ]
    )


def table(rows: list[Row], part: str, hard: bool) -> str:
    """One line per method."""
    kinds: dict[str, bool | None] = {"F, %": None} | ({"F easy, %": False, "F hard, %": True} if hard else {})
    head = ["method", "weights, M", "precision, %", "recall, %", *kinds, "s / step", "s / image", "memory, GB"]
    lines = [head, ["---"] * len(head)]
    for name in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == name]
        found = [scores(mine, "precision", part), scores(mine, "recall", part)]
        found += [scores(mine, "f", part, kind) for kind in kinds.values()]
        times = [np.mean([row[key] for row in mine]) for key in ("seconds_per_step", "seconds_per_image")]
        peak = max(row["peak_bytes_of_process"] for row in mine) / 1e9
        words = [one.summary.removesuffix(" %") for one in found]
        lines.append([name, f"{mine[0]['weights'] / 1e6:.2f}", *words, *(f"{one:.3g}" for one in times), f"{peak:.1f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    chosen = options()
    torch.set_num_threads(chosen.threads)
    device = pick_device(chosen.device)
    methods, pairs = methods_of(chosen), read(chosen.data)
    wells = {pair.name: pair.name[0] for pair in pairs}
    parts = [set(fold.test) for fold in make_folds(wells, "grouped", chosen.folds + chosen.apart, seed=chosen.seed)]
    apart = parts.pop() if chosen.apart else set()
    places = ("published", "data", "out", "only", "device", "threads")  # the other options are what is computed
    settings = {key: value for key, value in vars(chosen).items() if key not in places}
    record: dict[str, Any] = {
        "settings": settings,
        "methods": {name: config.model_dump(mode="json") for name, config in methods.items()},
        "images": {pair.name: content_hash(pair.image, pair.labels) for pair in pairs},
        "parts": [sorted(part) for part in parts],
        "apart": sorted(apart),
    }
    rows: list[Row] = []
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        if (kept := chosen.out / "results.json").exists():
            before = json.loads(kept.read_text(encoding="utf-8"))
            rows = before.pop("trainings")
            if before != record:
                raise SystemExit(f"{kept} is of other settings or images: choose another folder.")
    print(f"{len(pairs)} images, parts {[len(part) for part in parts]}, apart {len(apart)}; {settings}", flush=True)
    for name, config in methods.items():
        for number, part in enumerate(parts[: chosen.only or None]):
            if any((row["method"], row["fold"]) == (name, number) for row in rows):
                continue
            sets = {
                "train": [pair for pair in pairs if pair.name not in part | apart],
                "validation": [pair for pair in pairs if pair.name in part],
                "test": [pair for pair in pairs if pair.name in apart],
            }
            stem = f"{name.replace('*', '_star').replace(' ', '_')}_fold{number}_"
            out = str(chosen.out / stem) if chosen.out is not None else ""
            rows.append({"method": name, "fold": number, **train(config, sets, chosen, device, out)})
            last = ", ".join(f"{key} {value:.3f}" for key, value in rows[-1]["losses"][-1].items())
            print(f"<!-- {name}, fold {number}: {last} -->", flush=True)
            if chosen.out is not None:
                write_text(chosen.out / "results.json", json.dumps({**record, "trainings": rows}, indent=1))
    for part in ("validation", "test") if apart else ("validation",):
        print(f"\n{part}, mean ± sd of folds\n\n{table(rows, part, bool(chosen.hard))}", flush=True)
        for score in SCORES if chosen.out is not None else ():
            curves = {name: scores([row for row in rows if row["method"] == name], score, part) for name in methods}
            (chosen.out / f"{part}_{score}.svg").write_text(threshold_svg(curves, score), encoding="utf-8")


if __name__ == "__main__":
    main()
