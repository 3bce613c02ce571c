"""Any file of outlines becomes a mask of numbered objects, and says which image it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.coco import Coco
from napari_organoid_synth.core.pairs.annotations.documents import format_of, load
from napari_organoid_synth.core.pairs.annotations.geojson import GeoJson
from napari_organoid_synth.core.pairs.annotations.imagej import ImageJ
from napari_organoid_synth.core.pairs.annotations.labelme import Labelme
from napari_organoid_synth.core.pairs.annotations.outlines import DrawnMask, paint
from napari_organoid_synth.core.pairs.reading.formats import is_directory, short

SUFFIXES = (".json", ".geojson", ".zip", ".roi")


class Annotations(Protocol):
    """A file of outlines."""

    def describes(self, image: Path) -> bool | None:
        """Return whether it names this image; None if it names none and is matched by its own name."""

    def objects(self, image: Path, size: tuple[int, int]) -> Any:
        """Yield the `DrawnObject` of an image."""


_FORMATS: dict[str, Callable[[Any, str], Annotations]] = {"COCO": Coco, "labelme": Labelme, "GeoJSON": GeoJson}


def is_annotation(path: Path) -> bool:
    """Return whether a file holds outlines, by its ending."""
    return path.suffix.lower() in SUFFIXES and not is_directory(path)


def list_annotations(folder: Path, depth: int = 0) -> list[Path]:
    """Return the files of outlines in a folder, or the folders ``depth`` below it; any other JSON or ZIP is not one."""
    files = sorted(path for path in folder.glob("*/" * depth + "*") if is_annotation(path))
    return [path for path in files if not path.name.startswith(".") and not _is_other(path)]


def _is_other(path: Path) -> bool:
    """Return whether a JSON or ZIP file is intact and something else; a damaged one may be meant."""
    try:
        open_annotations(path)
    except OtherFile:
        return True
    except UserError:
        return False
    return False


class OtherFile(UserError):
    """A JSON or ZIP file without annotations."""


def open_annotations(path: Path) -> Annotations:
    """Open a file of outlines; one that was opened just before and is unchanged is not read again.

    Raises
    ------
    UserError
        If it is missing, damaged, or of another format.
    """
    try:
        facts = regular_file(path).stat()
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.", todo="Check whether it was moved or renamed.") from None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.", todo="Check the permissions of the file.") from None
    return _open(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=256)
def _open(path: Path, changed: int, n_bytes: int) -> Annotations:
    where, kind = short(path), "ImageJ ROI"
    try:
        if path.suffix.lower() in (".zip", ".roi"):
            return ImageJ(path, where)
        document = load(path)
        kind = format_of(document)
        if not kind:
            raise OtherFile(
                f"{where} is JSON without outlines.",
                "Expected COCO, labelme or the GeoJSON of QuPath.",
                "Export the annotations again.",
            )
        return _FORMATS[kind](document, where)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # files by other hands raise any error
        raise _malformed(where, kind, error) from None


def read_annotation(path: Path, image: Path, size: tuple[int, int]) -> DrawnMask:
    """Read the objects of one image.

    Parameters
    ----------
    path : Path
        ImageJ ROI (``.roi``, ``.zip``), COCO, labelme, or GeoJSON of QuPath.
    image : Path
        The image, whose name tells its part of a COCO file.
    size : (int, int)
        Height and width of the image, px; nothing larger is allocated.

    Returns
    -------
    DrawnMask
        labels (Y, X) int32, a number per object, and what could not be kept.

    Raises
    ------
    UserError
        If the file cannot be read, is malformed, belongs to another image, or has no outlines but points or lines.
    """
    where = short(path)
    annotations = open_annotations(path)
    try:
        return paint(annotations.objects(image, size), size, where)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # files by other hands raise any error
        raise _malformed(where, type(annotations).__name__, error) from None


def _malformed(where: str, kind: str, error: Exception) -> UserError:
    reason = f"{type(error).__name__}: {str(error)[:120]}".rstrip(": ")
    return UserError(
        f"{where} is damaged or not valid {kind} ({reason}).", "Expected complete annotations.", "Export them again."
    )
