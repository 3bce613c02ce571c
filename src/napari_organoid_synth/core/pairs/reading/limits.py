"""What a file says of itself, compared with what is in it, before memory is taken."""

from __future__ import annotations

from napari_organoid_synth.core.errors import UserError

GREY_ALPHA = ("grey", "alpha")
EXPECTED_COLOURS, CONVERT = "Expected grey values or RGB.", "Convert it to RGB, for example with Fiji."
SMALL_BYTES = 64 << 20
"""Arrays up to this size are made unasked."""

MAX_RATIO = 50_000
"""Bytes that one stored byte may become: blocks of zeros under zstd or blosc."""

DEFLATE_RATIO = 1_100
"""The same for deflate, whose bound is 1,032."""


_JPEG_CODES = (0x00, *range(0xD0, 0xD8), 0xC4, 0xDA, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE, 0xFF)
"""What follows an FF: a pixel byte, restarts, tables and headers of further scans, notes, fill."""


class NotSupported(ValueError):
    """Raised for a file that may be whole, but is not read: what it is, what was expected, what to do."""

    def __init__(self, found: str, expected: str, todo: str) -> None:
        super().__init__(found)
        self.found, self.expected, self.todo = found, expected, todo


def refuse_too_large(n_bytes: int, n_stored: int, max_ratio: int = MAX_RATIO) -> None:
    """Raise ``ValueError`` if so many bytes of pixels cannot come from so many stored bytes."""
    if n_bytes > max(SMALL_BYTES, n_stored * max_ratio):
        raise ValueError(f"it describes {n_bytes:,} bytes of pixels, more than its {n_stored:,} bytes can hold")


def refuse_memory(n_bytes: int, where: str) -> None:
    """Raise `UserError` if an array is larger than the free memory of this computer."""
    if n_bytes <= 4 * SMALL_BYTES:
        return
    import psutil

    free = psutil.virtual_memory().available
    if n_bytes > free:
        raise UserError(
            f"One plane of {where} needs {n_bytes / 1e9:,.1f} GB of memory, {free / 1e9:,.1f} GB are free.",
            "Expected a plane that fits into memory.",
            "Cut it into parts, or save it as a TIFF without compression, which stays on the disk.",
        )


def refuse_noise(jpeg: bytes) -> None:
    """Raise ``ValueError`` if the compressed pixels of a JPEG contain markers that may not stand there.

    Decoders pass over them in silence, and make grey or striped pixels of the rest.
    """
    import numpy as np

    start = jpeg.find(b"\xff\xda")
    if start < 0:
        raise ValueError("its compressed pixels are missing")
    body = np.frombuffer(jpeg, np.uint8)[start + 2 :]
    codes = body[1:][body[:-1] == 0xFF]
    end = np.flatnonzero(codes == 0xD9)
    codes = codes[: end[0]] if end.size else codes
    if codes.size and not np.isin(codes, _JPEG_CODES).all():
        raise ValueError("its compressed pixels contain bytes that are not JPEG")
