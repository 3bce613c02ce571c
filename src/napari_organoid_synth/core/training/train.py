"""Train a generator on the pairs of a project."""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_organoid_synth.core.codec.codec import Codec
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
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.job import Control, Event, Finished, Previewed, Progress, Saved, Started, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.tiling import Tile, list_tiles, small_image_warning
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.metadata import StartingPoint
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.training.dataset import PairDataset, TileSampler, decode_sample
from napari_organoid_synth.core.training.monitor import Watch
from napari_organoid_synth.core.training.transfer import Weights, find_weights, take_over

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator

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
    pairs = _load(project, recipe)
    tiles = _tiles(pairs, recipe)
    weights = find_weights(project, recipe.start) if recipe.start.run and not resume else None
    run = _open(project, recipe, pairs, folder, resume)
    dataset = PairDataset(pairs, tiles, run.codec, run.recipe.shape)
    gan = new_generator(recipe, run.spec).to(device)
    step, batch_size, total = 0, settings.batch, settings.steps
    watch, words = Watch(gan, dataset, recipe), ""
    if resume:
        checkpoint = run.load(gan)
        step, batch_size = checkpoint.step, int(checkpoint.numbers.get("batch", batch_size))
        watch.restore(checkpoint.numbers, step)
        imported = run.metadata.model_file
        if imported is not None and step == imported.steps:
            words = f"Run {run.name} was taken from a file that holds no optimisers: they start anew."
    elif weights:
        words = _transfer(run, gan, weights)
    if recipe.start.run:
        gan.freeze(recipe.start.freeze)
    _note(run, gan.metadata, resume)
    sampler = TileSampler(len(dataset), settings.seed)
    metadata = run.metadata
    if not metadata.precision or not resume:
        rehearsal = measure(gan, lambda n: dataset.batch(sampler.indices(0, n)), recipe, batch_size)
        metadata = run.update_metadata(device=device_words(device), **rehearsal)
    gan.bf16 = metadata.precision == "bf16"
    preview = _Preview(run, dataset, gan)

    yield Started(
        step,
        {
            "run": run.name,
            "folder": str(run.path),
            "generator": run.recipe.gan.name,
            "device": device_words(device),
            "precision": metadata.precision,
            "parameters": gan.parameters,
            "pairs": len(pairs),
            "tiles": len(dataset),
            "batch": batch_size,
            "total": total,
            "seconds_per_step": metadata.seconds_per_step,
            "notes": gan.metadata,
            **({"start": words} if words else {}),
        },
    )
    if words:
        yield Warned(step, words)
    if len(dataset) < FEW_TILES:
        words = "is only 1 tile" if len(dataset) == 1 else f"are only {len(dataset)} tiles"
        yield Warned(step, f"There {words}; samples will look much like them.")
    if mirrored := small_image_warning([pair.size for pair in pairs], recipe.tiles.size):
        yield Warned(step, mirrored)
    if step == 0:
        yield Previewed(step, str(preview.write(step)))
    began = step
    meter = _Meter(step, gan.images_seen)
    while step < total and not control.canceled and not watch.enough:
        try:
            number = gan.batch_size(batch_size, step / total)
            batch = dataset.batch(sampler.indices(gan.images_seen, number)).to(device)
            losses = gan.step(batch, random_stream(device, settings.seed, "step", step), step / total)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            batch_size = _halve(batch_size, recipe.tiles.size)
            yield Warned(step, f"Memory was full: going on with {batch_size} tiles per step.")
            continue
        meter.add(losses)
        step += 1
        if watch.due(step) and step < total:
            look = watch.look(step)
            yield meter.report(step, total, gan.images_seen, look.stats)
            if look.warning:
                yield Warned(step, look.warning)
        elif meter.due():
            yield meter.report(step, total, gan.images_seen)
        if step % settings.preview_every == 0 and step < total:
            yield Previewed(step, str(preview.write(step)))
        if step % settings.checkpoint_every == 0 and step < total:
            yield Saved(step, str(run.save(gan, step, batch=batch_size, **watch.numbers, **watch.look(step).stats)))
        for heartbeat in control.wait_while_paused(step):
            meter.pause()
            yield heartbeat
    if step > began:
        look = watch.look(step, saved=True)
        yield meter.report(step, total, gan.images_seen, look.stats)
        if look.warning:
            yield Warned(step, look.warning)
        path = run.save(gan, step, batch=batch_size, **watch.numbers, **look.stats)
        yield Saved(step, str(path))
        yield Previewed(step, str(preview.write(step)))
    rate = meter.mean_rate
    if watch.enough and step < total:
        words = f"The last {watch.waited} checkpoints were no better than that of step {watch.best_step}"
        yield Warned(step, f"{words}: stopped after {step} of {total} steps.")
    gflops = rate * metadata.gflop_per_image
    run.update_metadata(steps=step, seconds=meter.busy, images_per_second=rate, gflops_per_second=gflops)
    yield Finished(
        step,
        "completed" if step >= total or watch.enough else "canceled",
        {
            "run": run.name,
            "folder": str(run.path),
            "steps": step,
            "checkpoint": str(run.checkpoint_path(step)) if step in run.steps() else "",
            "best": run.best(),
            "seconds": round(meter.busy, 2),
            "images_per_second": round(rate, 3),
            "gflops_per_second": round(gflops, 2),
            "precision": metadata.precision,
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
    pairs = _load(project, recipe)
    codec = Codec.fit(pairs, recipe.codec)
    dataset = PairDataset(pairs, _tiles(pairs, recipe), codec, recipe.shape)
    gan = new_generator(recipe, codec.spec(recipe.tiles.size, recipe.shape)).to(device)
    sampler = TileSampler(len(dataset), recipe.train.seed)
    try:
        speed = measure(gan, lambda n: dataset.batch(sampler.indices(0, n)), recipe, recipe.train.batch)
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


def measure(
    gan: Generator, load: Callable[[int], Batch], recipe: Recipe, batch: int, rounds: int = 2
) -> dict[str, Any]:
    """Time some steps on a scratch copy, in float32 and bf16 when the choice is ``"auto"``.

    Parameters
    ----------
    gan : Generator
        Stays as it is.
    load : callable
        Gives a batch of n tiles.
    recipe : Recipe
        Of the training.
    batch : int
        Tiles per step, as in the recipe.
    rounds : int
        Timed steps of each kind; the fastest counts.

    Returns
    -------
    dict
        ``precision`` (the faster), ``seconds_per_step`` (mean over `Generator.step_kinds`),
        ``gflop_per_image`` (torch's own count, two per multiply-add).
    """
    scratch, seed = copy.deepcopy(gan), recipe.train.seed
    precision = recipe.train.precision
    choices = [precision] if precision != "auto" else ["float32", *(["bf16"] if bf16_runs(gan.device) else [])]
    seconds, flops, images = dict.fromkeys(choices, 0.0), 0.0, 0.0
    for share, progress, taken in gan.step_kinds(recipe.train.steps):
        shown = load(gan.batch_size(batch, progress)).to(gan.device)

        def rehearse(choice: str, shown: Batch = shown, progress: float = progress, taken: int = taken) -> float:
            scratch.bf16, scratch.steps_taken = choice == "bf16", taken
            synchronize(gan.device)
            began = time.perf_counter()
            scratch.step(shown, random_stream(gan.device, seed, "scratch"), progress)
            synchronize(gan.device)
            return time.perf_counter() - began

        with FlopCounterMode(display=False) as counter:
            rehearse(choices[0])
        flops += share * counter.get_total_flops()
        images += share * len(shown.image_class)
        best = dict.fromkeys(choices, math.inf)
        for turn in range(rounds + 1):
            for choice in choices:
                taken_seconds = rehearse(choice)
                if turn or choice == choices[0]:  # the first step in another precision also prepares its kernels
                    best[choice] = min(best[choice], taken_seconds)
        seconds = {choice: seconds[choice] + share * best[choice] for choice in choices}
    fastest = min(seconds, key=lambda choice: seconds[choice])
    return {
        "precision": fastest,
        "seconds_per_step": seconds[fastest],
        "gflop_per_image": flops / images / 1e9,
    }


def _load(project: Project, recipe: Recipe) -> list[SamplePair]:
    if not project.pairs_path.exists():
        raise UserError(
            f"Project {project.path.name} has no pairs.", "Expected images with masks.", "Load and check pairs first."
        )
    return load_pairs(project, split="train", images_alone=recipe.draws == "images")


def _tiles(pairs: list[SamplePair], recipe: Recipe) -> list[Tile]:
    """What to learn from; without any mask there are no objects to ask for."""
    settings = recipe.tiles if any(pair.labels.any() for pair in pairs) else recipe.tiles.replace(min_objects=0)
    return [tile for tile in list_tiles(pairs, settings) if tile.kept]


def _open(project: Project, recipe: Recipe, pairs: list[SamplePair], folder: Path | None, resume: bool) -> Run:
    """The run to go on with, or a new one."""
    if not resume:
        path = Path(folder) if folder is not None else project.job("train").path
        run = Run.create(path, recipe, Codec.fit(pairs, recipe.codec))
        run.update_metadata(data={pair.name: content_hash(pair.image, pair.labels) for pair in pairs})
        return run
    run = Run(Path(folder) if folder is not None else project.run_path())
    for part in ("gan", "draws", "start", "tiles", "codec", "train.seed"):
        if attrgetter(part)(run.recipe) != attrgetter(part)(recipe):
            raise UserError(
                f"Run {run.name} was trained with other settings of '{part}'.",
                "Expected the same on resuming.",
                "Resume with its own recipe.yaml, or start a new training.",
            )
    return run


def _note(run: Run, notes: dict[str, str], resume: bool) -> None:
    """Write into the run what the generator has to say, such as the weight file it compares by, once and for all."""
    known = run.metadata.notes
    if resume and known is not None and known != notes:
        raise UserError(
            f"Run {run.name} was trained with {_words(known)}; now it is {_words(notes)}.",
            "Expected the same on resuming.",
            "Put the file back that it was trained with, or start a new training.",
        )
    run.update_metadata(notes=notes)


def _words(notes: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in notes.items()) or "nothing to note"


def _transfer(run: Run, gan: Generator, weights: Weights) -> str:
    """Take over weights and note where they come from, also which pairs they have seen."""
    try:
        name: str = run.recipe.gan.name
        words = take_over(gan, name, weights, run.codec.class_names)
    except UserError:
        (run.path / "recipe.yaml").unlink()  # nothing began: the folder is no run
        raise
    seen = {f"{name} ({weights.source})": digest for name, digest in weights.data.items()}
    start = StartingPoint(source=weights.source, sha256=weights.sha256, message=words)
    run.update_metadata(start=start, data={**run.metadata.data, **seen})
    return f"{words[:1].upper()}{words[1:]}."


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

    def __init__(self, run: Run, dataset: PairDataset, gan: Generator) -> None:
        self.run, self.gan = run, gan
        settings = run.recipe.train
        self.streams = [("preview", settings.seed, number) for number in range(settings.previews)]
        self.condition, self.labels = None, []
        classes = max(len(run.codec.image_classes), 1)
        self.image_class = torch.arange(settings.previews, device=gan.device) % classes
        if gan.kind == "painter":
            upright = [i for i, tile in enumerate(dataset.tiles) if not tile.turns and not tile.flip]
            upright = upright or list(range(len(dataset)))
            chosen = [upright[i] for i in np.linspace(0, len(upright) - 1, settings.previews).round().astype(int)]
            self.condition = dataset.batch(chosen).mask.to(gan.device)
            self.labels = [dataset.pair(i).labels for i in chosen]

    def write(self, step: int) -> Path:
        streams = [random_stream(self.gan.device, *stream) for stream in self.streams]
        drawn = self.gan.sample(streams, condition=self.condition, image_class=self.image_class)
        decoded = [decode_sample(sample, self.run.codec, self.run.spec) for sample in drawn]
        # a mask generator shows the field that it draws, an image generator an empty mask
        fields = drawn.float().cpu().numpy()
        images = [field if image is None else image for field, (image, _) in zip(fields, decoded, strict=True)]
        nothing = np.zeros(drawn.shape[-2:], np.int32)
        labels = self.labels or [nothing if mask is None else mask for _, mask in decoded]
        return self.run.write_preview(step, np.stack(images), np.stack(labels))


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

    def report(self, step: int, total: int, seen: int, looked: dict[str, float] | None = None) -> Progress:
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
        return Progress(step, total, stats | (looked or {}), (seen - shown) / seconds, left, note)
