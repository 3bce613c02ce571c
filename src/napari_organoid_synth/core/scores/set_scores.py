"""Score whole sets of synthetic pairs, one result for each run, and look for memorised training tiles."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Progress, Warned
from napari_organoid_synth.core.metrics.collapse import distinct, repeated, twins
from napari_organoid_synth.core.metrics.mask_consistency import EDGE, MaskConsistency
from napari_organoid_synth.core.metrics.memorisation import (
    MANIFOLD,
    REAL_DISTANCE,
    DataCopying,
    data_copying,
    turned_signatures,
)
from napari_organoid_synth.core.metrics.nearest import TWIN
from napari_organoid_synth.core.metrics.real_features import RealFeatures, places, some
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
from napari_organoid_synth.core.pairs.tile_reading import tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.core.scores.storage import (
    MaskFit,
    Memorisation,
    SetScores,
    Variety,
    read_set_scores,
    write_set_scores,
)

RULES = 3  # another number when the same samples would be scored differently
MAX_SAMPLES = 1000  # of a run
REPORT_SECONDS = 0.5
BORROWED = {"real", "warped"}  # masks to paint on that are made from real ones: the layout is meant to be alike


def check_extractor(settings: ScoreSettings) -> None:
    """Check at once what would fail later.

    Raises
    ------
    UserError
        If the extractor needs a file of weights that is not there.
    """
    if settings.sets != "none":
        check_weights(settings)


def score_sets(
    project: Project, store: SampleStore, settings: ScoreSettings, control: Control, cleared_ids: set[str]
) -> Generator[Event, None, list[SetScores]]:
    """Score the samples of each run as a set; a set that has not changed keeps its scores.

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
    cleared_ids : set of str
        Samples that another score has just found not to be copies: only these may lose the flag.

    Yields
    ------
    Event
        Progress in tiles, Warned for a run with too few samples or a sample that cannot be read.

    Returns
    -------
    list of SetScores
        Those that these settings ask for.
    """
    runs = rows_of_runs(store, settings.sets)
    asked = time.time()
    known = {one.key: one for one in read_set_scores(project)}
    fingerprints = {run: fingerprint(project, settings, rows) for run, rows in runs.items()}
    found: list[SetScores] = []
    missing: dict[str, list[SampleRow]] = {}
    for run, rows in runs.items():
        one = known.get((run, settings.sets, settings.extractor))
        if one is not None and one.fingerprint == fingerprints[run] and not settings.again:
            found.append(one)
        else:
            missing[run] = some(rows, MAX_SAMPLES)
    if not missing:
        return found
    real = RealFeatures(project, settings, tile_side(row.size for rows in missing.values() for row in rows))
    scoring = _Scoring(store, real, control, cleared_ids, missing)
    if not (yield from scoring.learn()):
        return found
    for run in missing:
        samples = yield from scoring.read(run)
        if samples is None:
            return found
        if not samples.rows:
            continue
        scores = yield from scoring.compare(run, samples)
        if scores is None:
            return found
        one = SetScores(
            run=run,
            samples=settings.sets,
            extractor=settings.extractor,
            weights=settings.weights,
            seed=settings.seed,
            fingerprint=fingerprints[run],
            number=len(samples.rows),
            made=asked,
            scores=tuple(scores),
            memorisation=_memorisation(store, real, samples, cleared_ids),
            variety=_variety(real, samples),
            mask_fit=_mask_fit(scoring.fits, samples.rows),
        )
        known[one.key] = one
        found.append(one)
        write_set_scores(project, known.values())
        yield scoring.progress()
    return found


@dataclass(frozen=True)
class _Samples:
    """The samples of a run that could be read, their facts, and which are painted on masks made from real ones."""

    rows: list[SampleRow]
    facts: list[TileFacts]
    borrowed: NDArray[np.bool_]


class _Scoring:
    """The steps of scoring sets against the same real tiles; a step that was stopped returns False or None."""

    def __init__(
        self,
        store: SampleStore,
        real: RealFeatures,
        control: Control,
        cleared_ids: set[str],
        runs: dict[str, list[SampleRow]],
    ) -> None:
        self._store, self._real, self._control, self._runs = store, real, control, runs
        self._total = len(real.tiles) + len(real.unseen_tiles) + sum(map(len, runs.values()))
        self._step, self._reported = 0, time.monotonic()
        self.fits = MaskConsistency()

    def progress(self, note: str = "") -> Progress:
        """Return how far it is."""
        return Progress(self._step, self._total, note=note)

    def _report(self, note: str) -> Iterator[Progress]:
        """Yield the progress when the last report is old enough."""
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            yield self.progress(note)

    def learn(self) -> Generator[Event, None, bool]:
        """Look at the real tiles and learn from them: features, distances, how masks fit."""
        real, control = self._real, self._control
        for number, tile in enumerate([*real.tiles, *real.unseen_tiles]):
            if control.canceled:
                return False
            yield from control.wait_while_paused(self._step)
            real.look(number, tile)
            self._step += 1
            yield from self._report("look at real tiles")
        if any(len(rows) >= LEAST for rows in self._runs.values()) and len(real.facts) >= LEAST:
            for share in real.learn():
                if control.canceled:
                    return False
                yield from control.wait_while_paused(self._step)
                yield from self._report(f"learn features, {share:.0%}")
        real.measure()
        yield self.progress("learn how masks fit")
        self.fits.fit(real.tiles)
        return True

    def read(self, run: str) -> Generator[Event, None, _Samples | None]:
        """Look at the samples of a run."""
        rows: list[SampleRow] = []
        facts: list[TileFacts] = []
        borrowed: list[bool] = []
        decoded = set(places(len(self._runs[run]), PAIRED))
        for number, row in enumerate(self._runs[run]):
            if self._control.canceled:
                return None
            yield from self._control.wait_while_paused(self._step)
            self._step += 1
            try:
                pair = self._store.pair(row.id)
            except UserError as error:
                yield Warned(self._step, str(error))
                continue
            rows.append(row)
            facts.append(look(pair, self._real.limits, self._real.side, number in decoded))
            borrowed.append(pair.source.provenance.get("mask", {}).get("kind") in BORROWED)
            yield from self._report("look at samples")
        return _Samples(rows, facts, np.array(borrowed, bool))

    def compare(self, run: str, samples: _Samples) -> Generator[Event, None, list[SetScore] | None]:
        """Compute the scores of a set, family by family."""
        real = self._real
        if min(len(samples.rows), len(real.facts)) < LEAST:
            name = f"run {run}" if run else "the samples without a run"
            found = f"{len(samples.rows)} samples and {len(real.facts)} real tiles of {name}: no scores of the set."
            yield Warned(self._step, f"{found} Expected at least {LEAST} of each. Make more pairs.")
        scores: list[SetScore] = []
        for family in _families(real, samples.facts):
            yield self.progress("compare sets")
            if self._control.canceled:
                return None
            scores += family
        return scores


def rows_of_runs(store: SampleStore, sets: str) -> dict[str, list[SampleRow]]:
    """Return the samples of each run that belong to a kind of set (``ScoreSettings.sets``)."""
    runs: dict[str, list[SampleRow]] = {}
    for row in store.rows():
        if sets == "all" or row.verdict == "accepted" or (sets == "kept" and row.verdict == "new"):
            runs.setdefault(row.run, []).append(row)
    return runs


def outdated(project: Project, scores: SetScores, rows: Sequence[SampleRow]) -> str:
    """Explain why scores no longer describe what is there; empty when they still do.

    Parameters
    ----------
    project : Project
        Has the real pairs.
    scores : SetScores
        From `read_set_scores`.
    rows : sequence of SampleRow
        From `rows_of_runs`, those of its run.
    """
    asked = {"sets": scores.samples, "extractor": scores.extractor, "seed": scores.seed, "weights": scores.weights}
    if fingerprint(project, ScoreSettings.parse(asked), rows) == scores.fingerprint:
        return ""
    added = sum(row.created > scores.made for row in rows)
    if added:
        return f"made before {added} sample{'s were' if added > 1 else ' was'} added"
    if lost := max(0, scores.number - len(rows)):
        return f"made when {lost} more sample{'s' * (lost > 1)} counted"
    return "made before verdicts, real pairs or the way of scoring changed"


def fingerprint(project: Project, settings: ScoreSettings, rows: Sequence[SampleRow]) -> str:
    """Return a hash of the samples, the table of real pairs and the settings."""
    weights = Path(settings.weights).expanduser()
    known = settings.weights and weights.is_file()
    stamp = [str(weights), weights.stat().st_size, weights.stat().st_mtime] if known else []
    asked = [RULES, settings.sets, settings.extractor, settings.seed, stamp, [(row.id, row.created) for row in rows]]
    newest = [run.name for run in project.runs()[-1:]]  # real tiles are cut as for this run
    text = json.dumps([asked, newest, project.pairs_path.read_text(encoding="utf-8")])
    return hashlib.sha256(text.encode()).hexdigest()


def _families(real: RealFeatures, synthetic: Sequence[TileFacts]) -> Iterator[list[SetScore]]:
    """Yield all scores of a set, family by family; none when there are too few tiles."""
    number, seed = len(synthetic), real.settings.seed
    if real.extractor is None or number < LEAST:
        return
    everything = [*real.facts, *synthetic]
    features = real.features[:, 0], real.vectors("features", synthetic)
    measure, notes = feature_measure(*features), feature_notes(*features, real.extractor.note, seed)
    identity = real.extractor.identity
    yield evaluate(FEATURE_SCORES, measure, real.sources, number, seed=seed, extractor=identity, notes=notes)
    mine, theirs = some(real.facts, PAIRED), some(synthetic, PAIRED)
    between = compare_all([fact.image for fact in mine], [fact.image for fact in theirs])
    sources = [fact.source for fact in mine]
    yield evaluate(PAIR_SCORES, pair_measure(real.among, between), sources, len(theirs), seed=seed)
    yield evaluate(IMAGE_SCORES, image_measure(everything), real.sources, number, seed=seed)
    if "masks" in real.spaces:
        notes = mask_notes(everything, len(real.facts))
        yield evaluate(MASK_SCORES, mask_measure(everything), real.sources, number, seed=seed, notes=notes)


# --------------------------------------------------------------------------------- copies, repetition, masks that fit


def _memorisation(store: SampleStore, real: RealFeatures, samples: _Samples, cleared_ids: set[str]) -> Memorisation:
    """Flag the copies among samples and return their share.

    Samples on borrowed masks, made from real ones, are meant to have the layout of a real tile: whether they copy its
    pixels is left to SSIM. Copies of masks are counted but never flagged.
    """
    rows, facts = samples.rows, samples.facts
    ratios = {name: space.ratio(real.vectors(name, facts)) for name, space in real.spaces.items()}
    if "masks" in ratios:
        ratios["masks"] = np.where([len(fact.areas) > 0 for fact in facts], ratios["masks"], np.inf)
    images = np.where(samples.borrowed, np.inf, np.minimum(ratios["pixels"], ratios.get("features", np.inf)))
    _flag_copies(store, real, samples, images, cleared_ids)
    similar = [row.scores["nearest"] for row in rows if "nearest" in row.scores]
    return Memorisation(
        ssim_copies=float(np.mean(np.array(similar) >= TWIN)) if similar else None,
        copies=float((images < 1).mean()),
        **{f"{name}_copies": float((ratio < 1).mean()) for name, ratio in ratios.items()},
        one_image=bool(np.isnan(real.spaces["pixels"].limit)),
        borrowed_masks=float(samples.borrowed.mean()),
        test=None if samples.borrowed.any() else _unseen_test(real, facts),
    )


def _flag_copies(
    store: SampleStore, real: RealFeatures, samples: _Samples, ratios: NDArray[np.float64], cleared_ids: set[str]
) -> None:
    """Write ``real_distance`` and ``manifold`` of samples; a ratio below 1 sets the flag ``copy``."""
    outside: list[dict[str, float]] = [{} for _ in samples.rows]
    if "features" in real.spaces:
        away = real.spaces["features"].outside(real.vectors("features", samples.facts))
        outside = [{MANIFOLD: float(value)} for value in away]
    with store.transaction():
        for row, ratio, more in zip(samples.rows, ratios, outside, strict=True):
            flags = [flag for flag in row.flagged.split(", ") if flag]
            note = row.note
            if ratio < 1 and "copy" not in flags:
                flags.insert(0, "copy")
                note = note.replace("not a copy", "a copy of a real image")
            elif ratio >= 1 and "copy" in flags and row.id in cleared_ids:
                flags.remove("copy")
            store.rate(row.id, {REAL_DISTANCE: float(ratio), **more}, flagged=", ".join(flags), note=note)


def _unseen_test(real: RealFeatures, facts: Sequence[TileFacts]) -> DataCopying | None:
    if not real.unseen:
        return None
    names = [name for name in real.spaces if name != "masks"]
    synthetic = [real.spaces[name].nearest(real.vectors(name, facts)) for name in names]
    unseen = [real.spaces[name].nearest(real.vectors(name, real.unseen)) for name in names]
    return data_copying(synthetic, unseen, len({fact.source for fact in real.unseen}))


def _variety(real: RealFeatures, samples: _Samples) -> Variety:
    """Return what repeats; in each space as many samples are compared as there are real tiles, which set its limit."""
    facts = samples.facts
    pairs = twins([fact.image for fact in facts])
    own = twins([fact.image for fact in real.facts])
    shares: dict[str, float] = {}
    free = [fact for fact, borrowed in zip(facts, samples.borrowed, strict=True) if not borrowed]
    for name, space in real.spaces.items():
        few = some([fact for fact in free if name != "masks" or len(fact.areas)], len(real.facts))
        if len(few) < 2 or np.isnan(space.limit):
            continue
        if name == "features":
            vectors = real.vectors(name, few)[:, None]
        else:
            vectors = turned_signatures([fact.image if name == "pixels" else fact.mask for fact in few])
        shares[name] = float(repeated(vectors, space.limit).mean())
    return Variety(
        distinct=distinct(len(facts), pairs),
        ssim=len({one for pair in pairs for one in pair}) / len(facts),
        real_ssim=len({one for pair in own for one in pair}) / len(real.facts),
        **shares,
    )


def _mask_fit(fits: MaskConsistency, rows: Sequence[SampleRow]) -> MaskFit | None:
    """Return the share of samples whose mask may not fit, beside that of real pairs and of masks of other images."""
    values = [row.scores["fits"] for row in rows if "fits" in row.scores]
    if not values or np.isnan(fits.detected):
        return None
    low = float((np.array(values) < EDGE).mean())
    return MaskFit(low=low, real=fits.rejected, strange=fits.detected, useful=fits.useful)
