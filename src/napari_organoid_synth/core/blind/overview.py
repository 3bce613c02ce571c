"""All blind tests of a project and their statistics, as the command line prints them."""

from __future__ import annotations

from napari_organoid_synth.core.blind.results import pooled
from napari_organoid_synth.core.blind.sentences import pooled_sentences, session_sentences
from napari_organoid_synth.core.blind.session import read_sessions
from napari_organoid_synth.core.blind.settings import Way
from napari_organoid_synth.core.blind.statistics import SIGNAL, Result
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.project import Project


class SessionSummary(FrozenModel):
    """One test: observer, questions and result."""

    id: str
    started: float
    observer: str
    way: Way
    practice: bool
    seed: int | None
    questions: int
    answers: int
    words: tuple[str, ...]
    result: Result | None


class Overview(FrozenModel):
    """All tests, newest first, and those that count together, by way of asking."""

    tests: tuple[SessionSummary, ...]
    together: dict[Way, Result]
    words: tuple[str, ...]


def overview(project: Project) -> Overview:
    """Return all blind tests of a project and their statistics."""
    sessions = read_sessions(project)
    tests = [
        SessionSummary(
            id=session.id,
            started=session.started,
            observer=session.settings.observer,
            way=session.settings.way,
            practice=session.settings.practice,
            seed=session.settings.seed,
            questions=len(session.questions),
            answers=len(session.answers),
            words=tuple(session_sentences(session)),
            result=session.result() if session.answers else None,
        )
        for session in sessions
    ]
    together = {way: result for way in SIGNAL if (result := pooled(sessions, way)) is not None}
    return Overview(tests=tuple(tests), together=together, words=tuple(pooled_sentences(sessions)))
