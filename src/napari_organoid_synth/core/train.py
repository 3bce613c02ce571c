"""Train a generator on the pairs of a project."""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_organoid_synth.core.codec import Codec
from napari_organoid_synth.core.dataset import Batch, PairDataset, TileSampler, decode_sample
from napari_organoid_synth.core.device import (
    GIB,
    bf16_runs,
    device_words,
    free_bytes,
    is_out_of_memory,
    peak_bytes,
    pick_device,
    random_stream,
    synchronize,
    use_threads,
)
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Previewed, Progress, Saved, Started, Warned
from napari_organoid_synth.core.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairing import load_pairs
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.run import Run, new_gan
from napari_organoid_synth.core.tiling import Tile, list_tiles

if TYPE_CHECKING:
    from napari_organoid_synth.core.gans.base import Gan

REPORT_SECONDS = 1.0
MOST_BAD_STEPS = 100  # in a row, then the training has diverged
FEW_TILES = 20


def train(
    project: Project, recipe: Recipe, control: Control, folder: Path | None = None, resume: bool = False
) -> Iterator[Event]:
    """Train and yield what happens.

    Parameters
    ----------
    project : Project
        With ``pairs.json``; the pairs marked "test" stay unseen.
    recipe : Recipe
        On resuming, ``recipe.train`` may differ from that of the run (more steps); the rest must not.
    control : Control
        Pause and cancel are honoured after the step in progress; cancelling saves.
    folder : Path, optional
        Folder of the run; a new one below ``runs`` when not given, or the newest one on resuming.
    resume : bool
        Go on from the newest whole checkpoint of ``folder``; on a processor this equals, bit for bit, never having
        stopped.

    Yields
    ------
    Event
        Started, then Progress once a second, Previewed, Saved, Warned as they happen, Finished at last.

    Raises
    ------
    UserError
        If there are no pairs or no usable tiles, the run belongs to other settings, memory does not suffice for one
        tile, or the training diverges.
    """
    settings = recipe.train
    use_threads(settings.threads)
    device = pick_device(settings.device)
    pairs = _load(project)
    tiles = _tiles(pairs, recipe)
    run = _open(project, recipe, pairs, folder, resume)
    dataset = PairDataset(pairs, tiles, run.codec, run.recipe.gan.shape)  # type: ignore[attr-defined]
    gan = new_gan(recipe, run.spec).to(device)
    step, batch_size, total = 0, settings.batch, settings.steps
    if resume:
        checkpoint = run.load(gan)
        step, batch_size = checkpoint.step, int(checkpoint.numbers["batch"])
    sampler = TileSampler(len(dataset), batch_size, settings.seed)
    speed = run.note()
    if "precision" not in speed or not resume:
        first = dataset.batch(sampler.batch_indices(step)).to(device)
        speed = run.note(device=device_words(device), **measure(gan, first, settings.precision, settings.seed))
    gan.bf16 = speed["precision"] == "bf16"
    preview = _Preview(run, dataset, gan)

    yield Started(
        step,
        {
            "run": run.name,
            "folder": str(run.path),
            "generator": run.recipe.gan.name,  # type: ignore[attr-defined]
            "device": device_words(device),
            "precision": speed["precision"],
            "parameters": gan.parameters,
            "pairs": len(pairs),
            "tiles": len(dataset),
            "batch": batch_size,
            "total": total,
            "seconds_per_step": speed["seconds_per_step"],
        },
    )
    if len(dataset) < FEW_TILES:
        yield Warned(step, f"There are only {len(dataset)} tiles; samples will look much like them.")
    if step == 0:
        yield Previewed(step, str(preview.write(step)))
    began = step
    meter = _Meter(step, gan.seen)
    while step < total and not control.canceled:
        try:
            batch = dataset.batch(sampler.batch_indices(step)).to(device)
            losses = gan.step(batch, random_stream(device, settings.seed, "step", step), step / total)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            batch_size = _halve(batch_size, recipe.tiles.size)
            sampler = TileSampler(len(dataset), batch_size, settings.seed)
            yield Warned(step, f"Memory was full: going on with {batch_size} tiles per step.")
            continue
        meter.add(losses)
        step += 1
        if meter.due():
            yield meter.report(step, total, gan.seen)
        if step % settings.preview_every == 0 and step < total:
            yield Previewed(step, str(preview.write(step)))
        if step % settings.checkpoint_every == 0 and step < total:
            yield Saved(step, str(run.save(gan, step, batch=batch_size)))
        for heartbeat in control.gate(step):
            meter.pause()
            yield heartbeat
    if step > began:
        yield meter.report(step, total, gan.seen)
        path = run.save(gan, step, batch=batch_size)
        yield Saved(step, str(path))
        yield Previewed(step, str(preview.write(step)))
    rate = meter.mean_rate
    run.note(steps=step, seconds=meter.busy, images_per_second=rate, gflops_per_second=rate * speed["gflop_per_image"])
    yield Finished(
        step,
        "completed" if step >= total else "canceled",
        {
            "run": run.name,
            "folder": str(run.path),
            "steps": step,
            "checkpoint": str(run.checkpoint_path(step)) if step in run.steps() else "",
            "seconds": round(meter.busy, 2),
            "images_per_second": round(rate, 3),
            "gflops_per_second": round(rate * speed["gflop_per_image"], 2),
            "precision": speed["precision"],
        },
    )


def estimate(project: Project, recipe: Recipe) -> dict[str, float]:
    """What a training would take, measured by doing a few steps and throwing them away.

    Returns
    -------
    dict
        ``needed_gb`` (peak memory of the process, or of the graphics card), ``free_gb`` (before), ``seconds_per_step``
        and ``minutes`` of the whole training.

    Raises
    ------
    UserError
        As `train`; also if the steps do not fit into memory.
    """
    use_threads(recipe.train.threads)
    device = pick_device(recipe.train.device)
    free = free_bytes(device)
    pairs = _load(project)
    codec = Codec.fit(pairs, recipe.codec)
    shape = recipe.gan.shape  # type: ignore[attr-defined]
    dataset = PairDataset(pairs, _tiles(pairs, recipe), codec, shape)
    gan = new_gan(recipe, codec.spec(recipe.tiles.size, shape)).to(device)
    sampler = TileSampler(len(dataset), recipe.train.batch, recipe.train.seed)
    try:
        batch = dataset.batch(sampler.batch_indices(0)).to(device)
        speed = measure(gan, batch, recipe.train.precision, recipe.train.seed)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        _halve(1, recipe.tiles.size)
    seconds = speed["seconds_per_step"]
    return {
        "needed_gb": round(peak_bytes(device) / GIB, 2),
        "free_gb": round(free / GIB, 2),
        "seconds_per_step": round(seconds, 4),
        "minutes": round(seconds * recipe.train.steps / 60, 1),
    }


def measure(gan: Gan, batch: Batch, precision: str, seed: int, rounds: int = 2) -> dict[str, Any]:
    """Time some steps on a scratch copy, in float32 and bf16 when the choice is ``"auto"``.

    Returns
    -------
    dict
        ``precision`` (the faster), ``seconds_per_step``, ``gflop_per_image`` (torch's own count, two per
        multiply-add).
    """
    scratch = copy.deepcopy(gan)
    choices = [precision] if precision != "auto" else ["float32", *(["bf16"] if bf16_runs(gan.device) else [])]
    best = dict.fromkeys(choices, math.inf)
    counter = FlopCounterMode(display=False)
    scratch.bf16 = choices[0] == "bf16"
    with counter:
        scratch.step(batch, random_stream(gan.device, seed, "scratch"), 0.0)
    for turn in range(rounds + 1):
        for choice in choices:
            scratch.bf16 = choice == "bf16"
            synchronize(gan.device)
            began = time.perf_counter()
            scratch.step(batch, random_stream(gan.device, seed, "scratch"), 0.0)
            synchronize(gan.device)
            if turn or choice == choices[0]:  # the first step in another precision also prepares its kernels
                best[choice] = min(best[choice], time.perf_counter() - began)
    fastest = min(best, key=lambda choice: best[choice])
    return {
        "precision": fastest,
        "seconds_per_step": best[fastest],
        "gflop_per_image": counter.get_total_flops() / len(batch.image) / 1e9,
    }


def _load(project: Project) -> list[SamplePair]:
    if not project.pairs_path.exists():
        raise UserError(
            f"Project {project.path.name} has no pairs.", "Expected images with masks.", "Load and check pairs first."
        )
    return load_pairs(project, split="train")


def _tiles(pairs: list[SamplePair], recipe: Recipe) -> list[Tile]:
    return [tile for tile in list_tiles(pairs, recipe.tiles) if tile.kept]


def _open(project: Project, recipe: Recipe, pairs: list[SamplePair], folder: Path | None, resume: bool) -> Run:
    """The run to go on with, or a new one."""
    if not resume:
        path = Path(folder) if folder is not None else project.job("train").path
        run = Run.create(path, recipe, Codec.fit(pairs, recipe.codec))
        run.note(data={pair.name: content_hash(pair.image, pair.labels) for pair in pairs})
        return run
    run = Run(Path(folder) if folder is not None else project.run_path())
    for part in ("gan", "tiles", "codec", "train.seed"):
        if attrgetter(part)(run.recipe) != attrgetter(part)(recipe):
            raise UserError(
                f"Run {run.name} was trained with other settings of '{part}'.",
                "Expected the same on resuming.",
                "Resume with its own recipe.yaml, or start a new training.",
            )
    return run


def _halve(batch: int, tile: int) -> int:
    """Half the batch after memory was full."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if batch == 1:
        raise UserError(
            f"Memory is full with one tile of {tile} px.",
            "Expected room for one training step.",
            "Choose smaller tiles or fewer channels, or close other programs.",
        )
    return batch // 2


class _Preview:
    """Samples that are always drawn from the same masks and noise, so that steps can be compared."""

    def __init__(self, run: Run, dataset: PairDataset, gan: Gan) -> None:
        self.run, self.gan = run, gan
        settings = run.recipe.train
        self.streams = [("preview", settings.seed, number) for number in range(settings.previews)]
        self.condition, self.labels = None, []
        if gan.shape == "painter":
            upright = [i for i, tile in enumerate(dataset.tiles) if not tile.turns and not tile.flip]
            upright = upright or list(range(len(dataset)))
            chosen = [upright[i] for i in np.linspace(0, len(upright) - 1, settings.previews).round().astype(int)]
            self.condition = dataset.batch(chosen).mask.to(gan.device)
            self.labels = [dataset.pair(i).labels for i in chosen]

    def write(self, step: int) -> Path:
        drawn = self.gan.sample(
            [random_stream(self.gan.device, *stream) for stream in self.streams], condition=self.condition
        )
        decoded = [decode_sample(sample, self.run.codec) for sample in drawn]
        labels = self.labels or [mask for _, mask in decoded if mask is not None]
        return self.run.write_preview(step, np.stack([image for image, _ in decoded]), np.stack(labels))


class _Meter:
    """Means of losses, kept on the device until they are reported, and speed without the pauses."""

    def __init__(self, step: int, seen: int) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.count = 0
        self.bad_row: torch.Tensor | None = None
        self.first_seen, self.seen = seen, seen
        self.busy = 0.0
        self._tick = self._reported = time.perf_counter()
        self._history: deque[tuple[float, int, int]] = deque([(0.0, step, seen)], maxlen=30)

    def add(self, losses: dict[str, torch.Tensor]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        bad = losses["bad"]
        self.bad_row = bad if self.bad_row is None else (self.bad_row + 1) * bad
        self.count += 1

    def due(self) -> bool:
        self._advance()
        return time.perf_counter() - self._reported >= REPORT_SECONDS

    def pause(self) -> None:
        self._advance(counted=False)

    def _advance(self, counted: bool = True) -> None:
        now = time.perf_counter()
        self.busy += (now - self._tick) * counted
        self._tick = now

    @property
    def mean_rate(self) -> float:
        """Images per second since the start."""
        return (self.seen - self.first_seen) / self.busy if self.busy else 0.0

    def report(self, step: int, total: int, seen: int) -> Progress:
        """Read the losses from the device, once."""
        stats = {name: float(value) / self.count for name, value in self.sums.items()} if self.count else {}
        if self.bad_row is not None and float(self.bad_row) >= MOST_BAD_STEPS:
            raise UserError(
                f"The training diverged: {MOST_BAD_STEPS} steps in a row gave no finite loss.",
                "Expected finite losses.",
                "Lower the learning rate, or set the precision to float32.",
            )
        self._advance()
        self.sums, self.count, self.seen = {}, 0, seen
        self._reported = time.perf_counter()
        self._history.append((self.busy, step, seen))
        began, first, shown = self._history[0]
        seconds = max(self.busy - began, 1e-9)
        left = (total - step) * seconds / max(step - first, 1)
        bad = stats.pop("bad", 0.0)
        note = f"{bad:.0%} of the steps were not finite" if bad else ""
        return Progress(step, total, stats, (seen - shown) / seconds, left, note)
