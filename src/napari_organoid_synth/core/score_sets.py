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

from napari_organoid_synth.core.curation import SampleRow, SampleStore
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Progress, Warned, write_text
from napari_organoid_synth.core.metrics.memorisation import DataCopying, data_copying
from napari_organoid_synth.core.metrics.nearest import TWIN
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
from napari_organoid_synth.core.metrics.tile_facts import TileFacts, look
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.real_features import RealFeatures, places, some
from napari_organoid_synth.core.real_tiles import tile_side
from napari_organoid_synth.core.recipe import ScoreSettings
from napari_organoid_synth.core.registry import EXTRACTORS

VERSION = 1
MOST_SAMPLES = 1000  # of a run
REAL_DISTANCE = "real_distance"
REPORT_SECONDS = 0.5
BORROWED = {"real", "warped"}  # masks to paint on that are made from real ones: the layout is meant to be alike
Columns = list[dict[str, Any]]


def check_extractor(settings: ScoreSettings) -> None:
    """Say at once what would fail later.

    Raises
    ------
    UserError
        If the extractor needs a file of weights that is not there.
    """
    if settings.sets == "none":
        return
    cls = EXTRACTORS.load(settings.extractor)
    if cls.file and not (settings.weights and Path(settings.weights).expanduser().is_file()):
        found = f"There is no file {settings.weights}." if settings.weights else f"{cls.name} needs a file of weights."
        raise UserError(found, cls.file, "Set 'weights' to such a file, or 'extractor' to encoder, which needs none.")


def read_columns(project: Project) -> Columns:
    """What was found so far, one column per run, kind of set and extractor; nothing when the file is not readable."""
    try:
        found = json.loads(project.scores_path.read_text(encoding="utf-8"))
        columns: Columns = found["columns"] if found["version"] == VERSION else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return columns


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
    runs: dict[str, list[SampleRow]] = {}
    for row in store.rows():
        if settings.sets == "all" or row.verdict == "accepted" or (settings.sets == "kept" and row.verdict == "new"):
            runs.setdefault(row.run, []).append(row)
    kept = {_key(column): column for column in read_columns(project)}
    digests = {run: _digest(project, settings, rows) for run, rows in runs.items()}
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
        yield from control.gate(step)
        real.look(number, tile)
        step += 1
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            yield Progress(step, total, note="look at real tiles")
    if any(len(rows) >= LEAST for rows in chosen.values()) and len(real.facts) >= LEAST:
        for share in real.learn():
            if control.canceled:
                return wanted
            yield from control.gate(step)
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                yield Progress(step, total, note=f"learn features, {share:.0%}")
    real.measure()
    # ------------------------------------------------------------------------------------------------------- samples
    for run in todo:
        rows: list[SampleRow] = []
        facts: list[TileFacts] = []
        borrowed: list[bool] = []
        marked = set(places(len(chosen[run]), PAIRED))
        for number, row in enumerate(chosen[run]):
            if control.canceled:
                return wanted
            yield from control.gate(step)
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
            "number": len(rows),
            "made": time.time(),
            "scores": [score.as_dict() for score in scores],
            "memorisation": _memorised(store, real, rows, facts, np.array(borrowed), innocent),
        }
        kept[_key(column)] = column
        wanted.append(column)
        write_text(project.scores_path, json.dumps({"version": VERSION, "columns": list(kept.values())}, indent=1))
        yield Progress(step, total)
    return wanted


def _key(column: dict[str, Any]) -> tuple[str, str, str]:
    return column["run"], column["samples"], column["extractor"]


def _digest(project: Project, settings: ScoreSettings, rows: Sequence[SampleRow]) -> str:
    """Changes when the samples, the table of real pairs or what is asked for changes."""
    weights = Path(settings.weights).expanduser()
    known = settings.weights and weights.is_file()
    stamp = [str(weights), weights.stat().st_size, weights.stat().st_mtime] if known else []
    asked = [VERSION, settings.sets, settings.extractor, settings.seed, stamp, [(row.id, row.created) for row in rows]]
    newest = [run.name for run in project.runs()[-1:]]  # real tiles are cut as for this run
    text = json.dumps([asked, newest, project.pairs_path.read_text(encoding="utf-8")])
    return hashlib.sha256(text.encode()).hexdigest()


def _families(real: RealFeatures, fakes: Sequence[TileFacts]) -> Iterator[list[SetScore]]:
    """All scores of a set, family by family; none when there are too few tiles."""
    n_real, n_fake, seed = len(real.facts), len(fakes), real.settings.seed
    if real.extractor is None or n_fake < LEAST:
        return
    everything = [*real.facts, *fakes]
    measure = feature_measure(real.features[:, 0], real.vectors("features", fakes))
    notes = feature_notes(n_real, n_fake, real.extractor.note)
    identity = real.extractor.identity
    yield evaluate(FEATURE_SCORES, measure, real.sources, n_fake, seed=seed, extractor=identity, notes=notes)
    mine, theirs = some(real.facts, PAIRED), some(fakes, PAIRED)
    between = compare_all([fact.image for fact in mine], [fact.image for fact in theirs])
    sources = [fact.source for fact in mine]
    yield evaluate(PAIR_SCORES, pair_measure(real.among, between), sources, len(theirs), seed=seed)
    yield evaluate(IMAGE_SCORES, image_measure(everything), real.sources, n_fake, seed=seed)
    if "masks" in real.spaces:
        notes = mask_notes(everything, n_real)
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
    with store.transaction():
        for row, ratio in zip(rows, images, strict=True):
            words = [word for word in row.flagged.split(", ") if word]
            note = row.note
            if ratio < 1 and "copy" not in words:
                words.insert(0, "copy")
                note = note.replace("not a copy", "a copy of a real image")
            elif ratio >= 1 and "copy" in words and row.id in innocent:
                words.remove("copy")
            store.rate(row.id, {REAL_DISTANCE: float(ratio)}, flagged=", ".join(words), note=note)
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


def table(columns: Columns) -> str:
    """The columns as text, run by run: value, interval, range of the originals, same number of tiles, words."""
    lines = []
    for column in columns:
        lines += ["", f"{column['run'] or 'samples without a run'}: {column['number']} samples ({column['samples']})"]
        if column["scores"]:
            lines.append(f"  {'':52} {'value':>9}  {'95 % interval':>21}  {'originals':>21}  {'like with like':>14}")
        for score in column["scores"]:
            title = score["title"] + (f" [{score['extractor'].split(':')[0]}]" if score["extractor"] else "")
            interval, originals = (
                f"{score[low]:.4g} to {score[high]:.4g}" for low, high in (("low", "high"), ("real_low", "real_high"))
            )
            lines.append(
                f"  {title:52} {score['value']:>9.4g}  {interval:>21}  {originals:>21}  {score['alike']:>14.4g}  "
                f"{score['words']}"
            )
        lines += [f"  {line}" for line in memorisation_words(column["memorisation"])]
    return "\n".join(lines).lstrip("\n")


def memorisation_words(found: dict[str, Any]) -> list[str]:
    """What was found about copies, in sentences."""
    lines = []
    if found["ssim_copies"] is not None:
        lines.append(f"{found['ssim_copies']:.0%} reach SSIM {TWIN:.2f} with a real tile.")
    if found["borrowed_masks"]:
        share = f"{found['borrowed_masks']:.0%} are painted on masks made from real ones"
        lines.append(f"{share}, whose layout is meant: copies are judged by SSIM alone.")
    if found["one_image"]:
        lines.append("All real tiles come from one image: copies are judged by SSIM alone.")
    elif found["borrowed_masks"] < 1:
        lines.append(f"{found['copies']:.0%} lie nearer to a real tile than real tiles of different images do: copies.")
    if found.get("masks_copies"):
        lines.append(f"{found['masks_copies']:.0%} of the masks are copies of real masks.")
    if test := found["test"]:
        lines.append(
            f"{test['nearer']:.0%} chance of lying nearer than unseen tiles (p = {test['p']:.2g}): {test['words']}."
        )
    elif not found["borrowed_masks"]:
        lines.append("No test images: whether the training is repeated was not tested.")
    return lines
