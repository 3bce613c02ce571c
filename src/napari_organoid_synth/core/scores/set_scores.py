"""Score whole sets of generated pairs, one column for each run, and look for memorised training tiles.

Results lie in ``scores.json`` of the project.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Progress, Warned
from napari_organoid_synth.core.metrics.collapse import distinct, repeated, twins
from napari_organoid_synth.core.metrics.mask_consistency import EDGE, Fits
from napari_organoid_synth.core.metrics.memorisation import (
    MANIFOLD,
    REAL_DISTANCE,
    DataCopying,
    data_copying,
    turned_signatures,
)
from napari_organoid_synth.core.metrics.nearest import TWIN
from napari_organoid_synth.core.metrics.real_features import RealFeatures, places, some
from napari_organoid_synth.core.metrics.real_tiles import tile_side
from napari_organoid_synth.core.metrics.sets import (
    FEATURE_SCORES,
    IMAGE_SCORES,
    LEAST,
    MASK_SCORES,
    PAIR_SCORES,
    PAIRED,
    SetScore,
    compare_all,
    evaluate,
    feature_measure,
    feature_notes,
    image_measure,
    mask_measure,
    mask_notes,
    pair_measure,
)
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.metrics.tile_facts import TileFacts, look
from napari_organoid_synth.core.metrics.tile_space import check_weights
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.core.scores.table import VERSION, Columns, read_columns

RULES = 3  # another number when the same samples would be scored differently
MOST_SAMPLES = 1000  # of a run
REPORT_SECONDS = 0.5
BORROWED = {"real", "warped"}  # masks to paint on that are made from real ones: the layout is meant to be alike


def check_extractor(settings: ScoreSettings) -> None:
    """Say at once what would fail later.

    Raises
    ------
    UserError
        If the extractor needs a file of weights that is not there.
    """
    if settings.sets != "none":
        check_weights(settings)


def score_sets(
    project: Project, store: SampleStore, settings: ScoreSettings, control: Control, innocent: set[str]
) -> Generator[Event, None, Columns]:
    """Score the samples of each run as a set; a set that has not changed is left as it is.

    Parameters
    ----------
    project : Project
        Has the real pairs; gets ``scores.json``.
    store : SampleStore
        Its samples get the score ``real_distance``, and the flag ``copy`` where that is below 1.
    settings : ScoreSettings
        Which sets, which extractor.
    control : Control
        Asked before every tile.
    innocent : set of str
        Samples that were just found to be no copies by another score: only these may lose the flag.

    Yields
    ------
    Event
        Progress in tiles, Warned for a run with too few samples or one that cannot be read.

    Returns
    -------
    list of dict
        The columns that these settings ask for: ``run``, ``samples``, ``extractor``, ``number``, ``scores`` (as
        `SetScore`), ``memorisation``.
    """
    runs = rows_of_runs(store, settings.sets)
    asked = time.time()
    kept = {_key(column): column for column in read_columns(project)}
    digests = {run: digest(project, settings, rows) for run, rows in runs.items()}
    wanted: Columns = []
    todo: list[str] = []
    for run in runs:
        column = kept.get((run, settings.sets, settings.extractor))
        if column is not None and column["digest"] == digests[run] and not settings.again:
            wanted.append(column)
        else:
            todo.append(run)
    if not todo:
        return wanted
    chosen = {run: some(runs[run], MOST_SAMPLES) for run in todo}
    real = RealFeatures(project, settings, tile_side([row for run in todo for row in chosen[run]]))
    total = len(real.tiles) + len(real.unseen_tiles) + sum(map(len, chosen.values()))
    step, reported = 0, time.monotonic()
    # ---------------------------------------------------------------------------------------------------- real tiles
    for number, tile in enumerate([*real.tiles, *real.unseen_tiles]):
        if control.canceled:
            return wanted
        yield from control.wait_while_paused(step)
        real.look(number, tile)
        step += 1
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            yield Progress(step, total, note="look at real tiles")
    if any(len(rows) >= LEAST for rows in chosen.values()) and len(real.facts) >= LEAST:
        for share in real.learn():
            if control.canceled:
                return wanted
            yield from control.wait_while_paused(step)
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                yield Progress(step, total, note=f"learn features, {share:.0%}")
    real.measure()
    yield Progress(step, total, note="learn how masks fit")
    fits = Fits().fit(real.tiles)
    # ------------------------------------------------------------------------------------------------------- samples
    for run in todo:
        rows: list[SampleRow] = []
        facts: list[TileFacts] = []
        borrowed: list[bool] = []
        marked = set(places(len(chosen[run]), PAIRED))
        for number, row in enumerate(chosen[run]):
            if control.canceled:
                return wanted
            yield from control.wait_while_paused(step)
            step += 1
            try:
                pair = store.pair(row.id)
            except UserError as error:
                yield Warned(step, str(error))
                continue
            rows.append(row)
            facts.append(look(pair, real.limits, real.side, number in marked))
            borrowed.append(pair.source.provenance.get("mask", {}).get("kind") in BORROWED)
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                yield Progress(step, total, note="look at samples")
        if not rows:
            continue
        scores: list[SetScore] = []
        name = f"run {run}" if run else "the samples without a run"
        if min(len(rows), len(real.facts)) < LEAST:
            found = f"{len(rows)} samples and {len(real.facts)} real tiles of {name}: no scores of the set."
            yield Warned(step, f"{found} Expected at least {LEAST} of each. Make more pairs.")
        for family in _families(real, facts):
            yield Progress(step, total, note="compare sets")
            if control.canceled:
                return wanted
            scores += family
        column = {
            "run": run,
            "samples": settings.sets,
            "extractor": settings.extractor,
            "digest": digests[run],
            "asked": {"seed": settings.seed, "weights": settings.weights},
            "number": len(rows),
            "made": asked,
            "scores": [score.as_dict() for score in scores],
            "memorisation": _memorised(store, real, rows, facts, np.array(borrowed), innocent),
            "collapse": _collapse(real, facts, np.array(borrowed)),
            "fits": _fitting(fits, rows),
        }
        kept[_key(column)] = column
        wanted.append(column)
        write_text(project.scores_path, json.dumps({"version": VERSION, "columns": list(kept.values())}, indent=1))
        yield Progress(step, total)
    return wanted


def rows_of_runs(store: SampleStore, sets: str) -> dict[str, list[SampleRow]]:
    """The samples of each run that belong to a kind of set (``ScoreSettings.sets``)."""
    runs: dict[str, list[SampleRow]] = {}
    for row in store.rows():
        if sets == "all" or row.verdict == "accepted" or (sets == "kept" and row.verdict == "new"):
            runs.setdefault(row.run, []).append(row)
    return runs


def outdated(project: Project, column: dict[str, Any], rows: Sequence[SampleRow]) -> str:
    """Why a column says no more what is there, in words; empty when it still does.

    Parameters
    ----------
    project : Project
        Has the real pairs.
    column : dict
        From `read_columns`.
    rows : sequence of SampleRow
        From `rows_of_runs`, those of its run.
    """
    asked = {"sets": column["samples"], "extractor": column["extractor"], **column.get("asked", {})}
    if digest(project, ScoreSettings.parse(asked), rows) == column["digest"]:
        return ""
    added = sum(row.created > column["made"] for row in rows)
    if added:
        return f"made before {added} sample{'s were' if added > 1 else ' was'} added"
    if lost := max(0, column["number"] - len(rows)):
        return f"made when {lost} more sample{'s' * (lost > 1)} counted"
    return "made before verdicts, real pairs or the way of scoring changed"


def _key(column: dict[str, Any]) -> tuple[str, str, str]:
    return column["run"], column["samples"], column["extractor"]


def digest(project: Project, settings: ScoreSettings, rows: Sequence[SampleRow]) -> str:
    """Changes when the samples, the table of real pairs or what is asked for changes."""
    weights = Path(settings.weights).expanduser()
    known = settings.weights and weights.is_file()
    stamp = [str(weights), weights.stat().st_size, weights.stat().st_mtime] if known else []
    asked = [RULES, settings.sets, settings.extractor, settings.seed, stamp, [(row.id, row.created) for row in rows]]
    newest = [run.name for run in project.runs()[-1:]]  # real tiles are cut as for this run
    text = json.dumps([asked, newest, project.pairs_path.read_text(encoding="utf-8")])
    return hashlib.sha256(text.encode()).hexdigest()


def _families(real: RealFeatures, fakes: Sequence[TileFacts]) -> Iterator[list[SetScore]]:
    """All scores of a set, family by family; none when there are too few tiles."""
    n_fake, seed = len(fakes), real.settings.seed
    if real.extractor is None or n_fake < LEAST:
        return
    everything = [*real.facts, *fakes]
    features = real.features[:, 0], real.vectors("features", fakes)
    measure, notes = feature_measure(*features), feature_notes(*features, real.extractor.note, seed)
    identity = real.extractor.identity
    yield evaluate(FEATURE_SCORES, measure, real.sources, n_fake, seed=seed, extractor=identity, notes=notes)
    mine, theirs = some(real.facts, PAIRED), some(fakes, PAIRED)
    between = compare_all([fact.image for fact in mine], [fact.image for fact in theirs])
    sources = [fact.source for fact in mine]
    yield evaluate(PAIR_SCORES, pair_measure(real.among, between), sources, len(theirs), seed=seed)
    yield evaluate(IMAGE_SCORES, image_measure(everything), real.sources, n_fake, seed=seed)
    if "masks" in real.spaces:
        notes = mask_notes(everything, len(real.facts))
        yield evaluate(MASK_SCORES, mask_measure(everything), real.sources, n_fake, seed=seed, notes=notes)


def _memorised(
    store: SampleStore,
    real: RealFeatures,
    rows: Sequence[SampleRow],
    facts: Sequence[TileFacts],
    borrowed: NDArray[np.bool_],
    innocent: set[str],
) -> dict[str, Any]:
    """Flag the copies among samples and say what share there is of them.

    Samples on ``borrowed`` masks, made from real ones, are meant to have the layout of a real tile: whether they copy
    its pixels is left to SSIM. Copies of masks are counted but never flagged.
    """
    ratios = {name: space.ratio(real.vectors(name, facts)) for name, space in real.spaces.items()}
    if "masks" in ratios:
        ratios["masks"] = np.where([len(fact.areas) > 0 for fact in facts], ratios["masks"], np.inf)
    images = np.where(borrowed, np.inf, np.minimum(ratios["pixels"], ratios.get("features", np.inf)))
    outside: list[dict[str, float]] = [{} for _ in rows]
    if "features" in real.spaces:
        outside = [{MANIFOLD: float(away)} for away in real.spaces["features"].outside(real.vectors("features", facts))]
    with store.transaction():
        for row, ratio, away in zip(rows, images, outside, strict=True):
            words = [word for word in row.flagged.split(", ") if word]
            note = row.note
            if ratio < 1 and "copy" not in words:
                words.insert(0, "copy")
                note = note.replace("not a copy", "a copy of a real image")
            elif ratio >= 1 and "copy" in words and row.id in innocent:
                words.remove("copy")
            store.rate(row.id, {REAL_DISTANCE: float(ratio), **away}, flagged=", ".join(words), note=note)
    similar = [row.scores["nearest"] for row in rows if "nearest" in row.scores]
    test = None if borrowed.any() else _unseen_test(real, facts)
    return {
        "ssim_copies": float(np.mean(np.array(similar) >= TWIN)) if similar else None,
        "copies": float((images < 1).mean()),
        **{f"{name}_copies": float((ratio < 1).mean()) for name, ratio in ratios.items()},
        "one_image": bool(np.isnan(real.spaces["pixels"].limit)),
        "borrowed_masks": float(borrowed.mean()),
        "test": asdict(test) if test else None,
    }


def _unseen_test(real: RealFeatures, facts: Sequence[TileFacts]) -> DataCopying | None:
    if not real.unseen:
        return None
    names = [name for name in real.spaces if name != "masks"]
    fake = [real.spaces[name].nearest(real.vectors(name, facts)) for name in names]
    unseen = [real.spaces[name].nearest(real.vectors(name, real.unseen)) for name in names]
    return data_copying(fake, unseen, len({fact.source for fact in real.unseen}))


def _collapse(real: RealFeatures, facts: Sequence[TileFacts], borrowed: NDArray[np.bool_]) -> dict[str, Any]:
    """What repeats among the samples; in spaces, as many of them as there are real tiles, which set the limit there."""
    pairs = twins([fact.image for fact in facts])
    own = twins([fact.image for fact in real.facts])
    found: dict[str, Any] = {
        "distinct": distinct(len(facts), pairs),
        "ssim": len({one for pair in pairs for one in pair}) / len(facts),
        "real_ssim": len({one for pair in own for one in pair}) / len(real.facts),
    }
    mine = [fact for fact, meant in zip(facts, borrowed, strict=True) if not meant]
    for name, space in real.spaces.items():
        few = some([fact for fact in mine if name != "masks" or len(fact.areas)], len(real.facts))
        if len(few) < 2 or np.isnan(space.limit):
            continue
        if name == "features":
            vectors = real.vectors(name, few)[:, None]
        else:
            vectors = turned_signatures([fact.image if name == "pixels" else fact.mask for fact in few])
        found[name] = float(repeated(vectors, space.limit).mean())
    return found


def _fitting(fits: Fits, rows: Sequence[SampleRow]) -> dict[str, Any]:
    """Share of samples whose mask may not fit, beside what real pairs and strange masks have."""
    values = [row.scores["fits"] for row in rows if "fits" in row.scores]
    if not values or np.isnan(fits.found):
        return {}
    low = float((np.array(values) < EDGE).mean())
    return {"low": low, "real": fits.refused, "strange": fits.found, "useful": fits.useful}
