"""Score whole sets of synthetic pairs, by run or otherwise told apart, and look for memorised training tiles."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Progress, Warned
from napari_organoid_synth.core.metrics.mask_consistency import MaskConsistency
from napari_organoid_synth.core.metrics.real_features import RealFeatures, places, some
from napari_organoid_synth.core.metrics.set_measures import MAX_PAIRED
from napari_organoid_synth.core.metrics.sets import MIN_TILES, SetScore
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.metrics.tile_facts import TileFacts, look
from napari_organoid_synth.core.metrics.tile_space import check_weights
from napari_organoid_synth.core.pairs.pair_format import FormatOf, Misfits, PairFormat
from napari_organoid_synth.core.pairs.tile_reading import tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.core.scores.comparison import SyntheticTiles, is_borrowed, score_families, variety
from napari_organoid_synth.core.scores.findings import Samples, find_copies, mask_fit
from napari_organoid_synth.core.scores.progress import Stages
from napari_organoid_synth.core.scores.sample_sets import SetKey, sets_of
from napari_organoid_synth.core.scores.storage import SetScores, read_set_scores, write_set_scores

RULES = 4  # another number when the same samples would be scored differently
MAX_SAMPLES = 1000  # of a set, for all but FID and KID
REPORT_SECONDS = 0.5


LEARN, READ, COMPARE = "learn", "read", "compare"
"""Stages: looking at the real tiles, and for each set looking at its samples and comparing."""


def set_stages(sets: Iterable[SetKey], numbers: Iterable[int]) -> dict[Hashable, float]:
    """Return the stages of scoring sets of these numbers of samples, in units of looking at one tile.

    Measured on two cores with tiles of 128 px: comparing takes most of the time.
    """
    stages: dict[Hashable, float] = {LEARN: 120.0}
    for key, number in zip(sets, numbers, strict=True):
        stages |= {(READ, key): float(number), (COMPARE, key): 900.0 + 10 * min(number, MAX_PAIRED)}
    return stages


def check_extractor(settings: ScoreSettings) -> None:
    """Check that the extractor has its file of weights.

    Raises
    ------
    UserError
        If the extractor needs a file of weights that is not there.
    """
    if settings.sets != "none":
        check_weights(settings)


def score_all_sets(
    project: Project,
    store: SampleStore,
    settings: ScoreSettings,
    control: Control,
    cleared_ids: set[str],
    stages: Stages,
    missing: Mapping[SetKey, list[SampleRow]],
) -> Generator[Event, None, list[SetScores]]:
    """Score the samples set by set; a set that has not changed keeps its scores.

    Parameters
    ----------
    project : Project
        Has the real pairs; gets ``scores.json``.
    store : SampleStore
        Its samples get the score ``real_distance``, and the flag ``copy`` where that is below 1.
    settings : ScoreSettings
        Sets and extractor.
    control : Control
        Asked before every tile.
    cleared_ids : set of str
        Samples that another score has just found not to be copies: only these may lose the flag.
    stages : Stages
        With those of `set_stages`.
    missing : mapping of SetKey to list of SampleRow
        As `outdated_sets` found them, when the stages were made; what changed since counts for the next time.

    Yields
    ------
    Event
        Progress, Warned for a set with too few samples or a sample that cannot be read.

    Returns
    -------
    list of SetScores
        Those that these settings ask for.
    """
    sets = sets_of(store.rows(), settings.sets, settings.by)
    start = time.time()
    known = {one.key: one for one in read_set_scores(project)}
    kept = {key: known.get((key, settings.sets, settings.extractor)) for key in sets if key not in missing}
    results = [one for one in kept.values() if one is not None]
    if not missing:
        return results
    fingerprints = {key: fingerprint(project, settings, rows) for key, rows in missing.items()}
    rows_now = {row.id: row for row in store.rows()}
    missing = {key: [rows_now[row.id] for row in rows if row.id in rows_now] for key, rows in missing.items()}
    real = RealFeatures.of_project(project, settings, tile_side(row.size for rows in missing.values() for row in rows))
    scoring = _Scoring(store, real, FormatOf(project.pairs_path).get(), control, cleared_ids, missing, stages)
    if not (yield from scoring.learn()):
        return results
    for key in missing:
        samples = yield from scoring.read(key)
        scores = None if samples is None else (yield from scoring.compare(key, samples))
        if samples is None or scores is None:
            return results
        if not samples.rows:
            continue
        one = scoring.result(key, samples, scores, fingerprints[key], start)
        known[one.key] = one
        results.append(one)
        write_set_scores(project, known.values())
    return results


class _Scoring:
    """The steps of scoring sets against the same real tiles; a step that was stopped returns False or None."""

    def __init__(
        self,
        store: SampleStore,
        real: RealFeatures,
        format: PairFormat | None,
        control: Control,
        cleared_ids: set[str],
        sets: dict[SetKey, list[SampleRow]],
        stages: Stages,
    ) -> None:
        self._store, self._real, self._control, self._cleared_ids, self._sets = store, real, control, cleared_ids, sets
        self._format, self._stages = format, stages
        self._step, self._reported = 0, time.monotonic()
        self._fits = MaskConsistency()

    def _report(self, stage: Hashable, share: float, note: str) -> Iterator[Progress]:
        """Yield the progress when the last report is old enough."""
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            yield self._stages.progress(stage, share, note)

    def learn(self) -> Generator[Event, None, bool]:
        """Look at the real tiles and learn from them: features, distances, match of masks."""
        real, control = self._real, self._control
        every = [*real.tiles, *real.unseen_tiles]
        for number, tile in enumerate(every):
            if control.canceled:
                return False
            yield from control.wait_while_paused(self._step)
            real.look(number, tile)
            self._step += 1
            yield from self._report(LEARN, 0.4 * number / len(every), "look at real tiles")
        if any(len(rows) >= MIN_TILES for rows in self._sets.values()) and len(real.facts) >= MIN_TILES:
            for share in real.learn():
                if control.canceled:
                    return False
                yield from control.wait_while_paused(self._step)
                yield from self._report(LEARN, 0.4 + 0.4 * share, f"learn features, {share:.0%}")
        real.measure()
        yield self._stages.progress(LEARN, 0.8, "learn how masks fit")
        self._fits.fit(real.tiles)
        return True

    def read(self, key: SetKey) -> Generator[Event, None, Samples | None]:
        """Look at the samples of a set."""
        rows: list[SampleRow] = []
        misfits = Misfits(self._format)
        facts: list[TileFacts] = []
        borrowed: list[bool] = []
        all_rows = self._sets[key]
        core = places(len(all_rows), MAX_SAMPLES)
        decoded = {core[place] for place in places(len(core), MAX_PAIRED)}
        chosen, number_read = set(core), 0
        batches = self._real.batches("samples") if len(all_rows) > len(core) and self._real.extractor else None
        for number, row in enumerate(all_rows):
            if self._control.canceled:
                return None
            yield from self._control.wait_while_paused(self._step)
            self._step += 1
            share = number / len(all_rows)
            name = f"{row.id} {row.labels_path.name}"
            if batches is not None and number not in chosen and batches.knows(name):
                batches.add(name)
                number_read += 1
                continue
            try:
                pair = self._store.pair(row.id)
            except UserError as error:
                yield Warned(self._step, str(error))
                continue
            if not misfits.fits(pair):
                continue
            number_read += 1
            if batches is not None:
                batches.add(name, pair)
            if number not in chosen:
                yield from self._report((READ, key), share, "look at samples")
                continue
            rows.append(row)
            facts.append(look(pair, self._real.limits, self._real.side, number in decoded))
            borrowed.append(is_borrowed(pair))
            yield from self._report((READ, key), share, "look at samples")
        if misfits.names:
            yield Warned(self._step, misfits.warning())
        every = {} if batches is None else batches.finish()
        return Samples(rows, SyntheticTiles(facts, np.array(borrowed, bool)), every, number_read)

    def compare(self, key: SetKey, samples: Samples) -> Generator[Event, None, list[SetScore] | None]:
        """Compute the scores of a set, family by family."""
        real = self._real
        if samples.rows and min(len(samples.rows), len(real.facts)) < MIN_TILES:
            message = (
                f"{key.title}: {len(samples.rows)} samples and {len(real.facts)} real tiles, no scores of the set."
            )
            yield Warned(self._step, f"{message} Expected at least {MIN_TILES} of each. Make more pairs.")
        steps = score_families(real, samples.tiles.facts, samples.every)
        yield self._stages.progress((COMPARE, key), 0, "compare sets")
        while True:
            if self._control.canceled:
                return None
            try:
                share = next(steps)
            except StopIteration as end:
                scores: list[SetScore] = end.value
                return scores
            yield from self._control.wait_while_paused(self._step)
            yield from self._report((COMPARE, key), share, "compare sets")

    def result(
        self, key: SetKey, samples: Samples, scores: list[SetScore], fingerprint: str, asked: float
    ) -> SetScores:
        """Flag the copies among the samples, and return everything known about the set."""
        real, settings = self._real, self._real.settings
        assert settings.sets != "none"
        return SetScores(
            run=key.run,
            samples=settings.sets,
            by=key.by,
            parts=key.parts,
            extractor=settings.extractor,
            weights=settings.weights,
            seed=settings.seed,
            max_samples=settings.max_samples,
            max_tiles=settings.max_tiles,
            fingerprint=fingerprint,
            number=samples.number,
            made=asked,
            scores=tuple(scores),
            memorisation=find_copies(self._store, real, samples, self._cleared_ids),
            variety=variety(real, samples.tiles),
            mask_fit=mask_fit(self._fits, samples.rows),
        )


def outdated_sets(project: Project, store: SampleStore, settings: ScoreSettings) -> dict[SetKey, list[SampleRow]]:
    """Return the samples to look at of each set that has no scores that describe it as it is."""
    if settings.sets == "none":
        return {}
    known = {one.key: one for one in read_set_scores(project)}
    outdated: dict[SetKey, list[SampleRow]] = {}
    for key, rows in sets_of(store.rows(), settings.sets, settings.by).items():
        one = known.get((key, settings.sets, settings.extractor))
        if one is None or one.fingerprint != fingerprint(project, settings, rows) or settings.again:
            outdated[key] = some(rows, settings.max_samples)
    return outdated


def outdated(project: Project, scores: SetScores, rows: Sequence[SampleRow]) -> str:
    """Explain why scores no longer describe the samples; empty when they still do.

    Parameters
    ----------
    project : Project
        Has the real pairs.
    scores : SetScores
        From `read_set_scores`.
    rows : sequence of SampleRow
        From `sets_of`, its own.
    """
    names = ("by", "extractor", "seed", "weights", "max_samples", "max_tiles")
    values = {"sets": scores.samples, **{name: getattr(scores, name) for name in names}}
    if fingerprint(project, ScoreSettings.parse(values), rows) == scores.fingerprint:
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
    chosen = [settings.sets, settings.extractor, settings.seed, settings.max_samples, settings.max_tiles]
    inputs = [RULES, *chosen, stamp, [(row.id, row.created) for row in rows]]
    newest = [run.name for run in project.runs()[-1:]]  # real tiles are cut as for this run
    text = json.dumps([inputs, newest, project.pairs_path.read_text(encoding="utf-8")])
    return hashlib.sha256(text.encode()).hexdigest()
