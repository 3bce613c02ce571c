"""Pictures of a pair: thumbnails as PNG bytes, outlines of masks, overlays of errors."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair

THUMBNAIL_SIDE = 192  # px
_COLOURS = {  # rows: channels; columns: red, green, blue
    1: ((1, 1, 1),),
    2: ((1, 0, 1), (0, 1, 0)),
    3: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}


def make_thumbnail(pair: SamplePair, side: int = THUMBNAIL_SIDE) -> tuple[bytes, bytes]:
    """Return PNG of the image (8-bit) and of the labels (16-bit), the longer edge at most ``side`` px."""
    image, labels = picture(pair.image, pair.is_rgb), pair.labels
    height, width = pair.size
    shrink = min(1.0, side / max(height, width))
    small = max(1, round(height * shrink)), max(1, round(width * shrink))
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp) for new, old in zip(small, (height, width), strict=True)
    )
    shown = labels[rows[:, None], columns]
    shown = np.where(shown > 0, (shown - 1) % 65535 + 1, 0).astype(np.uint16)  # ids above 65535 share a colour
    if (image == image[..., :1]).all():
        image = image[..., 0]  # a third of the bytes, decoded in half the time
    return encode_png(image, small), encode_png(shown)


def picture(image: NDArray[Any], rgb: bool = False, between: Sequence[tuple[float, float]] = ()) -> NDArray[np.uint8]:
    """Convert an image to the picture that a person sees.

    Parameters
    ----------
    image : NDArray (C, Y, X), any dtype
        Values that are not finite become black.
    rgb : bool
        Stretch the channels together, so that colours are kept. Otherwise each channel has its own contrast; two are
        shown in magenta and green, of more the first three in red, green and blue.
    between : sequence of (float, float)
        For each channel shown, the values that become black and white, so that several images can be compared; default:
        from the image itself.

    Returns
    -------
    NDArray (Y, X, 3) uint8
        Without ``between`` percentiles 0.2 and 99.8 become 0 and 255; a constant image is mid-grey.
    """
    channels = np.asarray(image[:3], dtype=np.float32)
    channels = np.where(np.isfinite(channels), channels, np.nan)
    step = max(1, max(channels.shape[1:]) // 512)
    probe = channels[:, ::step, ::step]
    probe = probe.reshape(1, -1) if rgb else probe.reshape(len(channels), -1)
    scaled = np.empty_like(channels)
    for number, channel in enumerate(channels):
        low, high = between[number] if between else limits(probe[0 if rgb else number])
        scaled[number] = (channel - low) / (high - low) if high > low else 0.5
    return coloured(scaled)


def coloured(channels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Convert channels (1 to 3, Y, X), 0 black and 1 bright, to the colours of `picture`, (Y, X, 3)."""
    scaled = np.clip(np.nan_to_num(channels), 0, 1)
    colours = np.asarray(_COLOURS[len(scaled)], dtype=np.float32)
    mixed = np.minimum(np.tensordot(scaled, colours, axes=(0, 0)), 1)  # (Y, X, 3)
    return np.asarray(np.rint(mixed * 255), dtype=np.uint8)


def limits(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the values shown as black and as white: percentiles 0.2 and 99.8, or the extremes if these are equal."""
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [0.2, 99.8]) if values.size else (0.0, 0.0)
    if low == high and values.size:
        low, high = float(values.min()), float(values.max())
    return float(low), float(high)


def resized(channel: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Shrink a channel (Y, X) to (height, width) by area means; 8-bit stays 8-bit, others become float32."""
    from PIL import Image

    if channel.dtype != np.uint8:
        channel = np.asarray(channel, np.float32)
    if size == channel.shape:
        return channel
    return np.asarray(Image.fromarray(channel).resize((size[1], size[0]), Image.Resampling.BOX))


def encode_png(array: NDArray[Any], size: tuple[int, int] | None = None) -> bytes:
    """Encode (Y, X[, 3]) uint8 or (Y, X) uint16 as PNG, shrunk to ``size`` (height, width) by area means if given."""
    from PIL import Image

    picture = Image.fromarray(array)
    if size is not None and size != array.shape[:2]:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BOX)
    stream = BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def decode_png(data: bytes) -> NDArray[Any]:
    """Decode PNG bytes of `encode_png`: 8-bit as (Y, X, 3) uint8, also if grey, 16-bit as (Y, X) uint16."""
    from PIL import Image

    with Image.open(BytesIO(data), formats=("PNG",)) as picture:
        array = np.asarray(picture)
    return np.repeat(array[..., None], 3, axis=-1) if array.ndim == 2 and array.dtype == np.uint8 else array


FALSE_POSITIVE = (255, 0, 255)  # magenta: marked, but nothing there
FALSE_NEGATIVE = (0, 255, 255)  # cyan: there, but missed
WRONG_CLASS = (255, 255, 0)  # yellow: marked as another class


def error_overlay(
    predicted: NDArray[Any], truth: NDArray[Any], background: NDArray[np.uint8] | None = None, classes: bool = False
) -> NDArray[np.uint8]:
    """Draw the errors of a prediction in colour.

    Parameters
    ----------
    predicted, truth : NDArray (Y, X) int, 0 is background
        Label images of the same size.
    background : NDArray (Y, X, 3) uint8, optional
        The image; without it, correct foreground is white and correct background black.
    classes : bool
        Whether the values are classes, so that two different values at a pixel are an error too.

    Returns
    -------
    NDArray (Y, X, 3) uint8
        False positives magenta, false negatives cyan, wrong classes yellow; correct pixels show the background.
    """
    marked, real = np.asarray(predicted) != 0, np.asarray(truth) != 0
    if background is None:
        picture = np.repeat(np.where(marked & real, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    else:
        picture = np.array(background, dtype=np.uint8)
    picture[marked & ~real] = FALSE_POSITIVE
    picture[real & ~marked] = FALSE_NEGATIVE
    if classes:
        picture[marked & real & (np.asarray(predicted) != np.asarray(truth))] = WRONG_CLASS
    return picture


def flow_colours(flow: NDArray[np.float32], longest: float = 5.0) -> NDArray[np.uint8]:
    """Draw arrows in colour as Cellpose does: the hue is the direction, the brightness the length.

    Parameters
    ----------
    flow : NDArray (2, ..., Y, X) float32
        dy, dx; up is red, down cyan.
    longest : float
        Length of full brightness; Cellpose learns arrows of 5.

    Returns
    -------
    NDArray (..., Y, X, 3) uint8
    """
    dy, dx = flow
    angle = np.arctan2(dx, dy) + np.pi
    half = 127.5 * np.minimum(np.hypot(dy, dx) / longest, 1)
    colours = [half * (1 + np.cos(angle + turn * 2 * np.pi / 3)) for turn in range(3)]
    picture: NDArray[np.uint8] = np.stack(colours, -1).astype(np.uint8)
    return picture


def outline(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the pixels of objects that share an edge with another label or background.

    Parameters
    ----------
    labels : NDArray (..., Y, X) int, 0 is background
        A label image, or a stack of them.

    Returns
    -------
    NDArray (..., Y, X) bool
        The border of the image alone does not make an outline.
    """
    labels = np.asarray(labels)
    edge: NDArray[np.bool_] = np.zeros(labels.shape, dtype=bool)
    down = labels[..., 1:, :] != labels[..., :-1, :]
    edge[..., 1:, :] |= down
    edge[..., :-1, :] |= down
    right = labels[..., 1:] != labels[..., :-1]
    edge[..., 1:] |= right
    edge[..., :-1] |= right
    edge &= labels != 0
    return edge
