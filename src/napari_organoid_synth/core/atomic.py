"""Atomic writing: a file is complete or absent."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from napari_organoid_synth.core.errors import DiskFull, is_disk_full


def write_bytes(path: Path, data: bytes) -> None:
    """Write a temporary file, flush it to disk and rename it: a reader sees the old file or the new one.

    Raises
    ------
    DiskFull
        If there is no space; the old file stays.
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
        raise


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))
