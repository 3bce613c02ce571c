"""Time and memory of scoring before it runs: a few tiles and samples are scored, and nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from napari_organoid_synth.core.cost import Cost
from napari_organoid_synth.core.device import GIB, free_bytes, peak_bytes, pick_device
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.base import Metric
from napari_organoid_synth.core.metrics.real_features import RealFeatures, some
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.metrics.tile_facts import look
from napari_organoid_synth.core.pairs.tile_reading import tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import EXTRACTORS, METRICS
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.core.scores.score import unscored
from napari_organoid_synth.core.scores.set_scores import check_extractor, outdated_sets

TILES, SAMPLES = 24, 3
"""Real tiles and samples that are measured."""
LEARN_SECONDS = 3.0
"""An extractor learns so long; the rest is estimated."""


def dry_run(project: Project, settings: ScoreSettings) -> Cost:
    """Estimate time and memory of scoring; the comparison of sets is counted as far as it grows with their size.

    Parameters
    ----------
    project : Project
        With samples and real pairs.
    settings : ScoreSettings
        Of the scoring.

    Returns
    -------
    Cost
        Its ``work`` has the numbers of ``samples``, ``real tiles`` and ``sets``.

    Raises
    ------
    UserError
        As `score`.
    """
    check_extractor(settings)
    metrics: list[Metric] = [METRICS.load(name)() for name in settings.metrics]
    device = pick_device(settings.device)
    free = free_bytes(device) / GIB
    if not project.samples_path.exists():
        raise UserError("There are no synthetic pairs to score.", todo="Generate some first.")
    with SampleStore(project.samples_path) as store:
        rows = store.rows()
        if not rows:
            raise UserError("There are no synthetic pairs to score.", todo="Generate some first.")
        todo = unscored(rows, metrics, settings)
        sets = outdated_sets(project, store, settings)
        real = RealFeatures.of_project(project, settings, tile_side(row.size for row in rows))
        seconds = _pair_seconds(store, metrics, real, todo) if todo else 0.0
        if sets:
            seconds += _set_seconds(store, real, settings, [row for own in sets.values() for row in own])
    work = {"samples": len(todo), "real tiles": len(real.tiles), "sets": len(sets)}
    return Cost.of(seconds, peak_bytes(device) / GIB, free, work)


def _pair_seconds(store: SampleStore, metrics: list[Metric], real: RealFeatures, todo: Sequence[SampleRow]) -> float:
    """Return the seconds that fitting the metrics and scoring the samples take."""
    tiles, few = some(real.tiles, TILES), some(todo, SAMPLES)
    fitting = _timed(lambda: [metric.fit(tiles) for metric in metrics]) * len(real.tiles) / len(tiles)
    scoring = _timed(lambda: [metric.judge(store.pair(row.id)) for row in few for metric in metrics])
    return fitting + scoring * len(todo) / len(few)


def _set_seconds(store: SampleStore, real: RealFeatures, settings: ScoreSettings, rows: Sequence[SampleRow]) -> float:
    """Return the seconds of looking at tiles and samples, and of learning and computing features."""
    tiles, few = some(real.tiles, TILES), some(rows, SAMPLES)
    number = len(real.tiles) + len(real.unseen_tiles)
    facts = [look(tile, real.limits, real.side, True) for tile in tiles]
    looking = _timed(lambda: [look(tile, real.limits, real.side, True) for tile in tiles[:SAMPLES]])
    reading = _timed(lambda: [look(store.pair(row.id), real.limits, real.side, True) for row in few])
    images = np.clip(np.stack([fact.image for fact in facts]), 0, 1).astype(np.float32)
    extractor = EXTRACTORS.load(settings.extractor)(images.shape[1], settings.weights, settings.device)
    learning = 0.0
    if not (settings.extractor == "encoder" and any(real.folder.glob("encoder-*")) and not settings.again):
        learning = _learn_seconds(extractor, images)
    features = _timed(lambda: extractor(images[:SAMPLES])) / len(images[:SAMPLES])
    if any(len(fact.areas) for fact in facts):  # masks are compared by features of their own
        learning, features = 2 * learning, 2 * features
    return (
        looking / len(tiles[:SAMPLES]) * number + reading / len(few) * len(rows) + learning
        + features * (number * (8 if extractor.cheap else 1) + len(rows))
    )  # fmt: skip


def _learn_seconds(extractor: Any, images: Any) -> float:
    """Return the seconds that learning from the tiles takes, from its first seconds."""
    began, done = time.perf_counter(), 0.0
    for share in extractor.fit(images):
        done = share
        if time.perf_counter() - began > LEARN_SECONDS:
            break
    return (time.perf_counter() - began) / done if done else 0.0


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
