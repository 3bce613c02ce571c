"""State of a training while it runs: run, tiles, generator, monitor, meter and step."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.computer import threads_for
from napari_organoid_synth.core.device import describe_device, is_out_of_memory, use_threads
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Event, Finished, Previewed, Saved, Started, Warned
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import capital
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.training.dataset import PairDataset
from napari_organoid_synth.core.training.meter import Meter
from napari_organoid_synth.core.training.monitor import Assessment, Monitor
from napari_organoid_synth.core.training.object_size import refuse_tiny_objects
from napari_organoid_synth.core.training.preview import PreviewWriter
from napari_organoid_synth.core.training.step import Stepper
from napari_organoid_synth.core.training.team import LEARN, WAIT, Team
from napari_organoid_synth.core.training.tiles import (
    in_steps,
    load_training_pairs,
    pick_tiles,
    refuse_one_tile,
    tile_warnings,
)
from napari_organoid_synth.core.training.timing import time_steps
from napari_organoid_synth.core.training.transfer import find_weights, start_from

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator

KEPT_ON_RESUMING = ("gan", "draws", "start", "tiles", "codec", "train.seed")


class Session:
    """A training between its start and its end.

    Parameters
    ----------
    project : Project
        With ``pairs.json``.
    recipe : Recipe
        On resuming, ``recipe.train`` may differ from that of the run; the rest must not.
    folder : Path, optional
        Folder of the run.
    resume : bool
        Resume from the newest whole checkpoint.
    team : Team
        The processes that share each batch.

    Attributes
    ----------
    step, batch : int
        Steps done so far, and tiles per step, which fall when memory is full.
    message : str
        Origin of the first weights, or the parts that the checkpoint lacks; may be empty.

    Raises
    ------
    UserError
        If there are no pairs or no usable tiles, the objects are too small, or the run belongs to other settings.
    """

    def __init__(self, project: Project, recipe: Recipe, folder: Path | None, resume: bool, team: Team) -> None:
        self.recipe, self.settings, self.team = recipe, recipe.train, team
        threads = max(1, threads_for(self.settings.threads) // (team.size if team.device.type == "cpu" else 1))
        use_threads(threads)
        self.pairs = load_training_pairs(project, recipe)
        if not resume:
            refuse_tiny_objects(self.pairs, recipe)
        tiles = pick_tiles(self.pairs, recipe)
        weights = find_weights(project, recipe.start) if recipe.start.run and not resume else None
        self.run = open_run(project, recipe, self.pairs, folder, resume)
        self.dataset = PairDataset(self.pairs, tiles, self.run.codec, self.run.recipe.shape)
        self.generator: Generator = new_generator(recipe, self.run.spec).to(team.device)
        if self.settings.epochs:
            self.settings = in_steps(self.settings, self.generator, len(self.dataset))
            self.run.note_steps(self.settings.epochs, self.settings.steps)
        whole = recipe.replace(train=self.settings)
        self.stepper = Stepper(self.generator, self.dataset, self.pairs, whole, team)
        self.monitor = Monitor(self.generator, self.dataset, recipe)
        self.step, self.batch, self.message = 0, self.settings.batch, ""
        if resume:
            self._load_checkpoint()
        elif weights:
            self.message = start_from(self.run, self.generator, weights)
        if recipe.start.run:
            self.generator.freeze(recipe.start.freeze)
        record_notes(self.run, self.generator.metadata, resume)
        self._choose_precision(project, resume)
        self.preview = PreviewWriter(self.run, self.dataset, self.generator)
        self.first_step = self.step
        self.meter = Meter(self.step, self.generator.images_seen)
        if team.size > 1:
            task = {"project": str(project.path), "run": str(self.run.path), "threads": threads}
            state, bf16 = self.generator.state(), self.generator.bf16
            team.tell({**task, "recipe": whole.model_dump(mode="json"), "state": state, "bf16": bf16})

    def _load_checkpoint(self) -> None:
        """Take up the newest whole checkpoint; one that was imported has networks alone."""
        checkpoint = self.run.load(self.generator)
        self.step, self.batch = checkpoint.step, int(checkpoint.numbers.get("batch", self.batch))
        if self.batch % self.team.size:  # halved by a single device
            self.batch = self.settings.batch
        self.monitor.restore(checkpoint.numbers, self.step)
        imported = self.run.metadata.model_file
        if imported is not None and self.step == imported.steps:
            title = capital(self.run.title)
            self.message = f"{title} was imported from a model file without optimiser state: optimisers are reset."

    def _choose_precision(self, project: Project, resume: bool) -> None:
        """Take the precision of the run, or the faster one; measured at most once for each project and machine."""
        metadata = self.run.metadata
        if not metadata.precision or not resume:
            timing = time_steps(project, self.generator, self.dataset, self.recipe)
            device = describe_device(self.generator.device)
            metadata = self.run.update_metadata(device=device, **timing.model_dump(exclude={"needed_gb"}))
        self.generator.bf16 = metadata.precision == "bf16"

    # ---------------------------------------------------------------------------------------------------- a step

    @property
    def done(self) -> bool:
        """Whether all steps are done, or more of them would bring nothing."""
        return self.step >= self.settings.steps or self.monitor.should_stop

    def learn(self) -> bool:
        """Take one step; False when memory was full, after which the batch is half as large.

        Raises
        ------
        UserError
            If memory does not suffice for one tile.
        """
        self.team.order(LEARN, self.step, self.batch)
        try:
            losses = self.stepper.take(self.step, self.batch)
        except RuntimeError as error:
            if not is_out_of_memory(error) or self.team.size > 1:
                raise
            self._halve_batch()
            return False
        self.meter.add(losses)
        self.step += 1
        return True

    def _halve_batch(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self.batch == 1:
            raise refuse_one_tile(self.recipe.tiles.size)
        self.batch //= 2

    def wait(self) -> None:
        """Keep the team together while the training is paused."""
        self.team.order(WAIT)

    def due(self, every: int) -> bool:
        """Return whether something that is done every so many steps is due; never after the last step."""
        return self.step % every == 0 and self.step < self.settings.steps

    # ---------------------------------------------------------------------------------------------------- events

    def started(self) -> Iterator[Event]:
        """Yield the start event and the warnings before the first step."""
        metadata, device = self.run.metadata, describe_device(self.generator.device)
        info: dict[str, Any] = {
            "run": self.run.name,
            "folder": str(self.run.path),
            "generator": self.run.recipe.gan.name,
            "device": device,
            "precision": metadata.precision,
            "parameters": self.generator.parameters,
            "pairs": len(self.pairs),
            "tiles": len(self.dataset),
            "batch": self.batch,
            "total": self.settings.steps,
            "epochs": self.settings.epochs,
            "seconds_per_step": metadata.seconds_per_step,
            "notes": self.generator.metadata,
        }
        yield Started(self.step, info | ({"start": self.message} if self.message else {}))
        for message in (self.message, *tile_warnings(self.pairs, len(self.dataset), self.recipe)):
            if message:
                yield Warned(self.step, message)

    def progress(self) -> Iterator[Event]:
        """Yield losses and speed when they are due, with an assessment of samples when that is due."""
        if self.monitor.due(self.step) and self.step < self.settings.steps:
            yield from self._report(self.monitor.assess(self.step))
        elif self.meter.due():
            yield self.meter.report(self.step, self.settings.steps, self.generator.images_seen)

    def previewed(self) -> Event:
        """Write live samples."""
        return Previewed(self.step, str(self.preview.write(self.step)))

    def saved(self) -> Event:
        """Write a checkpoint with the state of the monitor."""
        return self._save(self.monitor.assess(self.step))

    def last_events(self) -> Iterator[Event]:
        """Yield report, checkpoint and live samples of the last step."""
        assessment = self.monitor.assess(self.step, at_checkpoint=True)
        yield from self._report(assessment)
        yield self._save(assessment)
        yield self.previewed()

    def finished(self) -> Iterator[Event]:
        """Record the speed, and yield the result."""
        total, monitor = self.settings.steps, self.monitor
        if monitor.should_stop and self.step < total:
            waited = f"The last {monitor.waited} checkpoints were no better than that of step {monitor.best_step}"
            yield Warned(self.step, f"{waited}: stopped after {self.step} of {total} steps.")
        rate, seconds, metadata = self.meter.rate, self.meter.busy, self.run.metadata
        gflops = rate * metadata.gflop_per_image
        self.run.update_metadata(steps=self.step, seconds=seconds, images_per_second=rate, gflops_per_second=gflops)
        saved = self.step in self.run.steps()
        result = {
            "run": self.run.name,
            "folder": str(self.run.path),
            "steps": self.step,
            "checkpoint": str(self.run.checkpoint_path(self.step)) if saved else "",
            "best": self.run.best(),
            "seconds": round(seconds, 2),
            "images_per_second": round(rate, 3),
            "gflops_per_second": round(gflops, 2),
            "precision": metadata.precision,
        }
        yield Finished(self.step, "completed" if self.done else "canceled", result)

    def _save(self, found: Assessment) -> Event:
        numbers = {**self.monitor.numbers, **found.stats}
        return Saved(self.step, str(self.run.save(self.generator, self.step, batch=self.batch, **numbers)))

    def _report(self, found: Assessment) -> Iterator[Event]:
        yield self.meter.report(self.step, self.settings.steps, self.generator.images_seen, found.stats)
        if found.warning:
            yield Warned(self.step, found.warning)


def open_run(project: Project, recipe: Recipe, pairs: list[SamplePair], folder: Path | None, resume: bool) -> Run:
    """Open the run to resume, or make a new one."""
    if not resume:
        path = Path(folder) if folder is not None else project.job("train").path
        run = Run.create(path, recipe, Codec.fit(pairs, recipe.codec))
        run.update_metadata(data={pair.name: content_hash(pair.image, pair.labels) for pair in pairs})
        return run
    run = Run(Path(folder) if folder is not None else project.run_path())
    for part in KEPT_ON_RESUMING:
        if attrgetter(part)(run.recipe) != attrgetter(part)(recipe):
            raise UserError(
                f"{capital(run.title)} was trained with other settings of '{part}'.",
                "Expected the same on resuming.",
                "Resume with its own recipe.yaml, or start a new training.",
            )
    return run


def record_notes(run: Run, notes: dict[str, str], resume: bool) -> None:
    """Record dependencies of the generator beside its settings, such as a weight file; they must stay the same."""
    known = run.metadata.notes
    if resume and known is not None and known != notes:
        raise UserError(
            f"{capital(run.title)} was trained with {_listed(known)}; now it is {_listed(notes)}.",
            "Expected the same on resuming.",
            "Put the file back that it was trained with, or start a new training.",
        )
    run.update_metadata(notes=notes)


def _listed(notes: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in notes.items()) or "nothing"
