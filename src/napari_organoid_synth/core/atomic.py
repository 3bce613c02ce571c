"""Files that are whole or not there: written beside their place, flushed, renamed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from napari_organoid_synth.core.errors import DiskFull, is_disk_full


def write_bytes(path: Path, data: bytes) -> None:
    """Write beside, flush to disk, rename: a reader sees the old file or the new one, never a half.

    Raises
    ------
    DiskFull
        If there is no room; the old file stays.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError) and is_disk_full(error):
            raise DiskFull(path) from error
        raise


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for text, UTF-8."""
    write_bytes(path, text.encode("utf-8"))
