"""Generated pairs, their scores and what a person decided: one database beside a folder of pixel files.

Pixels are written first, then the row, so that a process killed at any moment leaves no row without its files. Verdicts
are committed to disk before `SampleStore.decide` returns, and the history of them lies in the same database: undo works
after a restart. Several windows and command lines may hold the same store.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core import ome_tiff
from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full
from napari_organoid_synth.core.pair import SamplePair
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.query import Condition
from napari_organoid_synth.core.sample_row import COLUMNS, SCHEMA, VERDICTS, VERSION, SampleRow, Verdict, to_row
from napari_organoid_synth.core.thumbnail import decode_png, make_thumbnail

__all__ = ["VERDICTS", "SampleRow", "SampleStore", "Verdict"]

EVERY = Condition()
_STALE = 3600.0  # seconds after which an unfinished file cannot belong to a living writer


class SampleStore:
    """The generated pairs of a project.

    May be used from several threads (one connection behind a lock) and from several processes.

    Parameters
    ----------
    path : Path
        ``samples.sqlite``; pixel files lie in the folder ``samples`` beside it.

    Raises
    ------
    UserError
        If the file is damaged, from a newer version, or cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.folder = self.path.parent / "samples"
        self._lock = threading.RLock()
        self._depth = 0
        with self._plain_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.create_function("fold", 1, str.casefold, deterministic=True)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise
        self._sweep()

    def _open(self) -> None:
        self._write_ahead()
        self._db.execute("PRAGMA synchronous = FULL")  # a verdict survives a power cut, not only kill -9
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise UserError(
                    f"{self.path.name} was written by a newer version (format {version}).",
                    f"Expected format {VERSION} or older.",
                    "Update napari-organoid-synth.",
                )
            if version == 0:
                for statement in SCHEMA.split(";")[:-1]:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute("SELECT count(*) FROM samples").fetchone()
            missing = _expected_columns() - _columns(self._db)
            if missing:
                raise UserError(
                    f"{self.path} lacks {', '.join(sorted(missing))}.",
                    f"Expected all tables of format {VERSION}; the images in {self.folder} are untouched.",
                    self._mend,
                )

    @property
    def _mend(self) -> str:
        """What helps against a database that cannot be used."""
        return (
            f"Rebuild the list of samples from the images with 'organoid-synth curate {self.path.parent} --rebuild'; "
            "verdicts and scores are lost."
        )

    def _write_ahead(self) -> None:
        """Let readers and one writer work at once; SQLite does not wait for this change by itself."""
        for patience in range(100, -1, -1):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or not patience:
                    raise
                time.sleep(0.05)

    def _sweep(self) -> None:
        """Delete what killed writers left half-written."""
        for part in self.folder.glob("*.part"):
            try:
                if time.time() - part.stat().st_mtime > _STALE:
                    part.unlink()
            except OSError:
                continue  # another process swept it

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn what SQLite and the disk say into sentences."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise UserError(f"{self.path} is in use by another program.", todo="Wait, then try again.") from error
            if "full" in str(error) or ("I/O" in str(error) and self._no_room()):
                raise DiskFull(self.path) from error
            raise UserError(f"Cannot use {self.path}: {error}.", "Expected a folder that can be written.") from error
        except sqlite3.ProgrammingError:
            raise  # a closed store or a wrong statement: not the person's fault
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"{self.path} is damaged ({error}).",
                f"The images in {self.folder} are untouched.",
                self._mend,
            ) from error
        except OSError as error:
            if is_disk_full(error):
                raise DiskFull(self.path) from error
            raise UserError(f"Cannot use {self.path}: {error}.", "Expected a folder that can be written.") from error

    def _no_room(self) -> bool:
        """Whether the disk is as good as full; SQLite calls it an I/O error when its index of the log cannot grow."""
        return shutil.disk_usage(self.path.parent).free < 1 << 20

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside reach the disk together or not at all; may be nested."""
        with self._lock, self._plain_errors():
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if self._depth == 1 and self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._db.execute("COMMIT")
            finally:
                self._depth -= 1

    def _query(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock, self._plain_errors():
            return self._db.execute(statement, values).fetchall()

    # ------------------------------------------------------------------------------------------------------- adding

    def add(self, pair: SamplePair, run: str = "") -> str:
        """Write a pair's files and note it; the id is its name, numbered when taken."""
        return self.add_many([pair], run)[0]

    def add_many(self, pairs: Iterable[SamplePair], run: str = "") -> list[str]:
        """`add` for a batch: files one by one, rows in one transaction.

        Raises
        ------
        UserError
            If the disk is full; nothing of the batch is in the store then.
        """
        ids: list[str] = []
        rows: list[tuple[SamplePair, str, Path, Path, bytes, bytes]] = []
        try:
            with self._plain_errors():
                for pair in pairs:
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

    def _claim(self, stem: str) -> str:
        """A free id; claimed in the database, so that two processes never write the same file."""
        with self.transaction():
            number = 2 if stem.endswith("_labels") else 1  # so that no image takes the name of a label file
            while True:
                id = stem if number == 1 else f"{stem}-{number}"
                taken = self._db.execute("SELECT 1 FROM names WHERE id = ?", (id,)).fetchone()
                if not taken and not any(path.exists() for path in ome_tiff.pair_paths(self.folder, id)):
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

    # ------------------------------------------------------------------------------------------------------ reading

    def ids(self, verdict: Verdict | None = None, sort: str = "created", descending: bool = False) -> list[str]:
        """Ids in order of ``"created"``, ``"name"`` or any score; samples without that score come last."""
        return [row[0] for row in self._sorted("s.id", verdict, sort, descending)]

    def listing(
        self, sort: str = "created", descending: bool = False, condition: Condition = EVERY
    ) -> list[tuple[str, Verdict, bool]]:
        """All samples in the order of `ids`: id, verdict, and whether they fulfil the condition."""
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
        """All rows, in the order of `ids`."""
        scores: dict[str, dict[str, float]] = {}
        for id, metric, value in self._query("SELECT id, metric, value FROM scores"):
            scores.setdefault(id, {})[metric] = value
        records = self._sorted(COLUMNS, verdict, sort, descending)
        return [to_row(record, self.folder, scores.get(record[0], {})) for record in records]

    def row(self, id: str) -> SampleRow:
        """What is known of one sample.

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
        """The pixels of a sample.

        Raises
        ------
        UserError
            If there is no such sample or its files are gone.
        """
        return ome_tiff.read_pair(self.row(id).image_path)

    def thumbnail(self, id: str) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Image (h, w, 3) uint8, contrast stretched, and labels (h, w) uint16; at most 192 px, from the database."""
        records = self._query("SELECT image, labels FROM thumbnails WHERE id = ?", (id,))
        if not records:
            raise UserError(f"There is no sample '{id}' in {self.path}.")
        image, labels = records[0]
        return decode_png(image), decode_png(labels)

    def counts(self) -> dict[str, int]:
        """Number of samples with each verdict."""
        found = dict(self._query("SELECT verdict, count(*) FROM samples GROUP BY verdict"))
        return {verdict: found.get(verdict, 0) for verdict in VERDICTS}

    def metrics(self) -> list[str]:
        """Names of all scores that any sample has."""
        return [row[0] for row in self._query("SELECT DISTINCT metric FROM scores ORDER BY metric")]

    def data_version(self) -> int:
        """A number that differs after another window or process changed the store."""
        return int(self._query("PRAGMA data_version")[0][0])

    # ------------------------------------------------------------------------------------------- scores and verdicts

    def rate(
        self,
        id: str,
        scores: dict[str, float],
        *,
        note: str | None = None,
        flagged: str | None = None,
        nearest: tuple[str, int, int] | None = None,
    ) -> None:
        """Set scores of a sample (others stay) and, when given, its note, flag and nearest real pair (name, y, x)."""
        with self.transaction():
            self.row(id)
            self._db.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?)",
                [(id, metric, float(value)) for metric, value in scores.items() if np.isfinite(value)],
            )
            name, y, x = nearest or (None, None, None)
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
        """Give samples a verdict, as one entry of the history; what had been undone can no longer be redone.

        Returns
        -------
        list of str
            The samples whose verdict changed.
        """
        if verdict not in VERDICTS:
            raise UserError(f"'{verdict}' is no verdict.", f"Expected one of: {', '.join(VERDICTS)}.")
        with self.transaction():
            before = {id: self.row(id).verdict for id in dict.fromkeys(ids)}
            changed = [id for id, old in before.items() if old != verdict]
            if changed:
                self._db.execute("DELETE FROM changes WHERE decision IN (SELECT number FROM decisions WHERE undone)")
                self._db.execute("DELETE FROM decisions WHERE undone")
                number = self._db.execute("INSERT INTO decisions DEFAULT VALUES").lastrowid
                self._db.executemany(
                    "INSERT INTO changes VALUES (?, ?, ?, ?)", [(number, id, before[id], verdict) for id in changed]
                )
                self._db.executemany("UPDATE samples SET verdict = ? WHERE id = ?", [(verdict, id) for id in changed])
        return changed

    def undo(self) -> list[str]:
        """Take back the newest decision; the samples that changed, none when there is nothing to undo."""
        return self._walk("SELECT max(number) FROM decisions WHERE NOT undone", "before", undone=1)

    def redo(self) -> list[str]:
        """Decide again what was undone last."""
        return self._walk("SELECT min(number) FROM decisions WHERE undone", "after", undone=0)

    def _walk(self, find: str, column: str, undone: int) -> list[str]:
        with self.transaction():
            (number,) = self._db.execute(find).fetchone()
            if number is None:
                return []
            changes = self._db.execute(f"SELECT {column}, id FROM changes WHERE decision = ?", (number,)).fetchall()
            self._db.executemany("UPDATE samples SET verdict = ? WHERE id = ?", changes)
            self._db.execute("UPDATE decisions SET undone = ? WHERE number = ?", (undone, number))
        return [id for _, id in changes]

    # ------------------------------------------------------------------------------------------------ ending, mending

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @classmethod
    def _whole(cls, path: Path) -> int | None:
        """Number of samples in a database without damage; None when it is damaged."""
        try:
            with cls(path) as store, store._plain_errors():
                sound = store._db.execute("PRAGMA quick_check").fetchone()[0] == "ok"
                return sum(store.counts().values()) if sound else None
        except UserError as error:
            if "in use" in error.found:
                raise
            return None

    @classmethod
    def rebuild(cls, path: Path | str) -> tuple[SampleStore, str]:
        """A new database from the pixel files; a damaged one is moved to ``bin/`` beside it.

        Returns
        -------
        SampleStore
        str
            What came back and what is lost, in words.

        Raises
        ------
        UserError
            If the database is whole, and rebuilding it would only lose the verdicts; or if it is in use.
        """
        path = Path(path)
        if path.exists() and (count := cls._whole(path)) is not None:
            raise UserError(f"The list of {count} samples is whole.", todo="There is nothing to rebuild.")
        aside = path.parent / "bin" / f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
        for ending in ("", "-wal", "-shm"):
            old = path.with_name(path.name + ending)
            if old.exists():
                aside.mkdir(parents=True, exist_ok=True)
                old.replace(aside / old.name)
        store = cls(path)
        found, unreadable = 0, []
        files = sorted(
            store.folder.glob(f"*{ome_tiff.IMAGE_ENDING}"), key=lambda file: (file.stat().st_mtime, file.name)
        )
        for image_path in files:
            if image_path.name.endswith(ome_tiff.LABELS_ENDING):
                continue
            id = image_path.name.removesuffix(ome_tiff.IMAGE_ENDING)
            try:
                pair = ome_tiff.read_pair(image_path)
            except UserError:
                unreadable.append(image_path.name)
                continue
            run = str(pair.source.provenance.get("run", ""))
            with store.transaction():
                store._db.execute("INSERT INTO names VALUES (?)", (id,))
                created = image_path.stat().st_mtime
                paths = ome_tiff.pair_paths(store.folder, id)
                store._insert(pair, id, *paths, *make_thumbnail(pair), run=run, created=created)
            found += 1
        words = f"{found} sample{'s' * (found != 1)} found again; their verdicts and scores are lost."
        if unreadable:
            words += f" Not readable: {', '.join(unreadable)}."
        if aside.exists():
            words += f" The old list lies in {aside}."
        return store, words


def _expected_columns() -> set[str]:
    """Every column that a database of this version has."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        return _columns(database)


def _columns(database: sqlite3.Connection) -> set[str]:
    """Every column, as ``table.column``."""
    found = database.execute(
        "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    )
    return {name for (name,) in found}
