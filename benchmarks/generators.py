"""Speed of the generators' training steps: ms/step, images/s, GF/s and the share of what convolutions can reach here.

    python benchmarks/generators.py [--threads 2] [--rounds 5] [--tile 256] [--channels 32] [--only TEXT] [--json FILE]

Rounds of all cases are interleaved, so that other work on the machine hits all alike. The ceiling is the fastest of
three 3 × 3 convolutions in ``channels_last``, measured in the same process just before. ``plain`` is the same
arithmetic written the usual way (contiguous layout, torch's instance norm and Adam, float32): what the care is worth.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from napari_organoid_synth.core.codec import PairSpec
from napari_organoid_synth.core.dataset import Batch
from napari_organoid_synth.core.device import device_words, pick_device, random_stream, synchronize, use_threads
from napari_organoid_synth.core.gans.base import Gan
from napari_organoid_synth.core.gans.blocks import InstanceNorm
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.run import new_gan


@dataclass
class Case:
    """One thing to time."""

    name: str
    step: Callable[[], Any]
    batch: int
    bf16: bool
    flops: int = 0
    seconds: list[float] = field(default_factory=list)


def ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """Most GF/s of three convolutions, forward."""
    best = 0.0
    for channels, side in ((64, 128), (128, 64), (256, 32)):
        x = torch.randn(8, channels, side, side, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
        weight = weight.to(memory_format=torch.channels_last)
        for _ in range(6):
            synchronize(device)
            began = time.perf_counter()
            functional.conv2d(x, weight, padding=1)
            synchronize(device)
            flop = 2 * 8 * side * side * channels * channels * 9
            best = max(best, flop / (time.perf_counter() - began) / 1e9)
    return best


def make_gan(device: torch.device, tile: int, **changes: Any) -> Gan:
    recipe = Recipe.parse({"gan": {"name": changes.pop("name"), **changes}, "tiles": {"size": tile}})
    return new_gan(recipe, PairSpec(tile, 1, 2)).to(device)


def make_batch(device: torch.device, n: int, tile: int) -> Batch:
    image, mask = (torch.rand(n, c, tile, tile, device=device) * 2 - 1 for c in (1, 2))
    return Batch(
        image.to(memory_format=torch.channels_last),
        mask.to(memory_format=torch.channels_last),
        torch.zeros(n, dtype=torch.int64, device=device),
    )


class PlainNorm(nn.InstanceNorm2d):
    """torch's own."""


def make_plain(gan: Gan) -> Gan:
    """The same networks as most code has them."""
    for network in gan.networks().values():
        for module in list(network.modules()):
            for name, child in module.named_children():
                if isinstance(child, InstanceNorm):
                    setattr(module, name, PlainNorm(len(child.weight), affine=True))
        network.to(gan.device, memory_format=torch.contiguous_format)
    for name, network in gan.networks().items():
        gan.optimizers()[name] = torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
    return gan


def cases(device: torch.device, tile: int, channels: int) -> list[Case]:
    widths = {"generator_channels": channels, "discriminator_channels": channels}
    found: list[Case] = []
    for batch in (1, 4):
        data = make_batch(device, batch, tile)
        plain = make_plain(make_gan(device, tile, name="pix2pix", **widths))
        contiguous = Batch(data.image.contiguous(), data.mask.contiguous(), data.image_class)
        found.append(Case(f"pix2pix B {batch} plain", stepper(plain, contiguous), batch, False))
        for bf16 in (False, True):
            for scales in (1, 3):
                gan = make_gan(device, tile, name="pix2pix", scales=scales, **widths)
                gan.bf16 = bf16
                name = f"pix2pix B {batch} {scales} scale{'s' * (scales > 1)} {'bf16' if bf16 else 'fp32'}"
                found.append(Case(name, stepper(gan, data), batch, bf16))
    data = make_batch(device, 8, 64)
    for bf16 in (False, True):
        gan = make_gan(device, 64, name="dcgan")
        gan.bf16 = bf16
        found.append(Case(f"dcgan 64 px B 8 {'bf16' if bf16 else 'fp32'}", stepper(gan, data), 8, bf16))
    return found


def stepper(gan: Gan, data: Batch) -> Callable[[], dict[str, Tensor]]:
    return lambda: gan.step(data, random_stream(gan.device, 0), 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    device = pick_device(arguments.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    load = os.getloadavg() if hasattr(os, "getloadavg") else (float("nan"),)
    limits = {bf16: ceiling(device, torch.bfloat16 if bf16 else torch.float32) for bf16 in (False, True)}
    print(f"{device_words(device)}, torch {torch.__version__}, load {load[0]:.1f}")
    print(f"ceiling {limits[False]:.0f} GF/s fp32, {limits[True]:.0f} GF/s bf16")
    todo = [case for case in cases(device, arguments.tile, arguments.channels) if arguments.only in case.name]
    for case in todo:
        with FlopCounterMode(display=False) as counter:
            case.step()
        case.flops = counter.get_total_flops()
        case.step()
    for _ in range(arguments.rounds):
        for case in todo:
            synchronize(device)
            began = time.perf_counter()
            case.step()
            synchronize(device)
            case.seconds.append(time.perf_counter() - began)
    print(f"{'case':34}{'ms/step':>9}{'least':>8}{'images/s':>10}{'GF/image':>10}{'GF/s':>8}{'ceiling':>9}")
    rows = []
    for case in todo:
        median, least = statistics.median(case.seconds), min(case.seconds)
        speed = case.flops / median / 1e9
        row = {
            "case": case.name,
            "ms": median * 1e3,
            "least_ms": least * 1e3,
            "images_per_second": case.batch / median,
            "gflop_per_image": case.flops / case.batch / 1e9,
            "gflops_per_second": speed,
            "share_of_ceiling": speed / limits[case.bf16],
        }
        rows.append(row)
        print(
            f"{case.name:34}{row['ms']:9.1f}{row['least_ms']:8.1f}{row['images_per_second']:10.2f}"
            f"{row['gflop_per_image']:10.2f}{speed:8.0f}{row['share_of_ceiling']:8.0%}"
        )
    print(f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "")
    if arguments.json:
        report = {"device": device_words(device), "torch": torch.__version__, "ceilings": limits, "rows": rows}
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
