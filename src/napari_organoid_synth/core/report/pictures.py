"""Pictures inside the page: tiles at their own pixels with outlines of masks above them, all of a bounded size."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import limits, outline, picture
from napari_organoid_synth.core.report.charts import COLOURS

LARGEST = 256  # px of a tile
WHOLE = 512  # px of a whole picture
ROOM = 5_000_000  # bytes of all pictures
PNG_BYTES = 48_000  # a larger picture becomes a JPEG
SMALL = 80  # px of a picture once the room is used up
Limits = Sequence[tuple[float, float]]


class Album:
    """Makes the pictures of a page and counts their bytes.

    Parameters
    ----------
    real : sequence of SamplePair
        Real tiles, whose range of intensities all tiles are shown with: brightness can be compared. Without any, each
        picture has its own.
    room : int
        Bytes; pictures beyond are shrunk to 80 px.
    """

    def __init__(self, real: Sequence[SamplePair] = (), room: int = ROOM) -> None:
        self.rgb = bool(real) and real[0].is_rgb
        self.room, self.shrunk = room, 0
        self._between = _common_limits(real, self.rgb)

    def tile(self, pair: SamplePair, caption: str = "") -> str:
        """A tile at its own pixels, the middle 256 px of a larger one, with the outlines of its mask."""
        return self.pixels(pair.image, pair.labels, caption, pair.name)

    def pixels(self, image: NDArray[Any], labels: NDArray[Any], caption: str, name: str) -> str:
        """The same from an image (C, Y, X), native dtype, and its labels (Y, X)."""
        box = tuple(
            slice(max(0, (side - LARGEST) // 2), max(0, (side - LARGEST) // 2) + LARGEST) for side in labels.shape
        )
        between = self._between if len(self._between) == min(len(image), 3) else ()
        shown = picture(image[(slice(None), *box)], self.rgb, between)
        return self.figure(shown, labels[box], caption, name)

    def figure(self, image: NDArray[np.uint8], labels: NDArray[Any] | None, caption: str, name: str) -> str:
        """A picture (Y, X, 3) with the outlines of labels (Y, X); small ones are magnified by whole numbers."""
        height, width = image.shape[:2]
        zoom = max(1, 128 // max(height, width))
        source = self._encode(image)
        mask = ""
        if labels is not None and labels.any():
            mask = f'<img class=mask alt="outlines of the mask of {escape(name)}" src="{_outlines(labels)}">'
        below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        return (
            f'<figure><span class=picture><img alt="{escape(name)}" width={width * zoom} height={height * zoom} '
            f'src="{source}">{mask}</span>{below}</figure>'
        )

    def whole(self, image: NDArray[np.uint8], caption: str) -> str:
        """A whole picture (Y, X, 3), at most 512 px."""
        source = self._encode(image, WHOLE)
        return (
            f'<figure><img alt="{escape(caption)}" src="{source}"><figcaption>{escape(caption)}</figcaption></figure>'
        )

    def _encode(self, image: NDArray[np.uint8], most: int = LARGEST) -> str:
        from PIL import Image

        grey = bool((image == image[..., :1]).all())
        drawn = Image.fromarray(image[..., 0] if grey else image)
        drawn.thumbnail((most, most))
        if self.room <= 0 and max(drawn.size) > SMALL:
            drawn.thumbnail((SMALL, SMALL))
            self.shrunk += 1
        data, kind = _save(drawn, "PNG", optimize=True), "png"
        if len(data) > PNG_BYTES:
            data, kind = _save(drawn, "JPEG", quality=90, subsampling=0), "jpeg"
        self.room -= len(data)
        return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _common_limits(real: Sequence[SamplePair], rgb: bool) -> list[tuple[float, float]]:
    """Values of each channel that become black and white.

    Of the limits of each tile the median and the upper quartile: one bright tile does not darken the others.
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
    """Outlines as a PNG of eight colours, the first of them clear."""
    from PIL import Image

    numbers = np.where(outline(labels), (np.asarray(labels).astype(np.int64) - 1) % len(COLOURS) + 1, 0)
    drawn = Image.fromarray(numbers.astype(np.uint8), "P")
    colours = COLOURS[3:] + COLOURS[:3]
    drawn.putpalette([0, 0, 0, *(value for colour in colours for value in bytes.fromhex(colour[1:]))])
    data = _save(drawn, "PNG", optimize=True, transparency=0)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _save(drawn: Any, format: str, **options: Any) -> bytes:
    stream = BytesIO()
    drawn.save(stream, format, **options)
    return stream.getvalue()
