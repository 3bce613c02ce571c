"""The database of synthetic pairs: its tables, and a row as a record."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.pairs.tile_reading import TilePlace

Verdict = Literal["new", "accepted", "rejected"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
DELETED = "deleted"
"""In the column of verdicts: the sample is in the bin. Only listings that ask for it have it."""

VERSION = 3
SCHEMA = """
CREATE TABLE names (id TEXT PRIMARY KEY COLLATE NOCASE) WITHOUT ROWID;
CREATE TABLE samples (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, run TEXT NOT NULL, created REAL NOT NULL,
    verdict TEXT NOT NULL DEFAULT 'new', image TEXT NOT NULL, labels TEXT NOT NULL, n_objects INTEGER NOT NULL,
    height INTEGER NOT NULL, width INTEGER NOT NULL, mask_kind TEXT NOT NULL, note TEXT NOT NULL DEFAULT '',
    flagged TEXT NOT NULL DEFAULT '', nearest TEXT NOT NULL DEFAULT '', nearest_y INTEGER, nearest_x INTEGER,
    tags TEXT NOT NULL DEFAULT '', remark TEXT NOT NULL DEFAULT '', digest TEXT NOT NULL DEFAULT '');
CREATE INDEX samples_verdict ON samples (verdict);
CREATE INDEX samples_digest ON samples (digest);
CREATE TABLE thumbnails (id TEXT PRIMARY KEY, image BLOB NOT NULL, labels BLOB NOT NULL, meaning TEXT);
CREATE TABLE scores (id TEXT, metric TEXT, value REAL NOT NULL, PRIMARY KEY (id, metric)) WITHOUT ROWID;
CREATE TABLE decisions (number INTEGER PRIMARY KEY AUTOINCREMENT, undone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE changes (
    decision INTEGER, id TEXT, field TEXT, before TEXT NOT NULL, after TEXT NOT NULL,
    PRIMARY KEY (decision, id, field)) WITHOUT ROWID;
CREATE INDEX scores_metric ON scores (metric);
CREATE TABLE features (id TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE aside (labels TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
"""
"""``changes`` is the history: what a decision changed in which column of ``samples``. ``aside`` keeps, for a mask that
was replaced, the scores that belong to it, as JSON. A thumbnail without ``meaning`` is one of version 2: its contrast
was stretched, so it is made again when it is next shown. ``digest`` is the hash of image and labels as they were added.
"""
UPGRADES = {
    1: """
ALTER TABLE samples ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE samples ADD COLUMN remark TEXT NOT NULL DEFAULT '';
ALTER TABLE changes RENAME TO changes_1;
CREATE TABLE changes (
    decision INTEGER, id TEXT, field TEXT, before TEXT NOT NULL, after TEXT NOT NULL,
    PRIMARY KEY (decision, id, field)) WITHOUT ROWID;
INSERT INTO changes SELECT decision, id, 'verdict', before, after FROM changes_1;
DROP TABLE changes_1;
CREATE INDEX scores_metric ON scores (metric);
CREATE TABLE features (id TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE aside (labels TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
""",
    2: """
ALTER TABLE thumbnails ADD COLUMN meaning TEXT;
ALTER TABLE samples ADD COLUMN digest TEXT NOT NULL DEFAULT '';
CREATE INDEX samples_digest ON samples (digest);
""",
}
"""SQL that upgrades a database of a version to the next; nothing is lost."""
EDITED = "edited"
"""Folder, beside the pixel files, of masks that a person changed."""
COLUMNS = (
    "s.id, s.name, s.run, s.created, s.verdict, s.image, s.labels, s.n_objects, s.height, s.width, s.mask_kind, "
    "s.note, s.flagged, s.nearest, s.nearest_y, s.nearest_x, s.tags, s.remark"
)


_TYPES: tuple[Any, ...] = (
    str, str, str, (int, float), str, str, str, int, int, int, str,
    str, str, str, (int, NoneType), (int, NoneType), str, str,
)  # fmt: skip
"""Of the columns."""


class SampleDeleted(UserError):
    """A sample that lies in the bin of the project."""


@dataclass(frozen=True)
class SampleRow:
    """Everything about a sample in the database, without its pixels.

    Parameters
    ----------
    id : str
        Name of its files, unique in the store.
    name : str
        Given by the generator.
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
    nearest : TilePlace, optional
        The most similar real tile, once scored.
    tags : tuple of str
        In alphabetical order.
    remark : str
        Note of a person.
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
    nearest: TilePlace | None = None
    scores: dict[str, float] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    remark: str = ""

    @property
    def edited(self) -> bool:
        """Whether a person changed its mask."""
        return self.labels_path.parent.name == EDITED


@dataclass(frozen=True)
class Change:
    """One field of one sample that a decision changed.

    Parameters
    ----------
    decision : int
        Grows with every decision; one decision may change many samples.
    id : str
    field : {"verdict", "tags", "remark", "labels"}
    before, after : str
    undone : int
        1 when it was undone, else 0.
    """

    decision: int
    id: str
    field: str
    before: str
    after: str
    undone: int = 0


def to_row(record: tuple[Any, ...], folder: Path, scores: dict[str, float]) -> SampleRow:
    """Make a row of one result of a query for `COLUMNS`, with the files in ``folder``.

    Raises
    ------
    TypeError
        If a value is of another type than its column, since SQLite stores anything anywhere, or a size negative.
    """
    values = (*record, *scores.values())
    if not all(map(isinstance, values, (*_TYPES, *[(int, float)] * len(scores)))):
        raise TypeError(f"the row of {record[0]!r} holds values of wrong types")
    if any(number is not None and number < 0 for number in (*record[7:10], *record[14:16])):
        raise TypeError(f"the row of {record[0]!r} holds a size or place below 0")
    id, name, run, created, verdict, image, labels, n_objects, height, width, kind = record[:11]
    note, flagged, nearest, y, x, tags, remark = record[11:]
    place = None if y is None or x is None else TilePlace(nearest, y, x)
    files = folder / Path(image).name, labels_file(folder, labels)
    size = height, width
    more: dict[str, Any] = {"scores": scores, "tags": split_tags(tags), "remark": remark}
    return SampleRow(id, name, run, created, verdict, *files, n_objects, size, kind, note, flagged, place, **more)


def labels_file(folder: Path, labels: str) -> Path:
    """Return the path of a label file that the database names; a foreign database may name files elsewhere."""
    path = Path(labels)
    return (folder / EDITED if path.parent.name == EDITED else folder) / path.name


def split_tags(text: str) -> tuple[str, ...]:
    """Split tags as stored or typed: separated by commas, each once, in alphabetical order."""
    tags = {" ".join(tag.split()).casefold(): " ".join(tag.split()) for tag in text.split(",")}
    return tuple(tags[key] for key in sorted(tags) if key)
