"""Whether people could tell synthetic pictures from real ones."""

from __future__ import annotations

import time

from napari_organoid_synth.core.blind.session import read_sessions
from napari_organoid_synth.core.blind.setup import counted, report_words, together_words, verdicts_on
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.page import Section, paragraph, table

SHOWN = 6


def blind(contents: Contents) -> Section | None:
    """Every test that counts, what they say together, and the pictures that convinced most."""
    sessions = counted(read_sessions(contents.project))
    if not sessions:
        return None
    text = "".join(map(paragraph, together_words(sessions) if len(sessions) > 1 else report_words(sessions[0])))
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
                ", ".join(
                    f"{word} {result.seconds[word]:.1f} s" for word in ("right", "wrong") if word in result.seconds
                ),
            ]
        )
    head = ["Test", "Observer", "Asked", "Answers", "Wrong", "Synthetic taken for real", "Median time"]
    text += table(head, rows)
    known = {row.id: row for row in contents.rows}
    seen = [(picture.name, rate) for picture, rate, _ in verdicts_on(sessions, "synthetic") if picture.name in known]
    fooled = [(name, rate) for name, rate in seen if rate.share > 0.5][:SHOWN]
    figures = ""
    for name, rate in fooled:
        for _, pair in contents.pairs([known[name]]):
            figures += contents.album.tile(pair, f"{name}: {rate.count} of {rate.total} for real")
    if figures:
        text += f"{paragraph('Synthetic pairs that were mostly taken for real:')}<div class=tiles>{figures}</div>\n"
    return Section("Blind test", "blind", text)
