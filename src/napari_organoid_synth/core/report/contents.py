"""Contents of a report, read once: pairs, samples, runs, scores, history; pixels only where a section asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.damage import damaged_files
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.job import JobFolder, Progress
from napari_organoid_synth.core.pairs.contrast import real_contrast
from napari_organoid_synth.core.pairs.loading import read_entry
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.thumbnail import Contrast
from napari_organoid_synth.core.pairs.tile_reading import tile_side
from napari_organoid_synth.core.pairs.tiling import cut_pair, list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.report.pictures import Album
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.runs.titles import run_titles
from napari_organoid_synth.core.samples.store import Change, SampleRow, SampleStore
from napari_organoid_synth.core.scores.storage import SetScores, read_set_scores

SEED = 0  # of random choices
MAX_IMAGES, MAX_TILES = 16, 4  # real images that are read, tiles of each


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """One training: its recipe, its metadata, and its curves when asked."""

    path: Path
    recipe: Recipe
    metadata: RunMetadata

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.path.name

    @property
    def generator(self) -> str:
        """Description of its generator."""
        return self.recipe.gan.title

    @cached_property
    def progress(self) -> list[Progress]:
        """Its progress events with numbers, oldest first."""
        events, _ = JobFolder(self.path).read_events()
        return [event for event in events if isinstance(event, Progress) and event.stats]

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return self.metadata.steps or (self.progress[-1].step if self.progress else 0)


@dataclass(eq=False)
class Contents:
    """The parts of a project; those that are not there are empty.

    Parameters
    ----------
    project : Project
    result : GainResult, optional
        Of the comparison of segmenters.
    seconds : dict of str to float
        Duration of each stage.
    store : SampleStore, optional
        Open as long as the report is written.
    damage : list of str
        A sentence for each file that cannot be read.
    """

    project: Project
    result: GainResult | None
    seconds: dict[str, float]
    store: SampleStore | None
    table: PairTable | None
    rows: list[SampleRow] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)
    runs: list[TrainedRun] = field(default_factory=list)
    set_scores: list[SetScores] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of samples with each verdict."""
        return self.store.counts() if self.store is not None else {}

    @cached_property
    def has_masks(self) -> bool:
        """Whether there are masks: a project of images alone has none."""
        return self.table is None or any(entry.masks for entry in self.table.matched)

    @cached_property
    def contrast(self) -> Contrast:
        """The contrast of all pictures of pairs: that of the real images, so that they can be compared."""
        found = real_contrast(self.table) if self.table is not None else ()
        return found or (self.store.contrast() if self.store is not None else ())

    @cached_property
    def album(self) -> Album:
        """The maker of all pictures."""
        return Album(self.tiles, contrast=self.contrast)

    @cached_property
    def side(self) -> int:
        """Side of a tile, px."""
        if self.rows:
            return tile_side(row.size for row in self.rows)
        return self.runs[-1].recipe.tiles.side if self.runs else 256

    @cached_property
    def tiles(self) -> list[SamplePair]:
        """Up to 64 real training tiles of 16 images, drawn at random; in the order of the images."""
        entries = self.table.train if self.table else ()
        rng = np.random.default_rng(SEED)
        tiles: list[SamplePair] = []
        for index in sorted(rng.permutation(len(entries))[:MAX_IMAGES]):
            try:
                pair = self.read(entries[index])
                settings = self.runs[-1].recipe.tiles if self.runs else Recipe().tiles
                min_objects = settings.min_objects if pair.labels.any() else 0
                settings = settings.replace(size=self.side, turn=False, flip=False, min_objects=min_objects)
                choices = [tile for tile in list_tiles([pair], settings) if tile.kept]
            except UserError:  # unreadable, or no tile with objects
                continue
            tiles += [cut_pair(pair, choices[place]) for place in sorted(rng.permutation(len(choices))[:MAX_TILES])]
        return tiles

    def read(self, entry: Any) -> SamplePair:
        """Read the pair of a row of the table."""
        assert self.table is not None
        return read_entry(entry, self.table.mask_kind, self.table.class_names)

    def run(self, name: str) -> TrainedRun | None:
        """Return the training of that name, or None."""
        return next((run for run in self.runs if run.name == name), None)

    @cached_property
    def titles(self) -> dict[str, str]:
        """Friendly name of each run, by the name of its folder: ``"run 3, AAE least squares"``."""
        return run_titles(self.project)

    def pairs(self, rows: Sequence[SampleRow]) -> Iterator[tuple[SampleRow, SamplePair]]:
        """Yield samples with their pixels; those without files are left out."""
        if self.store is None:
            return
        for row in rows:
            try:
                yield row, self.store.pair(row.id)
            except UserError:
                continue

    def by_run(self) -> dict[str, list[SampleRow]]:
        """Return samples by the run that made them, the newest run last."""
        runs: dict[str, list[SampleRow]] = {}
        for row in self.rows:
            runs.setdefault(row.run, []).append(row)
        return dict(sorted(runs.items()))


@contextmanager
def read_contents(project: Project, result: GainResult | None, seconds: dict[str, float]) -> Iterator[Contents]:
    """Read all of a project that a report shows."""
    store = _store(project)
    try:
        contents = Contents(project, result, seconds, store, _table(project), damage=damaged_files(project))
        if store is not None:
            with suppress(UserError):  # told as damage
                contents.rows, contents.history = store.rows(), store.history()
        for path in project.runs():
            try:
                recipe = Recipe.from_file(path / "recipe.yaml")
            except UserError:
                continue
            contents.runs.append(TrainedRun(path, recipe, _metadata(path)))
        contents.set_scores = read_set_scores(project)
        yield contents
    finally:
        if store is not None:
            store.close()


def _store(project: Project) -> SampleStore | None:
    try:
        return SampleStore(project.samples_path) if project.samples_path.exists() else None
    except UserError:
        return None


def _table(project: Project) -> PairTable | None:
    try:
        return PairTable.from_file(project.pairs_path)
    except UserError:
        return None


def _metadata(path: Path) -> RunMetadata:
    try:
        return RunMetadata.read(path / "run.json")
    except UserError:
        return RunMetadata()
