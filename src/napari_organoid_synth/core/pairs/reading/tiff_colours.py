"""Colours of TIFF pages: palettes and YCbCr become RGB; inks, L*a*b* and sensor mosaics are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.reading.limits import CONVERT, EXPECTED_COLOURS, NotSupported

PALETTE, YCBCR = 3, 6
_JPEG = (6, 7, 33007, 34892)  # compressions that come decoded as RGB
_OTHERS = {
    5: "has the colours of inks (CMYK)",
    8: "has the colours L*a*b*",
    9: "has the colours L*a*b* (ICC)",
    10: "has the colours L*a*b* (ITU)",
    32803: "is a sensor mosaic (Bayer or another colour filter array)",
    32844: "has logarithmic brightness (LogL)",
    32845: "has logarithmic colours (LogLuv)",
}


def refuse_colours(page: Any) -> None:
    """Raise `NotSupported` for a page whose numbers are neither grey values nor red, green and blue."""
    found = _OTHERS.get(int(page.photometric))
    is_plain = page.dtype == np.uint8 and page.samplesperpixel == 3 and not page.is_subsampled
    if int(page.photometric) == YCBCR and page.compression not in _JPEG and not is_plain:
        found = "has the colours YCbCr in a form that is not read"
    if found:
        raise NotSupported(found, EXPECTED_COLOURS, CONVERT)


def is_palette(page: Any) -> bool:
    """Return whether the numbers of a page stand for colours; those of a ramp, and of ImageJ, are intensities."""
    if int(page.photometric) != PALETTE or page.dtype.kind != "u" or page.parent.is_imagej:
        return False
    colours = page.colormap
    if colours is None or colours.ndim != 2 or len(colours) != 3 or colours.shape[1] < 2**page.bitspersample:
        return False
    steps = np.diff(colours.astype(np.int64), axis=1)
    return not ((steps >= 0).all() or (steps <= 0).all())


def apply_palette(numbers: NDArray[Any], page: Any) -> NDArray[np.uint8]:
    """Return the colours (3, Y, X) of the numbers (Y, X) of a palette."""
    colours = page.colormap
    colours = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    rgb: NDArray[np.uint8] = colours[:, numbers]
    return rgb


def ycbcr_to_rgb(plane: NDArray[Any], page: Any) -> NDArray[Any]:
    """Return RGB (3, Y, X) uint8 of Y, Cb, Cr (3, Y, X); JPEG comes as RGB already.

    Formula: TIFF 6.0, section 21.
    """
    if page.compression in _JPEG:
        return plane
    red, green, blue = _fractions(page.tags.valueof("YCbCrCoefficients"), (0.299, 0.587, 0.114))
    low_y, high_y, low_b, high_b, low_r, high_r = _fractions(
        page.tags.valueof("ReferenceBlackWhite"), (0, 255, 128, 255, 128, 255)
    )
    y, cb, cr = plane.astype(np.float32)
    y = (y - low_y) * 255 / (high_y - low_y)
    cb, cr = (cb - low_b) * 127 / (high_b - low_b), (cr - low_r) * 127 / (high_r - low_r)
    r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
    rgb = np.stack([r, (y - blue * b - red * r) / green, b])
    colours: NDArray[Any] = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return colours


def _fractions(values: Any, default: tuple[float, ...]) -> tuple[float, ...]:
    """Return fractions, stored as numerator, denominator, ..., as numbers."""
    if values is None:
        return default
    numbers = [float(value) for value in np.ravel(values)]
    if len(numbers) == 2 * len(default):
        numbers = [top / bottom for top, bottom in zip(numbers[::2], numbers[1::2], strict=True)]
    if len(numbers) != len(default):
        raise ValueError(f"its colour tags have {len(numbers)} values instead of {len(default)}")
    return tuple(numbers)
