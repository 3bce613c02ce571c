"""The error that people see: what was found, what was expected, what to do."""

from __future__ import annotations

import errno
from pathlib import Path

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class UserError(ValueError):
    """A problem that the user can solve.

    Parameters
    ----------
    found : str
        What is wrong, with file, shape and number: ``"cell_03.tif is empty (0 bytes)."``
    expected : str
        What would have been right: ``"Expected a TIFF with at least one page."``
    todo : str
        What to do next: ``"Copy the file again from the microscope."``
    """

    def __init__(self, found: str, expected: str = "", todo: str = "") -> None:
        self.found, self.expected, self.todo = found, expected, todo
        super().__init__(" ".join(part for part in (found, expected, todo) if part))


class DiskFull(UserError, OSError):
    """Error for a disk without space to write ``path``; also an `OSError`, for callers that expect one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The disk with {path.parent} is full.",
            "No file is incomplete; everything saved before is intact.",
            "Free some space, then try again.",
        )
        self.errno = errno.ENOSPC


def is_disk_full(error: OSError) -> bool:
    """Return whether no space was left, on the disk or in the quota of the user."""
    return error.errno in _FULL
