"""One process at a time in a folder that several comparisons share.

The lock is that of SQLite on an empty file: the system lifts it when its owner ends, however that happens.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

LOCK = "turn.sqlite"


class Turn:
    """The right to work in a folder.

    Parameters
    ----------
    folder : Path or None
        Is made if it is missing; None: a turn that is always free.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._lock: sqlite3.Connection | None = None

    def take(self) -> bool:
        """Take the turn if nobody has it; return whether it is taken."""
        if self.folder is None or self._lock is not None:
            return True
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(self.folder / LOCK, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            if "locked" in str(error):
                return False
            raise
        self._lock = lock
        return True

    def give_back(self) -> None:
        """Let others in."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
