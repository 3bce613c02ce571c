"""Blind tests: whether people could tell synthetic images from real ones."""

from __future__ import annotations

import time
from dataclasses import dataclass

from napari_organoid_synth.core.blind.results import counted, judgements
from napari_organoid_synth.core.blind.sentences import pooled_sentences, session_sentences
from napari_organoid_synth.core.blind.session import Session, read_sessions
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.pictures import Picture
from napari_organoid_synth.core.report.rendering import Section, Table

SHOWN = 6


@dataclass(frozen=True)
class BlindTests:
    """Content of the section."""

    sentences: tuple[str, ...]
    table: Table
    convincing: tuple[Picture, ...]


def blind(contents: Contents) -> Section | None:
    """Show every test that counts, their common result, and the most convincing samples."""
    sessions = counted(read_sessions(contents.project))
    if not sessions:
        return None
    sentences = pooled_sentences(sessions) if len(sessions) > 1 else session_sentences(sessions[0])
    head = ["Test", "Observer", "Asked", "Answers", "Wrong", "Synthetic taken for real", "Median time"]
    table = Table(head, [_row(session) for session in sessions])
    return Section("Blind test", "blind", BlindTests(tuple(sentences), table, _convincing(contents, sessions)))


def _row(session: Session) -> list[str]:
    result = session.result()
    medians = {"right": result.seconds.right, "wrong": result.seconds.wrong}
    times = [f"{answer} {median:.1f} s" for answer, median in medians.items() if median is not None]
    return [
        time.strftime("%d %B %Y, %H:%M", time.localtime(session.started)),
        session.settings.observer or "no name",
        session.settings.way,
        f"{len(session.answers)} of {len(session.questions)}",
        str(result.wrong),
        str(result.fooled),
        ", ".join(times),
    ]


def _convincing(contents: Contents, sessions: list[Session]) -> tuple[Picture, ...]:
    """Return the samples that most people took for real."""
    known = {row.id: row for row in contents.rows}
    rates = [
        (one.picture.name, one.taken_for_real) for one in judgements(sessions, "synthetic") if one.picture.name in known
    ]
    return tuple(
        contents.album.tile(pair, f"{name}: {rate.count} of {rate.total} for real")
        for name, rate in [(name, rate) for name, rate in rates if rate.share > 0.5][:SHOWN]
        for _, pair in contents.pairs([known[name]])
    )
