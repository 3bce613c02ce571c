"""Map the real tiles and the generated pairs of a project: near each other means alike in features."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Saved, Started, Warned
from napari_organoid_synth.core.map.embedding import Embedding, check_method, embed
from napari_organoid_synth.core.map.gaps import empty_regions
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.map.storage import REAL, write_map
from napari_organoid_synth.core.metrics.tile_space import TileSpace, check_weights
from napari_organoid_synth.core.pairs.tile_reading import tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore

REPORT_SECONDS = 0.5
BATCH = 32
ALL_STARTS = 2000
"""Points up to which t-SNE starts as often as asked for; a start takes time in proportion to their number."""
PARTS = 1000
READING, MAPPING = 500, 450  # of these parts


def starts_for(points: int, wanted: int) -> int:
    """How often t-SNE starts, so that all starts together take about as long as ten of 2000 points."""
    return wanted if points <= ALL_STARTS else max(1, round(wanted * ALL_STARTS / points))


def map(project: Project, settings: MapSettings, control: Control) -> Iterator[Event]:
    """Map tiles and pairs and look for real tiles that no pair comes near; ``map.npz`` gets every better map at once.

    The database is only read. Features of samples are kept, so that another map of them is soon made.

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
        Started, Progress, Saved with the file after every better map, Warned for samples that cannot be read and for
        fewer starts than asked for, Finished with ``points``, ``real``, ``method``, ``kl``, ``perplexity``, ``starts``,
        ``uncovered`` and ``regions`` (real tiles in each).

    Raises
    ------
    UserError
        If there are no samples, no real pairs, too few of both, or no file of weights.
    """
    check_weights(settings)
    check_method(settings.method)
    use_threads()
    began = time.monotonic()
    with SampleStore(project.samples_path) as store:
        rows = store.rows()
        if not rows:
            raise UserError("There are no generated pairs to map.", todo="Generate some first.")
        number = min(len(rows), settings.samples)
        rows = [rows[index * len(rows) // number] for index in range(number)]
        yield Started(0, {"total": PARTS, "samples": number})
        space = TileSpace(project, tile_side(row.size for row in rows), settings)
        reported = time.monotonic()
        for share in space.learn():
            yield from control.wait_while_paused(0)
            if control.canceled:
                yield Finished(0, "canceled")
                return
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                yield Progress(0, PARTS, note=f"learn features, {share:.0%}")
        fakes = yield from _features(store, space, rows, control)
    if fakes is None:
        yield Finished(0, "canceled")
        return
    rows = [row for row in rows if row.id in fakes]
    vectors = np.stack([*space.upright, *(fakes[row.id] for row in rows)])
    regions = empty_regions(space.upright, vectors[len(space.places) :])
    ids = [*(place.name for place in space.places), *(row.id for row in rows)]
    kinds = [*[REAL] * len(space.places), *(row.run for row in rows)]
    starts = starts_for(len(ids), settings.restarts) if settings.method == "tsne" else 1
    if settings.method == "tsne" and starts < settings.restarts:
        text = f"{len(ids):,} points: t-SNE starts {starts} instead of {settings.restarts} times, to end in minutes."
        yield Warned(READING, text)
    note = "map 1" + f" of {starts}" * (starts > 1)
    yield Progress(READING, PARTS, note=note)
    maps = embed(
        vectors,
        ids,
        kinds,
        space.extractor.identity,
        method=settings.method,
        perplexity=settings.perplexity or None,
        seed=settings.seed,
        restarts=starts,
    )
    best: Embedding | None = None
    mapping = time.monotonic()
    for made, found in enumerate(maps, 1):
        step = READING + MAPPING * made // starts
        if found is not best:
            best = found
            write_map(project, replace(found, regions=regions, side=space.side))
            yield Saved(step, str(project.map_path))
        left = (time.monotonic() - mapping) / made * (starts - made)
        yield Progress(step, PARTS, note=f"map {min(made + 1, starts)} of {starts}", seconds_left=left)
        yield from control.wait_while_paused(step)
        if control.canceled:
            break
    assert best is not None
    result = {
        "points": len(ids),
        "real": len(space.places),
        "method": best.method,
        "kl": best.kl,
        "perplexity": best.perplexity,
        "starts": starts,
        "extractor": best.extractor,
        "uncovered": sum(len(region) for region in regions),
        "regions": [len(region) for region in regions],
        "seconds": round(time.monotonic() - began, 1),
    }
    yield Progress(PARTS, PARTS)
    yield Finished(PARTS, "canceled" if control.canceled else "completed", result)


def _features(
    store: SampleStore, space: TileSpace, rows: list[SampleRow], control: Control
) -> Generator[Event, None, dict[str, NDArray[np.float32]] | None]:
    """Features of samples by id, kept for another time; None when it was stopped."""
    known = space.known()
    missing = [row for row in rows if row.id not in known]
    fresh: dict[str, NDArray[np.float32]] = {}
    began = reported = time.monotonic()
    for start in range(0, len(missing), BATCH):
        pictures = {}
        for row in missing[start : start + BATCH]:
            try:
                picture = space.picture(store.pair(row.id))
            except UserError as error:
                yield Warned(0, str(error))
                continue
            if len(picture) != len(space.limits):
                yield Warned(0, f"'{row.name}' has {len(picture)} channels, the real images {len(space.limits)}.")
                continue
            pictures[row.id] = picture
        if pictures:
            fresh |= dict(zip(pictures, space.vectors(list(pictures.values())), strict=True))
        done = min(start + BATCH, len(missing))
        yield from control.wait_while_paused(0)
        if control.canceled:
            break
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            left = (reported - began) / done * (len(missing) - done)
            yield Progress(READING * done // len(missing), PARTS, note="look at samples", seconds_left=left)
    known |= fresh
    if fresh:
        space.keep(known)
    return None if control.canceled else known
