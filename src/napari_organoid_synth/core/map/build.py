"""Map the real tiles and the synthetic pairs of a project: near each other means alike in features."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Saved, Started, Warned
from napari_organoid_synth.core.map.embedding import Embedding, check_method, embed
from napari_organoid_synth.core.map.gaps import empty_regions
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.map.storage import MappedSample, MapRecord, SampleMap, write_map
from napari_organoid_synth.core.metrics.tile_space import TileSpace, check_weights
from napari_organoid_synth.core.pairs.pair_format import FormatOf, Misfits
from napari_organoid_synth.core.pairs.tile_reading import tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.runs.titles import WITHOUT, find_runs, run_titles
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore

REPORT_SECONDS = 0.5
BATCH = 32
ALL_STARTS = 2000
"""Points up to which t-SNE starts as often as asked for; a start takes time in proportion to their number."""
PARTS = 1000
READING, MAPPING = 500, 450  # of these parts


def starts_for(points: int, wanted: int) -> int:
    """Return the number of starts of t-SNE, so that all together take about as long as ten of 2000 points."""
    return wanted if points <= ALL_STARTS else max(1, round(wanted * ALL_STARTS / points))


def map(project: Project, settings: MapSettings, control: Control) -> Iterator[Event]:
    """Map tiles and pairs and look for real tiles that no pair comes near; ``map.npz`` gets every better map at once.

    The database is only read. Features of samples are kept, so that another map of them is made quickly.

    Parameters
    ----------
    project : Project
        With samples and real pairs.
    settings : MapSettings
        Features, method, starts.
    control : Control
        Pause and cancel are honoured after the step in progress; the best map so far is kept.

    Yields
    ------
    Event
        Started, Progress, Saved with the file after every better map, Warned for samples that cannot be read or do not
        fit the real pairs, and for fewer starts than asked for, Finished with ``points``, ``real``, ``method``, ``kl``,
        ``perplexity``, ``starts``, ``runs`` (points by friendly name), ``uncovered`` and ``regions`` (real tiles in
        each).

    Raises
    ------
    UserError
        If there are no samples, no real pairs, too few of both, no such run, or no file of weights.
    """
    check_weights(settings)
    check_method(settings.method)
    use_threads()
    began = time.monotonic()
    with SampleStore(project.samples_path) as store:
        rows = _chosen(store, find_runs(project, settings.runs))
        number = min(len(rows), settings.samples)
        rows = [rows[index * len(rows) // number] for index in range(number)]
        yield Started(0, {"total": PARTS, "samples": number})
        space = TileSpace(project, tile_side(row.size for row in rows), settings)
        features = None
        if (yield from _learn(space, control)):
            misfits = Misfits(FormatOf(project.pairs_path).get())
            features = yield from _features(store, space, rows, misfits, control)
    if features is None:
        yield Finished(0, "canceled")
        return
    mapped = [row for row in rows if row.id in features]
    vectors = np.stack([*space.upright, *(features[row.id] for row in mapped)])
    record = MapRecord(
        tiles=tuple(space.places),
        samples=tuple(MappedSample(id=row.id, run=row.run) for row in mapped),
        method=settings.method,
        extractor=space.extractor.identity,
        regions=empty_regions(space.upright, vectors[len(space.places) :]),
        side=space.side,
    )
    starts = starts_for(len(vectors), settings.restarts) if settings.method == "tsne" else 1
    best = yield from _best_map(project, vectors, record, settings, starts, control)
    yield Progress(PARTS, PARTS)
    result = (
        {"file": str(project.map_path)}
        | _summary(project, best, starts)
        | {"seconds": round(time.monotonic() - began, 1)}
    )
    yield Finished(PARTS, "canceled" if control.canceled else "completed", result)


def _chosen(store: SampleStore, runs: list[str]) -> list[SampleRow]:
    """Return the samples to map: those of some runs, or all."""
    rows = store.rows()
    if not rows:
        raise UserError("There are no synthetic pairs to map.", todo="Generate some first.")
    rows = [row for row in rows if not runs or row.run in runs]
    if not rows:
        raise UserError(
            f"No synthetic pair comes from {' or '.join(runs)}.",
            "Expected pairs of these runs in the project.",
            "Generate some with them, or name no run.",
        )
    return rows


def _summary(project: Project, record: MapRecord, starts: int) -> dict[str, Any]:
    """Return the numbers of a map as plain values."""
    regions = [len(region) for region in record.regions]
    titles, of_runs = run_titles(project), Counter(sample.run for sample in record.samples)
    return {
        "points": len(record.tiles) + len(record.samples),
        "real": len(record.tiles),
        "method": record.method,
        "kl": record.kl,
        "perplexity": record.perplexity,
        "starts": starts,
        "runs": {titles.get(run, run or WITHOUT): of_runs[run] for run in sorted(of_runs)},
        "extractor": record.extractor,
        "uncovered": sum(regions),
        "regions": regions,
    }


def _learn(space: TileSpace, control: Control) -> Generator[Event, None, bool]:
    """Learn the features of the real tiles; False when it was stopped."""
    reported = time.monotonic()
    for share in space.learn():
        yield from control.wait_while_paused(0)
        if control.canceled:
            return False
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            yield Progress(0, PARTS, note=f"learn features, {share:.0%}")
    return True


def _best_map(
    project: Project,
    vectors: NDArray[np.float32],
    record: MapRecord,
    settings: MapSettings,
    starts: int,
    control: Control,
) -> Generator[Event, None, MapRecord]:
    """Write every better map; return the record of the best one."""
    if settings.method == "tsne" and starts < settings.restarts:
        text = f"{len(vectors):,} points: t-SNE starts {plural(starts, 'time')} instead of {settings.restarts}."
        yield Warned(READING, f"{text} More starts would take too long.")
    yield Progress(READING, PARTS, note="map 1" + f" of {starts}" * (starts > 1))
    embeddings = embed(
        vectors,
        method=settings.method,
        perplexity=settings.perplexity or None,
        seed=settings.seed,
        restarts=starts,
    )
    best: Embedding | None = None
    began = time.monotonic()
    for number, embedding in enumerate(embeddings, 1):
        step = READING + MAPPING * number // starts
        if embedding is not best:
            best = embedding
            record = record.model_copy(update={"kl": best.kl, "perplexity": best.perplexity})
            write_map(project, SampleMap(best.coordinates, record))
            yield Saved(step, str(project.map_path))
        seconds_left = (time.monotonic() - began) / number * (starts - number)
        yield Progress(step, PARTS, note=f"map {min(number + 1, starts)} of {starts}", seconds_left=seconds_left)
        yield from control.wait_while_paused(step)
        if control.canceled:
            break
    return record


def _features(
    store: SampleStore, space: TileSpace, rows: list[SampleRow], misfits: Misfits, control: Control
) -> Generator[Event, None, dict[str, NDArray[np.float32]] | None]:
    """Return the features of samples by id, kept for the next map; None when it was stopped."""
    known = space.known()
    missing = [row for row in rows if row.id not in known]
    fresh: dict[str, NDArray[np.float32]] = {}
    began = reported = time.monotonic()
    for start in range(0, len(missing), BATCH):
        pictures = {}
        for row in missing[start : start + BATCH]:
            try:
                pair = store.pair(row.id)
            except UserError as error:
                yield Warned(0, str(error))
                continue
            if misfits.fits(pair):
                pictures[row.id] = space.picture(pair)
        if pictures:
            fresh |= dict(zip(pictures, space.vectors(list(pictures.values())), strict=True))
        done = min(start + BATCH, len(missing))
        yield from control.wait_while_paused(0)
        if control.canceled:
            break
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            seconds_left = (reported - began) / done * (len(missing) - done)
            yield Progress(READING * done // len(missing), PARTS, note="look at samples", seconds_left=seconds_left)
    if misfits.names:
        yield Warned(0, misfits.warning())
    known |= fresh
    if fresh:
        space.keep(known)
    return None if control.canceled else known
