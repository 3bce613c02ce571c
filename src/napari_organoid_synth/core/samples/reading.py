"""Read the synthetic pairs of a project: lists, rows, pixels, scores, history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import decode_png
from napari_organoid_synth.core.pairs.thumbnail import Contrast, Thumbnail, common_contrast
from napari_organoid_synth.core.samples.database import SampleDatabase
from napari_organoid_synth.core.samples.query import Condition
from napari_organoid_synth.core.samples.row import (
    COLUMNS,
    DELETED,
    VERDICTS,
    Change,
    SampleDeleted,
    SampleRow,
    Verdict,
    split_tags,
    to_row,
)

EVERY = Condition()


class SampleReader(SampleDatabase):
    """The synthetic pairs of a project, to read; parameters and errors as for `SampleDatabase`."""

    def ids(self, verdict: Verdict | None = None, sort: str = "created", descending: bool = False) -> list[str]:
        """Return ids in order of ``"created"``, ``"name"`` or any score; samples without that score come last."""
        return [row[0] for row in self._sorted("s.id", verdict, sort, descending)]

    def listing(
        self, sort: str = "created", descending: bool = False, condition: Condition = EVERY, deleted: bool = False
    ) -> list[tuple[str, Verdict, bool]]:
        """Return all samples in the order of `ids`: id, verdict, and whether they fulfil the condition.

        With ``deleted`` those in the bin instead.
        """
        records = self._sorted(f"s.id, s.verdict, {condition.sql}", None, sort, descending, condition.values, deleted)
        return [(id, verdict, bool(fits)) for id, verdict, fits in records]

    def _sorted(
        self,
        columns: str,
        verdict: Verdict | None,
        sort: str,
        descending: bool,
        bound: Sequence[Any] = (),
        deleted: bool = False,
    ) -> list[Any]:
        way = "DESC" if descending else "ASC"
        join, values = "", [*bound]
        if sort in {"created", "name"}:
            order = f"s.{sort} {way}, s.number {way}"
        else:
            join = "LEFT JOIN scores k ON k.id = s.id AND k.metric = ?"
            order = f"k.value IS NULL, k.value {way}, s.number"
            values.append(sort)
        where = f"WHERE s.verdict {'=' if deleted or verdict is not None else '<>'} ?"
        values.append(DELETED if deleted or verdict is None else verdict)
        return self._query(f"SELECT {columns} FROM samples s {join} {where} ORDER BY {order}", values)

    def rows(
        self,
        verdict: Verdict | None = None,
        sort: str = "created",
        descending: bool = False,
        deleted: bool = False,
    ) -> list[SampleRow]:
        """Return all rows, in the order of `ids`; with ``deleted`` those in the bin."""
        scores: dict[str, dict[str, float]] = {}
        for id, metric, value in self._query("SELECT id, metric, value FROM scores"):
            scores.setdefault(id, {})[metric] = value
        records = self._sorted(COLUMNS, verdict, sort, descending, deleted=deleted)
        return [self._row(record, scores.get(record[0], {})) for record in records]

    def row(self, id: str) -> SampleRow:
        """Return the row of one sample.

        Raises
        ------
        UserError
            If there is no such sample.
        """
        records = self._query(f"SELECT {COLUMNS} FROM samples s WHERE s.id = ?", (id,))
        if not records or records[0][4] == DELETED:
            raise self._missing(id, bool(records))
        scores = dict(self._query("SELECT metric, value FROM scores WHERE id = ?", (id,)))
        return self._row(records[0], scores)

    def _row(self, record: tuple[Any, ...], scores: dict[str, float]) -> SampleRow:
        try:
            return to_row(record, self.folder, scores)
        except TypeError as error:
            raise self._damaged(error) from None

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

    def thumbnail(self, id: str, contrast: Contrast = ()) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Read thumbnails of image (h, w, 3) uint8 and labels (h, w) uint16; at most 192 px.

        Parameters
        ----------
        id : str
            Of the sample.
        contrast : tuple of (float, float), optional
            Pixel values of each channel that become black and white; default: stretched to those of the image itself.
        """
        records = self._query("SELECT image, labels, meaning FROM thumbnails WHERE id = ?", (id,))
        if not records:
            raise self._missing(id)
        image, labels, meaning = records[0]
        if meaning is not None:
            small = Thumbnail.decode(image, labels, meaning)
            return small.picture(contrast), small.labels
        made = self._made_again(id)
        return (made.picture(contrast), made.labels) if made is not None else (decode_png(image), decode_png(labels))

    def _made_again(self, id: str) -> Thumbnail | None:
        """Replace a thumbnail that an earlier version made; None where its pixels cannot be read."""
        try:
            made = Thumbnail.of(self.pair(id))
        except (UserError, OSError):
            return None
        if not self.read_only:
            with self.transaction():
                self._db.execute(
                    "UPDATE thumbnails SET image = ?, labels = ?, meaning = ? WHERE id = ?", (*made.encode(), id)
                )
        return made

    def contrast(self, number: int = 24) -> Contrast:
        """Return one contrast for all samples, from some of them; for a project without real images."""
        ids = [id for id in self.ids() if isinstance(id, str)]  # others are damage, and told elsewhere
        chosen = dict.fromkeys(ids[place] for place in np.linspace(0, len(ids) - 1, min(number, len(ids))).astype(int))
        query = (
            "SELECT image, labels, meaning FROM thumbnails"
            " WHERE meaning NOT NULL AND id IN (SELECT value FROM json_each(?))"
        )
        whole = []
        for row in self._query(query, (json.dumps(list(chosen)),)):
            with suppress(OSError, ValueError):  # damage is told elsewhere
                whole.append(Thumbnail.decode(*row))
        return common_contrast(whole)

    def counts(self) -> dict[str, int]:
        """Return the number of samples with each verdict."""
        numbers = dict(self._query("SELECT verdict, count(*) FROM samples GROUP BY verdict"))
        return {verdict: numbers.get(verdict, 0) for verdict in VERDICTS}

    def run_counts(self) -> dict[str, int]:
        """Return the number of samples that each run made, without deleted ones, by the name of its folder."""
        return dict(self._query("SELECT run, count(*) FROM samples WHERE verdict <> ? GROUP BY run", (DELETED,)))

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
        lists = self._query("SELECT DISTINCT tags FROM samples WHERE tags <> '' AND verdict <> ?", (DELETED,))
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

    def _missing(self, id: str, deleted: bool = False) -> UserError:
        """Return the error for a sample that is not there."""
        if deleted:
            bring = f"Bring it back with 'organoid-synth samples {self.path.parent} --restore {id}'."
            return SampleDeleted(f"The sample '{id}' is in the bin of the project.", todo=bring)
        return UserError(f"There is no sample '{id}' in {self.path}.")
