"""Masks of the sets, and memorisation: sentences for each set, and the pairs most like a real tile beside that tile."""

from __future__ import annotations

from html import escape

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.page import Section, paragraph
from napari_organoid_synth.core.report.set_tables import label, mask_table
from napari_organoid_synth.core.scores.score import nearest_real
from napari_organoid_synth.core.scores.table import sentences

NEAREST = 6


def copies(contents: Contents) -> Section | None:
    """Whether masks are alike in distribution, and images not alike one by one."""
    text = mask_table(contents)
    said = ""
    for one in contents.set_scores:
        words = " ".join(sentences(one))
        name = f"{label(one, contents.run(one.run))} ({one.number} {one.samples})."
        said += f"<p><b>{escape(name)}</b> {escape(words)}</p>\n"
    shown = _nearest(contents)
    if said or shown:
        text += f"<h3>Copies of real images</h3>\n{said}{shown}"
    return Section("Masks and memorisation", "copies", text) if text else None


def _nearest(contents: Contents) -> str:
    """The six pairs with the highest SSIM to a real tile, each left of that tile."""
    rows = [row for row in contents.rows if "nearest" in row.scores and row.nearest is not None]
    rows = sorted(rows, key=lambda row: row.scores["nearest"], reverse=True)[:NEAREST]
    figures = ""
    for row, pair in contents.pairs(rows):
        try:
            real = nearest_real(contents.project, row)
        except UserError:
            continue
        of = row.nearest.pair if row.nearest is not None else ""
        flag = f", flagged: {row.flagged}" if row.flagged else ""
        left = contents.album.tile(pair, f"{row.name}: SSIM {row.scores['nearest']:.2f}{flag}")
        figures += f"<div class=pair>{left}{contents.album.tile(real, f'real: {of}')}</div>"
    if not figures:
        return ""
    words = "The synthetic pairs that are most like a real tile, that tile to their right. From SSIM 0.90 on: a copy."
    return f"{paragraph(words)}<div class=tiles>{figures}</div>\n"
