"""Pictures inside the page: tiles at their own pixels with outlines of masks above them, all of a bounded size."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import limits, outline, picture
from napari_organoid_synth.core.report.charts import COLOURS

MAX_TILE = 256  # px, side of a tile
MAX_WHOLE = 512  # px, side of a whole picture
MAX_BYTES = 5_000_000  # of all pictures
MAX_PNG_BYTES = 48_000  # a larger picture becomes a JPEG
SHRUNK = 80  # px, side of a picture beyond MAX_BYTES
Limits = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Parameters
    ----------
    source : str
        The image as a data URL.
    name : str
        Description, for people who cannot see it.
    caption : str
        Text below it.
    mask : str
        Outlines of the mask as a data URL, above the image; empty for none.
    width, height : int
        Size on the page in px; 0 where it fills its column.
    """

    source: str
    name: str
    caption: str = ""
    mask: str = ""
    width: int = 0
    height: int = 0


class Album:
    """The pictures of a page, with their bytes counted.

    Parameters
    ----------
    real : sequence of SamplePair
        Real tiles, whose range of intensities all tiles share, so that brightness can be compared. Without any, each
        picture has its own.
    max_bytes : int
        Pictures beyond are shrunk to 80 px.
    contrast : sequence of (float, float)
        Range of each channel; default: that of the real tiles.
    """

    def __init__(self, real: Sequence[SamplePair] = (), max_bytes: int = MAX_BYTES, contrast: Limits = ()) -> None:
        self.rgb = bool(real) and real[0].is_rgb
        self.bytes_left, self.shrunk = max_bytes, 0
        self._common = contrast or _common_limits(real, self.rgb)

    def tile(self, pair: SamplePair, caption: str = "") -> Picture:
        """Show a tile at its own pixels, the central 256 px of a larger one, with the outlines of its mask."""
        return self.pixels(pair.image, pair.labels, caption, pair.name)

    def pixels(self, image: NDArray[Any], labels: NDArray[Any], caption: str, name: str) -> Picture:
        """Show the same of an image (C, Y, X), native dtype, and its labels (Y, X)."""
        box = tuple(
            slice(max(0, (side - MAX_TILE) // 2), max(0, (side - MAX_TILE) // 2) + MAX_TILE) for side in labels.shape
        )
        contrast = self._common if len(self._common) == min(len(image), 3) else ()
        shown = picture(image[(slice(None), *box)], self.rgb, contrast)
        return self.figure(shown, labels[box], caption, name)

    def figure(self, image: NDArray[np.uint8], labels: NDArray[Any] | None, caption: str, name: str) -> Picture:
        """Show a picture (Y, X, 3) with the outlines of labels (Y, X); a small one is magnified by a whole number."""
        height, width = image.shape[:2]
        zoom = max(1, 128 // max(height, width))
        mask = _outlines(labels) if labels is not None and labels.any() else ""
        return Picture(self._encode(image), name, caption, mask, width * zoom, height * zoom)

    def whole(self, image: NDArray[np.uint8], caption: str) -> Picture:
        """Show a whole picture (Y, X, 3), at most 512 px."""
        return Picture(self._encode(image, MAX_WHOLE), caption, caption)

    def _encode(self, image: NDArray[np.uint8], max_side: int = MAX_TILE) -> str:
        from PIL import Image

        grey = bool((image == image[..., :1]).all())
        canvas = Image.fromarray(image[..., 0] if grey else image)
        canvas.thumbnail((max_side, max_side))
        if self.bytes_left <= 0 and max(canvas.size) > SHRUNK:
            canvas.thumbnail((SHRUNK, SHRUNK))
            self.shrunk += 1
        data, kind = _save(canvas, "PNG", optimize=True), "png"
        if len(data) > MAX_PNG_BYTES:
            data, kind = _save(canvas, "JPEG", quality=90, subsampling=0), "jpeg"
        self.bytes_left -= len(data)
        return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _common_limits(real: Sequence[SamplePair], rgb: bool) -> list[tuple[float, float]]:
    """Return the values of each channel that become black and white.

    They are the median of the lower and the upper quartile of the upper limits of the tiles, so that one bright tile
    does not darken the others.
    """
    if not real or len({len(tile.image) for tile in real}) > 1:
        return []
    channels = range(min(3, len(real[0].image)))
    each = [
        [limits(np.asarray(tile.image[:3] if rgb else tile.image[one], np.float32)) for one in channels]
        for tile in real
    ]
    low, high = np.moveaxis(np.array(each), 2, 0)  # (tiles, channels)
    return list(zip(np.median(low, 0).tolist(), np.percentile(high, 75, 0).tolist(), strict=True))


def _outlines(labels: NDArray[Any]) -> str:
    """Return outlines as a PNG of eight colours, the first of them transparent."""
    from PIL import Image

    numbers = np.where(outline(labels), (np.asarray(labels).astype(np.int64) - 1) % len(COLOURS) + 1, 0)
    canvas = Image.fromarray(numbers.astype(np.uint8), "P")
    colours = COLOURS[3:] + COLOURS[:3]
    canvas.putpalette([0, 0, 0, *(value for colour in colours for value in bytes.fromhex(colour[1:]))])
    data = _save(canvas, "PNG", optimize=True, transparency=0)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _save(drawn: Any, format: str, **options: Any) -> bytes:
    stream = BytesIO()
    drawn.save(stream, format, **options)
    return stream.getvalue()
