"""Files of users: only regular ones are opened, and what is written is complete or absent."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full

_ODD_FILES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def regular_file(path: Path) -> Path:
    """Return the path of a file that may be opened: reading a pipe or a device could wait for ever.

    Parameters
    ----------
    path : Path
        Links are followed.

    Raises
    ------
    UserError
        If it is a folder, a pipe, a socket or a device, or its name contains a null character.
    OSError
        If it is missing or cannot be looked at, as from opening it.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except ValueError:
        raise UserError(f"{path} is not a file name.", "Expected a name without null characters.") from None
    if kind != stat.S_IFREG:
        raise UserError(f"{path} is {_ODD_FILES.get(kind, 'not a regular file')}.", "Expected a file.")
    return path


def leads_elsewhere(folder: Path, levels: int = 1) -> bool:
    """Return whether a folder, or one of the ``levels - 1`` above it, is a link: nothing is deleted behind one."""
    return any(path.is_symlink() for path in (folder, *folder.parents[: levels - 1]))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a temporary file, flush it to disk and rename it: a reader sees the old file or the new one.

    Raises
    ------
    DiskFull
        If there is no space; the old file stays.
    UserError
        If a folder has that name.
    """
    part_path = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_path.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part_path.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part_path.unlink()
        if isinstance(error, OSError) and is_disk_full(error):
            raise DiskFull(path) from error
        if isinstance(error, OSError) and path.is_dir():  # Windows says that access is denied
            raise UserError(
                f"{path} is a folder.", "Expected a file, or nothing yet.", "Rename or delete the folder."
            ) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, as `write_bytes` does; surrogates (of names that are not UTF-8) as JSON escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))
