"""A training step of pix2pix beside the published layout: ``python benchmarks/pix2pix_layout.py [rounds] [--batch 1]``.

Published: torch's own layers in planes (not ``channels_last``), InstanceNorm2d, transposed convolutions, the
discriminator on real and on painted images apart, Adam as it is by default; the same widths. They take turns with both
ways of doubling; the table has processor time of one thread, in ms, and how many times faster than the published
layout it is.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig

CPU = torch.device("cpu")
MASK, IMAGE, CHANNELS = 2, 1, 32


class PublishedUNet(nn.Module):
    """The generator, down to 1 px."""

    def __init__(self, size: int) -> None:
        super().__init__()
        levels = size.bit_length() - 1
        widths = [CHANNELS * min(2**level, 8) for level in range(levels)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
            layers.append(nn.Conv2d(widths[level - 1] if level else MASK, width, 4, 2, 1))
            if 0 < level < levels - 1:
                layers.append(nn.InstanceNorm2d(width, affine=True))
            self.down.append(nn.Sequential(*layers))
        for level in reversed(range(levels)):
            wide, width = widths[level] * (1 + (level < levels - 1)), widths[level - 1] if level else IMAGE
            layers = [nn.ReLU(), nn.ConvTranspose2d(wide, width, 4, 2, 1)]
            if level:
                layers.append(nn.InstanceNorm2d(width, affine=True))
            if level and size >> level in (4, 8, 16):
                layers.append(nn.Dropout(0.5))
            self.up.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        """Paint (N, 2, size, size) as (N, 1, size, size)."""
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for number, up in enumerate(self.up):
            x = up(torch.cat([x, skips.pop()], 1) if number else x)
        return torch.tanh(x)


def published_discriminator() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(MASK + IMAGE, CHANNELS, 4, 2, 1), nn.LeakyReLU(0.2)]
    for factor, stride in ((2, 2), (4, 2), (8, 1)):
        layers.append(nn.Conv2d(CHANNELS * factor // 2, CHANNELS * factor, 4, stride, 1))
        layers += [nn.InstanceNorm2d(CHANNELS * factor, affine=True), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(CHANNELS * 8, 1, 4, 1, 1))


def published(size: int, batch: Batch) -> Callable[[bool], None]:
    """Return a step of the published layout."""
    painter, judge = PublishedUNet(size), published_discriminator()
    descent = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (painter, judge)]
    mask, image = batch.mask.contiguous(), batch.image.contiguous()

    def step(bf16: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            painted = painter(mask)
            judge.requires_grad_(True)
            fake, real = judge(torch.cat([mask, painted.detach()], 1)), judge(torch.cat([mask, image], 1))
            loss = (functional.softplus(fake.float()).mean() + functional.softplus(-real.float()).mean()) / 2
        descent[1].zero_grad()
        loss.backward()
        descent[1].step()
        judge.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            fake = judge(torch.cat([mask, painted], 1))
            loss = functional.softplus(-fake.float()).mean() + 100 * functional.l1_loss(painted.float(), image)
        descent[0].zero_grad()
        loss.backward()
        descent[0].step()

    return step


def own(upsample: str, size: int, batch: Batch) -> Callable[[bool], None]:
    """Return a step of this package."""
    network = build_generator(Pix2PixConfig(upsample=upsample), PairSpec(size, IMAGE, MASK)).to(CPU)

    def step(bf16: bool) -> None:
        network.bf16 = bf16
        network.step(batch, random_stream(CPU, 0), 0.0)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = options.size
    shown = [torch.rand(options.batch, channels, size, size) * 2 - 1 for channels in (IMAGE, MASK)]
    image, mask = (part.contiguous(memory_format=torch.channels_last) for part in shown)
    batch = Batch(image, mask, torch.zeros(options.batch, dtype=torch.int64))
    ways = {"published": published(size, batch)} | {name: own(name, size, batch) for name in ("transposed", "resize")}
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {size} px, batch {options.batch}")
    for bf16 in (False, True):
        spent: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds + 1):
            for name, step in ways.items():
                began = time.thread_time()
                step(bf16)
                spent[name].append(1e3 * (time.thread_time() - began))
        peer = np.median(spent["published"][1:])
        for name, found in spent.items():
            middle = np.median(found[1:])
            print(f"| {name} | {'bf16' if bf16 else 'float32'} | {middle:.0f} | {peer / middle:.2f} × |", flush=True)


if __name__ == "__main__":
    main()
