"""The error that people see: what was found, what was expected, what to do."""

from __future__ import annotations

import errno
import re
from pathlib import Path

MAX_WORD, MAX_TEXT = 300, 2000
"""Characters of a word (a path, a number) and of a part of a message; the middle of longer ones is left out."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
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
        found, expected, todo = plain_text(found), plain_text(expected), plain_text(todo)
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


def plain_text(text: str) -> str:
    """Return a text that can be printed and read: no control characters or surrogates, long values shortened.

    Examples
    --------
    >>> plain_text("label " + 1000 * "7")[:12], len(plain_text("label " + 1000 * "7"))
    ('label 777777', 306)
    """
    text = _UNPRINTABLE.sub("\ufffd", text)
    if len(text) > MAX_WORD:
        text = re.sub(rf"\S{{{MAX_WORD + 1},}}", lambda match: _without_middle(match[0], MAX_WORD), text)
    return _without_middle(text, MAX_TEXT)


def _without_middle(text: str, limit: int) -> str:
    half = (limit - 1) // 2
    return text if len(text) <= limit else f"{text[: limit - 1 - half]}…{text[-half:]}"


def is_disk_full(error: OSError) -> bool:
    """Return whether no space was left, on the disk or in the quota of the user."""
    return error.errno in _FULL
