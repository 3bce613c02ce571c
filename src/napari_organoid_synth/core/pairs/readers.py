"""One file, one plane: read TIFF, PNG, JPEG, BMP and OME-Zarr as arrays (C, Y, X)."""

from __future__ import annotations

import logging
import math
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_xml import PixelMetadata, parse_pixels, to_micrometres
from napari_organoid_synth.core.pairs.pair import RGB

LAZY_BYTES = 64 << 20
"""Planes at least this large stay on disk (memory map) where the file allows it."""

PRINT_DPI = (72, 96, 100, 150, 200, 300, 400, 600, 1200)
"""Dots per inch that cameras and drawing programs write by default; they do not tell the pixel size."""

GREY_ALPHA = ("grey", "alpha")
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".zarr")
_ASIDE = ("thumbnail", "label", "macro", "overview")


class Reader(Protocol):
    """An open file: its metadata, and its planes one by one."""

    kind: str
    n_pages: int

    def describe(self, page: int) -> tuple[tuple[int, int, int], np.dtype[Any], PixelMetadata]:
        """Return shape (C, Y, X), dtype and metadata of a plane, without reading pixels."""

    def read(self, page: int, palette: bool) -> NDArray[Any]:
        """Read a plane as (C, Y, X), native byte order; ``palette`` keeps the numbers of a palette."""

    def close(self) -> None:
        """Close the file."""


def short(path: Path) -> str:
    """Return folder and file name, enough to distinguish ``images/a.png`` from ``masks/a.png``."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def open_reader(path: Path) -> Reader:
    """Open a file according to its first bytes, not its ending.

    Raises
    ------
    UserError
        If it is missing, empty, damaged or of an unknown format.
    """
    if not path.exists():
        raise UserError(f"There is no file {path}.", todo="Check whether it was moved or renamed.")
    if path.is_dir():
        if not any((path / name).exists() for name in ("zarr.json", ".zattrs", ".zgroup", ".zarray")):
            raise UserError(f"{path} is a folder.", "Expected an image file or an OME-Zarr folder.")
        return _guard(path, "OME-Zarr", ZarrReader)
    try:
        with path.open("rb") as stream:
            head = stream.read(26)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.", todo="Check the permissions of the file.") from None
    if not head:
        raise UserError(
            f"{short(path)} is empty (0 bytes).", "Expected an image.", "Copy the file again from its source."
        )
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _guard(path, "TIFF", TiffReader)
    if head.startswith(b"\x89PNG"):
        if head[24:25] == b"\x10" and head[25:26] in (b"\x02", b"\x04", b"\x06"):
            raise UserError(
                f"{short(path)} is a PNG with 16 bits in several channels.",
                "Expected 8 bits, or 16 bits in one channel: PNG readers discard the rest.",
                "Save it as TIFF.",
            )
        return _guard(path, "PNG", PictureReader)
    if head.startswith(b"\xff\xd8"):
        return _guard(path, "JPEG", PictureReader)
    if head.startswith(b"BM"):
        return _guard(path, "BMP", PictureReader)
    raise UserError(
        f"{short(path)} has an unknown format ({path.stat().st_size:,} bytes).",
        "Expected TIFF, OME-TIFF, PNG, JPEG, BMP or OME-Zarr.",
        "Save it as TIFF, for example with Fiji.",
    )


def damaged(path: Path, kind: str, why: object) -> NoReturn:
    """Raise the error for a file that ends early or cannot be interpreted."""
    text = str(why).strip().rstrip(".") or type(why).__name__
    if isinstance(why, KeyError | IndexError | struct.error):
        text = "its header is invalid"
    if "imagecodecs" in text:
        raise UserError(
            f"{short(path)} is a compressed {kind}; reading it needs the package imagecodecs.",
            "Expected it to be installed.",
            "Run 'pip install imagecodecs', or save the file without compression.",
        ) from None
    if "decompression bomb" in text:
        raise UserError(
            f"{short(path)} has too many pixels for a {kind} ({path.stat().st_size:,} bytes).",
            "Expected at most 179 million pixels.",
            "Save it as TIFF or OME-Zarr.",
        ) from None
    raise UserError(
        f"{short(path)} is a damaged or truncated {kind}: {text}.",
        "Expected a complete file.",
        "Copy the file again from its source.",
    ) from None


def _guard(path: Path, kind: str, build: Callable[[Path], Reader]) -> Reader:
    try:
        return build(path)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # damaged files raise any error of the libraries
        damaged(path, kind, error)


class _ErrorLog(logging.Handler):
    """Collects errors that tifffile only logs: it continues with fewer pages when a file is truncated."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.thread == self._thread and (
            "invalid page offset" in text or "invalid offset" in text or "corrupted" in text
        ):
            self.messages.append(text)


class TiffReader:
    """TIFF, BigTIFF, OME-TIFF and ImageJ hyperstacks; every axis but C, Y, X and samples counts as pages."""

    kind = "TIFF"

    def __init__(self, path: Path) -> None:
        import tifffile

        self._path = path
        log, logger = _ErrorLog(), logging.getLogger("tifffile")
        logger.addHandler(log)
        try:
            self._file = tifffile.TiffFile(path)
            try:
                n_directories = len(self._file.pages)
                self._series = [s for s in self._file.series if s.name.lower() not in _ASIDE]
                if not n_directories or not self._series:
                    raise ValueError("it contains no image")
                if log.messages:
                    raise ValueError(log.messages[0].split("> ")[-1])
            except Exception:
                self._file.close()
                raise
        finally:
            logger.removeHandler(log)
        self._planes = [(s, k) for s in self._series for k in range(_n_planes(s))]
        self.n_pages = len(self._planes)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def describe(self, page: int) -> tuple[tuple[int, int, int], np.dtype[Any], PixelMetadata]:
        """Return shape, dtype and metadata from the tags."""
        series, _ = self._planes[page]
        sizes = dict(zip(_axes(series), _shape(series), strict=True))
        samples = sizes.get("S", 1)
        shape = (sizes.get("C", 1) * samples, sizes["Y"], sizes["X"])
        record = self._metadata(series)
        if int(series.keyframe.photometric) in (2, 6) and samples in (3, 4) and shape[0] == samples:
            record = PixelMetadata(record.pixel_size, (*RGB, "alpha")[:samples])
        elif shape[0] == samples == 2 and tuple(series.keyframe.extrasamples) in ((1,), (2,)):
            record = PixelMetadata(record.pixel_size, GREY_ALPHA)
        elif len(record.channel_names) != shape[0]:
            record = PixelMetadata(record.pixel_size, ())
        return shape, np.dtype(series.dtype).newbyteorder("="), record

    def read(self, page: int, palette: bool) -> NDArray[Any]:
        """Read only the parts of the file that contain this plane."""
        series, number = self._planes[page]
        axes, shape = _axes(series), _shape(series)
        others = [i for i, axis in enumerate(axes) if axis not in "CSYX"]
        selector: list[Any] = [slice(None)] * len(axes)
        where = np.unravel_index(number, tuple(shape[i] for i in others)) if others else ()
        for i, k in zip(others, where, strict=True):
            selector[i] = int(k)
        if series.dataoffset is not None:
            dtype = np.dtype(series.dtype).newbyteorder(self._file.byteorder)
            if series.dataoffset + math.prod(shape) * dtype.itemsize > self._path.stat().st_size:
                raise ValueError("the pixels end early")
            mapped = np.memmap(self._path, dtype, "r", series.dataoffset, shape)
            plane: NDArray[Any] = mapped[tuple(selector)]
        else:
            plane = self._read_pages(series, shape, selector)
        kept = [axis for axis in axes if axis in "CSYX"]
        order = [kept.index(axis) for axis in "CSYX" if axis in kept]
        plane = plane.transpose(order)
        plane = plane.reshape(-1, *plane.shape[-2:])
        if isinstance(plane, np.memmap) and plane.nbytes >= LAZY_BYTES and plane.dtype.isnative:
            return plane
        whole: NDArray[Any] = np.array(plane, plane.dtype.newbyteorder("="), order="C", copy=True, subok=False)
        return whole

    def _read_pages(self, series: Any, shape: tuple[int, ...], selector: list[Any]) -> NDArray[Any]:
        pages = list(series.pages)
        cut = next(i for i in range(len(shape) + 1) if math.prod(shape[:i]) == len(pages))
        indices = np.arange(len(pages)).reshape(shape[:cut])[tuple(selector[:cut])]
        size, planes = self._path.stat().st_size, []
        for index in np.atleast_1d(indices).ravel():
            page = pages[index]
            if page is None:
                raise ValueError(f"page {index} is missing")
            ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
            if page.parent is self._file and max(ends) > size:
                raise ValueError(f"page {index} should end at byte {max(ends):,}, the file has {size:,} bytes")
            planes.append(page.asarray().reshape(shape[cut:])[tuple(selector[cut:])])
        stacked: NDArray[Any] = np.stack(planes).reshape(*np.shape(indices), *planes[0].shape)
        return stacked

    def _metadata(self, series: Any) -> PixelMetadata:
        if self._file.is_ome and self._file.ome_metadata:
            return parse_pixels(self._file.ome_metadata, self._series.index(series))
        tags = series.keyframe.tags
        if self._file.is_imagej:
            unit = str((self._file.imagej_metadata or {}).get("unit", ""))
        else:
            unit = {2: "inch", 3: "cm"}.get(int(tags.valueof("ResolutionUnit", default=1)), "")
        size = tuple(_tag_size(tags.valueof(name), unit) for name in ("YResolution", "XResolution"))
        return PixelMetadata(None if None in size else size)  # type: ignore[arg-type]


def _tag_size(value: Any, unit: str) -> float | None:
    """Return the side of a pixel, µm, from a resolution tag (pixels per unit, a fraction)."""
    if not isinstance(value, tuple) or not all(value):
        return None
    size = to_micrometres(value[1] / value[0], unit)
    if size is None or (unit in ("inch", "cm") and any(abs(25400 / dpi - size) < 1e-3 * size for dpi in PRINT_DPI)):
        return None
    return size


def _axes(series: Any) -> str:
    """Return axes of all lengths; from tifffile 2026.11 on ``series.axes`` has only those longer than 1."""
    axes: str = series.get_axes(False) if hasattr(series, "get_axes") else series.axes
    return axes


def _shape(series: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = series.get_shape(False) if hasattr(series, "get_shape") else series.shape
    return shape


def _n_planes(series: Any) -> int:
    return math.prod(n for axis, n in zip(_axes(series), _shape(series), strict=True) if axis not in "CSYX")


class PictureReader:
    """PNG, JPEG and BMP through Pillow."""

    kind = "picture"
    n_pages = 1

    def __init__(self, path: Path) -> None:
        import warnings

        from PIL import Image

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large, but chosen by the user
            self._image = Image.open(path)
        self.kind = self._image.format or self.kind

    def close(self) -> None:
        """Close the file."""
        self._image.close()

    def describe(self, page: int) -> tuple[tuple[int, int, int], np.dtype[Any], PixelMetadata]:
        """Return shape and dtype from the mode; these formats have no pixel size worth trusting."""
        width, height = self._image.size
        bands = {"1": 1, "L": 1, "LA": 2, "RGBA": 4}.get(self._image.mode, 1 if self._is_deep else 3)
        if self._image.mode == "F":
            name = "float32"
        elif self._is_deep:
            name = "uint16" if self._is_16bit else "int32"
        else:
            name = "uint8"
        names = {1: (), 2: GREY_ALPHA}.get(bands, (*RGB, "alpha")[:bands])
        return (bands, height, width), np.dtype(name), PixelMetadata(None, names)

    @property
    def _is_deep(self) -> bool:
        return self._image.mode.startswith(("I", "F"))

    @property
    def _is_16bit(self) -> bool:
        return self._image.mode.startswith("I;16") or (self._image.mode == "I" and self._image.format == "PNG")

    def read(self, page: int, palette: bool) -> NDArray[Any]:
        """Read all pixels; a palette gives its numbers for labels and its colours for an image."""
        dtype = self.describe(page)[1]
        image: Any = self._image
        if (
            image.mode not in ("1", "L", "LA", "RGB", "RGBA")
            and not self._is_deep
            and not (image.mode == "P" and palette)
        ):
            image = image.convert("RGB")
        array = np.asarray(image).astype(dtype)
        return np.ascontiguousarray(np.moveaxis(array, -1, 0)) if array.ndim == 3 else array[None]


class ZarrReader:
    """OME-Zarr 0.1 to 0.5 at full resolution, or a bare zarr array (its last two axes are Y and X)."""

    kind = "OME-Zarr"

    def __init__(self, path: Path) -> None:
        import zarr

        node = zarr.open(str(path), mode="r")
        self.pixel_size: tuple[float, float] | None = None
        self._names: tuple[str, ...] = ()
        if isinstance(node, zarr.Group):
            attributes: dict[str, Any] = dict(node.attrs)
            attributes = attributes.get("ome", attributes)  # 0.5 keeps everything below "ome"
            if not attributes.get("multiscales"):
                raise UserError(
                    f"{short(path)} is a zarr group without 'multiscales'.",
                    "Expected an OME-Zarr image or label image.",
                    "Choose the image inside it, for example the folder '0'.",
                )
            scales = attributes["multiscales"][0]
            level = scales["datasets"][0]
            array: Any = node[level["path"]]
            named = scales.get("axes") or list("tczyx")[-array.ndim :]
            described = [axis if isinstance(axis, dict) else {"name": axis} for axis in named]
            self.axes = "".join(str(axis["name"])[0].upper() for axis in described)
            self.pixel_size = _zarr_size(scales, level, self.axes, described)
            channels = attributes.get("omero", {}).get("channels", [])
            self._names = tuple(str(channel.get("label", "")) for channel in channels)
        else:
            array = node
            self.axes = "Q" * (array.ndim - 2) + "YX"
        if len(self.axes) != array.ndim or "Y" not in self.axes or "X" not in self.axes:
            raise ValueError(f"its axes are '{self.axes}', its shape is {array.shape}")
        self._array = array
        self._others = [i for i, axis in enumerate(self.axes) if axis not in "CYX"]
        self.n_pages = math.prod(array.shape[i] for i in self._others)

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def describe(self, page: int) -> tuple[tuple[int, int, int], np.dtype[Any], PixelMetadata]:
        """Return shape, dtype and metadata from the attributes."""
        sizes = dict(zip(self.axes, self._array.shape, strict=True))
        shape = (int(sizes.get("C", 1)), int(sizes["Y"]), int(sizes["X"]))
        names = self._names if len(self._names) == shape[0] and all(self._names) else ()
        return shape, np.dtype(self._array.dtype).newbyteorder("="), PixelMetadata(self.pixel_size, names)

    def read(self, page: int, palette: bool) -> NDArray[Any]:
        """Read only the chunks of this plane."""
        selector: list[Any] = [slice(None)] * self._array.ndim
        where = np.unravel_index(page, tuple(self._array.shape[i] for i in self._others)) if self._others else ()
        for i, k in zip(self._others, where, strict=True):
            selector[i] = int(k)
        plane = np.asarray(self._array[tuple(selector)])
        kept = [axis for axis in self.axes if axis in "CYX"]
        plane = plane.transpose([kept.index(axis) for axis in "CYX" if axis in kept])
        plane = plane.reshape(-1, *plane.shape[-2:])
        return np.ascontiguousarray(plane, dtype=plane.dtype.newbyteorder("="))


def _zarr_size(
    scales: dict[str, Any], level: dict[str, Any], axes: str, described: list[dict[str, Any]]
) -> tuple[float, float] | None:
    """Return height and width of a pixel, µm: the scales of the level and of the whole image multiplied."""
    factors = np.ones(len(axes))
    has_scale = False
    for transform in [*level.get("coordinateTransformations", []), *scales.get("coordinateTransformations", [])]:
        if transform.get("type") == "scale" and len(transform.get("scale", ())) == len(axes):
            factors, has_scale = factors * np.asarray(transform["scale"], float), True
    sizes = [to_micrometres(float(factors[axes.index(a)]), str(described[axes.index(a)].get("unit", ""))) for a in "YX"]
    if not has_scale or sizes[0] is None or sizes[1] is None:
        return None
    return sizes[0], sizes[1]
