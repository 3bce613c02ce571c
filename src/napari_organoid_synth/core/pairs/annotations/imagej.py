"""ImageJ: one ROI per file, or a ZIP file of the ROI manager."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.outlines import DrawnObject, ellipse, rectangle, ring

MAX_ROI_BYTES, MAX_ROIS = 64 << 20, 1_000_000
_NO_AREA = {"LINE": "line", "FREELINE": "line", "POLYLINE": "line", "ANGLE": "angle", "POINT": "point"}


class ImageJ:
    """The ROIs of a file.

    Parameters
    ----------
    path : Path
        ``.roi`` or ``.zip``.
    where : str
        The file, for messages.

    Raises
    ------
    UserError
        If it is damaged or holds no ROI.
    """

    def __init__(self, path: Path, where: str) -> None:
        self._where = where
        self._rois = list(_read(path, where))

    def describes(self, image: Path) -> None:
        """Return nothing: the file names no image."""

    def objects(self, image: Path, size: tuple[int, int]) -> Iterator[DrawnObject]:
        """Yield one object per ROI."""
        planes = {(roi.position, roi.c_position, roi.z_position, roi.t_position) for roi in self._rois}
        if len(planes) > 1:
            raise UserError(
                f"The ROIs of {self._where} lie on {len(planes)} slices or channels of a stack.",
                "Expected the ROIs of one image.",
                "Save those of each slice as a file of their own, beside the slice.",
            )
        for roi in self._rois:
            yield _object(roi)


def _read(path: Path, where: str) -> Iterator[Any]:
    from roifile import ImagejRoi

    if path.suffix.lower() != ".zip":
        if path.stat().st_size > MAX_ROI_BYTES:
            raise ValueError(f"{path.stat().st_size:,} bytes for one ROI")
        yield ImagejRoi.frombytes(path.read_bytes())
        return
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if _is_roi(entry.filename)]
        if not entries:
            raise UserError(
                f"{where} contains no ROI.", "Expected the file of ImageJ's ROI manager.", "Save the ROIs again."
            )
        if len(entries) > MAX_ROIS or sum(entry.file_size for entry in entries) > 16 * MAX_ROI_BYTES:
            raise ValueError(f"{len(entries):,} ROIs of {sum(entry.file_size for entry in entries):,} bytes")
        for entry in entries:
            if entry.file_size > MAX_ROI_BYTES:
                raise ValueError(f"{entry.file_size:,} bytes for one ROI")
            yield ImagejRoi.frombytes(archive.read(entry))


def _is_roi(name: str) -> bool:
    """Return whether a file in an archive is a ROI; beside each, macOS packs its own notes as ``__MACOSX/._NAME``."""
    return name.lower().endswith(".roi") and not name.rsplit("/", 1)[-1].startswith("._")


def _object(roi: Any) -> DrawnObject:
    kind = roi.roitype.name
    if kind in _NO_AREA:
        return DrawnObject(left_out=_NO_AREA[kind])
    if kind == "UNKNOWN":
        raise ValueError("a ROI of an unknown type")
    if kind == "NOROI" or roi.subtype.name in ("TEXT", "ARROW", "IMAGE"):
        return DrawnObject(left_out="mark without outline")
    if kind == "OVAL" or (kind == "RECT" and not roi.composite):
        x, y, width, height = (roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top)
        if roi.subpixelrect:
            x, y, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
        if kind == "RECT":
            return DrawnObject([[rectangle(x, y, x + width, y + height)]])
        return DrawnObject([[ellipse(x + width / 2, y + height / 2, width / 2, height / 2)]])
    rings = [np.asarray(points, np.float64) for points in roi.coordinates(multi=True)]
    return DrawnObject([[ring(points) for points in rings if len(points) > 2]])
