"""Results of several blind tests: pooled statistics, agreement, how each picture was judged, scores, CSV."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from napari_organoid_synth.core.blind.session import Picture, Place, Session, read_sessions
from napari_organoid_synth.core.blind.settings import Way
from napari_organoid_synth.core.blind.statistics import FAST, Rate, Result, cohen_kappa, fleiss_kappa, summarise
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore

REAL_SCORE, TIME_SCORE = "blind_real", "blind_seconds"
"""Scores that tests write to the synthetic pairs."""


def counted(sessions: Iterable[Session]) -> list[Session]:
    """Return the tests that count: answered at least once, and not practice."""
    return [session for session in sessions if session.answers and not session.settings.practice]


def pooled(sessions: Iterable[Session], way: Way) -> Result | None:
    """Compute the statistics of all answers of one way of asking; None where there are none.

    The interval takes all answers for independent: with few observers it is too narrow.
    """
    tests = [session for session in counted(sessions) if session.settings.way == way]
    answers = [one for session in sorted(tests, key=lambda one: one.started) for one in session.judged()]
    return summarise(answers, way) if answers else None


@dataclass(frozen=True)
class Agreement:
    """Agreement of tests about the pictures that all of them showed: Cohen's kappa of two, Fleiss' of more."""

    kappa: float | None
    tests: int
    shared: int


def agreement(sessions: Iterable[Session]) -> Agreement | None:
    """Compute the agreement about the pictures, or pairs, that all counted tests share; None where there are none."""
    tables: list[dict[frozenset[Place], bool]] = []
    reference: dict[frozenset[Place], Place] = {}  # of a pair: the picture that the first test had on the left
    for session in counted(sessions):
        answers = {}
        for answer in session.answers:
            taken_for_real = {picture.place: real for picture, real in session.taken_for_real(answer)}
            key = frozenset(taken_for_real)
            answers[key] = taken_for_real[reference.setdefault(key, next(iter(taken_for_real)))]
        tables.append(answers)
    if len(tables) < 2:
        return None
    shared = set(tables[0]).intersection(*tables[1:])
    if not shared:
        return None
    ratings = np.array([[table[key] for table in tables] for key in shared])
    if len(tables) == 2:
        kappa = cohen_kappa(ratings[:, 0], ratings[:, 1])
    else:
        kappa = fleiss_kappa(np.stack([ratings.sum(axis=1), (~ratings).sum(axis=1)], axis=1))
    return Agreement(kappa, len(tables), len(shared))


@dataclass(frozen=True)
class Judgement:
    """Answers about one picture.

    Parameters
    ----------
    picture : Picture
    taken_for_real : Rate
    seconds : float
        Median time of the answers.
    """

    picture: Picture
    taken_for_real: Rate
    seconds: float


def judgements(sessions: Iterable[Session], kind: Literal["real", "synthetic"]) -> list[Judgement]:
    """Return the judgement of each picture of a kind, most convincing first.

    Of pictures that were equally often taken for real, the one with the faster answers comes first where most took it
    for real, and last where most did not.
    """
    answers: dict[str | Place, list[tuple[Picture, bool, float]]] = {}
    for session in sessions:
        for answer in session.answers:
            for picture, real in session.taken_for_real(answer):
                if picture.kind == kind:
                    key = picture.name if kind == "synthetic" else picture.place
                    answers.setdefault(key, []).append((picture, real, answer.seconds))
    listed = [
        Judgement(
            group[0][0], Rate(sum(real for _, real, _ in group), len(group)), median(seconds for *_, seconds in group)
        )
        for group in answers.values()
    ]

    def rank(one: Judgement) -> tuple[float, float]:
        share = one.taken_for_real.share
        return -share, one.seconds if share >= 0.5 else -one.seconds

    return sorted(listed, key=rank)


def write_scores(project: Project) -> int:
    """Give samples ``blind_real`` (share of answers that took them for real) and ``blind_seconds`` (median time).

    Over all tests of the project but practice. Returns how many samples have them.
    """
    listed = judgements(counted(read_sessions(project)), "synthetic")
    if not listed:
        return 0
    with SampleStore(project.samples_path) as store, store.transaction():
        known = set(store.ids())
        stored = [one for one in listed if one.picture.name in known]
        for one in stored:
            store.rate(one.picture.name, {REAL_SCORE: one.taken_for_real.share, TIME_SCORE: one.seconds})
    return len(stored)


COLUMNS = (
    "test", "started", "observer", "way", "practice", "question", "left", "right", "truth", "choice", "correct",
    "seconds", "fast", "pauses",
)  # fmt: skip


def to_csv(sessions: Iterable[Session]) -> str:
    """Format tests as CSV: a line for each answer; a picture alone is in ``left``."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for session in sessions:
        settings = session.settings
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(session.started))
        for one in session.answers:
            shown = [_csv_name(picture) for picture in session.questions[one.question]]
            truth = session.truth(one.question)
            question = session.id, when, settings.observer, settings.way, int(settings.practice), one.question + 1
            answer = truth, one.choice, int(one.choice == truth), f"{one.seconds:.3f}", int(one.seconds < FAST)
            table.writerow([*question, *[*shown, ""][:2], *answer, one.pauses])
    return stream.getvalue()


def _csv_name(picture: Picture) -> str:
    return picture.name if picture.kind == "synthetic" else f"{picture.name}_y{picture.y}_x{picture.x}"
