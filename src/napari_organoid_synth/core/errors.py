"""The one error that people see: what was found, what was expected, what to do."""

from __future__ import annotations

import errno
from pathlib import Path

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class UserError(ValueError):
    """Something that the person at the screen can mend.

    Parameters
    ----------
    found : str
        What is wrong, with file, shape and number: ``"cell_03.tif holds 0 bytes."``
    expected : str
        What would have been right: ``"Expected a TIFF with at least one page."``
    todo : str
        The next thing to do: ``"Copy the file again from the microscope."``
    """

    def __init__(self, found: str, expected: str = "", todo: str = "") -> None:
        self.found, self.expected, self.todo = found, expected, todo
        super().__init__(" ".join(part for part in (found, expected, todo) if part))


class DiskFull(UserError, OSError):
    """There is no room for what was to be written at ``path``; still an `OSError`, for those who expect one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The disk with {path.parent} is full.",
            "Nothing was half-written; what was saved before is whole.",
            "Free some space, try again.",
        )
        self.errno = errno.ENOSPC


def is_disk_full(error: OSError) -> bool:
    """Whether the system had no room left, on the disk or in the person's quota."""
    return error.errno in _FULL
