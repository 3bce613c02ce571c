"""Whether people could tell synthetic pictures from real ones."""

from __future__ import annotations

import time

from napari_organoid_synth.core.blind.results import counted, judgements
from napari_organoid_synth.core.blind.sentences import pooled_sentences, session_sentences
from napari_organoid_synth.core.blind.session import read_sessions
from napari_organoid_synth.core.blind.statistics import MedianTimes
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.page import Section, paragraph, table

SHOWN = 6


def blind(contents: Contents) -> Section | None:
    """Every test that counts, what they say together, and the pictures that convinced most."""
    sessions = counted(read_sessions(contents.project))
    if not sessions:
        return None
    text = "".join(map(paragraph, pooled_sentences(sessions) if len(sessions) > 1 else session_sentences(sessions[0])))
    rows = []
    for session in sessions:
        result = session.result()
        rows.append(
            [
                time.strftime("%d %B %Y, %H:%M", time.localtime(session.started)),
                session.settings.observer or "no name",
                session.settings.way,
                f"{len(session.answers)} of {len(session.questions)}",
                str(result.wrong),
                str(result.fooled),
                _times(result.seconds),
            ]
        )
    head = ["Test", "Observer", "Asked", "Answers", "Wrong", "Synthetic taken for real", "Median time"]
    text += table(head, rows)
    known = {row.id: row for row in contents.rows}
    seen = [one for one in judgements(sessions, "synthetic") if one.picture.name in known]
    fooled = [(one.picture.name, one.taken_for_real) for one in seen if one.taken_for_real.share > 0.5][:SHOWN]
    figures = ""
    for name, rate in fooled:
        for _, pair in contents.pairs([known[name]]):
            figures += contents.album.tile(pair, f"{name}: {rate.count} of {rate.total} for real")
    if figures:
        text += f"{paragraph('Synthetic pairs that were mostly taken for real:')}<div class=tiles>{figures}</div>\n"
    return Section("Blind test", "blind", text)


def _times(seconds: MedianTimes) -> str:
    """Median times of right and of wrong answers."""
    times = {"right": seconds.right, "wrong": seconds.wrong}
    return ", ".join(f"{word} {time:.1f} s" for word, time in times.items() if time is not None)
