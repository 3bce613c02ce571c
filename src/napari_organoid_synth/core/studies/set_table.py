"""Scores of sets as a table: the range of the originals, a row for each set, and below it what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari_organoid_synth.core.metrics.sets import Interval, SetScore
from napari_organoid_synth.core.report.rendering import Table, digits
from napari_organoid_synth.core.report.set_tables import STUDY
from napari_organoid_synth.core.scores.storage import SetScores

SEVEN = ("fid", "ssim", "uqi", "nmi", "hf_energy", "psnr", "mse")
"""Scores of the organoid study, in its order."""
MARK = "●"
LEGEND = (
    f"{MARK}: within the range of the originals among each other, and that says something. Values compare as many "
    "images of a set with one half of the originals as the other half has, so they can be compared with the first row."
)
Published = Mapping[str, Mapping[str, str]]
"""Published figures: title of a row to name of a score to text; those that are not known are left out."""


def set_table(
    title: str, sets: Mapping[str, SetScores], scores: Sequence[str], published: Published, originals: str = "Originals"
) -> Table:
    """Return a table of sets by scores.

    Parameters
    ----------
    title : str
        Head of the first column.
    sets : mapping of str to SetScores
        By the title of their row.
    scores : sequence of str
        Names of the columns.
    published : mapping
        Rows that were published, also that of the originals.
    originals : str
        Title of the row of the originals.
    """
    first = next((one.by_name for one in sets.values() if one.scores), {})
    rows = [[originals, *(span(first[name].originals) if name in first else "–" for name in scores)]]
    rows += _published(originals, published, scores)
    for name, one in sets.items():
        rows.append([name, *(cell(one.by_name.get(score)) for score in scores)])
        rows += _published(name, published, scores)
    head = [title, *(_head(name, sets) for name in scores)]
    return Table(head, rows)


def _published(row: str, published: Published, scores: Sequence[str]) -> list[list[str]]:
    if row not in published:
        return []
    return [[f"{row}, published", *(published[row].get(name, "") for name in scores)]]


def cell(score: SetScore | None) -> str:
    """Return a score as text, with the mark where it lies within the range of the originals."""
    if score is None:
        return "–"
    return digits(score.matched_value) + (f" {MARK}" if score.within else "")


def _head(name: str, sets: Mapping[str, SetScores]) -> str:
    known = next((one.by_name[name] for one in sets.values() if name in one.by_name), None)
    arrow = {"low": " ↓", "high": " ↑"}.get(known.better if known else "", "")
    return STUDY.get(name, known.title if known else name) + arrow


def span(interval: Interval) -> str:
    """Return a range as text."""
    return f"{digits(interval.low)} to {digits(interval.high)}"
