"""Light and noise of an image: quick enough to follow a slider, and the same for a part as for the whole.

What a pixel becomes depends on its place, the settings and the seed, and with blur on its neighbours: a part of an
image that changed is lit alone and fits. The order is that of a microscope with a camera: look and tones of the object,
blur, illumination, noise.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_organoid_synth.core.boxes import Box
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.live.look import Look, Tones

Span: TypeAlias = tuple[float, float]
BAND = 64  # rows that are blurred at once, so that they stay in the cache
BLOCK = 256  # side of the squares in which noise is drawn, px
TRUNCATE = 3.0  # σ from the middle of a blur to its end
LEVELS = 1 << 16  # different values of the noise


class LightSettings(Settings):
    """Changes of light and noise; the defaults change no bit."""

    brightness: float = Field(0.0, ge=-1, le=1, description="Added to every pixel, as a share of the range.")
    contrast: float = Field(1.0, ge=0, le=2, description="Factor of the distance from the middle of the range.")
    gamma: float = Field(1.0, ge=0.2, le=2, description="Exponent of the tones; below 1 middle tones become brighter.")
    blur: float = Field(0.0, ge=0, le=10, description="Blur, standard deviation, px.")
    gradient: float = Field(
        0.0, ge=0, le=1, description="Uneven illumination: difference between both sides, as a share of the mean."
    )
    angle: float = Field(
        0.0, ge=-180, le=180, description="Direction of the brighter side, degrees: 0 right, 90 bottom."
    )
    noise: float = Field(0.0, ge=0, le=0.3, description="Noise, standard deviation, as a share of the range.")

    @property
    def reach(self) -> int:
        """Distance, px, up to which a changed pixel changes its neighbours."""
        return int(TRUNCATE * self.blur + 0.5)

    @property
    def is_neutral(self) -> bool:
        """Whether nothing is changed."""
        return not (self.blur or self.gradient or self.noise) and self.keeps_tones

    @property
    def keeps_tones(self) -> bool:
        """Whether brightness, contrast and gamma change nothing."""
        return (self.brightness, self.contrast, self.gamma) == (0, 1, 1)


def apply_light(
    image: NDArray[Any],
    settings: LightSettings,
    seed: int = 0,
    box: Box | None = None,
    look: Look | NDArray[Any] | None = None,
    span: Span | None = None,
) -> NDArray[Any]:
    """Change light and noise of an image.

    Parameters
    ----------
    image : NDArray (C, Y, X)
        The whole image, native dtype; it stays as it is.
    settings : LightSettings
        What to change.
    seed : int
        Of the noise; not negative.
    box : (int, int, int, int), optional
        The part that is returned; the whole image when not given.
    look : Look or NDArray (C, Y, X), optional
        Tones of another image, from `Look.between`, or that image. A look that is given is kept while the image
        changes; from an image it is measured again each time.
    span : (float, float), optional
        Darkest and brightest value that the settings refer to. When not given, all values of 8-bit images, else the
        range of this image, which moves when its brightest pixel does.

    Returns
    -------
    NDArray (C, y, x)
        The same dtype; integers are rounded and clipped to what the dtype holds, floats to the span.

    Raises
    ------
    UserError
        If the look has another number of channels, or the span is empty.
    """
    top, left, bottom, right = place = box or (0, 0, image.shape[1], image.shape[2])
    if isinstance(look, np.ndarray):
        look = Look.between(image, look)
    if look is None and settings.is_neutral:
        return image[:, top:bottom, left:right].copy()
    if look is not None and len(look.tones) != len(image):
        raise UserError(
            f"The look has {len(look.tones)} channels, the image {len(image)}.",
            "Expected as many.",
            "Choose an image with the same channels.",
        )
    low, high = span = span or _span_of(image)
    if not low < high:
        raise UserError(f"The range of the tones is {low:g} to {high:g}.", "Expected a darkest below a brightest one.")
    result = np.empty((len(image), bottom - top, right - left), image.dtype)
    for channel, plane in enumerate(image):
        tones = None if look is None else look.tones[channel]
        values = _toned(plane, settings, tones, span, place)
        if settings.gradient:
            values -= low
            values *= _illumination(plane.shape, settings, place).astype(values.dtype, copy=False)
            values += low
        if settings.noise:
            _add_noise(values, settings.noise * (high - low), (seed, channel), (top, left))
        _store(values, result[channel], span)
    return result


# --- tones and blur --------------------------------------------------------------------------------------------------


def _toned(
    plane: NDArray[Any], settings: LightSettings, tones: Tones | None, span: Span, box: Box
) -> NDArray[np.floating[Any]]:
    """Return a part of a plane with look, tones and blur, as new floats."""
    reach = settings.reach
    height, width = plane.shape
    top, left, bottom, right = box
    outer = max(top - reach, 0), max(left - reach, 0), min(bottom + reach, height), min(right + reach, width)
    part = plane[outer[0] : outer[2], outer[1] : outer[3]]
    if part.dtype.kind in "iu" and part.dtype.itemsize <= 2:  # every value once, not every pixel
        first = np.iinfo(part.dtype).min
        every = np.arange(first, np.iinfo(part.dtype).max + 1, dtype=np.float32)
        table = _changed(every, settings, tones, span).astype(np.float32)
        values = np.take(table, part if first == 0 else part.astype(np.int32) - first)
    else:
        kind = np.float32 if part.dtype in (np.float32, np.float16, np.bool_) else np.float64
        values = _changed(part.astype(kind), settings, tones, span).astype(kind, copy=False)
    if not reach:
        return values
    before, after = (top - outer[0], outer[2] - bottom), (left - outer[1], outer[3] - right)
    blurred = _blurred(np.pad(values, reach, mode="edge"), settings.blur)
    return blurred[before[0] : blurred.shape[0] - before[1], after[0] : blurred.shape[1] - after[1]]


def _changed(values: NDArray[Any], settings: LightSettings, tones: Tones | None, span: Span) -> NDArray[Any]:
    """Return values with look, gamma, contrast and brightness."""
    if tones is not None:
        values = np.interp(values, *tones)
    if settings.keeps_tones:
        return values
    low, high = span
    shares = (values - low) / (high - low)
    if settings.gamma != 1:
        shares = np.maximum(shares, 0) ** settings.gamma
    shares = (shares - 0.5) * settings.contrast + (0.5 + settings.brightness)
    changed: NDArray[Any] = shares * (high - low) + low
    return changed


def _blurred(padded: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Blur a plane (Y + 2 r, X + 2 r) with a Gaussian that ends at r px: (Y, X).

    Written out, since SciPy's takes several times as long along the first axis.
    """
    reach = int(TRUNCATE * sigma + 0.5)
    half = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    half = (half / (2 * half.sum() - half[0])).astype(padded.dtype)
    height, width = (length - 2 * reach for length in padded.shape)
    result = np.empty((height, width), padded.dtype)
    for first in range(0, height, BAND):
        rows = padded[first : first + min(BAND, height - first) + 2 * reach]
        columns = _smoothed(rows, half).T
        result[first : first + BAND] = _smoothed(columns, half).T
    return result


def _smoothed(rows: NDArray[Any], half: NDArray[Any]) -> NDArray[Any]:
    """Filter along the first axis with weights from the middle to one end; shorter by twice their length less one."""
    reach = len(half) - 1
    length = len(rows) - 2 * reach
    total: NDArray[Any] = rows[reach : reach + length] * half[0]
    both = np.empty_like(total)
    for distance in range(1, reach + 1):
        np.add(rows[reach - distance :][:length], rows[reach + distance :][:length], out=both)
        both *= half[distance]
        total += both
    return total


# --- illumination and noise ------------------------------------------------------------------------------------------


def _illumination(shape: tuple[int, ...], settings: LightSettings, box: Box) -> NDArray[np.float32]:
    """Return the factors (y, x) of a part: 1 in the middle of the whole, rising in the direction of the angle."""
    height, width = shape
    turn = math.radians(settings.angle)
    down, right = math.sin(turn), math.cos(turn)
    extent = abs(down) * (height - 1) + abs(right) * (width - 1) or 1.0
    rows = (np.arange(box[0], box[2]) - (height - 1) / 2) * (settings.gradient * down / extent)
    columns = (np.arange(box[1], box[3]) - (width - 1) / 2) * (settings.gradient * right / extent)
    factors: NDArray[np.float32] = (rows[:, None] + 1).astype(np.float32) + columns.astype(np.float32)
    return factors


def _add_noise(values: NDArray[Any], spread: float, seeds: tuple[int, int], corner: tuple[int, int]) -> None:
    """Add noise of N(0, spread²) in place; it belongs to places: squares are drawn whole, and cut."""
    table = (_quantiles() * np.float32(spread)).astype(values.dtype)
    (top, left), (height, width) = corner, values.shape
    for down in range(top // BLOCK, (top + height - 1) // BLOCK + 1):
        for right in range(left // BLOCK, (left + width - 1) // BLOCK + 1):
            bits = np.random.SFC64([*seeds, down, right]).random_raw(BLOCK * BLOCK // 4)
            square = bits.view(np.uint16).reshape(BLOCK, BLOCK)
            y, x = down * BLOCK - top, right * BLOCK - left  # of the square in the part
            target = values[max(y, 0) : y + BLOCK, max(x, 0) : x + BLOCK]
            target += np.take(table, square[max(-y, 0) :, max(-x, 0) :][: target.shape[0], : target.shape[1]])


@lru_cache(maxsize=1)
def _quantiles() -> NDArray[np.float32]:
    """Return the numbers of N(0, 1) that are equally probable, one for each 16 bits."""
    from scipy.special import ndtri

    numbers: NDArray[np.float32] = ndtri((np.arange(LEVELS) + 0.5) / LEVELS).astype(np.float32)
    return numbers


# --- range -----------------------------------------------------------------------------------------------------------


def _span_of(image: NDArray[Any]) -> Span:
    """Return all values of 8 bits, else darkest and brightest pixel; 0 to 1 where all are equal."""
    if image.dtype.kind in "iu" and image.dtype.itemsize == 1:
        return float(np.iinfo(image.dtype).min), float(np.iinfo(image.dtype).max)
    finite = image[np.isfinite(image)] if image.dtype.kind == "f" else image
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if low < high else (low, low + 1)


def _store(values: NDArray[Any], out: NDArray[Any], span: Span) -> None:
    """Write floats into a plane of the native dtype; ``values`` is used up."""
    if out.dtype.kind in "iu":
        limits = np.iinfo(out.dtype)
        np.rint(values, out=values)
        span = float(limits.min), float(limits.max)
    elif out.dtype.kind == "b":
        np.rint(values, out=values)
        span = 0.0, 1.0
    np.clip(values, *span, out=values)
    out[...] = values
