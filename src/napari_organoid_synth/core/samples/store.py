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
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.pair_format import FormatOf, PairFormat
from napari_organoid_synth.core.pairs.thumbnail import Thumbnail
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.registry import METRICS
from napari_organoid_synth.core.samples.bin import bin_of, from_bin, to_bin
from napari_organoid_synth.core.samples.reading import SampleReader
from napari_organoid_synth.core.samples.row import (
    DELETED,
    EDITED,
    VERDICTS,
    Change,
    SampleRow,
    Verdict,
    labels_file,
    split_tags,
)

__all__ = ["VERDICTS", "Change", "SampleRow", "SampleStore", "Verdict"]

_CHANGEABLE = {column: column for column in ("verdict", "tags", "remark", "flagged", "labels")}  # no other becomes SQL


class SampleStore(SampleReader):
    """The synthetic pairs of a project, to read and to change; parameters and errors as for `SampleDatabase`."""

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
        rows: list[tuple[SamplePair, str, Path, Path, Thumbnail]] = []
        try:
            with self._plain_errors():
                for pair in pairs:
                    self.refuse_misfit(pair)
                    ids.append(self._claim(file_stem(pair.name)))
                    image_path, labels_path = ome_tiff.write_pair(self.folder, pair.replace(name=ids[-1]))
                    rows.append((pair, ids[-1], image_path, labels_path, Thumbnail.of(pair)))
            with self.transaction():
                for row in rows:
                    self._insert(*row, run=run, created=time.time())
        except BaseException:
            for id in ids:
                for path in ome_tiff.pair_paths(self.folder, id):
                    path.unlink(missing_ok=True)
            raise
        return ids

    def equal_to(self, pair: SamplePair) -> str:
        """Return the id of a sample with the same pixels and mask; empty if there is none outside the bin.

        Samples that versions before the format 3 added are not recognised.
        """
        query = "SELECT id FROM samples WHERE digest = ? AND verdict <> ?"
        found = self._query(query, (content_hash(pair.image, pair.labels), DELETED))
        return str(found[0][0]) if found else ""

    def without_equal(self, pairs: Iterable[SamplePair]) -> list[SamplePair]:
        """Return the pairs that are new: unlike every sample, and each once."""
        kept: dict[str, SamplePair] = {}
        for pair in pairs:
            if not self.equal_to(pair):
                kept.setdefault(content_hash(pair.image, pair.labels), pair)
        return list(kept.values())

    def next_number(self, run: str, seed: int) -> int:
        """Return the number with which the samples of a run and seed go on, those in the bin counted, too."""
        query = "SELECT name FROM samples WHERE run = ? AND name GLOB ?"
        names = self._query(query, (run, f"*-s{seed}-[0-9]*"))
        numbers = [int(last) for (name,) in names if (last := name.rpartition("-")[2]).isdecimal()]
        return max(numbers, default=-1) + 1

    def refuse_misfit(self, pair: SamplePair) -> None:
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
        self, pair: SamplePair, id: str, image: Path, labels: Path, thumbnail: Thumbnail, run: str, created: float
    ) -> None:
        self._db.execute(
            "INSERT INTO samples (id, name, run, created, image, labels, n_objects, height, width, mask_kind, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(id, pair.name, run, created, image.name, labels.name, pair.n_objects, *pair.size, pair.mask_kind),
                content_hash(pair.image, pair.labels),
            ),
        )
        self._db.execute("INSERT INTO thumbnails VALUES (?, ?, ?, ?)", (id, *thumbnail.encode()))

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
        self.refuse_misfit(pair)
        run = str(pair.source.provenance.get("run", ""))
        paths = ome_tiff.pair_paths(self.folder, id)
        masks = list((self.folder / EDITED).glob(f"{glob.escape(id)}.*{ome_tiff.LABELS_ENDING}"))
        with self.transaction():
            self._db.execute("INSERT INTO names VALUES (?)", (id,))
            self._insert(pair, id, *paths, Thumbnail.of(pair), run=run, created=image.stat().st_mtime)
            if masks:
                self._set_mask(id, f"{EDITED}/{max(masks, key=lambda file: file.stat().st_mtime_ns).name}")
        return bool(masks)

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

    def flag(self, ids: Iterable[str], add: str = "", remove: str = "") -> list[str]:
        """Add and remove a word of the flags of samples; one entry of the history. Returns the samples that changed."""
        changes: list[tuple[str, str, str]] = []
        with self.transaction():
            for id in dict.fromkeys(ids):
                words = [word for word in self.row(id).flagged.split(", ") if word and word not in (add, remove)]
                changes.append((id, "flagged", ", ".join([*words, *([add] if add else [])])))
            return self._change(changes)

    def delete(self, ids: Iterable[str]) -> list[str]:
        """Move samples to the bin, as one entry of the history: undo brings them back with all that is known of them.

        Returns
        -------
        list of str
            The samples that were deleted.
        """
        with self.transaction():
            deleted = self._change([(id, "verdict", DELETED) for id in dict.fromkeys(ids)])
        self._move_deleted(deleted)
        return deleted

    def bring_back(self, ids: Iterable[str]) -> list[str]:
        """Bring samples back from the bin with the verdict that they had, as one entry of the history.

        Raises
        ------
        UserError
            If one is not in the bin, or its files are gone.
        """
        with self.transaction():
            deleted = {id for id, _, _ in self.listing(deleted=True)}
            for id in (wanted := list(dict.fromkeys(ids))):
                if id not in deleted:
                    raise UserError(f"There is no sample '{id}' in {bin_of(self.folder)}.", todo="See what is deleted.")
            query = "SELECT before FROM changes WHERE id = ? AND field = 'verdict' AND after = ? ORDER BY decision DESC"
            before = [(id, "verdict", self._query(query, (id, DELETED))[0][0]) for id in wanted]
            return self._change(before, from_bin=True)

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
        return self._step("SELECT max(number) FROM decisions WHERE NOT undone", "before", undone=1)

    def redo(self) -> list[str]:
        """Redo the change that was undone last; return the samples that changed."""
        return self._step("SELECT min(number) FROM decisions WHERE undone", "after", undone=0)

    def _change(self, wanted: Sequence[tuple[str, str, str]], from_bin: bool = False) -> list[str]:
        """Set columns (sample, column, value) as one entry of the history; return the samples that changed."""
        before = [(id, field, self._value(id, field), value) for id, field, value in wanted]
        if not from_bin:
            for id, _, value, _ in before:
                if value == DELETED:
                    raise self._missing(id, True)
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
            raise self._missing(id)
        return str(row[0])

    def _move_deleted(self, ids: Iterable[str]) -> None:
        """Move the files of those that are deleted; after the change is on the disk, so that none is half there."""
        with self._plain_errors():
            for id in ids:
                if self._value(id, "verdict") == DELETED:
                    to_bin(self.folder, id)

    def _step(self, find: str, column: str, undone: int) -> list[str]:
        """Undo or redo, and move the files of samples that are deleted then."""
        ids = self._walk(find, column, undone)
        self._move_deleted(ids)
        return ids

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
                if field == "verdict" and value != DELETED == self._value(id, "verdict"):
                    from_bin(self.folder, id)
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
        thumbnail = Thumbnail.of(pair).encode()
        self._db.execute("UPDATE thumbnails SET image = ?, labels = ?, meaning = ? WHERE id = ?", (*thumbnail, id))
        self._db.execute("DELETE FROM features WHERE id = ?", (id,))


def _mask_scores() -> list[str]:
    """Return the names of scores that another mask may change."""
    return [score.name for name in ("objects", "network", "fits") for score in METRICS.load(name).scores] + ["realism"]
