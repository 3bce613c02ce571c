"""Read TIFF, BigTIFF, OME-TIFF, ImageJ hyperstacks and the TIFFs of microscopes, plane by plane."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.reading.limits import (
    DEFLATE_RATIO,
    GREY_ALPHA,
    MAX_RATIO,
    refuse_memory,
    refuse_noise,
    refuse_too_large,
)
from napari_organoid_synth.core.pairs.reading.ome_xml import PixelMetadata, parse_images, size_remark, to_micrometres
from napari_organoid_synth.core.pairs.reading.tiff_colours import (
    apply_palette,
    is_palette,
    refuse_colours,
    ycbcr_to_rgb,
)
from napari_organoid_synth.core.quantities import pixels, plural

LAZY_BYTES = 64 << 20
"""Planes at least this large stay on disk (memory map) where the file allows it."""

PRINT_DPI = (72, 96, 100, 150, 200, 300, 400, 600, 1200)
"""Dots per inch that cameras and drawing programs write by default; they do not tell the pixel size."""

_MAX_RATIOS = {1: 1, 5: 3_000, 7: 3_000, 8: DEFLATE_RATIO, 32773: 70, 32946: DEFLATE_RATIO}  # by compression
_HEADER_BYTES = 8
_JPEG = 7
_DAMAGE = ("invalid page offset", "invalid offset", "corrupted", "failed to reshape", "raised")


class _ErrorLog(logging.Handler):
    """Collects errors that tifffile only logs: it continues with fewer pages when a file is truncated."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.thread == self._thread and any(word in text for word in _DAMAGE):
            self.messages.append(text)


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Raise what tifffile logs as an error, and keep its other notes off the terminal."""
    log, logger = _ErrorLog(), logging.getLogger("tifffile")
    logger.addHandler(log)
    try:
        yield
    finally:
        logger.removeHandler(log)
    if log.messages:
        raise ValueError(log.messages[0].split("> ")[-1])


@dataclass(frozen=True)
class _Stack:
    """Planes of one size: ``axes`` and ``shape`` of all of them, and the pages (or their numbers) they lie in."""

    axes: str
    shape: tuple[int, ...]
    pages: Sequence[Any]
    keyframe: Any
    metadata: PixelMetadata
    dataoffset: int | None = None

    @property
    def plane_shape(self) -> tuple[int, int, int]:
        """Return channels, height and width."""
        sizes = dict(zip(self.axes, self.shape, strict=True))
        return sizes.get("C", 1) * sizes.get("S", 1), sizes["Y"], sizes["X"]

    @property
    def others(self) -> list[int]:
        """Return the places of the axes that count planes."""
        return [index for index, axis in enumerate(self.axes) if axis not in "CSYX"]

    def selector(self, number: int) -> tuple[Any, ...]:
        """Return the index of a plane in the whole array."""
        others, index = self.others, [slice(None)] * len(self.axes)
        where = np.unravel_index(number, tuple(self.shape[i] for i in others)) if others else ()
        chosen: list[Any] = list(index)
        for i, k in zip(others, where, strict=True):
            chosen[i] = int(k)
        return tuple(chosen)

    @property
    def n_planes(self) -> int:
        """Return the number of planes."""
        return math.prod(self.shape[index] for index in self.others)


class TiffReader:
    """A TIFF file; every axis but C, Y, X and samples counts as planes.

    Of an OME data set that spans several files only the planes in the file that was named are read. Of several images
    the largest are taken, whatever their names; smaller ones are thumbnails, labels of slides and levels of pyramids.
    """

    kind = "TIFF"

    def __init__(self, path: Path) -> None:
        import tifffile

        self._path, self._size = path, path.stat().st_size
        file = None
        try:
            with _errors_raised():
                file = self._file = tifffile.TiffFile(path)
                stacks = [stack for stack in self._stacks() if {"Y", "X"} <= set(stack.axes)]
                if not stacks:
                    raise ValueError("it contains no image")
            self._stacks_used = _largest(stacks)
            for stack in self._stacks_used:
                self._check(stack)
        except BaseException:
            if file is not None:
                file.close()
            raise
        self._starts = np.cumsum([0, *(stack.n_planes for stack in self._stacks_used)])
        self.n_pages = int(self._starts[-1])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _stacks(self) -> list[_Stack]:
        n_pages = len(self._file.pages)
        if not n_pages:
            return []
        if self._file.is_ome and self._file.ome_metadata:
            if stacks := self._ome_stacks(self._file.ome_metadata, n_pages):
                return stacks
            return [self._pages_as_stack(n_pages)]
        if self._file.is_mmstack or self._file.is_ndtiff:  # data sets of many files
            return [self._pages_as_stack(n_pages)]
        stacks = []
        for series in self._file.series:
            axes, shape = _axes(series), _shape(series)
            if len(set(axes)) < len(axes) or any(page is None for page in series.pages):
                raise ValueError(f"its axes are {axes[:20]}, or a page is missing")
            metadata = self._metadata(series.keyframe)
            stacks.append(_Stack(axes, shape, series.pages, series.keyframe, metadata, series.dataoffset))
        return stacks

    def _ome_stacks(self, text: str, n_pages: int) -> list[_Stack]:
        stacks = []
        try:
            images = parse_images(text, self._path.name, n_pages)
        except UserError as error:
            raise ValueError(error.found) from None
        for image in images:
            page: Any = self._file.pages[image.pages[0]]
            metadata = image.metadata
            axes, shape = image.axes + page.axes, (*image.shape, *page.shape)
            if len(set(axes)) < len(axes):
                raise ValueError(f"its axes are {axes[:20]}")
            size = page.imagelength, page.imagewidth
            if any(image.size) and image.size != size:
                remark = f"its OME-XML says {pixels(image.size)}, its pages have {pixels(size)}"
                metadata = replace(metadata, remarks=(*metadata.remarks, remark))
            stacks.append(_Stack(axes, shape, image.pages, page, metadata))
        return stacks

    def _metadata(self, page: Any) -> PixelMetadata:
        """Return the pixel size of the tags."""
        if self._file.is_imagej:
            unit = str((self._file.imagej_metadata or {}).get("unit", ""))
        else:
            unit = {2: "inch", 3: "cm"}.get(int(page.tags.valueof("ResolutionUnit", default=1)), "")
        values = [page.tags.valueof(name) for name in ("YResolution", "XResolution")]
        size = tuple(_tag_size(value, unit) for value in values)
        if None not in size:
            return PixelMetadata(size)  # type: ignore[arg-type]
        given = [length for length in map(_length, values) if length is not None]
        impossible = [length for length in given if to_micrometres(length, unit) is None]
        return PixelMetadata(remarks=size_remark(impossible, unit) if impossible else ())

    def _pages_as_stack(self, n_pages: int) -> _Stack:
        """Return the pages like the first, without what the file says about their order."""
        first = self._file.pages[0]
        alike = [index for index in range(n_pages) if self._file.pages[index].hash == first.hash]
        return _Stack("I" + first.axes, (len(alike), *first.shape), alike, first, self._metadata(first))

    def _check(self, stack: _Stack) -> None:
        """Compare what the tags say with what is in the file."""
        if min(stack.shape) < 1 or stack.keyframe.dtype is None:
            raise ValueError(f"its axes {stack.axes[:20]} have the lengths {stack.shape}")
        refuse_colours(stack.keyframe)
        n_bytes, keyframe = math.prod(stack.shape) * stack.keyframe.dtype.itemsize, stack.keyframe
        bits = 8 if keyframe.bitspersample < 8 else 2  # packed ones become bytes; 12 of 16 may be stored
        if keyframe.is_tiled:
            n_bytes = max(n_bytes, math.prod(keyframe.chunks) * keyframe.dtype.itemsize)
        refuse_too_large(n_bytes, self._size, bits * _MAX_RATIOS.get(int(keyframe.compression), MAX_RATIO))

    def _stack_of(self, page: int) -> tuple[_Stack, int]:
        number = int(np.searchsorted(self._starts, page, "right")) - 1
        return self._stacks_used[number], page - int(self._starts[number])

    def describe(self, page: int) -> tuple[tuple[int, int, int], np.dtype[Any], PixelMetadata]:
        """Return shape, dtype and metadata from the tags."""
        stack, number = self._stack_of(page)
        shape, keyframe, record = stack.plane_shape, stack.keyframe, stack.metadata
        samples = dict(zip(stack.axes, stack.shape, strict=True)).get("S", 1)
        if int(keyframe.photometric) in (2, 6) and samples in (3, 4) and shape[0] == samples:
            record = replace(record, channel_names=(*RGB, "alpha")[:samples])
        elif shape[0] == samples == 2 and tuple(keyframe.extrasamples) in ((1,), (2,)):
            record = replace(record, channel_names=GREY_ALPHA)
        elif is_palette(keyframe) and shape[0] == 1:
            shape, record = (3, *shape[1:]), replace(record, channel_names=RGB)
        elif len(record.channel_names) != shape[0]:
            record = replace(record, channel_names=())
        if keyframe.is_tiled and (missing := _missing_tiles(self._pages(stack, number)[0])):
            record = replace(record, remarks=(*record.remarks, missing))
        return shape, np.dtype(keyframe.dtype).newbyteorder("="), record

    def read(self, page: int, palette: bool) -> NDArray[Any]:
        """Read only the parts of the file that contain this plane."""
        stack, number = self._stack_of(page)
        refuse_memory(math.prod(stack.plane_shape) * stack.keyframe.dtype.itemsize, self._path.name)
        if stack.dataoffset is not None:
            plane = self._mapped(stack.keyframe.dtype, stack.dataoffset, stack.shape)[stack.selector(number)]
        else:
            plane = self._read_pages(stack, number)
        kept = [axis for axis in stack.axes if axis in "CSYX"]
        plane = plane.transpose([kept.index(axis) for axis in "CSYX" if axis in kept])
        plane = self._coloured(stack, plane.reshape(-1, *plane.shape[-2:]), palette)
        if isinstance(plane, np.memmap) and plane.nbytes >= LAZY_BYTES and plane.dtype.isnative:
            return plane
        whole: NDArray[Any] = np.array(plane, plane.dtype.newbyteorder("="), order="C", copy=True, subok=False)
        return whole

    def _coloured(self, stack: _Stack, plane: NDArray[Any], palette: bool) -> NDArray[Any]:
        if int(stack.keyframe.photometric) == 6 and len(plane) == 3:
            return ycbcr_to_rgb(plane, stack.keyframe)
        if not palette and len(plane) == 1 and is_palette(stack.keyframe):
            return apply_palette(plane[0], stack.keyframe)
        return plane

    def _mapped(self, dtype: Any, offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
        dtype = np.dtype(dtype).newbyteorder(self._file.byteorder)
        end = offset + math.prod(shape) * dtype.itemsize
        if offset < _HEADER_BYTES or end > self._size:
            raise ValueError(f"its pixels should lie at bytes {offset:,} to {end:,}, the file has {self._size:,}")
        return np.memmap(self._path, dtype, "r", offset, shape)

    def _pages(self, stack: _Stack, number: int) -> tuple[list[Any], tuple[int, ...], tuple[Any, ...]]:
        """Return the pages of a plane, the shape of these in the stack, and what of each is wanted."""
        n_pages, shape, selector = len(stack.pages), stack.shape, stack.selector(number)
        cut = next((i for i in range(len(shape) + 1) if math.prod(shape[:i]) == n_pages), None)
        if cut is None:
            raise ValueError(f"{n_pages:,} pages do not make an array of the shape {shape}")
        indices = np.arange(n_pages).reshape(shape[:cut])[selector[:cut]]
        pages = [self._page(stack, int(index)) for index in np.atleast_1d(indices).ravel()]
        return pages, np.shape(indices), selector[cut:]

    def _page(self, stack: _Stack, index: int) -> Any:
        page, keyframe = stack.pages[index], stack.keyframe
        if isinstance(page, int):
            page = self._file.pages[page]
        if page is None:
            raise ValueError(f"page {index} is missing")
        if page.parent is not self._file:
            raise ValueError(f"page {index} lies in another file")
        if page.shape != keyframe.shape or page.dtype != keyframe.dtype:
            raise ValueError(f"page {index} has the shape {page.shape} {page.dtype}, the first {keyframe.shape}")
        return page

    def _read_pages(self, stack: _Stack, number: int) -> NDArray[Any]:
        pages, shape, selector = self._pages(stack, number)
        for page in pages:
            _check_segments(page, self._size)
        whole = (len(pages), *stack.shape[len(stack.shape) - len(selector) :])
        first, n_bytes = pages[0], pages[0].nbytes
        starts = [page.dataoffsets[0] - i * n_bytes for i, page in enumerate(pages) if page.is_final]
        follow = len(starts) == len(pages) and len(set(starts)) == 1
        if follow and math.prod(whole) * first.dtype.itemsize == len(pages) * n_bytes:
            stacked = self._mapped(first.dtype, first.dataoffsets[0], whole)
        else:
            if int(first.compression) == _JPEG:
                for page in pages:
                    self._check_jpeg(page)
            with _errors_raised():
                stacked = np.stack([page.asarray().reshape(whole[1:]) for page in pages])
        return stacked[(slice(None), *selector)].reshape(*shape, *stacked[(0, *selector)].shape)

    def _check_jpeg(self, page: Any) -> None:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if count:
                self._file.filehandle.seek(offset)
                refuse_noise(self._file.filehandle.read(count))


def _largest(stacks: list[_Stack]) -> list[_Stack]:
    """Return the stacks whose planes are as large as the largest; the remark on these tells of others."""
    best = max(stacks, key=lambda stack: stack.plane_shape[1] * stack.plane_shape[2])
    others = [s for s in stacks if s.plane_shape != best.plane_shape and not s.keyframe.is_reduced]
    remark = (f"{plural(len(others), 'smaller image')} in the file left out",) if others else ()
    return [
        replace(stack, metadata=replace(stack.metadata, remarks=(*stack.metadata.remarks, *remark)))
        for stack in stacks
        if stack.plane_shape == best.plane_shape
    ]


def _check_segments(page: Any, size: int) -> None:
    """Raise ``ValueError`` unless all strips or tiles of a page lie in the file; both numbers 0 mean an empty tile."""
    offsets, counts = page.dataoffsets, page.databytecounts
    if page.is_contiguous:
        counts = (page.nbytes,) if len(offsets) == 1 else counts
    elif min(len(offsets), len(counts)) < math.prod(page.chunked):
        raise ValueError(f"it has {len(offsets):,} of {math.prod(page.chunked):,} strips or tiles")
    noun = "tile" if page.is_tiled else "strip"
    empty = 0
    for index, (offset, count) in enumerate(zip(offsets, counts, strict=False)):
        if offset + count > size:
            raise ValueError(f"{noun} {index} should end at byte {offset + count:,}, the file has {size:,} bytes")
        if page.is_tiled and offset == count == 0:
            empty += 1
        elif offset < _HEADER_BYTES or count == 0:
            raise ValueError(f"{noun} {index} has {count:,} bytes at byte {offset:,}")
    if empty == len(offsets):
        raise ValueError(f"all of its {noun}s are missing")


def _missing_tiles(pages: list[Any]) -> str:
    """Return the remark on empty tiles."""
    missing = sum(offset == 0 for page in pages for offset in page.dataoffsets)
    total = sum(len(page.dataoffsets) for page in pages)
    return f"{missing:,} of {plural(total, 'tile')} missing, read as 0" if missing else ""


def _length(value: Any) -> float | None:
    """Return the side of a pixel from a resolution tag (pixels per unit, a fraction); None if it is not a fraction."""
    if not isinstance(value, tuple) or len(value) != 2 or not all(value):
        return None
    return float(value[1] / value[0])


def _tag_size(value: Any, unit: str) -> float | None:
    """Return the side of a pixel, µm."""
    length = _length(value)
    size = None if length is None else to_micrometres(length, unit)
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
