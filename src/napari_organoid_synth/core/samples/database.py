"""The database of the synthetic pairs as a file: open, upgrade and lock it, and explain its errors.

Several windows and command lines may hold the same database.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from napari_organoid_synth.core.atomic import leads_elsewhere
from napari_organoid_synth.core.errors import DiskFull, UserError, disk_error, is_disk_full, vanished
from napari_organoid_synth.core.samples.row import SCHEMA, UPGRADES, VERSION

_STALE = 3600.0  # seconds after which an unfinished file cannot belong to a living writer


class SampleDatabase:
    """One connection.

    May be used from several threads (it is behind a lock) and from several processes.

    Parameters
    ----------
    path : Path
        ``samples.sqlite``; pixel files lie in the folder ``samples`` beside it.

    Raises
    ------
    UserError
        If the file is damaged or from a newer version. One that cannot be written is opened to be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.folder = self.path.parent / "samples"
        self._lock = threading.RLock()
        self._depth = 0
        self._copy: TemporaryDirectory[str] | None = None
        self.read_only = self._is_open = self._is_full = False
        try:
            with self._plain_errors():
                self.folder.mkdir(parents=True, exist_ok=True)
                self._connect(self.path)
            self._sweep()
        except UserError as error:
            if not _cannot_write(error.__cause__) or not self.path.is_file():
                raise
            self._is_full = isinstance(error, DiskFull)
            self._connect_to_read()
        self._is_open = True

    def _connect(self, path: Path) -> None:
        """Open a file to read and write."""
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            self._db.create_function("fold", 1, str.casefold, deterministic=True)
            self._open()
        except BaseException:
            self._db.close()
            raise

    def _connect_to_read(self) -> None:
        """Open a file on a disk that is read-only or full: as it is, or a copy if it must be changed to be read."""
        self.read_only = True
        with self._plain_errors():
            log = self.path.with_name(f"{self.path.name}-wal")
            address = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
            self._db = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
            try:
                version = self._db.execute("PRAGMA user_version").fetchone()[0]
            except sqlite3.Error:
                self._db.close()
                raise
            if version == VERSION and not (log.exists() and log.stat().st_size):
                self._db.create_function("fold", 1, str.casefold, deterministic=True)
            else:
                self._db.close()
                self._copy = TemporaryDirectory()
                for path in (self.path, log):
                    if path.exists():
                        shutil.copyfile(path, Path(self._copy.name) / path.name)
                self._connect(Path(self._copy.name) / self.path.name)
            self._db.execute("PRAGMA query_only = ON")

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
            steps = [SCHEMA] if version == 0 else [UPGRADES[step] for step in range(version, VERSION)]
            for statement in ";".join(steps).split(";"):
                self._db.execute(statement)
            if steps:
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
        """Advice for a database that cannot be used."""
        return (
            f"Rebuild the list of samples from the images with 'organoid-synth samples {self.path.parent} --rebuild'; "
            "verdicts and scores are lost."
        )

    def _write_ahead(self) -> None:
        """Let readers and one writer work at once; SQLite does not wait for this change."""
        for patience in range(100, -1, -1):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or not patience:
                    raise
                time.sleep(0.05)

    def _sweep(self) -> None:
        """Delete the unfinished files of killed writers."""
        if leads_elsewhere(self.folder):
            return
        with os.scandir(self.folder) as entries:  # a hundred thousand names in the time of ten thousand paths
            for entry in entries:
                try:
                    if entry.name.endswith(".part") and time.time() - entry.stat().st_mtime > _STALE:
                        Path(entry.path).unlink()
                except OSError:
                    continue  # another process swept it

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn errors of SQLite and the disk into sentences."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise UserError(f"{self.path} is in use by another program.", todo="Wait, then try again.") from error
            if "full" in str(error) or ("I/O" in str(error) and self._no_room()):
                raise DiskFull(self.path) from error
            raise UserError(f"Cannot use {self.path}: {error}.", "Expected a folder that can be written.") from error
        except sqlite3.ProgrammingError:
            raise  # a closed store or a wrong statement: a mistake of this program
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error
        except OSError as error:
            if is_disk_full(error):
                raise DiskFull(self.path) from error
            raise UserError(f"Cannot use {self.path}: {error}.", "Expected a folder that can be written.") from error

    def _damaged(self, error: Exception) -> UserError:
        return UserError(
            f"{self.path} is damaged ({error}).", f"The images in {self.folder} are untouched.", self._mend
        )

    def is_intact(self) -> bool:
        """Check every page of the file."""
        return bool(self._query("PRAGMA quick_check")[0][0] == "ok")

    def _no_room(self) -> bool:
        """Return whether the disk is nearly full: SQLite reports an I/O error when the index of its log cannot grow."""
        return shutil.disk_usage(self.path.parent).free < 1 << 20

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all changes inside together or not at all; may be nested."""
        with self._lock, self._plain_errors():
            if self.read_only and self._is_open:
                if self._is_full:
                    raise DiskFull(self.path)
                raise UserError(
                    f"{self.path} cannot be changed: it is read-only.",
                    "Expected a project that can be written.",
                    "Make it writable, or copy the project to another disk.",
                )
            if self._is_open and not self.path.exists():  # SQLite would go on writing to a file without a name
                raise vanished(self.path)
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

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()
            if self._copy is not None:
                self._copy.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _cannot_write(error: BaseException | None) -> bool:
    """Return whether a file could only not be written: it may still be read."""
    if isinstance(error, sqlite3.OperationalError):
        codes = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
        return (error.sqlite_errorcode & 0xFF) in codes
    return isinstance(error, OSError) and disk_error(error, Path()) is not None


def _expected_columns() -> set[str]:
    """Return every column that a database of this version has."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        return _columns(database)


def _columns(database: sqlite3.Connection) -> set[str]:
    """Return every column, as ``table.column``."""
    columns = database.execute(
        "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    )
    return {name for (name,) in columns}
