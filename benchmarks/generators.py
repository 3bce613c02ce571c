"""Speed of every generator: images/s of each kind of training step and on the whole, samples/s, arithmetic, memory.

    python benchmarks/generators.py [--generators pix2pix stylegan2_ada] [--sizes 64 128 256]
        [--precisions float32 bf16] [--seconds 20] [--threads 2] [--device auto] [--markdown FILE] [--json FILE]

Prints one Markdown table. Each generator and size gets ``--seconds`` of timed steps, two of each kind at least.
Precisions, augmentation on and off and, where steps differ (lazy regularisation), their kinds take turns, so that other
work on the machine hits all alike; only growing generators go through their sizes one after the other. Medians are
shown; on the whole means weighted with the share that each kind has of a training. The ceiling is the fastest of three
3 × 3 convolutions in ``channels_last`` in the same process, in the same precision, just before. Samples are drawn in
float32, as `generate` does. Memory is the most that the process (or the graphics card) held during a step.

``--short`` fits ten minutes on one graphics card: StyleGAN2-ADA of the published width at the published sizes, then
every other generator at 128 px, as long as there is time (``--minutes``). It prints seconds per thousand images (kimg)
and memory beside those that NVIDIA published for its own code with custom kernels.

Rows that `BASELINES` knows are named B1 to B14 beside what a peer reached on two cores of an AMD EPYC, or on a graphics
card of the publication.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.device import (
    GIB,
    bf16_runs,
    describe_device,
    peak_bytes,
    pick_device,
    random_stream,
    synchronize,
    use_threads,
)
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import Generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.runs.run import new_generator

STRENGTH = 0.3  # p of the adaptive augmentation while it is timed
Kind = tuple[
    float, float, int
]  # share of all steps, progress, steps taken before, as `Generator.step_kinds` gives them


@dataclass(frozen=True)
class Variant:
    """A generator as it is timed.

    Parameters
    ----------
    generator : str
        Name in the registry.
    changes : dict
        Settings other than the default.
    batch : dict of str to dict of int to int
        Tiles per step by device and size; 4 where nothing is said.
    """

    generator: str
    changes: dict[str, Any] = field(default_factory=dict)
    batch: dict[str, dict[int, int]] = field(default_factory=dict)

    def tiles(self, device: str, size: int) -> int:
        """Tiles per step."""
        return self.batch.get("cpu" if device == "mps" else device, {}).get(size, 4)


ALONE = {device: dict.fromkeys((64, 128, 256), 1) for device in ("cpu", "cuda")}
STYLEGAN2 = {"cpu": {64: 8, 128: 8, 256: 4}, "cuda": {64: 32, 128: 32, 256: 16}}
PUBLISHED = {"channels": 16384, "max_channels": 512, "latent": 512}
VARIANTS = {name: Variant(name) for name in GENERATORS.names()} | {
    "pix2pix_batch_1": Variant("pix2pix", batch=ALONE),
    "pix2pix_three_scales": Variant("pix2pix", {"scales": 3}),
    "cyclegan": Variant("cyclegan", batch=ALONE),
    "stylegan2_ada": Variant("stylegan2_ada", batch=STYLEGAN2),
    "stylegan2_ada_published": Variant("stylegan2_ada", PUBLISHED, STYLEGAN2 | {"cpu": {64: 4, 128: 2, 256: 1}}),
}

BASELINES: dict[str, dict[tuple[str, int, bool | None], tuple[str, str, tuple[float, float] | None]]] = {
    # variant, px, augmentation: number of the comparison, what a peer reached, images/s of it from and to
    "cpu": {
        ("stylegan2_ada", 64, False): ("B1", "reference 14.4–15.6", (14.4, 15.6)),
        ("stylegan2_ada", 128, False): ("B1", "reference 8.1–9.5", (8.1, 9.5)),
        ("stylegan2_ada", 256, False): ("B1", "reference 4.3–5.2", (4.3, 5.2)),
        ("stylegan2_ada_published", 64, False): ("B1", "reference 1.25", (1.25, 1.25)),
        ("stylegan2_ada", 64, True): ("B2", "reference 13.3", (13.3, 13.3)),
        ("stylegan2_ada", 128, True): ("B2", "reference 5.1–5.6", (5.1, 5.6)),
        ("stylegan2_ada", 256, True): ("B2", "reference 1.9–2.0", (1.9, 2.0)),
        ("pix2pix_batch_1", 256, None): ("B3", "published layout 7.9–9.1", (7.9, 9.1)),
        ("pix2pix", 256, None): ("B3", "published layout 11.1", (11.1, 11.1)),
        ("pix2pix_three_scales", 256, None): ("B4", "at most 1.2 × the time of one scale", None),
        ("cyclegan", 128, None): ("B5", "none measured", None),
    },
    "cuda": {
        ("stylegan2_ada_published", 128, True): ("B2", "V100 80, A100 147", (80, 147)),
        ("stylegan2_ada_published", 256, True): ("B2", "V100 48, A100 80", (48, 80)),
    },
}
PER_KIMG = {  # px: seconds per kimg on one V100 and one A100, GB of the V100; READMEs of StyleGAN2-ADA and StyleGAN3
    128: (12.51, 6.79, 7.2),
    256: (20.84, 12.53, 5.0),
}
LATENCIES = {"stylegan2_ada": 60, "stylegan2_ada_published": 300}  # B14, ms to a new image of 256 px


@dataclass(frozen=True)
class Mode:
    """How one and the same generator is run: precision, and augmentation on, off, or not its own to switch."""

    precision: str
    augmented: bool | None


@dataclass
class Row:
    """What was measured of a variant at one size in one mode; seconds by kind of step."""

    variant: str
    size: int
    batch: int
    precision: str
    augmented: bool | None
    ceiling: float  # GF/s
    seconds: dict[str, list[float]] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    tiles: dict[str, int] = field(default_factory=dict)
    flops: dict[str, int] = field(default_factory=dict)
    memory: float = 0.0  # bytes
    sampling: float = 0.0  # images/s in batches
    latency: float = 0.0  # s to one image
    augmentation: float | None = None  # share of the step

    def mean(self, of: dict[str, Any]) -> float:
        """Over the steps of a training."""
        return sum(share * of[kind] for kind, share in self.shares.items()) / sum(self.shares.values())

    @property
    def step_seconds(self) -> float:
        """Of an average step of a training."""
        return self.mean({kind: statistics.median(found) for kind, found in self.seconds.items()})

    @property
    def rate(self) -> float:
        """Images/s of a training."""
        return self.mean(self.tiles) / self.step_seconds


# ------------------------------------------------------------------------------------------------------------ measure


def ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """Most GF/s of three convolutions, forward."""
    best = 0.0
    for channels, side in ((64, 128), (128, 64), (256, 32)):
        x = torch.randn(8, channels, side, side, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
        weight = weight.to(memory_format=torch.channels_last)
        for _ in range(6):
            seconds = timed(device, lambda x=x, weight=weight: functional.conv2d(x, weight, padding=1))
            best = max(best, 2 * 8 * side * side * channels * channels * 9 / seconds / 1e9)
    return best


def timed(device: torch.device, call: Callable[[], Any]) -> float:
    """Seconds of a call."""
    synchronize(device)
    began = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - began


def make_gan(variant: Variant, device: torch.device, size: int) -> Generator:
    recipe = Recipe.parse({"gan": {"name": variant.generator, **variant.changes}, "tiles": {"size": size}})
    classes = ("healthy", "ill") if variant.generator == "cgan" else ()
    return new_generator(recipe, PairSpec(size, 1, 2, classes)).to(device)


def make_batch(device: torch.device, n: int, size: int) -> Batch:
    image, mask = (torch.rand(n, c, size, size, device=device) * 2 - 1 for c in (1, 2))
    return Batch(
        image.to(memory_format=torch.channels_last),
        mask.to(memory_format=torch.channels_last),
        torch.arange(n, device=device) % 2,
    )


def kind_name(gan: Generator, kind: Kind) -> str:
    """A kind of step in words: the size of a growing generator, or which penalties are due."""
    _, progress, taken = kind
    if hasattr(gan, "schedule"):
        return f"{gan.schedule.at(progress)[0]} px"
    if not hasattr(gan, "penalties"):
        return "step"
    if taken % 4 or not gan.config.path_length:
        return "plain" if taken % 16 else "with R1"
    return "with path" if taken % 16 else "with path and R1"


class Peak:
    """Most memory held while it is open, bytes; on Linux and CUDA since it was opened, elsewhere since the start."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.bytes = device, 0.0

    def __enter__(self) -> Peak:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device)
            return
        status = Path("/proc/self/status")
        lines = status.read_text().splitlines() if status.exists() else []
        found = [1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        self.bytes = found[0] if found else float(peak_bytes(self.device))


def measure(name: str, size: int, precisions: list[str], device: torch.device, seconds: float) -> list[Row]:
    """Time one variant at one size, in every mode."""
    variant = VARIANTS[name]
    n, gan = variant.tiles(device.type, size), make_gan(variant, device, size)
    augment = getattr(gan, "augment", None)
    groups = set(augment.groups) if augment else set()
    rows = {
        Mode(precision, augmented): Row(
            name, size, n, precision, augmented, ceiling(device, getattr(torch, dtype_of(precision)))
        )
        for precision in precisions
        for augmented in ((False, True) if augment else (None,))
    }
    kinds = gan.step_kinds(10_000)
    phases = [list(found) for _, found in groupby(kinds, key=lambda kind: kind[1])]  # growing cannot be undone

    def step(mode: Mode, kind: Kind, data: Batch) -> None:
        gan.bf16, gan.steps_taken = mode.precision == "bf16", kind[2]
        if augment:
            augment.groups = groups if mode.augmented else set()
            augment.p.fill_(STRENGTH)
        gan.step(data, random_stream(device, 0, "benchmark"), kind[1])

    for phase in phases:
        data = {kind: make_batch(device, gan.batch_size(n, kind[1]), size) for kind in phase}
        for kind in phase:
            label = kind_name(gan, kind)
            with FlopCounterMode(display=False) as counter:
                step(next(iter(rows)), kind, data[kind])
            for mode, row in rows.items():
                with Peak(device) as peak:  # the first step in another precision also prepares its kernels
                    step(mode, kind, data[kind])
                row.memory = max(row.memory, peak.bytes)
                row.flops[label], row.seconds[label] = counter.get_total_flops(), []
                row.shares[label], row.tiles[label] = kind[0], len(data[kind].image_class)
        until, rounds = time.perf_counter() + seconds / len(phases), 0
        while rounds < 2 or time.perf_counter() < until:
            for kind, shown in data.items():
                for mode, row in rows.items():
                    spent = timed(device, lambda m=mode, k=kind, shown=shown: step(m, k, shown))
                    row.seconds[kind_name(gan, kind)].append(spent)
            rounds += 1
    sampling, latency = sample_speeds(gan, n, size, seconds / 4)
    for mode, row in rows.items():
        row.sampling, row.latency = sampling, latency
        if mode.augmented:
            row.augmentation = share_of_augmentation(rows[Mode(mode.precision, False)], row)
    return list(rows.values())


def share_of_augmentation(without: Row, augmented: Row) -> float:
    """Median over rounds of 1 - time without / time with, weighted over the kinds of step."""
    found = {
        kind: statistics.median(1 - a / b for a, b in zip(without.seconds[kind], augmented.seconds[kind], strict=True))
        for kind in augmented.seconds
    }
    return augmented.mean(found)


def sample_speeds(gan: Generator, n: int, size: int, seconds: float) -> tuple[float, float]:
    """Images per second in batches of n, and the seconds to a single one."""
    found = []
    for count in (n, 1):
        data = make_batch(gan.device, count, size)
        condition = data.mask if gan.kind == "painter" else None
        spent: list[float] = []
        until = time.perf_counter() + seconds / 2
        while len(spent) < 3 or time.perf_counter() < until:
            rng = random_stream(gan.device, len(spent))
            spent.append(timed(gan.device, lambda r=rng, k=count, c=condition: gan.sample(r, k, c)))
        found.append(statistics.median(spent[1:]))
    return n / found[0], found[1]


def dtype_of(precision: str) -> str:
    return {"bf16": "bfloat16"}.get(precision, precision)


# ------------------------------------------------------------------------------------------------------------- report

HEAD = (
    *("", "generator", "px", "tiles", "precision", "images/s", "ms per step by kind", "GF per image", "GF/s"),
    *("of ceiling", "GiB", "samples/s", "ms to one", "peer, images/s", "ratio"),
)


def cells(row: Row, device: str) -> Iterator[str]:
    """One line of the table."""
    number, peer, spread = BASELINES.get(device, {}).get((row.variant, row.size, row.augmented), ("", "", None))
    flops = row.mean(row.flops)
    kinds = {kind: 1e3 * statistics.median(found) for kind, found in row.seconds.items()}
    of_step = "" if row.augmentation is None else f"; augmentation {row.augmentation:.0%}"
    wanted = LATENCIES.get(row.variant) if row.size == 256 else None
    yield number + (" B14" if wanted else "")
    yield row.variant + {True: f", ADA p {STRENGTH}", False: ", no ADA", None: ""}[row.augmented]
    yield str(row.size)
    yield "/".join(str(n) for n in dict.fromkeys(row.tiles.values()))
    yield row.precision
    yield f"**{row.rate:.2f}**"
    yield ", ".join(f"{kind} {ms:.0f}" for kind, ms in kinds.items()) + of_step
    yield f"{flops / row.mean(row.tiles) / 1e9:.2f}"
    yield f"{flops / row.step_seconds / 1e9:.0f}"
    yield f"{flops / row.step_seconds / 1e9 / row.ceiling:.0%}"
    yield f"{row.memory / GIB:.2f}"
    yield f"{row.sampling:.1f}"
    yield f"{1e3 * row.latency:.0f}" + (f" (< {wanted})" if wanted else "")
    yield peer
    yield f"{row.rate / spread[1]:.2f}–{row.rate / spread[0]:.2f} ×" if spread else ""


def table(rows: list[Row], device: str) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *(tuple(cells(row, device)) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def short_cells(row: Row) -> Iterator[str]:
    """One line of the short table."""
    published = row.variant == "stylegan2_ada_published" and row.augmented
    v100, a100, memory = PER_KIMG.get(row.size, (None, None, None)) if published else (None, None, None)
    own = 1e3 / row.rate
    yield row.variant + {True: f", ADA p {STRENGTH}", False: ", no ADA", None: ""}[row.augmented]
    yield str(row.size)
    yield "/".join(str(n) for n in dict.fromkeys(row.tiles.values()))
    yield row.precision
    yield f"**{own:.2f}**"
    yield f"{row.memory / 1e9:.2f}"
    yield f"{v100:.2f}" if v100 else ""
    yield f"{a100:.2f}" if a100 else ""
    yield f"{memory:.1f}" if memory else ""
    yield f"{v100 / own:.2f} ×, {a100 / own:.2f} ×" if v100 and a100 else ""
    yield f"{row.mean(row.flops) / row.step_seconds / 1e9 / row.ceiling:.0%}"


SHORT_HEAD = (
    *("generator", "px", "tiles", "precision", "s per kimg", "GB"),
    *("V100, published", "A100, published", "GB, published", "faster than V100, A100", "of ceiling"),
)


def short(device: torch.device, precisions: list[str], minutes: float, sizes: list[int]) -> list[Row]:
    """Time what matters most first, and stop when the time is over."""
    end = time.perf_counter() + 60 * minutes
    first = [("stylegan2_ada_published", size) for size in sizes]
    rest = [(name, sizes[0]) for name in VARIANTS if name not in ("analogy", "stylegan2_ada_published")]
    rows: list[Row] = []
    print("| " + " | ".join(SHORT_HEAD) + " |\n" + "|---" * len(SHORT_HEAD) + "|", flush=True)
    for place, (name, size) in enumerate([*first, *rest]):
        left = end - time.perf_counter()
        if left < 0:
            print(
                f"{len(first) + len(rest) - place} of {len(first) + len(rest)} left out: {minutes:g} minutes are over"
            )
            break
        share = 0.25 * left if name == "stylegan2_ada_published" else left / (len(first) + len(rest) - place)
        rows += (found := measure(name, size, precisions, device, min(20.0, share / 4)))
        for row in found:
            print("| " + " | ".join(short_cells(row)) + " |", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generators", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="PX", help="default 64 128 256, of --short 128 256")
    parser.add_argument("--precisions", nargs="+", choices=("float32", "bf16"), default=["float32", "bf16"])
    parser.add_argument("--seconds", type=float, default=20, help="of timed steps per generator and size")
    parser.add_argument("--short", action="store_true", help="seconds per kimg and memory, within --minutes")
    parser.add_argument("--minutes", type=float, default=8, help="of --short")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write every timed step here")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    device = pick_device(arguments.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    precisions = [name for name in arguments.precisions if name == "float32" or bf16_runs(device)]
    head = f"{describe_device(device)}, torch {torch.__version__}, load before {load()}"
    print(head, *(f"no {name} here" for name in arguments.precisions if name not in precisions), sep="; ", flush=True)
    rows: list[Row] = []
    if arguments.short:
        rows = short(device, precisions, arguments.minutes, arguments.sizes or [128, 256])
        if arguments.json:
            write_json(arguments.json, device, rows)
        return
    for size in arguments.sizes or [64, 128, 256]:
        for name in arguments.generators:
            config: Any = GENERATORS.config(VARIANTS[name].generator)(**VARIANTS[name].changes)
            try:
                config.check_tile(size)
            except UserError:
                continue
            found = measure(name, size, precisions, device, arguments.seconds)
            rows += found
            for row in found:  # while the others run
                print(" | ".join(cells(row, device.type)), flush=True)
    limits = ", ".join(
        f"{name} {statistics.median(row.ceiling for row in rows if row.precision == name):.0f} GF/s"
        for name in precisions
        if rows
    )
    text = f"{head}, after {load()}; ceiling {limits}\n\n{table(rows, device.type)}\n"
    print(f"\n{text}")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")
    if arguments.json:
        write_json(arguments.json, device, rows)


def write_json(path: Path, device: torch.device, rows: list[Row]) -> None:
    report = {"device": describe_device(device), "torch": torch.__version__, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(report, indent=1), encoding="utf-8")


def load() -> str:
    """Mean number of waiting processes, and the share of the memory in use."""
    busy = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    return f"{busy} ({psutil.virtual_memory().percent:.0f} % of memory)"


if __name__ == "__main__":
    main()
