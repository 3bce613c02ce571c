"""The error that people see: what was found, what was expected, what to do."""

from __future__ import annotations

import errno
import re
from pathlib import Path

MAX_WORD, MAX_TEXT = 300, 2000
"""Characters of a word (a path, a number) and of a part of a message; the middle of longer ones is left out."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DENIED = {errno.EROFS, errno.EACCES, errno.EPERM}
_SILENT = {getattr(errno, name, errno.EIO) for name in ("EIO", "ENXIO", "ENODEV", "ESTALE", "ENOTCONN", "EHOSTDOWN")}
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


def sentence_of(error: Exception, where: str) -> str:
    """Return what a person reads of any exception; of one that was not foreseen with the file that it came from."""
    if isinstance(error, UserError):
        return str(error)
    return plain_text(f"{where} cannot be used: {type(error).__name__}, {error or 'without a reason'}.")


def is_disk_full(error: OSError) -> bool:
    """Return whether no space was left, on the disk or in the quota of the user."""
    return error.errno in _FULL


def disk_error(error: OSError, path: Path) -> UserError | None:
    """Return the error of a disk as a sentence; None for an error of another sort.

    Parameters
    ----------
    error : OSError
        From reading or writing.
    path : Path
        Where that was, if the error does not say it.
    """
    if isinstance(error, UserError):
        return error
    where = Path(error.filename) if isinstance(error.filename, str) else path
    if is_disk_full(error):
        return DiskFull(where)
    if error.errno in _DENIED:
        return UserError(
            f"{where} cannot be read or written: {error.strerror}.",
            "What was saved before is as it was.",
            "Make the folder writable, or copy the project to where you may write.",
        )
    if error.errno in _SILENT:
        return UserError(
            f"The disk with {where} does not answer: {error.strerror}.",
            "What was saved last may be incomplete.",
            "Connect the disk again, then check the project.",
        )
    return None


def vanished(folder: Path) -> UserError:
    """Return the error about a folder that was there when the work began."""
    return UserError(
        f"{folder} is no longer there: it was deleted, moved, renamed, or its disk was removed.",
        "Nothing more could be saved; what was saved before is where the folder is now.",
        "Put it back, then start again.",
    )
