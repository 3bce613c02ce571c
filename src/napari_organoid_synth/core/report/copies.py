"""Masks of the sets, and memorisation: sentences for each set, and the pairs most like a real tile beside that tile."""

from __future__ import annotations

from dataclasses import dataclass

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.pictures import Picture
from napari_organoid_synth.core.report.rendering import Section
from napari_organoid_synth.core.report.set_tables import KINDS, Matrix, label, mask_table
from napari_organoid_synth.core.scores.score import nearest_real
from napari_organoid_synth.core.scores.storage import SetScores
from napari_organoid_synth.core.scores.table import sentences

MAX_NEAREST = 6


@dataclass(frozen=True)
class Copies:
    """Content of the section; for each set its title and the findings."""

    masks: Matrix | None
    sets: tuple[tuple[str, str], ...]
    nearest: tuple[tuple[Picture, Picture], ...]


def copies(contents: Contents) -> Section | None:
    """Show whether masks are distributed alike, and whether images are copies."""
    sets = tuple((_title(contents, scores), " ".join(sentences(scores))) for scores in contents.set_scores)
    content = Copies(mask_table(contents), sets, _nearest(contents))
    is_empty = not (content.masks or content.sets or content.nearest)
    return None if is_empty else Section("Masks and memorisation", "copies", content)


def _title(contents: Contents, scores: SetScores) -> str:
    tiles = plural(scores.number, "tile")
    return f"{label(scores, contents.run(scores.run))} ({tiles}, {KINDS[scores.samples]})."


def _nearest(contents: Contents) -> tuple[tuple[Picture, Picture], ...]:
    """Return the samples with the highest SSIM to a real tile, each with that tile."""
    rows = [row for row in contents.rows if "nearest" in row.scores and row.nearest is not None]
    rows = sorted(rows, key=lambda row: row.scores["nearest"], reverse=True)[:MAX_NEAREST]
    pictures = []
    for row, pair in contents.pairs(rows):
        try:
            real = nearest_real(contents.project, row)
        except UserError:
            continue
        of = row.nearest.pair if row.nearest is not None else ""
        flag = f", flagged: {row.flagged}" if row.flagged else ""
        sample = contents.album.tile(pair, f"{row.name}: SSIM {row.scores['nearest']:.2f}{flag}")
        pictures.append((sample, contents.album.tile(real, f"real: {of}")))
    return tuple(pictures)
