"""Score synthetic pairs against the real ones.

Each metric gives scores and a few words. ``realism`` ranks the samples by their worst trait (see `metrics.realism`). It
says how ordinary a sample is among real tiles, not how good it is for training.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Started, Warned
from napari_organoid_synth.core.metrics.base import Judgement, Metric
from napari_organoid_synth.core.metrics.groups import group_of
from napari_organoid_synth.core.metrics.memorisation import REAL_DISTANCE
from napari_organoid_synth.core.metrics.real_tiles import RealTiles, real_tiles
from napari_organoid_synth.core.metrics.realism import Realism
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pair_format import FormatOf, Misfits
from napari_organoid_synth.core.pairs.tile_reading import TilePlace, read_tile, tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import METRICS
from napari_organoid_synth.core.samples.far_sets import UNREAL
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.core.scores.progress import Stages
from napari_organoid_synth.core.scores.set_scores import check_extractor, outdated_sets, score_all_sets, set_stages
from napari_organoid_synth.core.scores.storage import SetScores

REPORT_SECONDS = 0.5
FIT, JUDGE = "fit", "judge"
FIT_TIME, JUDGE_TIME = 200.0, 5.0
"""About how long the metrics take to learn from the real tiles, and for one sample; in units of `set_stages`."""


def score(project: Project, settings: ScoreSettings, control: Control) -> Iterator[Event]:
    """Score the samples of a project; stopping keeps the scores so far.

    Parameters
    ----------
    project : Project
        With samples and real pairs.
    settings : ScoreSettings
        Scores of single pairs and of sets.
    control : Control
        Pause and cancel are honoured after the sample in progress.

    Yields
    ------
    Event
        Started, Progress twice a second, Warned for samples that cannot be read or do not fit the real pairs, Finished
        with ``scored``, ``copies``, ``broken_masks``, ``real_tiles``, ``already`` (samples that had their scores),
        ``failed`` (reason by id) and ``sets`` (plain values of `SetScores`).

    Raises
    ------
    UserError
        If there are no samples, no real pairs, no such metric, or no file of weights.
    """
    check_extractor(settings)
    metrics: list[Metric] = [METRICS.load(name)() for name in settings.metrics]
    if not metrics:
        raise UserError("No score is chosen.", f"Expected some of: {', '.join(METRICS.names())}.")
    with SampleStore(project.samples_path) as store:
        rows = store.rows()
        if not rows:
            raise UserError("There are no synthetic pairs to score.", todo="Generate some first.")
        todo = unscored(rows, metrics, settings)
        yield Started(0, {"total": len(todo), "already": len(rows) - len(todo)})
        missing = outdated_sets(project, store, settings)
        of_sets = set_stages(missing, map(len, missing.values())) if missing else {}
        stages = Stages({FIT: FIT_TIME * bool(todo), JUDGE: JUDGE_TIME * len(todo)} | of_sets)
        tiles = yield from _fit(project, metrics, todo, control, stages)
        judges = _Judges(metrics, Realism.of(metrics, [group_of(tile) for tile in tiles.pairs]), tiles.places)
        if tiles.note:
            yield Warned(0, tiles.note)
        misfits = Misfits(FormatOf(project.pairs_path).get())
        tally = yield from _judge(store, judges, todo, misfits, control, stages)
        yield stages.progress(JUDGE, 1)
        sets: list[SetScores] = []
        if settings.sets != "none" and not control.canceled:
            sets = yield from score_all_sets(project, store, settings, control, tally.cleared_ids, stages, missing)
        if not control.canceled:
            yield stages.end()
    result = {
        "scored": tally.number,
        "already": len(rows) - len(todo),
        "failed": tally.failed,
        "copies": tally.flags["copy"],
        "broken_masks": tally.flags["mask"],
        "real_tiles": len(tiles.places),
        "sets": [one.model_dump(mode="json") for one in sets],
    }
    yield Finished(tally.number, "canceled" if control.canceled else "completed", result)


def unscored(rows: Sequence[SampleRow], metrics: Sequence[Metric], settings: ScoreSettings) -> list[SampleRow]:
    """Return the samples that lack a score of these metrics; all where they are scored again."""
    names = {score.name for metric in metrics for score in metric.scores}
    return [row for row in rows if settings.again or not names <= row.scores.keys()]


def _fit(
    project: Project, metrics: Sequence[Metric], todo: Sequence[SampleRow], control: Control, stages: Stages
) -> Generator[Event, None, RealTiles]:
    """Fit the metrics to the real tiles, and return these."""
    if not todo:
        return RealTiles([], [])
    yield stages.progress(FIT, 0, "cut the real tiles")
    tiles = real_tiles(project, tile_side(row.size for row in todo))
    for number, metric in enumerate(metrics):
        if control.canceled:
            break
        yield stages.progress(FIT, (number + 0.2) / len(metrics), f"real tiles: {metric.title.lower()}")
        metric.fit(tiles.pairs)
    return tiles


@dataclass(frozen=True)
class _Judges:
    """What samples are judged by.

    Parameters
    ----------
    metrics : list of Metric
    realism : Realism
        Of these metrics.
    places : sequence of TilePlace
        Of the real tiles that they were fitted on.
    """

    metrics: list[Metric]
    realism: Realism
    places: Sequence[TilePlace]


@dataclass
class _Tally:
    """Counts of the scored samples and of their flags."""

    number: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    """Samples that cannot be read, with the reason."""
    cleared_ids: set[str] = field(default_factory=set)
    """Samples found not to be copies."""


def _judge(
    store: SampleStore,
    judges: _Judges,
    todo: Sequence[SampleRow],
    misfits: Misfits,
    control: Control,
    stages: Stages,
) -> Generator[Event, None, _Tally]:
    """Score samples one by one, and write the results twice a second."""
    tally, reported = _Tally(), time.monotonic()
    results: list[tuple[SampleRow, list[Judgement]]] = []
    metrics = judges.metrics
    for row in todo:
        if control.canceled:
            break
        yield from control.wait_while_paused(tally.number)
        try:
            pair = store.pair(row.id)
        except UserError as error:
            tally.failed[row.id] = str(error)
            yield Warned(tally.number, str(error))
            continue
        if not misfits.fits(pair):
            continue
        judgements = [metric.judge(pair) for metric in metrics]
        results.append((row, judgements))
        tally.flags.update(judgement.flag for judgement in judgements)
        if any(metric.flag_name == "copy" and not one.flag for metric, one in zip(metrics, judgements, strict=True)):
            tally.cleared_ids.add(row.id)
        tally.number += 1
        if time.monotonic() - reported > REPORT_SECONDS:
            _write(store, judges, results)
            reported = time.monotonic()
            yield stages.progress(JUDGE, tally.number / len(todo), f"pair {tally.number:,} of {len(todo):,}")
    _write(store, judges, results)
    if misfits.names:
        yield Warned(tally.number, misfits.warning())
    return tally


def _write(store: SampleStore, judges: _Judges, found: list[tuple[SampleRow, list[Judgement]]]) -> None:
    """Write the results, in one transaction."""
    warnings = {metric.flag_name for metric in judges.metrics}
    with store.transaction():
        for row, judgements in found:
            values = {name: value for judgement in judgements for name, value in judgement.values.items()}
            realism = judges.realism(values)
            unlike = judges.realism.unlike(values) if realism is not None and realism < UNREAL else []
            values |= {} if realism is None else {"realism": realism}
            flags = [flag for flag in row.flagged.split(", ") if flag and flag not in warnings]
            if "copy" in warnings and row.scores.get(REAL_DISTANCE, 1) < 1:  # until the set is judged again
                flags.append("copy")
            flags += [judgement.flag for judgement in judgements if judgement.flag and judgement.flag not in flags]
            note = ", ".join(judgement.message for judgement in judgements if judgement.message)
            note += f"; unlike real: {short_title(unlike[0])}" if unlike else ""
            store.rate(
                row.id,
                values,
                note=note.replace("not a copy", "a copy of a real image") if "copy" in flags else note,
                flagged=", ".join(flags),
                nearest=next((judges.places[one.nearest] for one in judgements if one.nearest is not None), None),
            )
    found.clear()


def short_title(title: str) -> str:
    """Return the title of a score without what stands in brackets, as part of a sentence.

    Examples
    --------
    >>> short_title("Grid every 2, 4 or 8 px (0: none)")
    'grid every 2, 4 or 8 px'
    """
    text = title.partition(" (")[0]
    return text[:1].lower() + text[1:]


def nearest_real(project: Project, row: SampleRow) -> SamplePair:
    """Read the real tile that a sample is most like, to look at beside it.

    Raises
    ------
    UserError
        If the sample has no score yet or that image is no longer among the real pairs.
    """
    if row.nearest is None:
        raise UserError(f"The nearest real image of '{row.name}' is not known.", todo="Score the samples first.")
    return read_tile(project, row.nearest, tile_side([row.size]))
