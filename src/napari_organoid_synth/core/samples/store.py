"""Synthetic pairs, their scores and the decisions about them: one database beside a folder of pixel files.

Pixels are written first, then the row, so that a process killed at any moment leaves no row without its files.
Verdicts, tags, notes and edited masks are committed to disk before the call that changes them returns, and the history
of them lies in the same database: undo works after a restart. Pixel files are never changed: an edited mask is a new
file. How the database is opened, locked and checked is in `database`, how a damaged one is replaced in `recovery`.
"""

from __future__ import annotations

import glob
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.format import FormatOf, PairFormat
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import decode_png, make_thumbnail
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.registry import METRICS
from napari_organoid_synth.core.samples.database import SampleDatabase
from napari_organoid_synth.core.samples.query import Condition
from napari_organoid_synth.core.samples.row import (
    COLUMNS,
    EDITED,
    VERDICTS,
    Change,
    SampleRow,
    Verdict,
    labels_file,
    split_tags,
    to_row,
)

__all__ = ["VERDICTS", "Change", "SampleRow", "SampleStore", "Verdict"]

EVERY = Condition()
_CHANGEABLE = {column: column for column in ("verdict", "tags", "remark", "labels")}  # no other name becomes SQL


class SampleStore(SampleDatabase):
    """The synthetic pairs of a project; parameters and errors as for `SampleDatabase`."""

    # ------------------------------------------------------------------------------------------------------- adding

    def add(self, pair: SamplePair, run: str = "") -> str:
        """Write the files of a pair and enter it; return its id, which is its name, numbered when taken.

        Errors as of `add_many`.
        """
        return self.add_many([pair], run)[0]

    def add_many(self, pairs: Iterable[SamplePair], run: str = "") -> list[str]:
        """Add a batch of pairs: files one by one, rows in one transaction.

        Raises
        ------
        UserError
            If the disk is full; nothing of the batch is in the store then.
        Misfit
            If channels, pixel type, mask kind or classes of a pair are not those of the real pairs of the project.
        """
        ids: list[str] = []
        rows: list[tuple[SamplePair, str, Path, Path, bytes, bytes]] = []
        try:
            with self._plain_errors():
                for pair in pairs:
                    self._refuse_misfit(pair)
                    ids.append(self._claim(file_stem(pair.name)))
                    image_path, labels_path = ome_tiff.write_pair(self.folder, pair.replace(name=ids[-1]))
                    rows.append((pair, ids[-1], image_path, labels_path, *make_thumbnail(pair)))
            with self.transaction():
                for row in rows:
                    self._insert(*row, run=run, created=time.time())
        except BaseException:
            for id in ids:
                for path in ome_tiff.pair_paths(self.folder, id):
                    path.unlink(missing_ok=True)
            raise
        return ids

    def _refuse_misfit(self, pair: SamplePair) -> None:
        """Raise `Misfit` unless a pair fits the real pairs of the project."""
        real = self._real.get()
        if real is not None:
            real.refuse(PairFormat.of_pair(pair), f"'{pair.name}'", "Convert it, or use it in another project.")

    @cached_property
    def _real(self) -> FormatOf:
        return FormatOf(self.path.with_name("pairs.json"))

    def _claim(self, stem: str) -> str:
        """Claim a free id in the database, so that two processes never write the same file."""
        with self.transaction():
            number = 2 if stem.endswith("_labels") else 1  # so that no image takes the name of a label file
            while True:
                id = stem if number == 1 else f"{stem}-{number}"
                row = self._db.execute("SELECT 1 FROM names WHERE id = ?", (id,)).fetchone()
                if not row and not any(path.exists() for path in ome_tiff.pair_paths(self.folder, id)):
                    self._db.execute("INSERT INTO names VALUES (?)", (id,))
                    return id
                number += 1

    def _insert(
        self, pair: SamplePair, id: str, image: Path, labels: Path, *thumbnail: bytes, run: str, created: float
    ) -> None:
        self._db.execute(
            "INSERT INTO samples (id, name, run, created, image, labels, n_objects, height, width, mask_kind)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (id, pair.name, run, created, image.name, labels.name, pair.n_objects, *pair.size, pair.mask_kind),
        )
        self._db.execute("INSERT INTO thumbnails VALUES (?, ?, ?)", (id, *thumbnail))

    def restore(self, image: Path) -> bool:
        """Enter a pair whose files are in the folder but not in the database, with the mask that was edited last.

        Returns
        -------
        bool
            Whether it has an edited mask.

        Raises
        ------
        UserError
            If its files cannot be read.
        Misfit
            As of `add_many`.
        """
        id = image.name.removesuffix(ome_tiff.IMAGE_ENDING)
        pair = ome_tiff.read_pair(image)
        self._refuse_misfit(pair)
        run = str(pair.source.provenance.get("run", ""))
        paths = ome_tiff.pair_paths(self.folder, id)
        masks = list((self.folder / EDITED).glob(f"{glob.escape(id)}.*{ome_tiff.LABELS_ENDING}"))
        with self.transaction():
            self._db.execute("INSERT INTO names VALUES (?)", (id,))
            self._insert(pair, id, *paths, *make_thumbnail(pair), run=run, created=image.stat().st_mtime)
            if masks:
                self._set_mask(id, f"{EDITED}/{max(masks, key=lambda file: file.stat().st_mtime_ns).name}")
        return bool(masks)

    # ------------------------------------------------------------------------------------------------------ reading

    def ids(self, verdict: Verdict | None = None, sort: str = "created", descending: bool = False) -> list[str]:
        """Return ids in order of ``"created"``, ``"name"`` or any score; samples without that score come last."""
        return [row[0] for row in self._sorted("s.id", verdict, sort, descending)]

    def listing(
        self, sort: str = "created", descending: bool = False, condition: Condition = EVERY
    ) -> list[tuple[str, Verdict, bool]]:
        """Return all samples in the order of `ids`: id, verdict, and whether they fulfil the condition."""
        records = self._sorted(f"s.id, s.verdict, {condition.sql}", None, sort, descending, condition.values)
        return [(id, verdict, bool(fits)) for id, verdict, fits in records]

    def _sorted(
        self, columns: str, verdict: Verdict | None, sort: str, descending: bool, bound: Sequence[Any] = ()
    ) -> list[Any]:
        way = "DESC" if descending else "ASC"
        join, values = "", [*bound]
        if sort in {"created", "name"}:
            order = f"s.{sort} {way}, s.number {way}"
        else:
            join = "LEFT JOIN scores k ON k.id = s.id AND k.metric = ?"
            order = f"k.value IS NULL, k.value {way}, s.number"
            values.append(sort)
        where = ""
        if verdict is not None:
            where = "WHERE s.verdict = ?"
            values.append(verdict)
        return self._query(f"SELECT {columns} FROM samples s {join} {where} ORDER BY {order}", values)

    def rows(self, verdict: Verdict | None = None, sort: str = "created", descending: bool = False) -> list[SampleRow]:
        """Return all rows, in the order of `ids`."""
        scores: dict[str, dict[str, float]] = {}
        for id, metric, value in self._query("SELECT id, metric, value FROM scores"):
            scores.setdefault(id, {})[metric] = value
        records = self._sorted(COLUMNS, verdict, sort, descending)
        return [to_row(record, self.folder, scores.get(record[0], {})) for record in records]

    def row(self, id: str) -> SampleRow:
        """Return the row of one sample.

        Raises
        ------
        UserError
            If there is no such sample.
        """
        records = self._query(f"SELECT {COLUMNS} FROM samples s WHERE s.id = ?", (id,))
        if not records:
            raise UserError(f"There is no sample '{id}' in {self.path}.")
        scores = dict(self._query("SELECT metric, value FROM scores WHERE id = ?", (id,)))
        return to_row(records[0], self.folder, scores)

    def pair(self, id: str) -> SamplePair:
        """Read the pixels of a sample.

        Raises
        ------
        UserError
            If there is no such sample or its files are gone.
        """
        row = self.row(id)
        pair = ome_tiff.read_pair(row.image_path, row.labels_path)
        if row.edited:
            known = pair.source.provenance | {"mask_edited": row.labels_path.name}
            pair = pair.replace(source=replace(pair.source, provenance=known))
        return pair

    def thumbnail(self, id: str) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Read thumbnails of image (h, w, 3) uint8, contrast stretched, and labels (h, w) uint16; at most 192 px."""
        records = self._query("SELECT image, labels FROM thumbnails WHERE id = ?", (id,))
        if not records:
            raise UserError(f"There is no sample '{id}' in {self.path}.")
        image, labels = records[0]
        return decode_png(image), decode_png(labels)

    def counts(self) -> dict[str, int]:
        """Return the number of samples with each verdict."""
        numbers = dict(self._query("SELECT verdict, count(*) FROM samples GROUP BY verdict"))
        return {verdict: numbers.get(verdict, 0) for verdict in VERDICTS}

    def metrics(self) -> list[str]:
        """Return the names of all scores that any sample has."""
        skip = (  # from one name to the next by the index, not through a million scores
            "WITH RECURSIVE found (metric) AS (SELECT min(metric) FROM scores UNION ALL"
            " SELECT (SELECT min(metric) FROM scores s WHERE s.metric > found.metric) FROM found WHERE metric NOT NULL)"
            " SELECT metric FROM found WHERE metric NOT NULL"
        )
        return [row[0] for row in self._query(skip)]

    def score_values(self, metric: str) -> dict[str, float]:
        """Return one score of all samples that have it, by id."""
        return dict(self._query("SELECT id, value FROM scores WHERE metric = ?", (metric,)))

    def tags(self) -> list[str]:
        """Return all tags that any sample has, in alphabetical order."""
        lists = self._query("SELECT DISTINCT tags FROM samples WHERE tags <> ''")
        return list(split_tags(", ".join(tags for (tags,) in lists)))

    def history(self) -> list[Change]:
        """Return every change of verdicts, tags, notes and masks, oldest first.

        Undone changes are included, until another decision makes it impossible to redo them.
        """
        rows = self._query(
            "SELECT c.decision, c.id, c.field, c.before, c.after, d.undone FROM changes c"
            " JOIN decisions d ON d.number = c.decision ORDER BY c.decision, c.id, c.field"
        )
        return [Change(*values) for values in rows]

    def features(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the features that `keep_features` stored of these samples."""
        query = "SELECT id, data FROM features WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self._query(query, (json.dumps(list(ids)),)))

    def keep_features(self, features: Mapping[str, bytes]) -> None:
        """Store numbers computed from thumbnails; deleted when a mask changes."""
        with self.transaction():
            self._db.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", list(features.items()))

    def data_version(self) -> int:
        """Return a number that differs after another window or process changed the store."""
        return int(self._query("PRAGMA data_version")[0][0])

    # ------------------------------------------------------------------------------------------- scores and verdicts

    def rate(
        self,
        id: str,
        scores: dict[str, float],
        *,
        note: str | None = None,
        flagged: str | None = None,
        nearest: TilePlace | None = None,
    ) -> None:
        """Set scores of a sample (others stay) and, when given, its note, flag and nearest real tile."""
        with self.transaction():
            self.row(id)
            self._db.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?)",
                [(id, metric, float(value)) for metric, value in scores.items() if np.isfinite(value)],
            )
            name, y, x = astuple(nearest) if nearest else (None, None, None)
            for column, value in (
                ("note", note),
                ("flagged", flagged),
                ("nearest", name),
                ("nearest_y", y),
                ("nearest_x", x),
            ):
                if value is not None:
                    self._db.execute(f"UPDATE samples SET {column} = ? WHERE id = ?", (value, id))

    def decide(self, ids: Iterable[str], verdict: Verdict) -> list[str]:
        """Give samples a verdict, as one entry of the history; undone changes can no longer be redone.

        Returns
        -------
        list of str
            The samples whose verdict changed.
        """
        if verdict not in VERDICTS:
            raise UserError(f"'{verdict}' is not a verdict.", f"Expected one of: {', '.join(VERDICTS)}.")
        with self.transaction():
            return self._change([(id, "verdict", verdict) for id in dict.fromkeys(ids)])

    def annotate(
        self, ids: Iterable[str], *, add: Iterable[str] = (), remove: Iterable[str] = (), remark: str | None = None
    ) -> list[str]:
        """Add and remove tags and, when given, replace the note; one entry of the history.

        Returns
        -------
        list of str
            The samples that changed.
        """
        added, removed = split_tags(",".join(add)), {tag.casefold() for tag in split_tags(",".join(remove))}
        changes: list[tuple[str, str, str]] = []
        with self.transaction():
            for id in dict.fromkeys(ids):
                tags = [tag for tag in self.row(id).tags if tag.casefold() not in removed]
                changes.append((id, "tags", ", ".join(split_tags(",".join([*tags, *added])))))
                if remark is not None:
                    changes.append((id, "remark", remark.strip()))
            return self._change(changes)

    def edit_mask(self, id: str, labels: NDArray[np.integer[Any]]) -> bool:
        """Give a sample another mask, as a new file; the old one stays and undo brings it back.

        The scores that depend on the mask are put aside with the old one, so that the next scoring computes them again.

        Parameters
        ----------
        id : str
            Of the sample.
        labels : NDArray (Y, X) of a whole-number type
            0 is background; ids are kept, a binary mask becomes 0 and 1.

        Returns
        -------
        bool
            Whether it differs from the mask that the sample has.

        Raises
        ------
        UserError
            If it does not fit the image or names a class that there is not.
        """
        pair = self.pair(id)
        where = f"drawn for '{pair.name}'"
        new_labels = ome_tiff.as_labels(np.asarray(labels), where)
        if new_labels.shape != pair.labels.shape:
            raise UserError(
                f"The mask {where} has shape {new_labels.shape}.",
                f"Expected {pair.labels.shape}, the shape of the image.",
            )
        if pair.mask_kind == "binary":
            new_labels = (new_labels > 0).astype(np.int32)
        if pair.mask_kind == "classes" and new_labels.max(initial=0) > len(pair.class_names):
            raise UserError(
                f"The mask {where} holds the label {new_labels.max()}.",
                f"Expected 0 to {len(pair.class_names)}: {', '.join(pair.class_names)}.",
            )
        if np.array_equal(new_labels, pair.labels):
            return False
        with self.transaction():
            (self.folder / EDITED).mkdir(exist_ok=True)
            version = 2  # number 1 is the generator's own
            while (file := self.folder / EDITED / f"{id}.{version}{ome_tiff.LABELS_ENDING}").exists():
                version += 1
            ome_tiff.write_labels(file, pair.replace(labels=new_labels))
            return bool(self._change([(id, "labels", f"{EDITED}/{file.name}")]))

    def undo(self) -> list[str]:
        """Undo the last change; return the samples that changed, none when there is nothing to undo."""
        return self._walk("SELECT max(number) FROM decisions WHERE NOT undone", "before", undone=1)

    def redo(self) -> list[str]:
        """Redo the change that was undone last; return the samples that changed."""
        return self._walk("SELECT min(number) FROM decisions WHERE undone", "after", undone=0)

    def _change(self, wanted: Sequence[tuple[str, str, str]]) -> list[str]:
        """Set columns (sample, column, value) as one entry of the history; return the samples that changed."""
        before = [(id, field, self._value(id, field), value) for id, field, value in wanted]
        changed = [change for change in before if change[2] != change[3]]
        if changed:
            self._db.execute("DELETE FROM changes WHERE decision IN (SELECT number FROM decisions WHERE undone)")
            self._db.execute("DELETE FROM decisions WHERE undone")
            number = self._db.execute("INSERT INTO decisions DEFAULT VALUES").lastrowid
            self._db.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", [(number, *one) for one in changed])
            self._set([(id, field, value) for id, field, _, value in changed])
        return list(dict.fromkeys(id for id, *_ in changed))

    def _value(self, id: str, field: str) -> str:
        row = self._db.execute(f"SELECT {_CHANGEABLE[field]} FROM samples WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise UserError(f"There is no sample '{id}' in {self.path}.")
        return str(row[0])

    def _walk(self, find: str, column: str, undone: int) -> list[str]:
        with self.transaction():
            (number,) = self._db.execute(find).fetchone()
            if number is None:
                return []
            changes = self._db.execute(f"SELECT id, field, {column} FROM changes WHERE decision = ?", (number,))
            rows = changes.fetchall()
            self._set(rows)
            self._db.execute("UPDATE decisions SET undone = ? WHERE number = ?", (undone, number))
        return list(dict.fromkeys(id for id, *_ in rows))

    def _set(self, wanted: Sequence[tuple[str, str, str]]) -> None:
        for id, field, value in wanted:
            if field == "labels":
                self._set_mask(id, value)
            else:
                self._db.execute(f"UPDATE samples SET {_CHANGEABLE[field]} = ? WHERE id = ?", (value, id))

    def _set_mask(self, id: str, labels: str) -> None:
        """Use another label file; scores of the mask go aside with the old file and come back with it."""
        row, old = self.row(id), self._value(id, "labels")
        names = [name for name in _mask_scores() if name in row.scores]
        record: dict[str, Any] = {name: getattr(row, name) for name in ("note", "flagged")}
        record["scores"] = {name: row.scores[name] for name in names}
        self._db.execute("INSERT OR REPLACE INTO aside VALUES (?, ?)", (old, json.dumps(record)))
        self._db.executemany("DELETE FROM scores WHERE id = ? AND metric = ?", [(id, name) for name in names])
        stored = self._db.execute("SELECT record FROM aside WHERE labels = ?", (labels,)).fetchone()
        if stored:
            record = json.loads(stored[0])
        else:
            flags = ", ".join(word for word in row.flagged.split(", ") if word not in ("", "mask"))
            record = {"scores": {}, "note": "mask edited, not scored yet" if names else row.note, "flagged": flags}
        pair = ome_tiff.read_pair(row.image_path, labels_file(self.folder, labels))
        self._db.execute(
            "UPDATE samples SET labels = ?, n_objects = ?, note = ?, flagged = ? WHERE id = ?",
            (labels, pair.n_objects, record["note"], record["flagged"], id),
        )
        scores = [(id, name, value) for name, value in record["scores"].items()]
        self._db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", scores)
        self._db.execute("UPDATE thumbnails SET image = ?, labels = ? WHERE id = ?", (*make_thumbnail(pair), id))
        self._db.execute("DELETE FROM features WHERE id = ?", (id,))


def _mask_scores() -> list[str]:
    """Return the names of scores that another mask may change."""
    return [score.name for name in ("objects", "fits") for score in METRICS.load(name).scores] + ["realism"]
