r"""Score generated pairs against the real ones.

Each metric gives scores and words. ``realism`` ranks the samples: every score that is judged by the range of real tiles
gets a closeness from 1 (their median) over 0.5 (edge of their range) towards 0, and ``realism`` is the mean of these,

.. math:: \frac1K \sum_k c_k, \qquad c_k = 1 - |p_k - \tfrac12| \text{ inside}, \quad
          c_k = \frac{0.5}{1 + e_k / w_k} \text{ outside},

with :math:`p_k` the share of real tiles below the value, :math:`e_k` its distance from the range and :math:`w_k` the
width of the range. It says how ordinary a sample is among real tiles, not how good it is for training.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.metrics.base import Judgement, Metric
from napari_organoid_synth.core.metrics.memorisation import REAL_DISTANCE
from napari_organoid_synth.core.metrics.real_tiles import read_tile, real_tiles, tile_place, tile_side
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import METRICS
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.core.scores.set_scores import check_extractor, score_sets

REPORT_SECONDS = 0.5


def score(project: Project, settings: ScoreSettings, control: Control) -> Iterator[Event]:
    """Score the samples of a project; stopping keeps what is done.

    Yields
    ------
    Event
        Started, Progress twice a second, Warned for a sample that cannot be read, Finished with ``scored``, ``copies``,
        ``broken_masks``, ``real_tiles``, ``already`` (samples that had their scores) and ``sets`` (see `score_sets`).

    Raises
    ------
    UserError
        If there are no samples, no real pairs, no such metric, or no file of weights.
    """
    check_extractor(settings)
    metrics: list[Metric] = [METRICS.load(name)() for name in settings.metrics]
    if not metrics:
        raise UserError("No score is chosen.", f"Expected some of: {', '.join(METRICS.names())}.")
    wanted = {score.name for metric in metrics for score in metric.scores}
    with SampleStore(project.samples_path) as store:
        rows = store.rows()
        if not rows:
            raise UserError("There are no generated pairs to score.", todo="Generate some first.")
        todo = rows if settings.again else [row for row in rows if not wanted <= row.scores.keys()]
        yield Started(0, {"total": len(todo), "already": len(rows) - len(todo)})
        tiles: list[SamplePair] = []
        if todo:
            yield Progress(0, len(todo), note="cut the real tiles")
            tiles = real_tiles(project, tile_side(todo))
            for metric in metrics:
                if control.canceled:
                    break
                yield Progress(0, len(todo), note=f"real tiles: {metric.title.lower()}")
                metric.fit(tiles)
        flags: Counter[str] = Counter()
        innocent: set[str] = set()
        step, begun, reported = 0, time.monotonic(), time.monotonic()
        found: list[tuple[SampleRow, list[Judgement]]] = []
        for row in todo:
            if control.canceled:
                break
            yield from control.wait_while_paused(step)
            try:
                pair = store.pair(row.id)
            except UserError as error:
                yield Warned(step, str(error))
                continue
            judgements = [metric.judge(pair) for metric in metrics]
            found.append((row, judgements))
            flags.update(judgement.flag for judgement in judgements)
            if any(metric.warning == "copy" and not one.flag for metric, one in zip(metrics, judgements, strict=True)):
                innocent.add(row.id)
            step += 1
            if time.monotonic() - reported > REPORT_SECONDS:
                _keep(store, metrics, found)
                reported = time.monotonic()
                rate = step / (reported - begun)
                yield Progress(step, len(todo), rate=rate, seconds_left=(len(todo) - step) / rate)
        _keep(store, metrics, found)
        yield Progress(step, len(todo))
        sets: list[dict[str, Any]] = []
        if settings.sets != "none" and not control.canceled:
            sets = yield from score_sets(project, store, settings, control, innocent)
    result = {
        "scored": step,
        "already": len(rows) - len(todo),
        "copies": flags["copy"],
        "broken_masks": flags["mask"],
        "real_tiles": len(tiles),
        "sets": sets,
    }
    yield Finished(step, "canceled" if control.canceled else "completed", result)


def _keep(store: SampleStore, metrics: list[Metric], found: list[tuple[SampleRow, list[Judgement]]]) -> None:
    """Write what was found, in one transaction."""
    warnings = {metric.warning for metric in metrics}
    with store.transaction():
        for row, judgements in found:
            values = {name: value for judgement in judgements for name, value in judgement.values.items()}
            values |= realism(metrics, values)
            flags = [word for word in row.flagged.split(", ") if word and word not in warnings]
            if "copy" in warnings and row.scores.get(REAL_DISTANCE, 1) < 1:  # until the set is judged again
                flags.append("copy")
            flags += [judgement.flag for judgement in judgements if judgement.flag and judgement.flag not in flags]
            words = ", ".join(judgement.words for judgement in judgements if judgement.words)
            store.rate(
                row.id,
                values,
                note=words.replace("not a copy", "a copy of a real image") if "copy" in flags else words,
                flagged=", ".join(flags),
                nearest=next((tile_place(judgement.nearest) for judgement in judgements if judgement.nearest), None),
            )
    found.clear()


def realism(metrics: Sequence[Metric], values: dict[str, float]) -> dict[str, float]:
    """Mean closeness to the real ranges (formula at the top of this file); empty when no score has a range."""
    ranges = {name: real for metric in metrics for name, real in metric.ranges.items()}
    found = [real.closeness(values[name]) for name, real in ranges.items() if name in values]
    return {"realism": sum(found) / len(found)} if found else {}


def nearest_real(project: Project, row: SampleRow) -> SamplePair:
    """The real tile that a sample is most like, to look at beside it.

    Raises
    ------
    UserError
        If the sample has no score yet or that image is no longer among the real pairs.
    """
    if row.nearest_at is None:
        raise UserError(f"The nearest real image of '{row.name}' is not known.", todo="Score the samples first.")
    y, x = row.nearest_at
    return read_tile(project, f"{row.nearest}_y{y}_x{x}_r0", tile_side([row]))
