"""Look into a zip archive before it is unpacked."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_organoid_synth.core.errors import UserError

MAX_BYTES = 20 << 30
"""Bytes that an archive may become; the largest sample set has about 1 GB."""
MAX_RATIO = 200
"""Times that an archive may grow; images grow two to ten times, a few kilobytes of zeros a thousand times."""
FREE_BYTES = 100 << 20
"""Bytes up to which growth does not matter."""


def check_archive(path: Path) -> None:
    """Refuse an archive that would write outside its folder, hold links, or fill the disk.

    Raises
    ------
    UserError
        If it is not a zip archive; a member has an absolute name, a name with ``..``, or is a link; or the members
        together are far larger than the archive.
    """
    todo = "Download it again from its source; do not unpack it by hand."
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise UserError(f"{path} is not a whole zip archive: {error}.", "Expected one.", todo) from None
    for member in members:
        name = member.filename
        parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
        if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
            raise UserError(f"{path} holds '{name}'.", "Expected names below its folder.", todo)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"{path} holds the link '{name}'.", "Expected files and folders.", todo)
    total, size = sum(member.file_size for member in members), path.stat().st_size
    if total > MAX_BYTES or (total > FREE_BYTES and total > MAX_RATIO * size):
        raise UserError(
            f"{path} has {size:,} bytes and would become {total:,}.",
            f"Expected at most {MAX_RATIO} times as many, and {MAX_BYTES >> 30} GB.",
            todo,
        )
