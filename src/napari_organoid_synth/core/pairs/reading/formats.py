"""Formats of images, known by their first bytes; endings only help to name files."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.errors import UserError

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".zarr", ".czi", ".nd2", ".lif")
"""Endings of files that are taken for images unopened, so that a damaged one is named."""

READABLE = "TIFF, OME-TIFF, PNG, JPEG, BMP, OME-Zarr, CZI, ND2 or LIF"
_ZARR_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_HEADS = {
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG",
    b"ZISRAWFILE": "CZI", b"\xda\xce\xbe\n": "ND2", b"\0\0\0\x0cjP  ": "ND2",
}  # fmt: skip
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes that follow the file header
HEAD_BYTES = 26
_PICTURE = (
    r"(\.ome)?\.(tiff?|g?tf[f28]|btf|lsm|stk|svs|ndpi|scn|bif|qptiff|flex|png|jpe?g|jpe|jfif|bmp|dib|zarr|czi|nd2|lif)"
)
_ENDING = re.compile(rf"({_PICTURE})?\.(geojson|json|zip|roi)$|{_PICTURE}$", re.IGNORECASE)
_ANY_ENDING = re.compile(r"\.[a-z]{2,6}$", re.IGNORECASE)


def short(path: Path) -> str:
    """Return folder and file name, enough to distinguish ``images/a.png`` from ``masks/a.png``."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def without_ending(name: str) -> str:
    """Return a file name without ``.ome.tif``, ``.png``, ``.lsm``, ...

    Examples
    --------
    >>> [without_ending(name) for name in ("a.ome.tif", "b.2.png", "c.raws", "day.2")]
    ['a', 'b.2', 'c', 'day.2']
    """
    return _ENDING.sub("", name) if _ENDING.search(name) else _ANY_ENDING.sub("", name)


def folded(name: str) -> str:
    """Return a name in which upper and lower case, and the two ways to store an umlaut, are alike."""
    return unicodedata.normalize("NFC", name).casefold()


def is_directory(path: Path) -> bool:
    """Return whether a path is a folder of any sort; False where that cannot be told."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_zarr(path: Path) -> bool:
    """Return whether a folder holds a zarr array or group, whatever its name; a name ending in .zarr is believed."""
    try:
        return is_directory(path) and (
            path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in _ZARR_FILES)
        )
    except OSError:  # it may not be looked into
        return False


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of files rather than an image of the format zarr."""
    return is_directory(path) and not is_zarr(path)


def is_image(path: Path) -> bool:
    """Return whether a path looks like an image: by its ending or, for any other ending, by its first bytes."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        if path.is_dir():
            return is_zarr(path)
        return format_of(read_head(path)) != ""
    except (UserError, OSError):
        return False


def refuse_odd_name(path: Path) -> None:
    """Raise `UserError` for a file whose name cannot be stored as text."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(
            f"The name of {short(path)} is not UTF-8.", "Expected a name that every program can read.", "Rename it."
        ) from None


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file.

    Raises
    ------
    UserError
        If it is missing, cannot be read, or is a pipe or device.
    """
    try:
        with regular_file(path).open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except FileNotFoundError:
        reason = "a link to nothing" if path.is_symlink() else ""
        found = f"{short(path)} is {reason}." if reason else f"There is no file {path}."
        raise UserError(found, todo="Check whether it was moved or renamed.") from None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.", todo="Check the permissions of the file.") from None


def format_of(head: bytes) -> str:
    """Return the format that a file's first bytes tell, such as ``"TIFF"``; empty for an unknown one."""
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head.startswith(b"p\0\0\0") and head[8:9] == b"*":
        return "LIF"
    return next((name for start, name in _HEADS.items() if head.startswith(start)), "")
