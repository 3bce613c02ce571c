"""Read PNG, JPEG and BMP through Pillow."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.reading.formats import HEAD_BYTES
from napari_organoid_synth.core.pairs.reading.limits import (
    CONVERT,
    DEFLATE_RATIO,
    EXPECTED_COLOURS,
    GREY_ALPHA,
    NotSupported,
    refuse_noise,
    refuse_too_large,
)
from napari_organoid_synth.core.pairs.reading.ome_xml import PixelMetadata

_MAX_RATIOS = {"PNG": DEFLATE_RATIO, "BMP": 300, "JPEG": 3_000}


class PictureReader:
    """PNG, JPEG and BMP through Pillow."""

    kind = "picture"
    n_pages = 1

    def __init__(self, path: Path) -> None:
        import warnings

        from PIL import Image

        _check_png(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pixels that are many, but chosen by the user; of odd metadata
            self._image = Image.open(path, formats=("PNG", "JPEG", "BMP", "DIB"))
        self.kind = self._image.format or self.kind
        try:
            self._check(path)
        except BaseException:
            self._image.close()
            raise

    def _check(self, path: Path) -> None:
        """Compare the size with the bytes in the file, and refuse what Pillow would read as something else."""
        (width, height), mode = self._image.size, self._image.mode
        ratio = _MAX_RATIOS.get(self.kind, 1) * (8 if mode in ("1", "P") else 1)
        refuse_too_large(width * height * len(self._image.getbands()), path.stat().st_size, ratio)
        if mode in ("CMYK", "LAB", "YCbCr", "HSV"):
            colours = {"CMYK": "of inks (CMYK)", "LAB": "L*a*b*"}.get(mode, mode)
            raise NotSupported(f"has the colours {colours}", EXPECTED_COLOURS, CONVERT)
        if self.kind == "JPEG":
            refuse_noise(path.read_bytes())

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


def _check_png(path: Path) -> None:
    """Refuse a PNG whose parts end after the file (Pillow takes memory for them), or that would lose 8 of 16 bits.

    Raises
    ------
    ValueError, NotSupported
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        if not head.startswith(b"\x89PNG"):
            return
        place = 8
        while place + 8 <= size:
            stream.seek(place)
            length, kind = struct.unpack(">I4s", stream.read(8))
            if place + 12 + length > size:
                raise ValueError(f"a part at byte {place:,} has {length:,} bytes, the file {size:,}")
            if kind == b"IEND":
                break
            place += 12 + length
    if head[24:25] == b"\x10" and head[25:26] in (b"\x02", b"\x04", b"\x06"):
        raise NotSupported(
            "is a PNG with 16 bits in several channels",
            "Expected 8 bits, or 16 bits in one channel: PNG readers discard the rest.",
            "Save it as TIFF.",
        )
