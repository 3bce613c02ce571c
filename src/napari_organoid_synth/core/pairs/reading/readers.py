"""One file, one plane: open TIFF, PNG, JPEG, BMP, OME-Zarr, CZI, ND2 and LIF as arrays (C, Y, X)."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.reading.formats import READABLE, format_of, is_directory, is_zarr, read_head
from napari_organoid_synth.core.pairs.reading.formats import short as short
from napari_organoid_synth.core.pairs.reading.limits import NotSupported
from napari_organoid_synth.core.pairs.reading.ome_xml import PixelMetadata
from napari_organoid_synth.core.pairs.reading.picture_reader import PictureReader
from napari_organoid_synth.core.pairs.reading.tiff_reader import TiffReader
from napari_organoid_synth.core.pairs.reading.vendor_reader import VendorReader
from napari_organoid_synth.core.pairs.reading.zarr_reader import ZarrReader


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


def open_reader(path: Path) -> Reader:
    """Open a file according to its first bytes, not its ending.

    Raises
    ------
    UserError
        If it is missing, empty, damaged, of an unknown format, or not a file, such as a pipe or a device.
    """
    if is_directory(path):
        if not is_zarr(path):
            raise UserError(f"{path} is a folder.", "Expected an image file or an OME-Zarr folder.")
        return _guard(path, "OME-Zarr", ZarrReader)
    head = read_head(path)
    if not head:
        raise UserError(
            f"{short(path)} is empty (0 bytes).", "Expected an image.", "Copy the file again from its source."
        )
    kind = format_of(head)
    if kind == "TIFF":
        return _guard(path, kind, TiffReader)
    if kind in ("PNG", "JPEG", "BMP"):
        return _guard(path, kind, PictureReader)
    if kind:
        return _guard(path, kind, partial(VendorReader, kind=kind))
    raise UserError(
        f"{short(path)} has an unknown format ({path.stat().st_size:,} bytes).",
        f"Expected {READABLE}.",
        "Save it as TIFF, for example with Fiji.",
    )


def damaged(path: Path, kind: str, why: object) -> NoReturn:
    """Raise the error for a file that ends early or cannot be interpreted."""
    logging.getLogger(__name__).debug("%s cannot be read", path, exc_info=True)
    if isinstance(why, NotSupported):
        raise UserError(f"{short(path)} {why.found}.", why.expected, why.todo) from None
    if isinstance(why, MemoryError):
        raise UserError(
            f"Memory is full with {short(path)}.", "Expected an image that fits into memory.", "Cut it into parts."
        ) from None
    text = str(why).strip().rstrip(".") or type(why).__name__
    if isinstance(why, OSError) and why.strerror and why.errno:
        text = why.strerror
    if isinstance(why, KeyError | IndexError | TypeError | AttributeError | OverflowError | struct.error):
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
    except UserError:
        raise
    except Exception as error:  # damaged files raise any error of the libraries
        damaged(path, kind, error)
