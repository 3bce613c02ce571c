"""What the database of generated pairs holds: its tables, and a row of it as a record."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from napari_organoid_synth.core.pair import MaskKind

Verdict = Literal["new", "accepted", "rejected"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

VERSION = 1
SCHEMA = """
CREATE TABLE names (id TEXT PRIMARY KEY COLLATE NOCASE) WITHOUT ROWID;
CREATE TABLE samples (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, run TEXT NOT NULL, created REAL NOT NULL,
    verdict TEXT NOT NULL DEFAULT 'new', image TEXT NOT NULL, labels TEXT NOT NULL, n_objects INTEGER NOT NULL,
    height INTEGER NOT NULL, width INTEGER NOT NULL, mask_kind TEXT NOT NULL, note TEXT NOT NULL DEFAULT '',
    flagged TEXT NOT NULL DEFAULT '', nearest TEXT NOT NULL DEFAULT '', nearest_y INTEGER, nearest_x INTEGER);
CREATE INDEX samples_verdict ON samples (verdict);
CREATE TABLE thumbnails (id TEXT PRIMARY KEY, image BLOB NOT NULL, labels BLOB NOT NULL);
CREATE TABLE scores (id TEXT, metric TEXT, value REAL NOT NULL, PRIMARY KEY (id, metric)) WITHOUT ROWID;
CREATE TABLE decisions (number INTEGER PRIMARY KEY AUTOINCREMENT, undone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE changes (
    decision INTEGER, id TEXT, before TEXT NOT NULL, after TEXT NOT NULL, PRIMARY KEY (decision, id)) WITHOUT ROWID;
"""
COLUMNS = (
    "s.id, s.name, s.run, s.created, s.verdict, s.image, s.labels, s.n_objects, s.height, s.width, s.mask_kind, "
    "s.note, s.flagged, s.nearest, s.nearest_y, s.nearest_x"
)


@dataclass(frozen=True)
class SampleRow:
    """What the database knows of a sample without opening its pixels.

    Parameters
    ----------
    id : str
        Name of its files, unique in the store.
    name : str
        Name that the generator gave it.
    run : str
        The run that made it.
    created : float
        Seconds since 1970.
    verdict : {"new", "accepted", "rejected"}
    scores : dict of str to float
    image_path, labels_path : Path
    n_objects : int
    size : (int, int)
        Height and width, px.
    mask_kind : {"binary", "classes", "instances"}
    note : str
        The scores in words: ``"sharp, 14 objects, not a copy"``.
    flagged : str
        Why it should not be used: ``"copy"``, ``"mask"`` or nothing.
    nearest : str
        Name of the most similar real pair, once scored.
    nearest_at : (int, int), optional
        First row and column of its most similar tile.
    """

    id: str
    name: str
    run: str
    created: float
    verdict: Verdict
    image_path: Path
    labels_path: Path
    n_objects: int
    size: tuple[int, int]
    mask_kind: MaskKind
    note: str = ""
    flagged: str = ""
    nearest: str = ""
    nearest_at: tuple[int, int] | None = None
    scores: dict[str, float] = field(default_factory=dict)


def to_row(record: tuple[Any, ...], folder: Path, scores: dict[str, float]) -> SampleRow:
    """One result of a query for `COLUMNS`, with the files in ``folder``."""
    id, name, run, created, verdict, image, labels, n_objects, height, width, kind = record[:11]
    note, flagged, nearest, y, x = record[11:]
    place = None if y is None else (y, x)
    files = folder / Path(image).name, folder / Path(labels).name  # a foreign database may name files elsewhere
    size = height, width
    return SampleRow(
        id, name, run, created, verdict, *files, n_objects, size, kind, note, flagged, nearest, place, scores
    )
